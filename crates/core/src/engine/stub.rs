//! Answers of Envoy's stub that the filter rewrites: answers to gRPC requests with messages or
//! trailers. Envoy turns every local reply to gRPC into one frame of headers with a status,
//! whatever the reply contains (measured on Envoy 1.40).
//!
//! The request continues as a request for [`STUB_AUTHORITY`], without its body. Envoy's route for
//! that name leads to an internal listener that answers 200 with one byte and [`STUB_HEADER`].
//! Nobody else knows the name, and names below `.invalid` never resolve (RFC 6761, 6.4).

use super::host::{Action, Fixup, Reply};
use crate::headers::Headers;
use crate::stub_names::{STUB_AUTHORITY, STUB_HEADER};

/// gRPC's UNIMPLEMENTED (gRPC, "Status codes and their use in gRPC"), the status of a miss. Clients
/// don't retry after it automatically, as many do after UNAVAILABLE, RESOURCE_EXHAUSTED or
/// INTERNAL, and don't mistake it for an answer of the service, as they would NOT_FOUND.
pub(super) const UNIMPLEMENTED: i32 = 12;

const NOT_THE_STUB: &str = "understudy: the answer is not the stub's: Envoy's configuration has no route for it (docs/how-to/grpc.md)";

/// The recorded answer that replaces the stub's.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct StubbedAnswer {
    headers: Headers,
    body: Vec<u8>,
    trailers: Headers,
}

impl StubbedAnswer {
    /// The answer to serve, and the action that sends the request to the stub.
    pub(super) fn new(reply: Reply, trailers: Headers) -> (Self, Action) {
        let headers = with_status(reply.status, &reply.headers);
        let request = [
            (":authority", STUB_AUTHORITY),
            (STUB_HEADER, "1"),
            // The request is no longer gRPC, and no body follows.
            ("content-type", "application/octet-stream"),
            ("content-length", "0"),
            // Envoy finds no route for a request without this header, and a configuration that
            // hides the proxy may have removed it.
            ("x-forwarded-proto", "http"),
        ];
        (Self { headers, body: reply.body, trailers }, Action::Stub(Headers::from_pairs(request)))
    }

    /// The answer's headers have arrived.
    pub(super) fn headers(&mut self, arrived: &Headers) -> Fixup {
        if arrived.get(STUB_HEADER.as_bytes()).is_none() {
            // Another server answered. Neither its answer nor the recorded one reaches the client.
            let code = UNIMPLEMENTED.to_string();
            let status = [("grpc-status", code.as_str()), ("grpc-message", NOT_THE_STUB)];
            let head = [(":status", "200"), ("content-type", "application/grpc")];
            *self = Self {
                headers: Headers::from_pairs(head.into_iter().chain(status)),
                body: Vec::new(),
                trailers: Headers::from_pairs(status),
            };
        }
        Fixup::Replace(std::mem::take(&mut self.headers))
    }

    /// More of the answer's body has arrived.
    pub(super) fn body(&mut self, ended: bool) -> Fixup {
        let trailers = if ended { std::mem::take(&mut self.trailers) } else { Headers::new() };
        Fixup::ReplaceBody(std::mem::take(&mut self.body), trailers)
    }
}

/// Headers with their `:status`.
pub(super) fn with_status(status: u16, headers: &Headers) -> Headers {
    let status = status.to_string();
    Headers::from_pairs([(&b":status"[..], status.as_bytes())].into_iter().chain(headers.iter()))
}
