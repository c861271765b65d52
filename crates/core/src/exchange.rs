//! An exchange: one request with its response, as the filter saw it. Headers and bodies are bytes.

use crate::headers::Headers;

/// Which way a request goes, seen from the service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// The service calls a backend.
    #[default]
    Outbound,
    /// Somebody calls the service.
    Inbound,
}

/// How a stream ended. Every stream ends exactly once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum End {
    /// Request and response both ended as they should.
    #[default]
    Complete,
    /// The request stopped in the middle.
    RequestAborted,
    /// The response stopped in the middle.
    ResponseAborted,
    /// The client left in the middle of the response, be it that it had what it wanted, or that it gave up.
    ClientLeft,
    /// There was no response at all.
    NoResponse,
}

/// A body, whole or cut at a cap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Body {
    /// The bytes that were kept, from the first one on.
    pub bytes: Vec<u8>,
    /// How many bytes there were in all, where not all were kept.
    pub truncated: Option<u64>,
}

/// What was asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// The method, such as `GET`.
    pub method: Vec<u8>,
    /// Path and query, as sent.
    pub path: Vec<u8>,
    /// Headers in order, without pseudo-headers.
    pub headers: Headers,
    /// The body.
    pub body: Body,
    /// Trailers in order.
    pub trailers: Headers,
}

/// What was answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Headers in order, without pseudo-headers.
    pub headers: Headers,
    /// The body.
    pub body: Body,
    /// Trailers in order.
    pub trailers: Headers,
}

/// One request with its response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exchange {
    /// Unique within a capture.
    pub id: String,
    /// Which way it went.
    pub direction: Direction,
    /// Start of the request, in microseconds since 1970.
    pub time: u64,
    /// From the first byte of the request to the last of the response, in microseconds.
    pub duration: u64,
    /// From the first byte of the request to the first of the response, in microseconds, where that is known.
    pub first_byte: Option<u64>,
    /// `scheme://authority`; see [`crate::backend`].
    pub backend: String,
    /// The protocol the service spoke, such as `HTTP/1.1`.
    pub protocol: String,
    /// What was asked.
    pub request: Request,
    /// What was answered, where there was an answer.
    pub response: Option<Response>,
    /// How the stream ended.
    pub end: End,
}

impl Exchange {
    /// The name that was asked for, `host[:port]`: of an inbound exchange what its `host` header says, where `backend` is the address that the
    /// service was called at; else that of the backend.
    pub fn authority(&self) -> &[u8] {
        let host = match self.direction {
            Direction::Inbound => self.request.headers.get(b"host"),
            Direction::Outbound => None,
        };
        let of_backend =
            || self.backend.split_once("://").map_or(self.backend.as_str(), |(_, name)| name).as_bytes();
        host.unwrap_or_else(of_backend)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_asked_for() {
        let check = |direction, headers: &[(&str, &str)], expect: &str| {
            let request =
                Request { headers: Headers::from_pairs(headers.iter().copied()), ..Request::default() };
            let exchange = Exchange {
                direction,
                backend: "http://127.0.0.1:8080".into(),
                request,
                ..Exchange::default()
            };
            assert_eq!(exchange.authority(), expect.as_bytes());
        };
        check(Direction::Inbound, &[("host", "Shop.test"), ("host", "other")], "Shop.test");
        check(Direction::Inbound, &[], "127.0.0.1:8080");
        check(Direction::Outbound, &[("host", "Shop.test")], "127.0.0.1:8080");
    }
}
