//! The errors of the crate. Messages name the remedy.

use std::io;
use std::path::{Path, PathBuf};

/// Why there is no authority, certificate or service.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or socket operation failed.
    #[error("can't {action}")]
    Io {
        /// The action that failed: a verb and a path.
        action: String,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// No variable names the folder of the authority.
    #[error("no folder for the certificate authority: set HOME, or UNDERSTUDY_CONFIG to a folder of its own")]
    NoFolder,
    /// Other users can read the key or replace it.
    #[error(
        "others can {can} {path}: run `chmod {mode} {path}`, and `understudy ca rotate` if they may have done it"
    )]
    NotPrivate {
        /// The file or folder.
        path: PathBuf,
        /// The action that others can do.
        can: &'static str,
        /// The required mode.
        mode: &'static str,
    },
    /// The file isn't what Understudy wrote.
    #[error("{path} is no certificate authority: {reason}; `understudy ca rotate` makes a new one")]
    Damaged {
        /// The file with key and certificate.
        path: PathBuf,
        /// The fault.
        reason: &'static str,
    },
    /// The authority has expired.
    #[error(
        "the certificate authority in {path} has expired on {on}; `understudy ca rotate` makes a new one"
    )]
    Expired {
        /// The file with key and certificate.
        path: PathBuf,
        /// The last day of its validity.
        on: String,
    },
    /// The authority isn't valid yet, so the clock is wrong.
    #[error("the certificate authority in {path} is valid from {from} only; is this machine's clock right?")]
    NotYetValid {
        /// The file with key and certificate.
        path: PathBuf,
        /// The first day of its validity.
        from: String,
    },
    /// A certificate can't carry this name.
    #[error("no certificate for the server name {name:?}: {reason}")]
    Name {
        /// The name as received, shortened.
        name: String,
        /// The fault.
        reason: &'static str,
    },
    /// The library couldn't create a certificate.
    #[error("can't make a certificate")]
    Mint(#[from] rcgen::Error),
}

impl Error {
    /// A stable name of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Io { .. } => "io",
            Self::NoFolder => "no_folder",
            Self::NotPrivate { .. } => "not_private",
            Self::Damaged { .. } => "damaged",
            Self::Expired { .. } => "expired",
            Self::NotYetValid { .. } => "not_yet_valid",
            Self::Name { .. } => "name",
            Self::Mint(_) => "mint",
        }
    }

    /// The error of the action `verb` on `path`.
    pub(crate) fn io(verb: &str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let action = format!("{verb} {}", path.display());
        move |source| Self::Io { action, source }
    }
}
