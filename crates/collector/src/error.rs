//! What can go wrong, in the words of somebody who has to put it right. Every error has a stable `code()`.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::wire::Malformed;

/// Why a capture store can't be opened or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process has the folder.
    #[error("another collector{} is using the capture folder {}; stop it, or choose another folder",
        .holder.as_ref().map(|pid| format!(" (process {pid})")).unwrap_or_default(), .folder.display())]
    Locked {
        /// The folder.
        folder: PathBuf,
        /// The process that has it, if known.
        holder: Option<String>,
    },
    /// The folder can't be made, locked, listed, read or written, when the store is opened.
    #[error("cannot {action} {}; check that the folder exists, is writable and has room", .path.display())]
    Folder {
        /// What was tried.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// What was stored earlier can't be read back.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The object store that holds closed segments fails.
    #[error("cannot {action} the object store of closed segments; check that it can be reached and written")]
    Objects {
        /// What was tried.
        action: &'static str,
        /// Why it failed.
        source: object_store::Error,
    },
    /// Somebody else has put another segment of the same number into the object store.
    #[error(
        "segment {segment} is in the object store with other content; give each collector a store of its own"
    )]
    Conflict {
        /// The object's name.
        segment: String,
    },
    /// A batch couldn't be written. It isn't stored; it may be sent again.
    #[error("cannot write to the capture folder: {reason}")]
    NotWritable {
        /// The reason, as the disk gave it.
        reason: Arc<str>,
    },
    /// The batch would open one gap too many among the `seq` of its VM.
    #[error(
        "batches of vm {vm} come with too many gaps in `seq` (more than {limit} runs); send them in order"
    )]
    TooManyGaps {
        /// The VM.
        vm: String,
        /// The bound.
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
    /// The folder isn't there or can't be read.
    #[error("cannot read {}; check that it is a capture folder and readable", .path.display())]
    Folder {
        /// Where.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The folder is there, and nothing in it is a collector's.
    #[error("{} is no capture store; name the folder that `understudy collect --store` was given", .path.display())]
    NotAStore {
        /// The folder.
        path: PathBuf,
    },
    /// The object store that holds closed segments fails.
    #[error("cannot read segment {segment} from the object store")]
    Objects {
        /// The object's name; empty for the list of all.
        segment: String,
        /// Why it failed.
        source: object_store::Error,
    },
    /// Bytes that were durable are not what was written.
    #[error("segment {segment} is damaged at byte {offset}: {reason}; move it away to read the others")]
    Damaged {
        /// The file or object.
        segment: String,
        /// Where in the segment (uncompressed).
        offset: u64,
        /// What is wrong.
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

/// Why a text doesn't say where a store is.
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
    /// The body is compressed in a way that isn't known.
    #[error("content-encoding {0:?} is not known; use gzip or none")]
    UnknownEncoding(String),
    /// The body is too long.
    #[error("the body has more than {limit} bytes; send smaller batches, or raise the collector's limit")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// Too much is in flight.
    #[error("too many bytes in flight; send the batch again later")]
    Busy,
    /// The body didn't arrive.
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

    /// Whether the same batch may be accepted later. If not, sending it again is useless.
    pub fn is_temporary(&self) -> bool {
        self.status() == 429 || self.status() >= 500
    }

    /// The HTTP status, of those that the wire format names.
    pub fn status(&self) -> u16 {
        match self {
            IngestError::Malformed(_) | IngestError::BadGzip => 400,
            IngestError::Store(StoreError::TooManyGaps { .. }) => 400,
            IngestError::UnknownEncoding(_) => 415,
            IngestError::TooLarge { .. } => 413,
            IngestError::Busy => 429,
            // Not 408: a sender drops the batch on every 4xx but 429.
            IngestError::Incomplete(_) | IngestError::Store(_) => 503,
        }
    }
}

/// Why a collector doesn't start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CollectorError {
    /// A setting is out of its bounds.
    #[error("{key} {reason}")]
    Config {
        /// The setting.
        key: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The address can't be listened on.
    #[error("cannot listen on {address}; choose another address or port")]
    Listen {
        /// The address.
        address: String,
        /// Why it failed.
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
