//! The settings of the stores, the ingest and the service, with their defaults and bounds. Callers
//! fill them in; nothing here reads a file or the environment.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use object_store::ObjectStore;

use crate::error::CollectorError;
use crate::folder::disk::{Disk, LocalDisk};
use crate::frame::MAX_BATCH;

/// Kind and settings of a [`crate::Store`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum StoreConfig {
    /// In a folder that belongs to one collector.
    Folder(FolderConfig),
    /// In a bucket that any number of collectors share.
    Bucket(BucketConfig),
}

impl StoreConfig {
    /// The defaults for a folder.
    pub fn folder(path: impl Into<PathBuf>) -> Self {
        FolderConfig::new(path).into()
    }

    /// The defaults for a bucket.
    pub fn bucket(objects: Arc<dyn ObjectStore>) -> Self {
        BucketConfig::new(objects).into()
    }
}

impl From<FolderConfig> for StoreConfig {
    fn from(config: FolderConfig) -> Self {
        StoreConfig::Folder(config)
    }
}

impl From<BucketConfig> for StoreConfig {
    fn from(config: BucketConfig) -> Self {
        StoreConfig::Bucket(config)
    }
}

/// The settings of a store in a folder.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FolderConfig {
    /// The capture folder. It is created if it doesn't exist, and locked while the store is open.
    pub path: PathBuf,
    /// Size in bytes at which a segment is closed. Default 64 MiB. Compression happens in memory,
    /// so this also bounds that memory.
    pub segment_bytes: u64,
    /// Age at which a segment that holds a batch is closed. Default 5 minutes.
    pub segment_age: Duration,
    /// The maximum number of VMs whose batches are recognised when sent again. Default 16,384.
    /// Above it, the VMs that were silent longest are forgotten, an eighth at a time. A batch that
    /// a forgotten VM sends again is stored again.
    pub max_vms: usize,
    /// The maximum number of separate runs of `seq` for each VM. Default 4,096. A batch that would
    /// open one more gap is refused.
    pub max_runs: usize,
    /// The object store for closed segments; `None` (default) keeps them in the folder. It must
    /// belong to this collector alone.
    pub objects: Option<Arc<dyn ObjectStore>>,
    /// The file operations for open segments. Tests replace them.
    pub disk: Arc<dyn Disk>,
}

impl FolderConfig {
    /// The defaults, in the folder `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        FolderConfig {
            path: path.into(),
            segment_bytes: 64 << 20,
            segment_age: Duration::from_secs(300),
            max_vms: 16_384,
            max_runs: 4_096,
            objects: None,
            disk: Arc::new(LocalDisk),
        }
    }
}

/// The settings of a store in a bucket. Nothing is kept on a disk.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BucketConfig {
    /// The bucket. Any number of collectors may share it.
    pub objects: Arc<dyn ObjectStore>,
    /// Time that a batch waits for others. Batches that arrive within this time become one object,
    /// before they are acknowledged. Default 250 ms.
    pub linger: Duration,
    /// Age at which small objects are compacted into one and deleted; `None` leaves them. Default 5
    /// minutes.
    pub compact_age: Option<Duration>,
    /// See [`FolderConfig::max_vms`]. Default 65,536: each collector receives batches of a whole
    /// mesh.
    pub max_vms: usize,
    /// The maximum number of separate runs of `seq` for each VM. Default 4,096. Above it, the runs
    /// of the VM are forgotten.
    pub max_runs: usize,
}

impl BucketConfig {
    /// The defaults, in the bucket `objects`.
    pub fn new(objects: Arc<dyn ObjectStore>) -> Self {
        BucketConfig {
            objects,
            linger: Duration::from_millis(250),
            compact_age: Some(Duration::from_secs(300)),
            max_vms: 65_536,
            max_runs: 4_096,
        }
    }
}

/// The limits of an [`crate::Ingest`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct IngestConfig {
    /// The maximum size of a body in bytes, before and after decompression. Default 16 MiB, at most
    /// 1 GiB.
    pub max_body: usize,
    /// The maximum number of bytes of bodies in memory, over all requests. Default 128 MiB, at
    /// least `max_body`. Requests above it get 429.
    pub max_in_flight: usize,
    /// Time limit for the arrival of a request's body. Default 30 s.
    pub body_timeout: Duration,
    /// Delay after which a sender that got 429 or 503 should try again. Default 1 s; sent in whole
    /// seconds, rounded up.
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
    /// Time limit of a shutdown for requests in flight, and then again for sealing the last
    /// segments. Default 10 s. Unsealed segments are durable, and the next start seals them.
    pub shutdown_deadline: Duration,
    /// Time after which a connection without a request in progress is closed. Default 120 s.
    pub idle_timeout: Duration,
}

impl CollectorConfig {
    /// The defaults, with a store in the folder `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        CollectorConfig::with_store(FolderConfig::new(path))
    }

    /// The defaults, with this store.
    pub fn with_store(store: impl Into<StoreConfig>) -> Self {
        CollectorConfig {
            store: store.into(),
            ingest: IngestConfig::default(),
            shutdown_deadline: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(120),
        }
    }

    pub(crate) fn check(&self) -> Result<(), CollectorError> {
        let bad = |key, reason: String| Err(CollectorError::Config { key, reason });
        let ingest = &self.ingest;
        if ingest.max_body == 0 || ingest.max_body > MAX_BATCH {
            return bad("max_body", format!("must be from 1 to {MAX_BATCH} bytes"));
        }
        if ingest.max_in_flight < ingest.max_body || ingest.max_in_flight > u32::MAX as usize {
            return bad("max_in_flight", format!("must be from max_body to {} bytes", u32::MAX));
        }
        let (max_vms, max_runs) = match &self.store {
            StoreConfig::Folder(folder) => {
                if folder.segment_bytes == 0 || folder.segment_bytes > 4 << 30 {
                    return bad("segment_bytes", "must be from 1 byte to 4 GiB".into());
                }
                if folder.segment_age.is_zero() {
                    return bad("segment_age", "must not be zero".into());
                }
                (folder.max_vms, folder.max_runs)
            }
            StoreConfig::Bucket(bucket) => {
                if bucket.compact_age.is_some_and(|age| age.is_zero()) {
                    return bad("compact_age", "must not be zero".into());
                }
                (bucket.max_vms, bucket.max_runs)
            }
        };
        if max_vms == 0 || max_runs == 0 {
            return bad("max_vms, max_runs", "must not be zero".into());
        }
        Ok(())
    }
}

impl StoreConfig {
    /// The store's place, for messages.
    pub(crate) fn place(&self) -> String {
        match self {
            StoreConfig::Folder(folder) => Path::display(&folder.path).to_string(),
            StoreConfig::Bucket(bucket) => bucket.objects.to_string(),
        }
    }
}
