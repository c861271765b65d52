//! State that the parts of a folder's store share: its path, its lock, and the durable position.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use object_store::ObjectStore;

use super::disk::{Disk, is_same_file};
use super::layout::lock_path;

/// The end of the durable part of a folder: a segment and an offset in it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct DurableEnd {
    pub(crate) number: u64,
    pub(crate) len: u64,
}

pub(crate) struct FolderState {
    pub(crate) path: PathBuf,
    pub(crate) disk: Arc<dyn Disk>,
    /// The object store of the closed segments.
    pub(crate) objects: Arc<dyn ObjectStore>,
    /// True if `objects` is the folder itself, which the lock reserves for this collector.
    pub(crate) is_local: bool,
    durable: Mutex<DurableEnd>,
    /// Held until the last part of the store is dropped.
    lock: File,
}

impl FolderState {
    pub(crate) fn new(
        path: PathBuf,
        disk: Arc<dyn Disk>,
        objects: Arc<dyn ObjectStore>,
        is_local: bool,
        lock: File,
    ) -> FolderState {
        FolderState { path, disk, objects, is_local, durable: Mutex::default(), lock }
    }

    /// Checks that the folder is still the one that this store has locked.
    ///
    /// # Errors
    /// The folder was removed or replaced. Then another collector may have locked the new one, so
    /// only a restart of this one may use it.
    pub(crate) fn check_lock(&self) -> io::Result<()> {
        if is_same_file(&self.lock, &lock_path(&self.path))? {
            return Ok(());
        }
        let reason = "the capture folder was removed or replaced; restart the collector";
        Err(io::Error::new(io::ErrorKind::NotFound, reason))
    }

    pub(crate) fn durable(&self) -> DurableEnd {
        *self.durable.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_durable(&self, number: u64, len: u64) {
        *self.durable.lock().unwrap_or_else(PoisonError::into_inner) = DurableEnd { number, len };
    }
}
