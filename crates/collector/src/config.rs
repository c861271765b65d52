//! The settings of the store, the ingest and the service, with their defaults and bounds.
//! Never reads them from anywhere: callers do.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use object_store::ObjectStore;

use crate::disk::{Disk, LocalDisk};
use crate::error::CollectorError;

/// The longest body that [`IngestConfig::max_body`] may allow. A reader holds one batch at a time, so this bounds it.
pub(crate) const MAX_BODY_LIMIT: usize = 1 << 30;

/// Where and how a [`crate::Store`] keeps batches.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StoreConfig {
    /// The capture folder; of no use with `linger`. Made if it isn't there; held exclusively while the store is open.
    pub folder: PathBuf,
    /// A segment is closed when it has this many bytes. Default 64 MiB. A segment is compressed in memory, so this
    /// bounds that too.
    pub segment_bytes: u64,
    /// A segment with something in it is closed at this age. Default 5 minutes.
    pub segment_age: Duration,
    /// How many VMs the store remembers, to know a batch that is sent again. Default 16,384, and 65,536 where collectors share the store: each
    /// hears all of a mesh. When there are more, those
    /// that were silent longest are forgotten, an eighth at a time: a batch which such a VM sends again is stored again.
    pub max_vms: usize,
    /// How many separate runs of stored `seq` the store keeps for each VM. Default 4,096. Batches that would open
    /// one more gap are refused.
    pub max_runs: usize,
    /// With `Some`, there is no folder: what comes within this time is put into `objects` as one object, before it is acknowledged. Any number
    /// of collectors may share `objects` then. `None` (default): batches are in the folder first.
    pub linger: Option<Duration>,
    /// With `linger`: small objects that are older than this are joined, and deleted when they are. `None`: never. Default 5 minutes.
    pub join_age: Option<Duration>,
    /// Where closed segments go; `None` (default): the capture folder. An object store given here must belong to this
    /// collector alone.
    pub objects: Option<Arc<dyn ObjectStore>>,
    /// How open segments reach the disk; for tests.
    pub disk: Arc<dyn Disk>,
}

impl StoreConfig {
    /// The defaults, in `folder`.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        StoreConfig {
            folder: folder.into(),
            segment_bytes: 64 << 20,
            segment_age: Duration::from_secs(300),
            max_vms: 16_384,
            max_runs: 4_096,
            linger: None,
            join_age: Some(Duration::from_secs(300)),
            objects: None,
            disk: Arc::new(LocalDisk),
        }
    }

    /// The defaults for an object store that any number of collectors share, without a folder.
    pub fn shared(objects: Arc<dyn ObjectStore>) -> Self {
        let linger = Some(Duration::from_millis(250));
        StoreConfig { linger, objects: Some(objects), max_vms: 65_536, ..StoreConfig::new("") }
    }
}

/// What [`crate::Ingest`] takes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct IngestConfig {
    /// The longest body, in bytes, before and after decompression. Default 16 MiB, at most 1 GiB.
    pub max_body: usize,
    /// How many bytes of bodies may be in memory at a time, over all requests. Default 128 MiB; not less than
    /// `max_body`. What comes above is answered 429.
    pub max_in_flight: usize,
    /// How long the body of one request may take to arrive. Default 30 s.
    pub body_timeout: Duration,
    /// After how long a sender that was put off should come again. Default 1 s; sent in whole seconds, rounded up.
    pub retry_after: Duration,
}

impl Default for IngestConfig {
    fn default() -> Self {
        IngestConfig {
            max_body: 16 << 20,
            max_in_flight: 128 << 20,
            body_timeout: Duration::from_secs(30),
            retry_after: Duration::from_secs(1),
        }
    }
}

/// All settings of a [`crate::Collector`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CollectorConfig {
    /// The capture store.
    pub store: StoreConfig,
    /// The ingest.
    pub ingest: IngestConfig,
    /// How long a shutdown waits for requests in flight, and then again for the last segments to be put away.
    /// Default 10 s. What isn't put away then stays durable in the folder, and the next start does it.
    pub shutdown_deadline: Duration,
}

impl CollectorConfig {
    /// The defaults, in `folder`.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        CollectorConfig::of(StoreConfig::new(folder))
    }

    /// The defaults, with this store.
    pub fn of(store: StoreConfig) -> Self {
        CollectorConfig { store, ingest: IngestConfig::default(), shutdown_deadline: Duration::from_secs(10) }
    }

    pub(crate) fn check(&self) -> Result<(), CollectorError> {
        let bad = |key, reason: String| Err(CollectorError::Config { key, reason });
        let ingest = &self.ingest;
        if ingest.max_body == 0 || ingest.max_body > MAX_BODY_LIMIT {
            return bad("max_body", format!("must be from 1 to {MAX_BODY_LIMIT} bytes"));
        }
        if ingest.max_in_flight < ingest.max_body || ingest.max_in_flight > u32::MAX as usize {
            return bad("max_in_flight", format!("must be from max_body to {} bytes", u32::MAX));
        }
        if self.store.segment_bytes == 0 || self.store.segment_bytes > 4 << 30 {
            return bad("segment_bytes", "must be from 1 byte to 4 GiB".into());
        }
        if self.store.segment_age.is_zero() {
            return bad("segment_age", "must not be zero".into());
        }
        if self.store.join_age.is_some_and(|age| age.is_zero()) {
            return bad("join_age", "must not be zero".into());
        }
        if self.store.max_vms == 0 || self.store.max_runs == 0 {
            return bad("max_vms, max_runs", "must not be zero".into());
        }
        Ok(())
    }
}
