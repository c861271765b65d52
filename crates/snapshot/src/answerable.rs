//! Which exchanges can be answered with, and why the others can't. The table writer, the linter and the summary all ask here, so that
//! what is said of an exchange is what is done with it.

use understudy_core::encoding;
use understudy_core::exchange::{Direction, End, Exchange, Response};
use understudy_core::facts;
use understudy_core::headers::Headers;

/// Envoy takes no more header pairs than this from a filter (Envoy 1.40).
pub const HEADERS_MAX: usize = 1024;
/// Nor a longer block of them, in bytes.
pub const HEADERS_MAX_BYTES: usize = 1 << 20;

/// One signature may have at most this many answers: the filter reads the list of them for each request.
pub const ANSWERS_MAX: usize = 100_000;

/// Why an exchange is kept in the snapshot and not put into the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Unanswerable {
    /// Somebody called the service: there is nobody to stand in for.
    Inbound,
    /// There is no response.
    NoResponse,
    /// The stream stopped in the middle.
    Incomplete,
    /// The request's body was cut: its signature would be that of another request.
    RequestTruncated,
    /// The response's body was cut: it would be a wrong answer.
    ResponseTruncated,
    /// The status can't be that of a final answer: below 200 or above 599.
    Status,
    /// A response header's name or value can't be sent: empty name, or a line break or NUL in it.
    Header,
    /// More response headers than Envoy takes.
    HeadersOverLimit,
}

impl std::fmt::Display for Unanswerable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Inbound => "somebody called the service, there is nobody to stand in for",
            Self::NoResponse => "there is no response",
            Self::Incomplete => "the stream stopped in the middle",
            Self::RequestTruncated => "the request's body was cut",
            Self::ResponseTruncated => "the response's body was cut",
            Self::Status => "its status isn't that of a final answer",
            Self::Header => "a response header can't be sent",
            Self::HeadersOverLimit => "it has more response headers than Envoy takes",
        })
    }
}

/// Why the table has no answer from this exchange; `None` where it has one.
pub fn unanswerable(exchange: &Exchange) -> Option<Unanswerable> {
    if exchange.direction == Direction::Inbound {
        return Some(Unanswerable::Inbound);
    }
    let response = match whole_response(exchange) {
        Ok(response) => response,
        Err(why) => return Some(why),
    };
    if exchange.request.body.truncated.is_some() {
        return Some(Unanswerable::RequestTruncated);
    }
    if response.body.truncated.is_some() {
        return Some(Unanswerable::ResponseTruncated);
    }
    if !(200..=599).contains(&response.status) {
        return Some(Unanswerable::Status);
    }
    let sendable = |headers: &Headers| {
        headers.iter().all(|(name, value)| !name.is_empty() && is_clean(name) && is_clean(value))
    };
    if !sendable(&response.headers) || !sendable(&response.trailers) {
        return Some(Unanswerable::Header);
    }
    // Room for `x-understudy` and what Envoy adds itself.
    let fits = |headers: &Headers| {
        headers.iter().count() <= HEADERS_MAX - 16 && headers.size() <= HEADERS_MAX_BYTES - 4096
    };
    (!fits(&response.headers) || !fits(&response.trailers)).then_some(Unanswerable::HeadersOverLimit)
}

/// The answer, where there was a whole one, whoever was called.
pub fn whole_response(exchange: &Exchange) -> Result<&Response, Unanswerable> {
    match (&exchange.response, exchange.end) {
        (None, _) | (_, End::NoResponse) => Err(Unanswerable::NoResponse),
        (Some(response), End::ClientLeft) if had_enough(response) => Ok(response),
        (_, End::RequestAborted | End::ResponseAborted | End::ClientLeft) => Err(Unanswerable::Incomplete),
        (Some(response), End::Complete) => Ok(response),
    }
}

impl Unanswerable {
    /// Whether the client was given an answer, which can't be given again. Where others were given to the same request, the next one isn't
    /// the answer in its place. (After a stream that broke, a client asks again: that is the answer in its place.)
    pub fn leaves_gap(self) -> bool {
        matches!(self, Self::ResponseTruncated | Self::Status | Self::Header | Self::HeadersOverLimit)
    }
}

