//! Writes the signature table that the filter answers from. `docs/reference/table-format.md` describes it; the reader is
//! [`understudy_core::table::Table`].
//!
//! A table is a pure function of the header and the exchanges: equal input gives equal bytes, on every machine. Nothing here reads a clock,
//! and no order depends on a hash.

mod blobs;
mod builder;
mod layout;
mod near;
mod slots;

pub use builder::TableBuilder;

use std::collections::BTreeMap;
use std::io::Write;
use understudy_core::digest::Digest;
use understudy_snapshot::Snapshot;
use understudy_snapshot::SnapshotError;
use understudy_snapshot::answerable::{ANSWERS_MAX, Unanswerable};
use understudy_snapshot::feed;

/// A table may have at most this many bytes: Envoy takes modules of 1 GiB, and the filter is in it too.
pub const LENGTH_MAX: usize = (1 << 30) - (16 << 20);
/// A value of a stored signature is cut to this many bytes: it only explains misses.
pub const SIGNATURE_VALUE_MAX: usize = 4 << 10;

/// A table, and what has become of the exchanges.
#[derive(Clone, Debug)]
pub struct Built {
    /// The table.
    pub bytes: Vec<u8>,
    /// Its name by content: the SHA-1 in its header.
    pub digest: Digest,
    /// How many signatures it has.
    pub entries: u64,
    /// How many answers, in all.
    pub answers: u64,
    /// How many exchanges of mocked backends it leaves out, and why.
    pub left_out: BTreeMap<Unanswerable, u64>,
}

/// Why there is no table.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// The snapshot can't be read.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// More than Envoy takes.
    #[error(
        "the table would be larger than the {} MiB that fit into a module that Envoy takes: it was full after {exchanges} exchanges; \
         split the snapshot, or set `mode: tap` or `off` for backends that need no answers",
        LENGTH_MAX >> 20
    )]
    TooLarge {
        /// How many exchanges had been put in.
        exchanges: u64,
    },
    /// One request was made more often, with other answers, than a table can hold.
    #[error(
        "one request has {answers} answers, and a table holds {ANSWERS_MAX} for each at most (see exchange {exchange}); \
         keep fewer of them in the snapshot"
    )]
    TooManyAnswers {
        /// How many there are.
        answers: usize,
        /// The identifier of the first.
        exchange: String,
    },
    /// The table can't be written.
    #[error("can't write the table")]
    Write(#[from] std::io::Error),
}

impl TableError {
    /// A stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Snapshot(error) => error.code(),
            Self::TooLarge { .. } => "table-too-large",
            Self::TooManyAnswers { .. } => "table-too-many-answers",
            Self::Write(_) => "table-write",
        }
    }
}

fn encode<T: bincode::Encode>(value: &T) -> Vec<u8> {
    // Writing numbers and text to memory can't fail.
    bincode::encode_to_vec(value, bincode::config::standard()).unwrap_or_default()
}

/// Makes the table of a snapshot, in memory.
///
/// # Errors
/// [`TableError::Snapshot`] where the snapshot can't be read, [`TableError::TooLarge`].
pub fn build(snapshot: &Snapshot) -> Result<Built, TableError> {
    let mut builder = TableBuilder::new(snapshot.header());
    feed::each(snapshot, |located| builder.push(&located?.exchange))?;
    builder.finish()
}

/// Makes the table of a snapshot and writes it.
///
/// # Errors
/// As [`build`], and [`TableError::Write`].
pub fn write(snapshot: &Snapshot, out: &mut impl Write) -> Result<Built, TableError> {
    let built = build(snapshot)?;
    out.write_all(&built.bytes)?;
    Ok(built)
}
