//! The settings of the pages, and the errors that prevent them. Never touches a file.

use std::io;
use std::path::PathBuf;
use understudy_collector::{ReadError, StoreUrl};
use understudy_snapshot::SnapshotError;

/// Content of the pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// All snapshots in a folder.
    Folder(PathBuf),
    /// One snapshot.
    Snapshot(PathBuf),
    /// The capture store of a collector or of a running recording.
    Store(StoreUrl),
}

/// The settings of a [`crate::Ui`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// Content of the pages.
    pub source: Source,
    /// A folder with reports of replays, in addition to those stored with the snapshots.
    pub reports: Option<PathBuf>,
    /// Time that a page waits for a file that is still being read, in milliseconds. Then it shows
    /// the part that was read. Default 200.
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
    /// The server can't listen on the address.
    #[error("cannot listen on {address}; choose another address or port")]
    Listen {
        /// The address, as it was given.
        address: String,
        /// The cause.
        source: io::Error,
    },
    /// The folder of snapshots, or of reports, can't be read.
    #[error("can't read the folder {}; name a folder with snapshots, or a snapshot; for --reports a folder with reports", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The snapshot doesn't exist or can't be read.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// The capture store can't be read.
    #[error(transparent)]
    Store(#[from] ReadError),
    /// The system provides no random bytes.
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
