//! The errors of the collector, in words for the person who has to fix the cause. Every error has a
//! stable `code()`.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::wire::Malformed;

/// Why a capture store can't be opened or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process uses the folder.
    #[error("another collector{} is using the capture folder {}; stop it, or choose another folder",
        .holder.as_ref().map(|pid| format!(" (process {pid})")).unwrap_or_default(), .folder.display())]
    Locked {
        /// The folder.
        folder: PathBuf,
        /// The process that uses it, if known.
        holder: Option<String>,
    },
    /// The folder can't be created, locked, listed, read or written when the store is opened.
    #[error("cannot {action} {}; check that the folder exists, is writable and has room", .path.display())]
    Folder {
        /// The action that failed, as a verb.
        action: &'static str,
        /// The path.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// Batches stored earlier can't be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The object store that holds closed segments fails.
    #[error(
        "cannot {action} the object store; check that it can be reached, and that the credentials in the environment may write it"
    )]
    Objects {
        /// The action that failed, as a verb.
        action: &'static str,
        /// The cause.
        source: object_store::Error,
    },
    /// Another collector has written another segment of the same number into the object store.
    #[error(
        "segment {segment} is in the object store with other content; give each collector a store of its own"
    )]
    Conflict {
        /// The object's name.
        segment: String,
    },
    /// A batch couldn't be written. It isn't stored, and may be sent again.
    #[error("cannot write to the capture store: {reason}")]
    NotWritable {
        /// The reason that the disk or the object store gave.
        reason: Arc<str>,
    },
    /// The batch would open too many gaps in the `seq` of its VM.
    #[error(
        "batches of vm {vm} come with too many gaps in `seq` (more than {limit} runs); send them in order"
    )]
    TooManyGaps {
        /// The VM.
        vm: String,
        /// The maximum number of runs.
        limit: usize,
    },
    /// The store is closed.
    #[error("the capture store is closed")]
    Closed,
}

impl StoreError {
    /// A stable name of the error.
    pub fn code(&self) -> &'static str {
        match self {
            StoreError::Locked { .. } => "folder-in-use",
            StoreError::Folder { .. } => "folder-unusable",
            StoreError::Read(source) => source.code(),
            StoreError::Objects { .. } => "object-store-failed",
            StoreError::Conflict { .. } => "segment-conflict",
            StoreError::NotWritable { .. } => "store-not-writable",
            StoreError::TooManyGaps { .. } => "too-many-gaps",
            StoreError::Closed => "store-closed",
        }
    }
}

/// Why stored batches can't be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The folder doesn't exist or can't be read.
    #[error("cannot read {}; check that it is a capture folder and readable", .path.display())]
    Folder {
        /// The path.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The folder holds nothing that a collector has created.
    #[error("{} is no capture store; name the folder that `understudy collect --store` was given", .path.display())]
    NotAStore {
        /// The folder.
        path: PathBuf,
    },
    /// The object store that holds closed segments fails.
    #[error("cannot {} the object store; check that it can be reached, and that the credentials in the environment may read it",
        if .segment.is_empty() { "list the segments in".into() } else { format!("read segment {segment} from") })]
    Objects {
        /// The object's name; empty for the list of all objects.
        segment: String,
        /// The cause.
        source: object_store::Error,
    },
    /// Durable bytes differ from what was written.
    #[error("segment {segment} is damaged at byte {offset}: {reason}; move it away to read the others")]
    Damaged {
        /// The file or object.
        segment: String,
        /// The offset in the uncompressed segment.
        offset: u64,
        /// The fault.
        reason: String,
    },
    /// A newer Understudy wrote this segment.
    #[error(
        "segment {segment} has format version {version}, and this version knows 1 only; use a newer understudy"
    )]
    UnknownVersion {
        /// The file or object.
        segment: String,
        /// The version found.
        version: u64,
    },
}

impl ReadError {
    /// A stable name of the error.
    pub fn code(&self) -> &'static str {
        match self {
            ReadError::Folder { .. } => "folder-unreadable",
            ReadError::NotAStore { .. } => "not-a-store",
            ReadError::Objects { .. } => "object-store-failed",
            ReadError::Damaged { .. } => "segment-damaged",
            ReadError::UnknownVersion { .. } => "segment-version",
        }
    }
}

/// Why a text isn't the address of a store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{url:?} is no capture store: {problem}")]
pub struct StoreUrlError {
    pub(crate) url: String,
    pub(crate) problem: &'static str,
}

impl StoreUrlError {
    /// A stable name of the error.
    pub fn code(&self) -> &'static str {
        "store-url"
    }
}

/// Why a batch isn't accepted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IngestError {
    /// The body isn't a batch of the wire format.
    #[error("{0}")]
    Malformed(#[from] Malformed),
    /// The body can't be decompressed.
    #[error("the body is not valid gzip; send it whole, or without content-encoding")]
    BadGzip,
    /// The body's encoding isn't supported.
    #[error("content-encoding {0:?} is not known; use gzip or none")]
    UnknownEncoding(String),
    /// The body is too long.
    #[error("the body has more than {limit} bytes; send smaller batches, or raise the collector's limit")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// Too many bytes are in flight.
    #[error("too many bytes in flight; send the batch again later")]
    Busy,
    /// The body didn't arrive in full.
    #[error("the body did not arrive in full: {0}; send the batch again")]
    Incomplete(&'static str),
    /// The store refuses.
    #[error("{0}")]
    Store(StoreError),
}

impl IngestError {
    /// A stable name of the error.
    pub fn code(&self) -> &'static str {
        match self {
            IngestError::Malformed(source) => source.code(),
            IngestError::BadGzip => "bad-gzip",
            IngestError::UnknownEncoding(_) => "unknown-encoding",
            IngestError::TooLarge { .. } => "too-large",
            IngestError::Busy => "busy",
            IngestError::Incomplete(_) => "incomplete-body",
            IngestError::Store(source) => source.code(),
        }
    }

    /// Returns whether the same batch may be accepted later. Otherwise sending it again is useless.
    pub fn is_temporary(&self) -> bool {
        self.status() == 429 || self.status() >= 500
    }

    /// The HTTP status, one of those in the wire format.
    pub fn status(&self) -> u16 {
        match self {
            IngestError::Malformed(_) | IngestError::BadGzip => 400,
            IngestError::Store(StoreError::TooManyGaps { .. }) => 400,
            IngestError::UnknownEncoding(_) => 415,
            IngestError::TooLarge { .. } => 413,
            IngestError::Busy => 429,
            // Not 408: a sender drops the batch on every 4xx except 429.
            IngestError::Incomplete(_) | IngestError::Store(_) => 503,
        }
    }
}

/// Why a collector doesn't start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CollectorError {
    /// A setting is out of its limits.
    #[error("{key} {reason}")]
    Config {
        /// The setting.
        key: &'static str,
        /// The limits.
        reason: String,
    },
    /// The collector can't listen on the address.
    #[error("cannot listen on {address}; choose another address or port")]
    Listen {
        /// The address.
        address: String,
        /// The cause.
        source: io::Error,
    },
    /// The store can't be opened.
    #[error("cannot open the capture store")]
    Store(#[from] StoreError),
}

impl CollectorError {
    /// A stable name of the error.
    pub fn code(&self) -> &'static str {
        match self {
            CollectorError::Config { .. } => "bad-setting",
            CollectorError::Listen { .. } => "cannot-listen",
            CollectorError::Store(source) => source.code(),
        }
    }
}

/// An error with its causes, for a message.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
