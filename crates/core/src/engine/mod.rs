//! The engine: decides what happens to each stream. Sans I/O.
//!
//! The filter turns Envoy's callbacks into calls of [`Stream`]'s methods and their results into host calls. A [`Vm`] is what the streams of
//! one VM share. Nothing here returns a `Result` and nothing can panic: what can't be done has a verdict.
//!
//! Invariants:
//! - A stream to a mocked backend gets [`Action::Hold`] until its verdict, and [`Action::Continue`] after it only where `on_miss` says so.
//! - A tapped stream gets [`Action::Continue`] always.
//! - Every stream ends exactly once, in [`Stream::end`].

mod capture;
mod chosen;
mod explain;
mod fault;
mod hold;
mod mock;
mod secrets;
mod serve;
mod stream;
mod stub;
mod vm;

pub use explain::{differences, nearest};
pub use stream::Stream;
pub use stub::{STUB_AUTHORITY, STUB_HEADER};
pub use vm::{COUNTERS, Counts, Vm};

use crate::digest::Digest;
use crate::headers::Headers;

/// What to do with a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    /// Let it go on.
    Continue,
    /// Hold it; more of it is needed.
    Hold,
    /// Answer it.
    Reply(Reply),
    /// Hold it, and ask [`Stream::resume`] for what to do after so many microseconds.
    Later(u64),
    /// End it without an answer.
    Reset,
    /// Give it these headers, each in the place of all of its name, and no body, and let it go on: to Envoy's stub, whose answer becomes the
    /// recorded one.
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
    /// The gRPC status where the request is gRPC.
    pub grpc_status: Option<i32>,
}

/// What to change in the answer that Envoy made of a [`Reply`].
#[derive(Debug, PartialEq, Eq)]
pub enum Fixup {
    /// Nothing.
    None,
    /// Remove these headers, which the recorded answer didn't have, or which would lie.
    Remove(&'static [&'static str]),
    /// Have these headers, `:status` among them, in the place of all.
    Replace(Headers),
    /// End the stream here, in the middle of the body.
    Cut,
    /// Add these trailers at the end of the body.
    AddTrailers(Headers),
    /// Have these bytes in the place of the chunk at hand, and add these trailers, which there are at the end of the body alone.
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

/// Where the engine looks things up that are costly to hand over each time, and not always needed.
pub trait Host {
    /// The time, in microseconds since 1970.
    fn now(&mut self) -> u64;
    /// Takes a header out of the current request.
    fn remove_request_header(&mut self, name: &str);
    /// Bytes of the body that the current callback is about: what was buffered so far, or the current chunk.
    fn body(&mut self, side: Side, start: usize, max: usize) -> Vec<u8>;
    /// The protocol of the current stream, such as `HTTP/1.1`.
    fn protocol(&mut self) -> String;
    /// Whether the response whose headers have just come is the backend's, and not one that the proxy made.
    fn backend_answered(&mut self) -> bool;
    /// Whether the current stream ended since the client left. Asked at its end.
    fn client_left(&mut self) -> bool;
    /// How often a signature was asked for before, in all workers of the proxy; counts this time too.
    fn turn(&mut self, table: &Digest, signature: &Digest) -> u64;
    /// The recorded value that a live one stands for, both by their numbers; see [`Self::stands_for`].
    fn recorded_value(&mut self, table: &Digest, live: u64) -> Option<u64>;
    /// Keeps for all workers of the proxy that a live value stands for a recorded one. It may be forgotten.
    fn stands_for(&mut self, table: &Digest, live: u64, recorded: u64);
    /// Begins all sequences of a table anew, in all workers of the proxy, and forgets what stands for what.
    fn reset_turns(&mut self, table: &Digest);
}
