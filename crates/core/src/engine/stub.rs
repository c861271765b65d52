//! Answers that Envoy's stub gives and the filter rewrites: those to gRPC requests that have messages or trailers. (Of a local reply to gRPC
//! Envoy makes one frame of headers with a status in it, whatever the reply has; measured on Envoy 1.40.)
//!
//! The request goes on as one for [`STUB_AUTHORITY`], without its body. Envoy's route for that name leads to an internal listener that answers
//! 200 with one byte and [`STUB_HEADER`]; nobody else knows the name, and names below `.invalid` lead nowhere (RFC 6761, 6.4).

use super::{Action, Fixup, Reply};
use crate::headers::Headers;

/// Says that a request is for the stub, and that an answer is the stub's. A client's own is taken out.
pub const STUB_HEADER: &str = "x-understudy-stub";
/// The stub's name in Envoy's routes.
pub const STUB_AUTHORITY: &str = "understudy-stub.invalid";

/// gRPC's UNIMPLEMENTED (gRPC, "Status codes and their use in gRPC"). A miss has it: no client tries again by itself because of it, as many do
/// after UNAVAILABLE, RESOURCE_EXHAUSTED or INTERNAL, and none takes it for an answer of the service, as NOT_FOUND would be.
pub(super) const UNIMPLEMENTED: i32 = 12;

const NOT_THE_STUB: &str = "understudy: the answer is not the stub's: Envoy's configuration has no route for it (docs/how-to/grpc.md)";

/// What takes the place of the stub's answer.
#[derive(Debug)]
pub(super) struct Stubbed {
    headers: Headers,
    body: Vec<u8>,
    trailers: Headers,
}

impl Stubbed {
    /// What to serve, and what makes the request one for the stub.
    pub(super) fn new(reply: Reply, trailers: Headers) -> (Self, Action) {
        let headers = with_status(reply.status, &reply.headers);
        let request = [
            (":authority", STUB_AUTHORITY),
            (STUB_HEADER, "1"),
            // Not gRPC any more, and nothing to follow.
            ("content-type", "application/octet-stream"),
            ("content-length", "0"),
            // Envoy finds no route for a request without it, and a configuration that hides the proxy may have taken it out.
            ("x-forwarded-proto", "http"),
        ];
        (Self { headers, body: reply.body, trailers }, Action::Stub(Headers::from_pairs(request)))
    }

    /// An answer's headers have come.
    pub(super) fn headers(&mut self, came: &Headers) -> Fixup {
        if came.get(STUB_HEADER.as_bytes()).is_none() {
            // Nothing recorded goes with what somebody else says, and that isn't handed on either.
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

    /// More of an answer's body has come.
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
