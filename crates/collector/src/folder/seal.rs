//! Seals closed segments: compresses each, writes it to the object store, and only then removes the
//! file. A failure is retried without end; the next start finishes an interrupted seal. Never
//! changes a segment's content.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use object_store::{ObjectStoreExt, PutMode, PutOptions};
use tokio::sync::{mpsc, watch};

use super::layout::{closed_path, open_folder, open_path};
use super::state::FolderState;
use crate::error::{ReadError, StoreError, chain};
use crate::ledger::Ledger;
use crate::segment::encoder;
use crate::source::ByteSource;

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// A closed segment that has to be sealed.
#[derive(Clone, Copy, Debug)]
pub(super) struct SealJob {
    pub(super) number: u64,
    pub(super) len: u64,
}

/// Seals segments in order until the writer ends. Once `closing` is set, each is tried one time.
pub(super) async fn run(
    state: Arc<FolderState>,
    ledger: Arc<Ledger>,
    mut jobs: mpsc::UnboundedReceiver<SealJob>,
    mut closing: watch::Receiver<bool>,
) {
    while let Some(job) = jobs.recv().await {
        let mut pause = FIRST_PAUSE;
        loop {
            let Err(error) = seal(&state, job).await else {
                tracing::debug!(segment = job.number, bytes = job.len, "a segment is sealed");
                ledger.metrics.segment_sealed();
                break;
            };
            ledger.metrics.store_error();
            let path = open_path(&state.path, job.number);
            tracing::error!(
                path = %path.display(),
                error = chain(&error),
                "can't seal a segment; its file stays in the folder"
            );
            if *closing.borrow() {
                break;
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                // An error means that the store was dropped: nobody waits any more.
                _ = closing.changed() => {}
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

async fn seal(state: &Arc<FolderState>, job: SealJob) -> Result<(), StoreError> {
    let object = closed_path(job.number);
    let path = open_path(&state.path, job.number);
    state.check_lock().map_err(|source| StoreError::Folder {
        action: "use",
        path: state.path.clone(),
        source,
    })?;
    let mode = match existing(state, job).await? {
        ExistingObject::Same => None,
        // Another collector may have written this object just now. It must not be overwritten.
        ExistingObject::None if !state.is_local => Some(PutMode::Create),
        ExistingObject::None | ExistingObject::Unusable => Some(PutMode::Overwrite),
    };
    if let Some(mode) = mode {
        let file = path.clone();
        let compressed = blocking(move || compress(&file, job.len))
            .await
            .map_err(|source| StoreError::Folder { action: "compress", path: path.clone(), source })?;
        let put = state.objects.put_opts(&object, compressed.into(), PutOptions::from(mode)).await;
        put.map_err(|source| StoreError::Objects { action: "write to", source })?;
    }
    let remove = {
        let (state, path) = (state.clone(), path.clone());
        move || {
            state.disk.remove(&path)?;
            state.disk.sync_dir(&open_folder(&state.path))
        }
    };
    blocking(remove).await.map_err(|source| StoreError::Folder { action: "remove", path, source })
}

/// The state of the object that a segment is sealed into.
enum ExistingObject {
    None,
    Same,
    /// A write was interrupted by a crash, on an object store whose writes aren't atomic.
    Unusable,
}

async fn existing(state: &FolderState, job: SealJob) -> Result<ExistingObject, StoreError> {
    let object = closed_path(job.number);
    let size = match state.objects.head(&object).await {
        Ok(meta) => meta.size,
        Err(object_store::Error::NotFound { .. }) => return Ok(ExistingObject::None),
        Err(source) => return Err(StoreError::Objects { action: "look into", source }),
    };
    let path = open_path(&state.path, job.number);
    let file = File::open(&path).map_err(|source| StoreError::Folder { action: "open", path, source })?;
    let ours = checksum(ByteSource::file(file)).await?;
    match checksum(ByteSource::object(state.objects.clone(), object.clone(), size)?).await {
        Ok(theirs) if theirs == ours => Ok(ExistingObject::Same),
        Ok(_) => Err(StoreError::Conflict { segment: object.to_string() }),
        Err(ReadError::Damaged { .. }) => Ok(ExistingObject::Unusable),
        Err(other) => Err(other.into()),
    }
}

/// The length and the CRC-32 of all bytes.
async fn checksum(mut source: ByteSource) -> Result<(u64, u32), ReadError> {
    let mut len = 0;
    let mut crc = crc32fast::Hasher::new();
    while let Some(piece) = source.piece("", len).await? {
        len += piece.len() as u64;
        crc.update(&piece);
    }
    Ok((len, crc.finalize()))
}

fn compress(path: &Path, len: u64) -> io::Result<Vec<u8>> {
    let mut encoder = encoder()?;
    let copied = io::copy(&mut File::open(path)?.take(len), &mut encoder)?;
    if copied != len {
        return Err(io::Error::other(format!("the file has {copied} bytes instead of {len}")));
    }
    encoder.finish()
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|e| Err(e.into()))
}
