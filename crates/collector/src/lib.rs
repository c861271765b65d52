//! Receives what the filter taps and keeps it durably.
//!
//! [`Collector`] is the HTTP service (`POST /v1/exchanges`, health, metrics); [`Ingest`] is what it does to a batch,
//! for those who have one in hand; [`Store`] keeps batches in a capture folder, and [`Reader`] streams them back:
//! all, or what a [`Selection`] takes.
//! The wire is `docs/reference/wire.md`. A batch is acknowledged when it is on disk, never earlier; it is kept once,
//! however often it is sent; what never came is counted, per VM, in a [`GapReport`].
//!
//! What comes in is never looked into beyond a record's `type`, `id` and `v`. No byte of it is ever changed or
//! lost: small objects of a bucket are joined, and deleted when they are.

mod ahead;
mod body;
mod collector;
mod config;
mod disk;
mod error;
mod frame;
mod gaps;
mod health;
mod http;
mod index;
mod ingest;
mod join;
pub mod layout;
mod location;
mod metrics;
mod names;
mod publish;
mod queue;
mod ranges;
mod read;
mod recover;
mod s3;
mod seal;
mod segment;
mod select;
mod source;
mod store;
mod survey;
mod wire;
mod writer;

pub use collector::{Collector, Summary};
pub use config::{CollectorConfig, IngestConfig, StoreConfig};
pub use disk::{Disk, LocalDisk, SegmentFile};
pub use error::{CollectorError, IngestError, ReadError, StoreError, StoreUrlError};
pub use gaps::{GapReport, VmGaps};
pub use ingest::{Ingest, Receipt};
pub use location::StoreUrl;
pub use metrics::Stats;
/// The crate whose [`object_store::ObjectStore`] holds closed segments; re-exported so that callers name one version.
pub use object_store;
pub use read::{Position, Reader, Start, StoredBatch, StoredRecord, TornTail};
pub use select::{Counts, Selected, Selection};
pub use store::{Accepted, Appended, Store};
pub use survey::ServiceSurvey;
pub use wire::{Batch, BatchMeta, Malformed, RecordKind};
