//! Puts closed segments away: compresses each, gives it to the object store, and only when it is there removes the file.
//! What fails is tried again, for ever; what is interrupted is done by the next start. Never changes a segment's content.

use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use object_store::{ObjectStoreExt, PutMode, PutOptions};
use tokio::sync::{mpsc, watch};

use crate::error::{ReadError, StoreError};
use crate::segment::{object_path, open_folder, open_path};
use crate::source::Source;
use crate::store::Shared;

/// zstd's own default: further levels cost far more time than they save room.
pub(crate) const LEVEL: i32 = 3;
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// A segment that nothing is appended to any more.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SealJob {
    pub(crate) number: u64,
    pub(crate) len: u64,
}

/// Puts away what comes, in order, until the writer ends. Once `closing`, each is tried one time.
pub(crate) async fn run(
    shared: Arc<Shared>,
    mut jobs: mpsc::UnboundedReceiver<SealJob>,
    mut closing: watch::Receiver<bool>,
) {
    while let Some(job) = jobs.recv().await {
        let mut pause = FIRST_PAUSE;
        loop {
            let Err(error) = seal(&shared, job).await else {
                shared.metrics.sealed();
                break;
            };
            shared.metrics.store_error();
            let path = open_path(&shared.folder, job.number);
            log::error!("cannot put away segment {}, it stays there: {}", path.display(), chain(&error));
            if *closing.borrow() {
                break;
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                // An error says that the store is gone: then there is nobody to wait for.
                _ = closing.changed() => {}
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

async fn seal(shared: &Arc<Shared>, job: SealJob) -> Result<(), StoreError> {
    let object = object_path(job.number);
    let path = open_path(&shared.folder, job.number);
    let mode = match existing(shared, job).await? {
        Existing::Same => None,
        // Another collector may have put one there just now; it must not be overwritten.
        Existing::None if !shared.local => Some(PutMode::Create),
        Existing::None | Existing::Unusable => Some(PutMode::Overwrite),
    };
    let failed = |action| move |source| StoreError::Folder { action, path, source };
    if let Some(mode) = mode {
        let path = open_path(&shared.folder, job.number);
        let compressed = blocking(move || compress(&path, job.len)).await.map_err(failed("compress"))?;
        let put = shared.objects.put_opts(&object, compressed.into(), PutOptions::from(mode)).await;
        put.map_err(|source| StoreError::Objects { action: "write to", source })?;
    }
    let shared = shared.clone();
    let path = open_path(&shared.folder, job.number);
    let remove = {
        let path = path.clone();
        move || {
            shared.disk.remove(&path)?;
            shared.disk.sync_dir(&open_folder(&shared.folder))
        }
    };
    blocking(remove).await.map_err(|source| StoreError::Folder { action: "remove", path, source })
}

enum Existing {
    None,
    Same,
    /// Left by a write that a crash has interrupted, on a store that doesn't write as a whole.
    Unusable,
}

/// What the object store has under the segment's name.
async fn existing(shared: &Arc<Shared>, job: SealJob) -> Result<Existing, StoreError> {
    let object = object_path(job.number);
    let size = match shared.objects.head(&object).await {
        Ok(meta) => meta.size,
        Err(object_store::Error::NotFound { .. }) => return Ok(Existing::None),
        Err(source) => return Err(StoreError::Objects { action: "look into", source }),
    };
    let path = open_path(&shared.folder, job.number);
    let file = File::open(&path).map_err(|source| StoreError::Folder { action: "open", path, source })?;
    let ours = digest(Source::File(Some(file))).await?;
    match digest(Source::object(shared.objects.clone(), object.clone(), size)?).await {
        Ok(theirs) if theirs == ours => Ok(Existing::Same),
        Ok(_) => Err(StoreError::Conflict { segment: object.to_string() }),
        Err(ReadError::Damaged { .. }) => Ok(Existing::Unusable),
        Err(other) => Err(other.into()),
    }
}

/// Length and checksum of all bytes.
async fn digest(mut source: Source) -> Result<(u64, u32), ReadError> {
    let (mut len, mut crc) = (0, crc32fast::Hasher::new());
    while let Some(piece) = source.piece("", len).await? {
        len += piece.len() as u64;
        crc.update(&piece);
    }
    Ok((len, crc.finalize()))
}

fn compress(path: &std::path::Path, len: u64) -> io::Result<Vec<u8>> {
    let mut encoder = zstd::stream::Encoder::new(Vec::new(), LEVEL)?;
    encoder.include_checksum(true)?;
    let copied = io::copy(&mut File::open(path)?.take(len), &mut encoder)?;
    if copied != len {
        return Err(io::Error::other(format!("it has {copied} bytes instead of {len}")));
    }
    encoder.finish()
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|e| Err(e.into()))
}

/// An error with its sources, for the log.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
