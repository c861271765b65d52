//! Receives what the filter taps and keeps it durably.
//!
//! [`Collector`] is the HTTP service (`POST /v1/exchanges`, health, metrics); [`Ingest`] is what it does to a batch,
//! for those who have one in hand; [`Store`] keeps batches in a capture folder, and [`Reader`] streams them back.
//! The wire is `docs/reference/wire.md`. A batch is acknowledged when it is on disk, never earlier; it is kept once,
//! however often it is sent; what never came is counted, per VM, in a [`GapReport`].
//!
//! This crate never looks into a record beyond its `type`, `id` and `v`, never changes a byte of it, and never
//! deletes one.

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
mod metrics;
mod ranges;
mod read;
mod recover;
mod seal;
mod segment;
mod source;
mod store;
mod wire;
mod writer;

pub use collector::{Collector, Summary};
pub use config::{CollectorConfig, IngestConfig, StoreConfig};
pub use disk::{Disk, LocalDisk, SegmentFile};
pub use error::{CollectorError, IngestError, ReadError, StoreError};
pub use gaps::{GapReport, VmGaps};
pub use ingest::{Ingest, Receipt};
pub use metrics::Stats;
/// The crate whose [`object_store::ObjectStore`] holds closed segments; re-exported so that callers name one version.
pub use object_store;
pub use read::{Position, Reader, Start, StoredBatch, StoredRecord, TornTail};
pub use store::{Accepted, Appended, Store};
pub use wire::{Batch, BatchMeta, Malformed, RecordKind};
