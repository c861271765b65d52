//! Why a file of another tool can't be read, or a snapshot can't be written as one. Each error names the file, the line, and what to do.

use crate::format::Format;
use std::path::PathBuf;
use understudy_snapshot::SnapshotError;

/// Why an import or an export could not be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConvertError {
    /// What was given can't be read as its format.
    #[error("{}:{line}: {problem}", path.display())]
    Input {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: u64,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// Nothing in it says which format it is.
    #[error(
        "can't tell what {} is: it looks like none of {}; name the format with --format",
        path.display(),
        Format::names()
    )]
    Unknown {
        /// What was given.
        path: PathBuf,
    },
    /// What was given is a snapshot, or nothing that could be imported.
    #[error("can't import {}: {problem}", path.display())]
    NotImportable {
        /// What was given.
        path: PathBuf,
        /// What it is instead, and what to do.
        problem: String,
    },
    /// Written in a version of its format that isn't known.
    #[error("{}: version {version:?} of {format} is unknown here (known: {known}); save it in one of these", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its format.
        format: Format,
        /// The version found.
        version: String,
        /// The versions that can be read.
        known: &'static str,
    },
    /// The format names no backend, and none was given.
    #[error("{}:{line}: {format} doesn't say which backend this stands for: name it with --backend scheme://host[:port]", path.display())]
    NoBackend {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: u64,
        /// Its format.
        format: Format,
    },
    /// The name of a file leads out of the folder that was given.
    #[error("{}:{line}: {name:?} leads out of the folder of bodies; nothing was imported", path.display())]
    Outside {
        /// The file that names it.
        path: PathBuf,
        /// Counted from 1.
        line: u64,
        /// The name.
        name: String,
    },
    /// The place for an export is taken, or can't be.
    #[error("can't export to {}: {problem}", path.display())]
    Target {
        /// The place.
        path: PathBuf,
        /// Why not, and what to do.
        problem: &'static str,
    },
    /// The snapshot can't be read or written, or the system refused.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
}

impl ConvertError {
    /// A stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Input { .. } => "convert-input",
            Self::Unknown { .. } => "convert-unknown",
            Self::NotImportable { .. } => "convert-not-importable",
            Self::Version { .. } => "convert-version",
            Self::NoBackend { .. } => "convert-no-backend",
            Self::Outside { .. } => "convert-outside",
            Self::Target { .. } => "convert-target",
            Self::Snapshot(error) => error.code(),
        }
    }
}
