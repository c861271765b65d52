//! Recordings of other tools: from their files to exchanges, and back.
//!
//! ```text
//! RRPair, HAR, WireMock, Hoverfly ─► import ─► exchanges ─► SnapshotWriter          Snapshot ─►
//! export ─► the same formats
//! ```
//!
//! A format carries what it can; the rest is said, one [`Note`] for each thing that was left out or
//! changed. `docs/reference/formats.md` has the tables. Nothing is guessed: what another tool would
//! match by a pattern isn't imported as if it were exact.

mod detect;
mod error;
mod files;
mod format;
mod har;
mod har_out;
mod hoverfly;
mod hoverfly_out;
mod import;
mod message;
mod note;
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
pub use format::{FileFormat, FolderFormat, Format};
pub use import::{ImportOptions, Imported, Put};
pub use note::{Note, What};

use import::Import;
use note::Notes;
use std::io::Write;
use std::path::Path;
use understudy_snapshot::Snapshot;

/// Reads the recordings of another tool, and hands over the exchanges.
///
/// # Errors
/// [`ConvertError`] where the input can't be read; some exchanges may have been handed over by
/// then.
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
    Ok(Imported { notes: import.notes.into_list(), ..import.done })
}

/// The result of an export.
#[derive(Debug, Default)]
pub struct Exported {
    /// Number of exchanges.
    pub exchanges: u64,
    /// Notes on items that couldn't be converted.
    pub notes: Vec<Note>,
}

/// Writes a snapshot as one file of another format.
///
/// # Errors
/// [`ConvertError`] where the snapshot can't be read or `out` can't be written; `out` isn't whole
/// then.
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
    Ok(Exported { exchanges, notes: notes.into_list() })
}

/// Writes a snapshot as a folder of another format: beside `path` first, so that it is whole or not
/// there.
///
/// # Errors
/// [`ConvertError`] where the snapshot can't be read, or `path` is taken by anything but an empty
/// folder.
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
    Ok(Exported { exchanges, notes: notes.into_list() })
}
