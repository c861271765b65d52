//! One run: Envoy with the filter, a collector beside it, certificates on demand, and CMD.
//!
//! ```text
//! record()   tap       CMD ─► Envoy ─► backends    capture ─► snapshot
//! respond()  mock      CMD ─► Envoy                verdicts ─► ResponderReport
//! replay()   mock      driver ─► service ─► Envoy  verdicts and answers ─► replay's Report
//!     └── session::run(): starts all of it, does one piece of work behind Envoy, stops all of it
//! ```
//!
//! [`session::run`] is generic over the result of that work. The crate prints nothing: what a
//! person should know while a run is under way goes to an [`Observer`], what it found is returned.
//! Errors are `anyhow` errors with context: the callers are programs that print them. The causes
//! that a program treats apart keep their types ([`Interrupted`], `understudy_envoy::Error`).

mod capture;
mod child;
mod draft;
mod interception;
pub mod module;
mod observer;
mod open;
mod record;
pub mod redaction;
mod replay;
mod respond;
pub mod responder_report;
mod service;
pub mod session;
mod signals;
mod store;
mod terminal;
pub mod text;

pub use capture::{Capture, RecordingContext};
pub use child::CmdEnvironment;
pub use draft::SnapshotDraft;
pub use observer::{Event, Observer, OpaqueTunnels, Progress, Severity, Step};
pub use open::open_snapshot;
pub use record::{Record, Recorded, RecordedAgain, record, record_again, recover};
pub use replay::{Readiness, Replay, ReplayMode, TargetTrust, replay};
pub use respond::{MockSettings, Respond, Responded, respond};
pub use responder_report::ResponderReport;
pub use session::{Finished, ProxySettings};
pub use signals::{Interrupted, Signals};
