//! The engine: decides what happens to each stream, without I/O.
//!
//! A shell such as the filter turns the host's callbacks into calls of [`Stream`]'s methods, and
//! the values that they return into calls of the host. A [`Vm`] holds what the streams of one VM
//! share. Nothing here returns a `Result` and nothing can panic: every request gets a verdict.
//!
//! A request to a mocked backend is judged in one place: `decide` looks at the request, the table
//! and the policy of the backend, and returns a `Decision`. [`Stream`] alone applies it: it changes
//! its state, reports the verdict, counts it and returns the action.
//!
//! Invariants:
//! - A stream to a mocked backend gets [`Action::Hold`] until its verdict, and [`Action::Continue`]
//!   afterwards only if `on_miss` allows it.
//! - A tapped stream always gets [`Action::Continue`].
//! - Every stream ends exactly once, in [`Stream::end`].
//! - No call reads what an earlier call left in the [`Vm`], except counters, the outbox and the
//!   memory in use.

mod capture;
mod chosen;
mod decide;
mod explain;
mod fault;
mod host;
mod memory_host;
mod miss;
mod pending;
mod secrets;
mod serve;
mod stream;
mod stub;
mod vm;

pub use crate::stub_names::{STUB_AUTHORITY, STUB_HEADER};
pub use explain::{differences, nearest};
pub use host::{Action, Fixup, Host, Reply, Side};
pub use memory_host::MemoryHost;
pub use stream::Stream;
pub use vm::{COUNTERS, Counts, Vm};
