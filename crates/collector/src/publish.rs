//! Puts batches straight into an object store, for collectors without a disk of their own: what comes within a short time as one object.
//! Never overwrites an object of another collector.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use object_store::{ObjectStore, ObjectStoreExt, path::Path as ObjectPath};
use tokio::runtime::Handle;

use crate::error::StoreError;
use crate::frame::{self, Kind};
use crate::names::Published;
use crate::queue::{Job, Sink};
use crate::seal::{LEVEL, chain};
use crate::segment::SegmentLine;

/// What is written to see whether anything can be. All collectors of a store write the same.
const PROBE: &str = "probe";

pub(crate) struct Publisher {
    objects: Arc<dyn ObjectStore>,
    runtime: Handle,
    linger: Duration,
    /// Of this collector alone, so that no two give an object the same name.
    replica: String,
    number: u64,
}

impl Publisher {
    /// Tries out the store.
    pub(crate) async fn new(
        objects: Arc<dyn ObjectStore>,
        linger: Duration,
    ) -> Result<Publisher, StoreError> {
        let mut id = [0; 8];
        getrandom::fill(&mut id).map_err(|error| StoreError::Folder {
            action: "make a name from",
            path: "the system's randomness".into(),
            source: io::Error::other(error),
        })?;
        let replica = understudy_core::digest::hex(&id);
        let publisher = Publisher { objects, runtime: Handle::current(), linger, replica, number: 0 };
        let tried = publisher.objects.put(&ObjectPath::from(PROBE), "\n".into()).await;
        tried.map_err(|source| StoreError::Objects { action: "write to", source })?;
        Ok(publisher)
    }

    pub(crate) fn replica(&self) -> &str {
        &self.replica
    }
}

impl Sink for Publisher {
    type Error = Failure;

    fn linger(&self) -> Duration {
        self.linger
    }

    /// As one object. After an error it may be there nevertheless: its senders send it again, and readers take each batch once.
    fn put(&mut self, group: &[Job]) -> Result<Duration, Failure> {
        self.number += 1;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let name = Published::new(now, &self.replica, self.number);
        let object = compress(&name, group)?;
        let start = Instant::now();
        self.runtime.block_on(self.objects.put(&name.path(), object.into()))?;
        Ok(start.elapsed())
    }

    fn probe(&mut self) -> Result<(), Failure> {
        self.runtime.block_on(self.objects.put(&ObjectPath::from(PROBE), "\n".into()))?;
        Ok(())
    }
}

/// Why nothing could be put away.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("it can't be compressed: {0}")]
    Compress(#[from] io::Error),
    #[error("{}", chain(.0))]
    Store(#[from] object_store::Error),
}

/// A whole segment: the same format as that of a folder's closed segments.
fn compress(name: &Published, group: &[Job]) -> io::Result<Vec<u8>> {
    let mut encoder = zstd::stream::Encoder::new(Vec::new(), LEVEL)?;
    encoder.include_checksum(true)?;
    let line = SegmentLine::published(name).to_line()?;
    let lines = [(Kind::Segment, &line[..])].into_iter();
    for (kind, payload) in lines.chain(group.iter().map(|job| (Kind::Batch, job.body()))) {
        io::Write::write_all(&mut encoder, &frame::head(kind, payload))?;
        io::Write::write_all(&mut encoder, payload)?;
    }
    encoder.finish()
}
