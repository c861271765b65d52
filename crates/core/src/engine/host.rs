//! The values that a shell and the engine exchange, and what the engine asks of its host.

use crate::digest::Digest;
use crate::headers::Headers;

/// The treatment of a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    /// Let the request continue to its backend.
    Continue,
    /// Hold the request: more of it is needed for a verdict.
    Hold,
    /// Send this answer to the client.
    Reply(Reply),
    /// Hold the request for this many microseconds, then call [`super::Stream::resume`].
    Delay(u64),
    /// Reset the stream without an answer.
    Reset,
    /// Replace these request headers, remove the body, and let the request continue to Envoy's
    /// stub. The recorded answer then replaces the stub's.
    Stub(Headers),
}

/// An answer to serve.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: Headers,
    /// The body.
    pub body: Vec<u8>,
    /// The gRPC status, if the request is gRPC.
    pub grpc_status: Option<i32>,
}

/// A change to the answer that Envoy made of a [`Reply`].
#[derive(Debug, PartialEq, Eq)]
pub enum Fixup {
    /// Change nothing.
    None,
    /// Remove these headers: the recorded answer didn't have them, or they would be wrong.
    Remove(&'static [&'static str]),
    /// Replace all headers, including `:status`.
    Replace(Headers),
    /// Reset the stream here, in the middle of the body.
    Cut,
    /// Add these trailers after the body.
    AddTrailers(Headers),
    /// Replace the current chunk by these bytes, and add these trailers. Trailers are only present
    /// at the end of the body.
    ReplaceBody(Vec<u8>, Headers),
}

/// A side of the exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// From the service to the backend.
    Request,
    /// From the backend to the service.
    Response,
}

/// The engine's access to its host, for values that are costly to pass along and not always needed.
pub trait Host {
    /// The time, in microseconds since 1970.
    fn now(&mut self) -> u64;
    /// Removes a header from the current request.
    fn remove_request_header(&mut self, name: &str);
    /// Bytes of the current callback's body: everything buffered so far, or the current chunk.
    fn body(&mut self, side: Side, start: usize, max: usize) -> Vec<u8>;
    /// The protocol of the current stream, such as `HTTP/1.1`.
    fn protocol(&mut self) -> String;
    /// Returns whether the response whose headers have just arrived is the backend's, and not one
    /// that the proxy made.
    fn backend_answered(&mut self) -> bool;
    /// Returns whether the current stream ended because the client left. Called when the stream
    /// ends.
    fn client_left(&mut self) -> bool;
    /// The number of times that this signature was requested before, in all workers of the proxy.
    /// Counts this request.
    fn next_turn(&mut self, table: &Digest, signature: &Digest) -> u64;
    /// The recorded value that a live value stands for, both by their hashes; see
    /// [`Self::remember_value`].
    fn recorded_value(&mut self, table: &Digest, live: u64) -> Option<u64>;
    /// Stores for all workers of the proxy that a live value stands for a recorded one. The host
    /// may forget it.
    fn remember_value(&mut self, table: &Digest, live: u64, recorded: u64);
    /// Restarts all sequences of a table in all workers of the proxy, and forgets the values of
    /// [`Self::remember_value`].
    fn restart_sequences(&mut self, table: &Digest);
}
