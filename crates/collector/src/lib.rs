//! Receives what the filter taps and keeps it durably.
//!
//! [`Collector`] is the HTTP service (`POST /v1/exchanges`, health, metrics). [`Ingest`] checks and
//! stores one batch. [`Store`] keeps batches, in a folder or a bucket, and [`Reader`] streams them
//! back: all of them, or those of a [`Selection`]. The wire format is `docs/reference/wire.md`.
//!
//! A batch is acknowledged when it is durable, never earlier. It is kept once, however often it is
//! sent. A [`GapReport`] counts the batches that never arrived, per VM.
//!
//! The collector only reads the keys `type`, `id` and `v`. It never changes or loses a byte. Small
//! objects of a bucket are compacted: copied verbatim into one object, and then deleted.

mod backend;
mod body;
mod bucket;
mod collector;
mod config;
mod error;
mod folder;
mod frame;
mod gaps;
mod health;
mod http;
mod index;
mod ingest;
mod ledger;
mod location;
mod metrics;
mod queue;
mod ranges;
mod read;
mod segment;
mod select;
mod source;
mod store;
mod survey;
mod wire;

pub use collector::{Collector, CollectorSummary};
pub use config::{BucketConfig, CollectorConfig, FolderConfig, IngestConfig, StoreConfig};
pub use error::{CollectorError, IngestError, ReadError, StoreError, StoreUrlError};
pub use folder::disk::{Disk, LocalDisk, SegmentFile};
pub use folder::layout::CaptureFolder;
pub use gaps::{GapReport, VmGaps};
pub use index::Appended;
pub use ingest::{Ingest, Receipt};
pub use ledger::Accepted;
pub use location::StoreUrl;
pub use metrics::Stats;
/// The crate whose [`object_store::ObjectStore`] holds closed segments; re-exported so that callers
/// use the same version.
pub use object_store;
pub use read::{Position, Reader, Start, StoredBatch, StoredRecord, TornTail};
pub use select::{Selected, Selection, SelectionCounts};
pub use store::Store;
pub use survey::ServiceSurvey;
pub use wire::{Batch, BatchMeta, Malformed, RecordKind};
