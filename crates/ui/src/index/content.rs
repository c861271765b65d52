//! The rows and labels of an index, and whether they are complete.

use super::labels::Labels;
use super::row::Row;
use std::fs::Metadata;
use std::path::Path;
use std::sync::{RwLock, RwLockReadGuard};
use std::time::SystemTime;
use tokio::sync::watch;

/// The state of a file, to detect changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) length: u64,
    modified: Option<SystemTime>,
    inode: u64,
}

impl Stamp {
    pub(crate) fn of(meta: &Metadata) -> Self {
        #[cfg(unix)]
        let inode = std::os::unix::fs::MetadataExt::ino(meta);
        #[cfg(not(unix))]
        let inode = 0;
        Self { length: meta.len(), modified: meta.modified().ok(), inode }
    }

    /// The current state of the file.
    pub(crate) fn at(path: &Path) -> std::io::Result<Self> {
        std::fs::metadata(path).map(|meta| Self::of(&meta))
    }
}

/// The rows and labels read so far.
#[derive(Default)]
pub(crate) struct IndexContent {
    pub(crate) rows: Vec<Row>,
    pub(crate) labels: Labels,
    pub(crate) backends: Labels,
    /// The number of bytes read.
    pub(crate) read: u64,
    /// The number of lines that aren't exchanges.
    pub(crate) bad_lines: u64,
    /// The reason why reading ended early, if it did.
    pub(crate) failure: Option<String>,
}

/// The index of one file in one state.
pub(crate) struct Index {
    pub(crate) stamp: Stamp,
    known: RwLock<IndexContent>,
    pub(super) done: watch::Sender<bool>,
}

impl Index {
    pub(crate) fn new(stamp: Stamp) -> Self {
        Self { stamp, known: RwLock::default(), done: watch::Sender::new(false) }
    }

    /// The content so far.
    pub(crate) fn known(&self) -> RwLockReadGuard<'_, IndexContent> {
        self.known.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Returns whether the whole file was read.
    pub(crate) fn is_done(&self) -> bool {
        *self.done.borrow()
    }

    /// Waits until the whole file was read, at most for `patience`.
    pub(crate) async fn wait(&self, patience: std::time::Duration) {
        let mut done = self.done.subscribe();
        // After a time-out, the content so far is shown.
        let _ = tokio::time::timeout(patience, done.wait_for(|done| *done)).await;
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut IndexContent)) {
        change(&mut self.known.write().unwrap_or_else(std::sync::PoisonError::into_inner));
    }
}