/// Whether a client that left in the middle of a response may have had all that it wanted of it: whole events or lines, or whole messages.
/// Clients leave when they have seen the event that they take for the last, such as `data: [DONE]`, before the server has said that it has
/// ended (WHATWG HTML, "Server-sent events": an empty line ends an event); and gRPC's cancel a stream of which they want the first message.
fn had_enough(response: &Response) -> bool {
    let body = &response.body.bytes;
    let Some(content_type) = response.headers.get(b"content-type") else { return false };
    if facts::is_grpc(content_type) {
        return !body.is_empty() && encoding::are_messages(body);
    }
    let ends: &[&[u8]] = match facts::media_type(content_type).to_ascii_lowercase().as_slice() {
        b"text/event-stream" => &[b"\n\n", b"\r\n\r\n", b"\r\r"],
        b"application/x-ndjson" => &[b"\n"],
        _ => return false,
    };
    ends.iter().any(|end| body.ends_with(end)) && response.headers.get(b"content-encoding").is_none()
}

/// RFC 9110, 5.5: these would end the field, or worse.
fn is_clean(bytes: &[u8]) -> bool {
    !bytes.iter().any(|b| matches!(b, b'\r' | b'\n' | 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use understudy_core::exchange::Body;

    fn check(change: impl FnOnce(&mut Exchange), expect: Option<Unanswerable>) {
        let response = Response { status: 200, ..Response::default() };
        let mut exchange = Exchange { response: Some(response), ..Exchange::default() };
        change(&mut exchange);
        assert_eq!(unanswerable(&exchange), expect, "{exchange:?}");
    }

    fn response(exchange: &mut Exchange) -> &mut Response {
        exchange.response.as_mut().unwrap()
    }

    #[test]
    fn what_cant_be_answered_with_says_why() {
        let cut = Body { bytes: b"a".to_vec(), truncated: Some(9) };
        check(|_| {}, None);
        check(|e| e.direction = Direction::Inbound, Some(Unanswerable::Inbound));
        check(|e| e.response = None, Some(Unanswerable::NoResponse));
        check(|e| e.end = End::ResponseAborted, Some(Unanswerable::Incomplete));
        let left = |e: &mut Exchange, content_type: &str, body: &str| {
            e.end = End::ClientLeft;
            response(e).headers = Headers::from_pairs([("content-type", content_type)]);
            response(e).body.bytes = body.into();
        };
        let events = "text/event-stream; charset=utf-8";
        check(|e| left(e, events, "data: 1\n\ndata: [DONE]\n\n"), None);
        check(|e| left(e, events, "data: 1\n\ndata: [DO"), Some(Unanswerable::Incomplete));
        check(|e| left(e, events, ""), Some(Unanswerable::Incomplete));
        check(|e| left(e, "application/x-ndjson", "{}\n{}\n"), None);
        check(|e| left(e, "application/x-ndjson", "{}\n{"), Some(Unanswerable::Incomplete));
        check(|e| left(e, "text/plain", "{}\n"), Some(Unanswerable::Incomplete));
        check(|e| left(e, "application/grpc+proto", "\0\0\0\0\x01a\0\0\0\0\0"), None);
        check(|e| left(e, "application/grpc", "\0\0\0\0\x02a"), Some(Unanswerable::Incomplete));
        check(|e| left(e, "application/grpc", ""), Some(Unanswerable::Incomplete));
        let broke = |e: &mut Exchange| {
            left(e, events, "data: 1\n\n");
            e.end = End::ResponseAborted;
        };
        check(broke, Some(Unanswerable::Incomplete));
        check(|e| e.request.body = cut.clone(), Some(Unanswerable::RequestTruncated));
        check(|e| response(e).body = cut.clone(), Some(Unanswerable::ResponseTruncated));
        check(|e| response(e).status = 101, Some(Unanswerable::Status));
        check(
            |e| response(e).headers = Headers::from_pairs([("a", "b\r\nc: d")]),
            Some(Unanswerable::Header),
        );
        let many = Headers::from_pairs((0..2000).map(|i| (format!("x-{i}"), "")));
        check(|e| response(e).headers = many, Some(Unanswerable::HeadersOverLimit));
    }
}
