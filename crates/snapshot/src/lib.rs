//! Snapshots: the folder that a person reads, edits and commits, how it is written, edited and merged, and what is wrong with it.
//!
//! ```text
//! exchanges ─► SnapshotWriter ─► snapshot.yaml + exchanges.ndjson ─► Snapshot
//! ```
//!
//! A snapshot is the only source: everything after it is derived, and equal for equal input. No network and no clock: times come in
//! as arguments.

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
