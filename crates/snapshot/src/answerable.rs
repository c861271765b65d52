//! Decides whether a recorded exchange can be served as an answer, and if not, why. The table
//! writer, the linter and the summary share this decision, so that a report on an exchange agrees
//! with its treatment.

use understudy_core::encoding;
use understudy_core::exchange::{Direction, End, Exchange, Response};
use understudy_core::facts;
use understudy_core::headers::Headers;

/// Maximum number of header pairs that Envoy accepts from a filter (Envoy 1.40).
pub const HEADERS_MAX: usize = 1024;
/// Maximum size of a header block that Envoy accepts from a filter, in bytes (Envoy 1.40).
pub const HEADERS_MAX_BYTES: usize = 1 << 20;

/// Maximum number of answers to one signature. The filter reads the list of answers for each
/// request.
pub const ANSWERS_MAX: usize = 100_000;

/// Reason for leaving an exchange out of the table. The exchange stays in the snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Unanswerable {
    /// The exchange is inbound: a client called the service, so there is no backend to mock.
    Inbound,
    /// There is no response.
    NoResponse,
    /// The stream was aborted.
    Incomplete,
    /// The request's body is truncated: its signature would belong to another request.
    RequestTruncated,
    /// The response's body is truncated: it would be a wrong answer.
    ResponseTruncated,
    /// The status isn't that of a final response: below 200 or above 599.
    Status,
    /// A response header or trailer can't be sent: its name is empty, or it holds a line break or
    /// NUL.
    Header,
    /// More response headers than Envoy accepts.
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

/// Returns the reason why an exchange can't be served as an answer, or `None` if it can.
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
    // Leave room for `x-understudy` and for the headers that Envoy adds.
    let fits = |headers: &Headers| {
        headers.iter().count() <= HEADERS_MAX - 16 && headers.size() <= HEADERS_MAX_BYTES - 4096
    };
    (!fits(&response.headers) || !fits(&response.trailers)).then_some(Unanswerable::HeadersOverLimit)
}

/// Returns the response if it is complete, for inbound and outbound exchanges alike.
pub fn whole_response(exchange: &Exchange) -> Result<&Response, Unanswerable> {
    match (&exchange.response, exchange.end) {
        (None, _) | (_, End::NoResponse) => Err(Unanswerable::NoResponse),
        (Some(response), End::ClientLeft) if had_enough(response) => Ok(response),
        (_, End::RequestAborted | End::ResponseAborted | End::ClientLeft) => Err(Unanswerable::Incomplete),
        (Some(response), End::Complete) => Ok(response),
    }
}

impl Unanswerable {
    /// Returns whether the client got a response that can't be served again. In a sequence of
    /// answers to one request, such an exchange leaves a gap: the next recorded answer must not be
    /// served instead of it. An aborted stream leaves no gap, because the client retries and the
    /// retry's answer takes the place.
    pub fn leaves_gap(self) -> bool {
        matches!(self, Self::ResponseTruncated | Self::Status | Self::Header | Self::HeadersOverLimit)
    }
}

/// Returns whether a client that cancelled a response had received whole events, lines or messages,
/// and so may have had all it wanted. Clients of event streams often close the connection after the
/// event that they regard as the last, such as `data: [DONE]`, before the server ends the stream
/// (WHATWG HTML, "Server-sent events": an empty line ends an event). gRPC clients cancel a stream
/// when they need only its first message.
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

/// Returns whether a field contains no byte that would end it (RFC 9110, 5.5).
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
    fn exchange_that_cannot_be_served_has_a_reason() {
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
