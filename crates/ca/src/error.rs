//! What can go wrong, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

/// Why there is no authority, no certificate or no service.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or socket.
    #[error("can't {what}")]
    Io {
        /// What was tried.
        what: String,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Neither the variables nor the home folder say where the authority is to be.
    #[error("no folder for the certificate authority: set HOME, or UNDERSTUDY_CONFIG to a folder of its own")]
    NoFolder,
    /// Others may read the key, or put another in its place.
    #[error(
        "others can {can} {path}: run `chmod {mode} {path}`, and `understudy ca rotate` if they may have done it"
    )]
    NotPrivate {
        /// The file or folder.
        path: PathBuf,
        /// What others can do.
        can: &'static str,
        /// The mode that it should have.
        mode: &'static str,
    },
    /// The file isn't what was written there.
    #[error("{path} is no certificate authority: {reason}; `understudy ca rotate` makes a new one")]
    Damaged {
        /// The file with key and certificate.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Its time is over.
    #[error(
        "the certificate authority in {path} has expired on {on}; `understudy ca rotate` makes a new one"
    )]
    Expired {
        /// The file with key and certificate.
        path: PathBuf,
        /// The last day.
        on: String,
    },
    /// Its time hasn't begun, so that the clock is wrong.
    #[error("the certificate authority in {path} is valid from {from} only; is this machine's clock right?")]
    NotYetValid {
        /// The file with key and certificate.
        path: PathBuf,
        /// The first day.
        from: String,
    },
    /// No certificate can be made for this name.
    #[error("no certificate for the server name {name:?}: {reason}")]
    Name {
        /// The name as it came, shortened.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The library could not make a certificate.
    #[error("can't make a certificate")]
    Mint(#[from] rcgen::Error),
}

impl Error {
    /// A stable word for machines.
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

    /// `what` is a verb and its path, as in "read".
    pub(crate) fn io(what: &str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let what = format!("{what} {}", path.display());
        move |source| Self::Io { what, source }
    }
}
