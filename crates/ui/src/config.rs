//! What is shown, and what can keep it from being shown. Never touches a file.

use std::io;
use std::path::PathBuf;
use understudy_collector::{ReadError, StoreUrl};
use understudy_snapshot::SnapshotError;

/// What is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The snapshots that are in a folder.
    Folder(PathBuf),
    /// One snapshot.
    Snapshot(PathBuf),
    /// What a collector or a recording is writing: its capture store.
    Store(StoreUrl),
}

/// The settings of a [`crate::Ui`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// What is shown.
    pub source: Source,
    /// A folder with reports of replays, besides those that are kept beside the snapshots.
    pub reports: Option<PathBuf>,
    /// The longest that a page waits for something that is still being read, in milliseconds. Then it shows what there is. Default 200.
    pub patience_ms: u64,
}

impl Config {
    /// The defaults.
    pub fn new(source: Source) -> Self {
        Self { source, reports: None, patience_ms: 200 }
    }
}

/// Why there are no pages.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UiError {
    /// The address can't be listened on.
    #[error("cannot listen on {address}; choose another address or port")]
    Listen {
        /// The address, as it was given.
        address: String,
        /// Why it failed.
        source: io::Error,
    },
    /// The folder of snapshots, or of reports, can't be read.
    #[error("can't read the folder {}; name a folder with snapshots, or a snapshot; for --reports a folder with reports", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// There is no such snapshot.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// The capture store can't be read.
    #[error(transparent)]
    Store(#[from] ReadError),
    /// The system gives no random bytes.
    #[error("the system gives no random bytes: {0}")]
    Random(String),
}

impl UiError {
    /// A stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Listen { .. } => "cannot-listen",
            Self::Folder { .. } => "folder-unreadable",
            Self::Snapshot(source) => source.code(),
            Self::Store(source) => source.code(),
            Self::Random(_) => "no-random-bytes",
        }
    }
}
