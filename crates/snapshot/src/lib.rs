//! Snapshots: the folder that a person reads, edits and commits; the table that is made of it; what is wrong with it, and what is in it.
//!
//! ```text
//! exchanges ─► SnapshotWriter ─► snapshot.yaml + exchanges.ndjson ─► Snapshot ─► table::build ─► bundle
//! ```
//!
//! A snapshot is the only source: everything after it is derived, and equal for equal input. No network and no clock: times come in
//! as arguments.

pub mod answerable;
pub mod bundle;
pub mod convert;
pub mod learn;
pub mod lint;
pub mod matcher;
pub mod merge;
pub mod select;
pub mod service_map;
pub mod summary;
pub mod table;
pub mod traces;

mod edit;
mod error;
mod feed;
mod header;
mod reader;
mod telemetry;
mod writer;

pub use edit::ModeChange;
pub use error::SnapshotError;
pub use header::{Backend, Header, Inbound, VERSION};
pub use reader::{EXCHANGES_FILE, Exchanges, HEADER_FILE, LINE_MAX, Located, Snapshot};
pub use writer::{Existing, SnapshotWriter};
