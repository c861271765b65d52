//! Writes batches straight into a bucket, for collectors without a disk of their own. Batches that
//! arrive within a short time become one object. Never overwrites an object of another collector.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use object_store::{ObjectStore, ObjectStoreExt, path::Path as ObjectPath};
use tokio::runtime::Handle;

use super::names::SegmentName;
use crate::backend::Backend;
use crate::error::{StoreError, chain};
use crate::frame::{self, FrameKind};
use crate::segment::{SegmentLine, encoder};

/// The object that is written to check whether the bucket is writable. All collectors write the
/// same.
const PROBE: &str = "probe";

pub(crate) struct Publisher {
    objects: Arc<dyn ObjectStore>,
    runtime: Handle,
    linger: Duration,
    /// The identifier of this collector, part of its objects' names.
    replica: String,
    number: u64,
}

impl Publisher {
    /// Checks that the bucket is writable.
    pub(super) async fn new(
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
        let written = publisher.objects.put(&ObjectPath::from(PROBE), "\n".into()).await;
        written.map_err(|source| StoreError::Objects { action: "write to", source })?;
        Ok(publisher)
    }

    pub(super) fn replica(&self) -> &str {
        &self.replica
    }
}

impl Backend for Publisher {
    type Error = PublishError;

    fn linger(&self) -> Duration {
        self.linger
    }

    /// Writes the group as one object. After an error the object may exist nevertheless: its
    /// senders send their batches again, and readers return each batch once.
    fn put(&mut self, group: &[&[u8]]) -> Result<Duration, PublishError> {
        self.number += 1;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let name = SegmentName::new(now, &self.replica, self.number);
        let object = compress(&name, group)?;
        let start = Instant::now();
        self.runtime.block_on(self.objects.put(&name.path(), object.into()))?;
        Ok(start.elapsed())
    }

    fn probe(&mut self) -> Result<(), PublishError> {
        self.runtime.block_on(self.objects.put(&ObjectPath::from(PROBE), "\n".into()))?;
        Ok(())
    }
}

/// Why a group can't be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PublishError {
    #[error("the batches can't be compressed: {0}")]
    Compress(#[from] io::Error),
    #[error("{}", chain(.0))]
    Store(#[from] object_store::Error),
}

/// A whole segment, in the format of a folder's closed segments.
fn compress(name: &SegmentName, group: &[&[u8]]) -> io::Result<Vec<u8>> {
    let mut encoder = encoder()?;
    let line = SegmentLine::named(name.number, name.stem()).to_payload()?;
    encoder.write_all(&frame::head(FrameKind::Segment, &line))?;
    encoder.write_all(&line)?;
    for payload in group {
        encoder.write_all(&frame::head(FrameKind::Batch, payload))?;
        encoder.write_all(payload)?;
    }
    encoder.finish()
}
