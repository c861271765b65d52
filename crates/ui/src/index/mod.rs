//! An index of a snapshot's exchanges: the place of each line, and what a list shows of it.
//!
//! It is built by one pass over the file on a blocking thread, and can be shown meanwhile. It takes
//! about 80 bytes per exchange, and holds each different label once. It never holds a body.

mod content;
mod labels;
mod query;
mod row;
mod scan;
mod search;

pub(crate) use content::{Index, IndexContent, Stamp};
pub(crate) use query::{Query, Sort, StatusFilter};
pub(crate) use row::{Row, RowDirection, label, length};
pub(crate) use scan::{Scanner, UnnumberedRow, read_line};
pub(crate) use search::Needle;
