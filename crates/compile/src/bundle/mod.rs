//! The bundler: puts a signature table into the compiled filter, and reads it back out.
//!
//! The compiled filter imports two functions, `understudy.table_length` and `understudy.table_read`, which Envoy doesn't have.
//! [`plain`] gives them bodies that read an empty passive data segment; [`bundle`] does the same with a table in the segment. Both export
//! the two functions, so that a plain module can be bundled later, and both begin with a custom section, `understudy.table`, that says
//! what is inside. `docs/reference/module-format.md` describes it.
//!
//! It works on bytes: it never reads or writes files, never runs the module, and never needs a Rust toolchain. The same input gives
//! the same bytes.

mod abi;
mod contents;
mod error;
mod graft;
mod inspect;
mod leb;
mod record;
mod scan;

pub use abi::{
    ENVOY_LIMIT, EXPORT_LENGTH, EXPORT_READ, FILTER_LIMIT, FORMAT, IMPORT_LENGTH, IMPORT_MODULE, IMPORT_READ,
    SECTION,
};
pub use error::BundleError;
pub use inspect::{ModuleInfo, inspect};
pub use record::{BackendRecord, BundleInfo, Record, TableRecord};

use contents::Contents;
use std::io;
use understudy_core::digest::Digest;

/// A bundled module in pieces, so that a big table needn't be copied to be written.
#[derive(Debug)]
pub struct Bundle<'a> {
    before: Vec<u8>,
    table: &'a [u8],
    after: Vec<u8>,
    digest: Digest,
}

impl<'a> Bundle<'a> {
    /// Puts a table into the filter, or several ([`understudy_core::table::shelf`]); no bytes at all stand for the empty table.
    ///
    /// # Errors
    /// [`BundleError`] where `module` isn't a filter without a table, where the table can't be used, or where the result is too long for
    /// Envoy.
    pub fn new(module: &[u8], table: &'a [u8], info: &BundleInfo) -> Result<Self, BundleError> {
        let base = graft::Base::open(module)?;
        if table.len() as u64 > ENVOY_LIMIT {
            return Err(BundleError::TooLong { length: table.len() as u64 });
        }
        let contents = Contents::open(table)?;
        contents.verify()?;
        let grafted = base.graft(u32::try_from(table.len()).unwrap_or(u32::MAX))?;
        let record = Record::of(&contents, grafted.segment, info);
        let (before, after) = grafted.around_table(table.len(), &record.section())?;
        let bundle = Self { before, table, after, digest: contents.digest };
        match bundle.len() {
            length if length > ENVOY_LIMIT => Err(BundleError::TooLong { length }),
            _ => Ok(bundle),
        }
    }

    /// The module's length in bytes.
    #[expect(clippy::len_without_is_empty, reason = "a module is never empty")]
    pub fn len(&self) -> u64 {
        (self.before.len() + self.table.len() + self.after.len()) as u64
    }

    /// The table's digest.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Writes the module.
    ///
    /// # Errors
    /// Those of `to`.
    pub fn write_to(&self, mut to: impl io::Write) -> io::Result<()> {
        [&self.before, self.table, &self.after].into_iter().try_for_each(|part| to.write_all(part))
    }

    /// The module, with one copy of the table.
    pub fn into_bytes(self) -> Vec<u8> {
        [&self.before, self.table, &self.after].concat()
    }
}

/// Puts a table into the filter and gives the module. `module` is the compiled filter or a plain module; no bytes at all in `table`
/// stand for the empty table.
///
/// # Errors
/// Those of [`Bundle::new`].
pub fn bundle(module: &[u8], table: &[u8], info: &BundleInfo) -> Result<Vec<u8>, BundleError> {
    Bundle::new(module, table, info).map(Bundle::into_bytes)
}

/// Gives the compiled filter an empty table: a module that Envoy loads, whose taps work and whose mocks miss, and that can be bundled
/// later.
///
/// # Errors
/// Those of [`Bundle::new`].
pub fn plain(module: &[u8]) -> Result<Vec<u8>, BundleError> {
    bundle(module, &[], &BundleInfo::default())
}
