//! Recordings of other tools: from their files to exchanges, and back.
//!
//! ```text
//! RRPair, HAR, WireMock, Hoverfly ─► import ─► exchanges ─► SnapshotWriter          Snapshot ─► export ─► the same formats
//! ```
//!
//! A format carries what it can; the rest is said, one [`Note`] for each thing that was left out or changed. `docs/reference/formats.md` has
//! the tables. Nothing is guessed: what another tool would match by a pattern isn't imported as if it were exact.

mod detect;
mod error;
mod files;
mod har;
mod har_out;
mod hoverfly;
mod hoverfly_out;
mod message;
mod rrpair_json;
mod rrpair_md;
mod rrpair_out;
mod sequences;
mod source;
mod states;
mod stubs;
mod text;
mod wiremock;
mod wiremock_out;

pub use detect::detect;
pub use error::ConvertError;

use serde::Serialize;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::io::Write;
use std::path::Path;
use understudy_core::exchange::Exchange;
use understudy_core::table::Sequence;
use understudy_snapshot::Snapshot;
use understudy_snapshot::SnapshotError;
use understudy_snapshot::answerable::unanswerable;

/// A format that can be imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Speedscale's and proxymock's RRPairs: Markdown, or JSON Lines.
    Rrpair,
    /// HTTP Archive 1.1 and 1.2.
    Har,
    /// WireMock's stub mappings.
    Wiremock,
    /// Hoverfly's simulations, schema 5.
    Hoverfly,
}

impl Format {
    /// All of them, for messages.
    pub(crate) fn names() -> &'static str {
        "rrpair, har, wiremock, hoverfly"
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rrpair => "RRPair",
            Self::Har => "HAR",
            Self::Wiremock => "WireMock",
            Self::Hoverfly => "Hoverfly",
        })
    }
}

/// A format that is exported as one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileFormat {
    /// RRPairs, one a line.
    RrpairJsonl,
    /// HTTP Archive 1.2.
    Har,
    /// A Hoverfly simulation, schema 5.2.
    Hoverfly,
}

/// A format that is exported as a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FolderFormat {
    /// RRPairs, one Markdown file each, in a folder for each host.
    RrpairMd,
    /// WireMock's `mappings` and `__files`, in a folder for each backend.
    Wiremock,
}

/// What is to be known besides what stands in the file.
#[derive(Clone, Debug, Default)]
pub struct ImportOptions {
    /// The backend, where the format names none.
    pub backend: Option<String>,
    /// The time of the import, in microseconds since 1970: of exchanges that have none.
    pub now: u64,
}

/// What became of something that couldn't be carried over as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// It isn't in the result.
    LeftOut,
    /// It is in the result, and differs.
    Changed,
}

/// Something that couldn't be carried over as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Note {
    /// What became of it.
    pub what: What,
    /// Which one: a file, a line, an entry, an exchange.
    pub item: String,
    /// Why, or in what way.
    pub reason: Cow<'static, str>,
}

/// What couldn't be carried over as it is, in the order in which it was found.
#[derive(Debug, Default)]
pub(crate) struct Notes(Vec<Note>);

impl Notes {
    fn left_out(&mut self, item: impl Into<String>, reason: impl Into<Cow<'static, str>>) {
        self.0.push(Note { what: What::LeftOut, item: item.into(), reason: reason.into() });
    }

    fn changed(&mut self, item: impl Into<String>, reason: impl Into<Cow<'static, str>>) {
        self.0.push(Note { what: What::Changed, item: item.into(), reason: reason.into() });
    }
}

/// What an import has found.
#[derive(Debug, Default)]
pub struct Imported {
    /// How many exchanges were handed over.
    pub exchanges: u64,
    /// The service that was recorded, where all exchanges say the same.
    pub service: Option<String>,
    /// Backends whose answers to one request come in another way than in a circle.
    pub sequences: BTreeMap<String, Sequence>,
    /// Whether the exchanges' identifiers are names that others know them by; see [`understudy_snapshot::SnapshotWriter::keep_ids`].
    pub keep_ids: bool,
    /// What couldn't be carried over.
    pub notes: Vec<Note>,
}

/// Takes the exchanges of an import, one at a time.
pub type Put<'a> = dyn FnMut(&Exchange) -> Result<(), SnapshotError> + 'a;

/// What an import works with: where exchanges go, and what is said.
pub(crate) struct Import<'a> {
    options: &'a ImportOptions,
    put: &'a mut Put<'a>,
    notes: Notes,
    done: Imported,
}

impl Import<'_> {
    /// Hands over an exchange as it is.
    fn put(&mut self, exchange: &Exchange) -> Result<(), ConvertError> {
        (self.put)(exchange)?;
        self.done.exchanges += 1;
        Ok(())
    }

    /// Hands over an exchange, numbered, if it can be answered with; else says why not.
    fn put_answerable(&mut self, item: &str, mut exchange: Exchange) -> Result<(), ConvertError> {
        if let Some(why) = unanswerable(&exchange) {
            self.notes.left_out(item, why.to_string());
            return Ok(());
        }
        exchange.id = (self.done.exchanges + 1).to_string();
        self.put(&exchange)
    }
}

/// Reads the recordings of another tool, and hands over the exchanges.
///
/// # Errors
/// [`ConvertError`] where the input can't be read; some exchanges may have been handed over by then.
pub fn import<'a>(
    path: &Path,
    format: Format,
    options: &'a ImportOptions,
    put: &'a mut Put<'a>,
) -> Result<Imported, ConvertError> {
    let mut import = Import { options, put, notes: Notes::default(), done: Imported::default() };
    match format {
        Format::Rrpair => rrpair_json::import(path, &mut import),
        Format::Har => har::import(path, &mut import),
        Format::Wiremock => wiremock::import(path, &mut import),
        Format::Hoverfly => hoverfly::import(path, &mut import),
    }?;
    Ok(Imported { notes: import.notes.0, ..import.done })
}

/// What an export has written.
#[derive(Debug, Default)]
pub struct Exported {
    /// How many exchanges.
    pub exchanges: u64,
    /// What couldn't be carried over.
    pub notes: Vec<Note>,
}

/// Writes a snapshot as one file of another format.
///
/// # Errors
/// [`ConvertError`] where the snapshot can't be read or `out` can't be written; `out` isn't whole then.
pub fn export_file(
    snapshot: &Snapshot,
    format: FileFormat,
    out: &mut dyn Write,
) -> Result<Exported, ConvertError> {
    let mut notes = Notes::default();
    let exchanges = match format {
        FileFormat::RrpairJsonl => rrpair_out::export(snapshot, out, &mut notes),
        FileFormat::Har => har_out::export(snapshot, out, &mut notes),
        FileFormat::Hoverfly => hoverfly_out::export(snapshot, out, &mut notes),
    }?;
    Ok(Exported { exchanges, notes: notes.0 })
}

/// Writes a snapshot as a folder of another format: beside `path` first, so that it is whole or not there.
///
/// # Errors
/// [`ConvertError`] where the snapshot can't be read, or `path` is taken by anything but an empty folder.
pub fn export_folder(
    snapshot: &Snapshot,
    format: FolderFormat,
    path: &Path,
) -> Result<Exported, ConvertError> {
    let mut notes = Notes::default();
    let exchanges = files::whole_folder(path, |folder| match format {
        FolderFormat::RrpairMd => rrpair_md::export(snapshot, folder, &mut notes),
        FolderFormat::Wiremock => wiremock_out::export(snapshot, folder, &mut notes),
    })?;
    Ok(Exported { exchanges, notes: notes.0 })
}
