//! A capture store in a bucket that any number of collectors share: batches go straight into
//! objects, and small objects are compacted later. Nothing is kept on a disk.

mod compact;
mod names;
mod publish;
pub(crate) mod s3;
mod walk;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use object_store::ObjectStore;
use tokio::sync::watch;

use crate::backend::{Contents, Opened};
use crate::config::BucketConfig;
use crate::error::{ReadError, StoreError};
use crate::index::Index;
use crate::ledger::Ledger;
use crate::read::{Reader, Start};
use compact::Compactor;
use publish::Publisher;
use walk::BucketWalk;

/// Opens the bucket. Stored batches aren't read: readers return each batch once.
pub(crate) async fn open(config: BucketConfig) -> Result<Opened<Publisher>, StoreError> {
    let BucketConfig { objects, linger, compact_age, max_vms, max_runs } = config;
    let ledger = Arc::new(Ledger::new(Index::shared(max_vms, max_runs)));
    let backend = Publisher::new(objects.clone(), linger).await?;
    let (closing, closing_receiver) = watch::channel(false);
    let background = compact_age.map(|age| {
        let replica = backend.replica().to_owned();
        let compactor = Compactor::new(objects.clone(), ledger.clone(), replica, age);
        tokio::spawn(compactor.run(closing_receiver))
    });
    Ok(Opened { ledger, backend, contents: Arc::new(BucketContents(objects)), background, closing })
}

/// Reads a bucket, also while collectors write to it.
pub(crate) async fn read(objects: Arc<dyn ObjectStore>, start: Start) -> Result<Reader, ReadError> {
    Ok(Reader::new(BucketWalk::open(objects, start).await?))
}

struct BucketContents(Arc<dyn ObjectStore>);

impl Contents for BucketContents {
    fn read(&self) -> BoxFuture<'_, Result<Reader, ReadError>> {
        Box::pin(read(self.0.clone(), Start::Beginning))
    }

    fn open_segment_bytes(&self) -> u64 {
        0
    }
}
