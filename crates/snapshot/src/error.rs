//! Errors of reading and writing snapshots. Each error names the file, the position, the reason and
//! a remedy.

use std::io;
use std::path::{Path, PathBuf};
use understudy_core::v1::LineError;

/// Error of reading or writing a snapshot.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// The folder doesn't exist.
    #[error("there is no snapshot at {}: {hint}", path.display())]
    NotFound {
        /// The snapshot's folder.
        path: PathBuf,
        /// Remedy.
        hint: String,
    },
    /// The path exists and isn't a snapshot.
    #[error("{} is no snapshot: {problem}", path.display())]
    NotASnapshot {
        /// Path that was given as a snapshot.
        path: PathBuf,
        /// Description of the path's content, and the remedy.
        problem: String,
    },
    /// One of the two files of a snapshot is missing.
    #[error("{} is missing: restore it, or record the snapshot again", path.display())]
    MissingFile {
        /// The file.
        path: PathBuf,
    },
    /// `snapshot.yaml` isn't YAML, or a key is missing, unknown or of the wrong type.
    #[error("{}:{line}:{column}: {problem}", path.display())]
    Yaml {
        /// The file.
        path: PathBuf,
        /// Counted from 1; 0 if unknown.
        line: u64,
        /// Counted from 1; 0 if unknown.
        column: u64,
        /// Reason and remedy.
        problem: String,
    },
    /// The snapshot's version is unknown.
    #[error(
        "{}:{line}: snapshot version {version} is unknown here (known: {}); use a newer understudy",
        path.display(),
        crate::header::VERSION
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: u64,
        /// The version found.
        version: u64,
    },
    /// A line of `exchanges.ndjson` can't be read.
    #[error("{}:{line}: not an exchange; mend the line or delete it", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: u64,
        /// Reason.
        source: LineError,
    },
    /// A line of `exchanges.ndjson` is readable but not allowed in a snapshot.
    #[error("{}:{line}: {problem}", path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: u64,
        /// Reason and remedy.
        problem: String,
    },
    /// Two lines have the same identifier.
    #[error("{}:{line}: another exchange before it has the id {id:?} too; give this one another", path.display())]
    DuplicateId {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: u64,
        /// The identifier.
        id: String,
    },
    /// A snapshot exists, and replacing it wasn't allowed.
    #[error("there is a snapshot at {} already: name another folder, or allow replacing it (--force)", path.display())]
    Exists {
        /// The snapshot's folder.
        path: PathBuf,
    },
    /// `snapshot.yaml` was changed after the caller read it.
    #[error("{} has changed since it was read, and nothing is written: look at it, and choose again", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// The requested change would touch other parts of the file.
    #[error("{}: {problem}", path.display())]
    Edit {
        /// The file.
        path: PathBuf,
        /// Description of the change, and the remedy.
        problem: String,
    },
    /// The path can't be the folder of a snapshot.
    #[error("{} can't be the folder of a snapshot: {problem}", path.display())]
    Path {
        /// The path.
        path: PathBuf,
        /// Reason.
        problem: &'static str,
    },
    /// I/O error.
    #[error("can't {action} {}{}", path.display(), advice(source))]
    Io {
        /// Attempted action, a verb as in "can't read".
        action: &'static str,
        /// File or folder.
        path: PathBuf,
        /// Error of the operating system.
        source: io::Error,
    },
}

impl SnapshotError {
    /// Stable code of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "snapshot-not-found",
            Self::NotASnapshot { .. } => "snapshot-not-a-snapshot",
            Self::MissingFile { .. } => "snapshot-missing-file",
            Self::Yaml { .. } => "snapshot-yaml",
            Self::Version { .. } => "snapshot-version",
            Self::Line { .. } => "snapshot-line",
            Self::Record { .. } => "snapshot-record",
            Self::DuplicateId { .. } => "snapshot-duplicate-id",
            Self::Exists { .. } => "snapshot-exists",
            Self::Changed { .. } => "snapshot-changed",
            Self::Edit { .. } => "snapshot-edit",
            Self::Path { .. } => "snapshot-path",
            Self::Io { .. } => "snapshot-io",
        }
    }

    /// Faulty line of the file, counted from 1.
    pub fn line(&self) -> Option<u64> {
        match self {
            Self::Yaml { line, .. } | Self::Version { line, .. } => (*line > 0).then_some(*line),
            Self::Line { line, .. } | Self::Record { line, .. } | Self::DuplicateId { line, .. } => {
                Some(*line)
            }
            _ => None,
        }
    }

    /// Adds the attempted action and the path to an I/O error, for `map_err`.
    pub fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}

/// Advice for I/O errors that a user can fix.
fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "; make room on the disk and try again",
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "; choose another folder, or get access to it"
        }
        _ => "",
    }
}
