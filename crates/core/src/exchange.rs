//! An exchange: one request with its response, as the filter saw it. Headers and bodies are bytes.

use crate::headers::Headers;

/// The direction of a request, as seen from the service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// The service calls a backend.
    #[default]
    Outbound,
    /// A client calls the service.
    Inbound,
}

/// The end of a stream. Every stream ends exactly once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum End {
    /// Request and response are complete.
    #[default]
    Complete,
    /// The request ended early.
    RequestAborted,
    /// The response ended early.
    ResponseAborted,
    /// The client left before the end of the response.
    ClientLeft,
    /// No response arrived.
    NoResponse,
}

/// A body, complete or cut at a size limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Body {
    /// The first bytes, up to the limit.
    pub bytes: Vec<u8>,
    /// The full length in bytes, if the body was cut.
    pub truncated: Option<u64>,
}

/// A request.
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

/// A response.
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
    /// The direction of the request.
    pub direction: Direction,
    /// Start of the request, in microseconds since 1970.
    pub time: u64,
    /// Time from the first byte of the request to the last byte of the response, in microseconds.
    pub duration: u64,
    /// Time from the first byte of the request to the first byte of the response, in microseconds,
    /// if known.
    pub first_byte: Option<u64>,
    /// `scheme://authority`; see [`crate::backend`].
    pub backend: String,
    /// The protocol that the service used, such as `HTTP/1.1`.
    pub protocol: String,
    /// The request.
    pub request: Request,
    /// The response, if one arrived.
    pub response: Option<Response>,
    /// The end of the stream.
    pub end: End,
}

impl Exchange {
    /// The requested authority, `host[:port]`: the `host` header of an inbound exchange, whose
    /// `backend` is the address of the listener, or the authority of the backend.
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
    fn authority_is_host_header_only_if_inbound() {
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
