//! Small texts that the formats share: times, URLs, JSON's white space, UUIDs. Never touches a file.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::IgnoredAny;
use std::borrow::Cow;
use understudy_core::{backend, digest, time};
use understudy_snapshot::check_name;

/// Bytes from base64; else what is wrong with it.
pub(super) fn from_base64(code: &str) -> Result<Vec<u8>, String> {
    STANDARD.decode(code.trim()).map_err(|error| format!("not base64: {error}"))
}

/// Base64 of bytes.
pub(super) fn to_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Microseconds since 1970 from RFC 3339 with any offset and any fraction; what is finer than a microsecond is cut.
pub(super) fn from_time(text: &str) -> Option<u64> {
    let clock = text.find(['T', 't', ' '])?;
    let zone = clock + text.get(clock..)?.find(['Z', 'z', '+', '-'])?;
    let (local, zone) = text.split_at_checked(zone)?;
    let (seconds, fraction) = local.split_once('.').unwrap_or((local, ""));
    let fraction = fraction.get(..6).unwrap_or(fraction);
    let at =
        time::from_rfc3339(&format!("{}T{}.{fraction}Z", text.get(..clock)?, seconds.get(clock + 1..)?))?;
    let offset = match zone.strip_prefix(['+', '-']) {
        None => 0,
        Some(digits) => {
            let (hours, minutes) = digits.split_once(':').or_else(|| digits.split_at_checked(2))?;
            (hours.parse::<u64>().ok()?.min(24) * 60 + minutes.parse::<u64>().ok()?.min(59)) * 60_000_000
        }
    };
    if zone.starts_with('+') { at.checked_sub(offset) } else { at.checked_add(offset) }
}

/// Microseconds from milliseconds; what is no length of time counts as 0.
pub(super) fn from_ms(ms: f64) -> u64 {
    // A float that is too big, negative or no number saturates: `as` is defined for all of them.
    (ms * 1000.0).round() as u64
}

/// The backend and the path of an absolute URL; else why it can't be had.
pub(super) fn split_url(url: &str) -> Result<(String, String), String> {
    let (scheme, rest) = url.split_once("://").ok_or_else(|| format!("{:.100?} is no absolute URL", url))?;
    let scheme = scheme.to_ascii_lowercase();
    if scheme != "http" && scheme != "https" {
        return Err(format!("{scheme}: isn't HTTP"));
    }
    let rest = rest.split('#').next().unwrap_or_default();
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    Ok((backend_name(&scheme, authority)?, path))
}

/// The normal form of a backend's name; else why it is none.
pub(super) fn backend_name(scheme: &str, authority: &str) -> Result<String, String> {
    let name = backend::name(scheme, authority);
    check_name(&name).map(|()| name)
}

/// The protocol as Envoy writes it, from any of the ways in which others do.
pub(super) fn protocol(text: &str) -> &'static str {
    let version = text.trim().to_ascii_lowercase();
    match version.trim_start_matches("http").trim_start_matches(['/', 'h']) {
        "2" | "2.0" => "HTTP/2",
        "3" | "3.0" => "HTTP/3",
        "1.0" => "HTTP/1.0",
        _ => "HTTP/1.1",
    }
}

/// The reason phrase of a status (RFC 9110, 15); empty where it has none.
pub(super) fn reason(status: u16) -> &'static str {
    match status {
        101 => "Switching Protocols",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        415 => "Unsupported Media Type",
        416 => "Range Not Satisfiable",
        422 => "Unprocessable Content",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "",
    }
}

/// Appends a query's or a form's name or value, percent-encoded (RFC 3986, 2.3).
pub(super) fn encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
}

/// A query's or a form's name or value without its percent-encoding, for a reader: what isn't UTF-8 is replaced.
pub(super) fn decode(text: &str) -> Cow<'_, str> {
    if !text.contains(['%', '+']) {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let escaped = digits.filter(|digits| byte == b'%' && digits.bytes().all(|b| b.is_ascii_hexdigit()));
        match escaped.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(decoded) => {
                out.push(decoded);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                out.push(if byte == b'+' { b' ' } else { byte });
                rest = after;
            }
        }
    }
    Cow::Owned(String::from_utf8_lossy(&out).into_owned())
}

/// `name=value&…`, percent-encoded.
pub(super) fn encode_pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut out = String::new();
    for (name, value) in pairs {
        if !out.is_empty() {
            out.push('&');
        }
        encode(name, &mut out);
        out.push('=');
        encode(value, &mut out);
    }
    out
}

/// JSON without the white space between its tokens, numbers and strings as they are; `None` where it isn't JSON.
pub(super) fn compact(text: &[u8]) -> Option<Vec<u8>> {
    serde_json::from_slice::<IgnoredAny>(text).ok()?;
    let mut out = Vec::with_capacity(text.len());
    outside_strings(text, &mut out, |byte, _, out| {
        if !byte.is_ascii_whitespace() {
            out.push(byte);
        }
    });
    Some(out)
}

