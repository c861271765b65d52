//! An import at work: takes the exchanges that a format's reader has found, and the notes.

use crate::error::ConvertError;
use crate::note::{Note, Notes};
use std::collections::BTreeMap;
use understudy_core::exchange::Exchange;
use understudy_core::rules::Rule;
use understudy_core::table::Sequence;
use understudy_snapshot::SnapshotError;
use understudy_snapshot::answerable::unanswerable;

/// Facts that the file doesn't contain.
#[derive(Clone, Debug, Default)]
pub struct ImportOptions {
    /// The backend, where the format names none.
    pub backend: Option<String>,
    /// The time of the import, in microseconds since 1970: of exchanges that have none.
    pub now: u64,
}

/// The result of an import.
#[derive(Debug, Default)]
pub struct Imported {
    /// Number of exchanges that were handed over.
    pub exchanges: u64,
    /// The service that was recorded, where all exchanges say the same.
    pub service: Option<String>,
    /// Backends whose answers to one request come in another way than in a circle.
    pub sequences: BTreeMap<String, Sequence>,
    /// True if the exchanges' identifiers are names that others know them by; see
    /// [`understudy_snapshot::SnapshotWriter::keep_ids`].
    pub keep_ids: bool,
    /// The rules that say what the imported items compare, if that is less than a recording does.
    pub rules: Vec<Rule>,
    /// Notes on items that couldn't be converted.
    pub notes: Vec<Note>,
}

/// Takes the exchanges of an import, one at a time.
pub type Put<'a> = dyn FnMut(&Exchange) -> Result<(), SnapshotError> + 'a;

/// The state of an import: its options, the receiver of exchanges, and the notes.
pub(crate) struct Import<'a> {
    pub(crate) options: &'a ImportOptions,
    pub(crate) put: &'a mut Put<'a>,
    pub(crate) notes: Notes,
    pub(crate) done: Imported,
}

impl Import<'_> {
    /// Hands over an exchange as it is.
    pub(crate) fn put(&mut self, exchange: &Exchange) -> Result<(), ConvertError> {
        (self.put)(exchange)?;
        self.done.exchanges += 1;
        Ok(())
    }

    /// Hands over an exchange, numbered, if it can be answered with; else says why not.
    pub(crate) fn put_answerable(&mut self, item: &str, mut exchange: Exchange) -> Result<(), ConvertError> {
        if let Some(why) = unanswerable(&exchange) {
            self.notes.left_out(item, why.to_string());
            return Ok(());
        }
        exchange.id = (self.done.exchanges + 1).to_string();
        self.put(&exchange)
    }
}
