//! Snapshots: the folder that a person reads, edits and commits. This crate reads, writes, edits,
//! merges and lints it.
//!
//! ```text
//! exchanges ─► SnapshotWriter ─► snapshot.yaml + exchanges.ndjson ─► Snapshot
//! ```
//!
//! A snapshot is the only source: everything else is derived from it, and equal input gives equal
//! output. The crate uses no network and no clock; times come in as arguments.

pub mod answerable;
pub mod echo;
pub mod feed;
pub mod lint;
pub mod merge;
pub mod select;
pub mod served;

mod edit;
mod error;
mod header;
mod layout;
mod reader;
mod telemetry;
mod unsaid;
mod writer;

pub use edit::ModeChange;
pub use error::SnapshotError;
pub use header::{Backend, Header, Inbound, VERSION, check_name};
pub use layout::{EXCHANGES_FILE, HEADER_FILE};
pub use reader::{Exchanges, LINE_MAX, Located, Snapshot};
pub use unsaid::unsaid;
pub use writer::{Existing, SnapshotWriter, put_new};