/// JSON on several lines, two blanks a level; `None` where it isn't an object or an array, or is nested so deep that nobody would read it.
pub(super) fn pretty(text: &[u8]) -> Option<Vec<u8>> {
    const DEPTH_MAX: usize = 64;
    let compact = compact(text).filter(|compact| matches!(compact.first(), Some(b'{' | b'[')))?;
    let (mut depth, mut deepest) = (0usize, 0usize);
    let mut out = Vec::with_capacity(text.len() * 2);
    let line = |depth: usize, out: &mut Vec<u8>| {
        out.push(b'\n');
        out.resize(out.len() + 2 * depth.min(DEPTH_MAX), b' ');
    };
    outside_strings(&compact, &mut out, |byte, next, out| match byte {
        b'{' | b'[' => {
            depth += 1;
            deepest = deepest.max(depth);
            out.push(byte);
            if !matches!(next, Some(b'}' | b']')) {
                line(depth, out);
            }
        }
        b'}' | b']' => {
            depth = depth.saturating_sub(1);
            if !matches!(out.last(), Some(b'{' | b'[')) {
                line(depth, out);
            }
            out.push(byte);
        }
        b',' => {
            out.push(byte);
            line(depth, out);
        }
        b':' => out.extend_from_slice(b": "),
        _ => out.push(byte),
    });
    (deepest <= DEPTH_MAX).then_some(out)
}

/// Copies what is inside of JSON's strings and gives all else, with the byte after it, to `take`.
fn outside_strings(text: &[u8], out: &mut Vec<u8>, mut take: impl FnMut(u8, Option<u8>, &mut Vec<u8>)) {
    let (mut inside, mut escaped) = (false, false);
    for (at, &byte) in text.iter().enumerate() {
        if inside {
            out.push(byte);
            inside = escaped || byte != b'"';
            escaped = byte == b'\\' && !escaped;
        } else if byte == b'"' {
            out.push(byte);
            inside = true;
        } else {
            take(byte, text.get(at + 1).copied(), out);
        }
    }
}

/// `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx`.
pub(super) fn uuid_text(uuid: &[u8; 16]) -> String {
    let hex = digest::hex(uuid);
    [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| hex.get(part).unwrap_or_default()).join("-")
}

/// The bytes of such a text.
pub(super) fn uuid_bytes(text: &str) -> Option<[u8; 16]> {
    let dashes = text.char_indices().filter(|(_, c)| *c == '-').map(|(at, _)| at);
    if text.len() != 36 || !text.is_ascii() || !dashes.eq([8, 13, 18, 23]) {
        return None;
    }
    let hex: String = text.chars().filter(|c| *c != '-').collect();
    let mut out = [0; 16];
    for (at, byte) in out.iter_mut().enumerate() {
        *byte = u8::from_str_radix(hex.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(out)
}

/// A text as a part of a file's name: what could mean anything to a file system is replaced.
pub(super) fn file_name(text: &str) -> String {
    let safe: String = text
        .chars()
        .take(100)
        .map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' })
        .collect();
    if safe.trim_matches('.').is_empty() { format!("_{}", safe.len()) } else { safe }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_with_offsets_and_nanoseconds() {
        let check = |text: &str, expect: Option<&str>| {
            assert_eq!(from_time(text), expect.map(|expect| time::from_rfc3339(expect).unwrap()), "{text}");
        };
        check("2026-01-02T03:04:05.123456789Z", Some("2026-01-02T03:04:05.123456Z"));
        check("2026-01-02T03:04:05Z", Some("2026-01-02T03:04:05Z"));
        check("2026-01-02T03:04:05.5+02:00", Some("2026-01-02T01:04:05.5Z"));
        check("2026-01-02T03:04:05-0130", Some("2026-01-02T04:34:05Z"));
        check("1970-01-01T00:00:00+01:00", None);
        for bad in ["", "yesterday", "2026-01-02", "2026-01-02T03:04:05", "T", "2026-01-02T03:04:05+xx:00"] {
            check(bad, None);
        }
    }

    #[test]
    fn urls_come_apart() {
        let check = |url: &str, backend: &str, path: &str| {
            assert_eq!(split_url(url), Ok((backend.to_owned(), path.to_owned())), "{url}");
        };
        check("http://H.test:80/a?b#c", "http://h.test", "/a?b");
        check("HTTPS://u:p@h.test?x=/", "https://h.test", "/?x=/");
        check("https://[::1]:8443", "https://[::1]:8443", "/");
        for bad in ["", "/a", "data:text/plain,x", "ws://h/", "http://", "http://h:port/"] {
            assert!(split_url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn json_is_folded_and_unfolded_and_stays_the_same() {
        let check = |text: &str, expect: Option<&str>| {
            let folded = compact(text.as_bytes());
            assert_eq!(folded.as_deref(), expect.map(str::as_bytes), "{text}");
            if let Some(shown) = pretty(text.as_bytes()) {
                assert_eq!(compact(&shown), folded, "{text}");
            }
        };
        check(" { \"a b\" : [ 1.0 , 1e400, {} , [ ] ] } \n", Some("{\"a b\":[1.0,1e400,{},[]]}"));
        check("\"\\\" x\"", Some("\"\\\" x\""));
        check("{\"a\":}", None);
        check("", None);
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        assert_eq!(compact(deep.as_bytes()).map(|out| out.len()), Some(200_000));
        assert_eq!(pretty(deep.as_bytes()), None);
        assert_eq!(
            pretty(b"{\"a\":[1,2],\"b\":{}}").unwrap(),
            b"{\n  \"a\": [\n    1,\n    2\n  ],\n  \"b\": {}\n}"
        );
    }

    #[test]
    fn names_are_safe_and_uuids_come_back() {
        assert_eq!(file_name("api.test:80/../x"), "api.test_80_.._x");
        assert_eq!((file_name(".."), file_name("")), ("_2".to_owned(), "_0".to_owned()));
        let uuid = std::array::from_fn(|at| at as u8 * 16);
        assert_eq!(uuid_bytes(&uuid_text(&uuid)), Some(uuid));
        assert_eq!(uuid_bytes("00000000-0000-0000-0000-00000000000g"), None);
        assert_eq!(uuid_bytes("------------------------------------"), None);
    }
}
