//! A capture store in a folder that one collector owns: batches are appended to an open segment,
//! and closed segments are sealed (compressed, immutable).

pub(crate) mod disk;
pub(crate) mod layout;
mod open_segment;
mod recover;
mod seal;
mod state;
mod walk;
mod writer;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use object_store::ObjectStore;
use tokio::sync::{mpsc::unbounded_channel, watch};

use crate::backend::{Contents, Opened};
use crate::config::FolderConfig;
use crate::error::{ReadError, StoreError};
use crate::ledger::Ledger;
use crate::read::{Reader, Start};
use open_segment::OpenSegment;
use state::FolderState;
use walk::FolderWalk;
use writer::FolderWriter;

/// Opens the folder, creates it if it doesn't exist, and repairs the segment that a crash has torn.
pub(crate) async fn open(config: FolderConfig) -> Result<Opened<FolderWriter>, StoreError> {
    let recovered = recover::recover(&config).await?;
    let FolderConfig { path, segment_bytes, segment_age, disk, objects, .. } = config;
    let vms = recovered.index.checkpoint();
    let segment = OpenSegment::create(&*disk, &path, recovered.next, vms)
        .map_err(|source| StoreError::Folder { action: "write to", path: path.clone(), source })?;
    let ledger = Arc::new(Ledger::new(recovered.index));
    let is_local = objects.is_none();
    let state = Arc::new(FolderState::new(path, disk, recovered.objects, is_local, recovered.lock));
    let (seal, jobs) = unbounded_channel();
    for job in recovered.unsealed {
        ledger.metrics.segment_closed();
        // The receiver is `jobs`, above.
        let _ = seal.send(job);
    }
    let (closing, closing_receiver) = watch::channel(false);
    let sealer = tokio::spawn(seal::run(state.clone(), ledger.clone(), jobs, closing_receiver));
    let backend = FolderWriter::new(state.clone(), ledger.clone(), segment, segment_bytes, segment_age, seal);
    Ok(Opened { ledger, backend, contents: state, background: Some(sealer), closing })
}

/// Reads a capture folder, whether or not a collector writes to it.
pub(crate) async fn read(
    path: &std::path::Path,
    objects: Option<Arc<dyn ObjectStore>>,
    start: Start,
) -> Result<Reader, ReadError> {
    let objects = match objects {
        Some(objects) => objects,
        None => layout::local_objects(path).map_err(|source| ReadError::Folder {
            path: path.into(),
            source: std::io::Error::other(source),
        })?,
    };
    let walk = FolderWalk::open(path, objects, None, start).await?;
    Ok(Reader::new(walk))
}

impl Contents for FolderState {
    fn read(&self) -> BoxFuture<'_, Result<Reader, ReadError>> {
        Box::pin(async {
            let durable = Some(self.durable());
            let walk = FolderWalk::open(&self.path, self.objects.clone(), durable, Start::Beginning).await?;
            Ok(Reader::new(walk))
        })
    }

    fn open_segment_bytes(&self) -> u64 {
        self.durable().len
    }
}
