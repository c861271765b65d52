//! Why a snapshot can't be read or written. Each error names the file, the place in it, the reason, and what to do.

use std::io;
use std::path::{Path, PathBuf};
use understudy_core::v1::LineError;

/// Why a snapshot can't be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// Nothing is there.
    #[error("there is no snapshot at {}: {hint}", path.display())]
    NotFound {
        /// The snapshot's folder.
        path: PathBuf,
        /// What to do.
        hint: String,
    },
    /// Something is there, and it is no snapshot.
    #[error("{} is no snapshot: {problem}", path.display())]
    NotASnapshot {
        /// What was taken for the snapshot's folder.
        path: PathBuf,
        /// What it is instead, and what to do.
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
        /// Counted from 1; 0 where it isn't known.
        line: u64,
        /// Counted from 1; 0 where it isn't known.
        column: u64,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// Written in a version that this one doesn't know.
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
        /// What is wrong.
        source: LineError,
    },
    /// A line of `exchanges.ndjson` can be read, and must not stand there.
    #[error("{}:{line}: {problem}", path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: u64,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// Two lines have one identifier.
    #[error("{}:{line}: another exchange before it has the id {id:?} too; give this one another", path.display())]
    DuplicateId {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: u64,
        /// The identifier.
        id: String,
    },
    /// A snapshot is there already, and nobody said that it may be replaced.
    #[error("there is a snapshot at {} already: name another folder, or say that it may be replaced (--force)", path.display())]
    Exists {
        /// The snapshot's folder.
        path: PathBuf,
    },
    /// `snapshot.yaml` isn't what it was when its reader chose what to change in it.
    #[error("{} has changed since it was read, and nothing is written: look at it again, and choose anew", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// What is to be changed can't be changed without touching the rest of the file.
    #[error("{}: {problem}", path.display())]
    Edit {
        /// The file.
        path: PathBuf,
        /// What, and what to do.
        problem: String,
    },
    /// The path names no folder that could be replaced.
    #[error("{} can't be the folder of a snapshot: {problem}", path.display())]
    Path {
        /// The path.
        path: PathBuf,
        /// Why not.
        problem: &'static str,
    },
    /// The system refused.
    #[error("can't {action} {}{}", path.display(), advice(source))]
    Io {
        /// What was tried: a verb, as in "can't read".
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl SnapshotError {
    /// A stable code.
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

    /// The line of the file that is at fault, counted from 1.
    pub fn line(&self) -> Option<u64> {
        match self {
            Self::Yaml { line, .. } | Self::Version { line, .. } => (*line > 0).then_some(*line),
            Self::Line { line, .. } | Self::Record { line, .. } | Self::DuplicateId { line, .. } => {
                Some(*line)
            }
            _ => None,
        }
    }

    /// Makes an I/O error say what was tried, for `map_err`.
    pub fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}

/// What a person can do about the system's errors that are theirs to mend.
fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "; make room on the disk and try again",
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "; choose another folder, or give yourself the right to it"
        }
        _ => "",
    }
}
