//! The trace context of a request, which links a call to its cause if the service passes it on.

use crate::headers::Headers;

/// The identifier of the trace from `traceparent` (W3C Trace Context) or B3: 32 hexadecimal digits
/// in lower case. Tracers translate between the two.
pub fn trace_id(headers: &Headers) -> Option<String> {
    traceparent(headers).or_else(|| b3(headers))
}

/// The value of `x-request-id`.
pub fn request_id(headers: &Headers) -> Option<&str> {
    text(headers, b"x-request-id")
}

/// `00-TRACE-PARENT-FLAGS`. Later versions may append fields (W3C Trace Context, 3.2.2 and 4.3).
fn traceparent(headers: &Headers) -> Option<String> {
    let mut parts = text(headers, b"traceparent")?.split('-');
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is = |part: &str, length| part.len() == length && part.bytes().all(|b| b.is_ascii_hexdigit());
    let known =
        is(version, 2) && !version.eq_ignore_ascii_case("ff") && (version != "00" || parts.next().is_none());
    let whole = known && is(parent, 16) && is(flags, 2) && trace.len() == 32;
    normal(trace).filter(|_| whole)
}

/// `b3: TRACE-SPAN…`, or `x-b3-traceid` (B3 Propagation, "Single Header", "Multiple Headers").
fn b3(headers: &Headers) -> Option<String> {
    let single = text(headers, b"b3").and_then(|value| normal(value.split_once('-')?.0));
    single.or_else(|| normal(text(headers, b"x-b3-traceid")?))
}

/// An identifier of 64 bits is the right half of one of 128 bits (B3 Propagation, "TraceId"). All
/// zeros is invalid.
fn normal(text: &str) -> Option<String> {
    let is_id = matches!(text.len(), 16 | 32) && text.bytes().all(|b| b.is_ascii_hexdigit());
    let says_something = text.bytes().any(|b| b != b'0');
    (is_id && says_something).then(|| format!("{:0>32}", text.to_ascii_lowercase()))
}

fn text<'a>(headers: &'a Headers, name: &[u8]) -> Option<&'a str> {
    let value = std::str::from_utf8(headers.get(name)?).ok()?.trim();
    (!value.is_empty()).then_some(value)
}
