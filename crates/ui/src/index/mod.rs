//! What is known of each exchange of a snapshot without reading it again: where its line is, and what a list shows of it.
//!
//! Made by one pass over the file, on a thread of its own; a list can be shown while that goes on. Memory: some 80 bytes for each exchange,
//! and each different label once. Never holds a body.

mod labels;
mod query;
mod row;
mod scan;
mod search;

pub(crate) use query::{Query, Sort, StatusFilter};
pub(crate) use row::{Row, Way, label, length};
pub(crate) use scan::{Noted, Scanner, read_line};
pub(crate) use search::Needle;

use labels::Labels;
use std::fs::Metadata;
use std::path::Path;
use std::sync::{RwLock, RwLockReadGuard};
use std::time::SystemTime;
use tokio::sync::watch;

/// Which state of a file something was made of.
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

    /// Of the file that is there now.
    pub(crate) fn at(path: &Path) -> std::io::Result<Self> {
        std::fs::metadata(path).map(|meta| Self::of(&meta))
    }
}

/// What is known so far.
#[derive(Default)]
pub(crate) struct Known {
    pub(crate) rows: Vec<Row>,
    pub(crate) labels: Labels,
    pub(crate) backends: Labels,
    /// How many bytes of the file have been read.
    pub(crate) read: u64,
    /// How many lines are no exchanges.
    pub(crate) bad_lines: u64,
    /// Why reading ended early.
    pub(crate) failure: Option<String>,
}

/// The index of one file in one state.
pub(crate) struct Index {
    pub(crate) stamp: Stamp,
    known: RwLock<Known>,
    done: watch::Sender<bool>,
}

impl Index {
    pub(crate) fn new(stamp: Stamp) -> Self {
        Self { stamp, known: RwLock::default(), done: watch::Sender::new(false) }
    }

    /// What is known so far.
    pub(crate) fn known(&self) -> RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Whether all has been read.
    pub(crate) fn is_done(&self) -> bool {
        *self.done.borrow()
    }

    /// Waits until all has been read, or for so long.
    pub(crate) async fn wait(&self, patience: std::time::Duration) {
        let mut done = self.done.subscribe();
        // What has been read by then is shown.
        let _ = tokio::time::timeout(patience, done.wait_for(|done| *done)).await;
    }

    fn change(&self, change: impl FnOnce(&mut Known)) {
        change(&mut self.known.write().unwrap_or_else(std::sync::PoisonError::into_inner));
    }
}
