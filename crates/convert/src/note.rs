//! Notes on items that a conversion leaves out or changes.

use serde::Serialize;
use std::borrow::Cow;

/// The treatment of an item that couldn't be converted as it is.
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
    /// The treatment of the item.
    pub what: What,
    /// The item: a file, a line, an entry, an exchange.
    pub item: String,
    /// Why, or in what way.
    pub reason: Cow<'static, str>,
}

/// The notes, in the order in which it was found.
#[derive(Debug, Default)]
pub(crate) struct Notes(Vec<Note>);

impl Notes {
    pub(crate) fn left_out(&mut self, item: impl Into<String>, reason: impl Into<Cow<'static, str>>) {
        self.0.push(Note { what: What::LeftOut, item: item.into(), reason: reason.into() });
    }

    pub(crate) fn changed(&mut self, item: impl Into<String>, reason: impl Into<Cow<'static, str>>) {
        self.0.push(Note { what: What::Changed, item: item.into(), reason: reason.into() });
    }

    pub(crate) fn into_list(self) -> Vec<Note> {
        self.0
    }
}
