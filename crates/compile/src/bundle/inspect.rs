//! Reads what a module carries, and checks that the description, the code and the bytes agree.

use super::contents::{Contents, digest_of};
use super::error::BundleError;
use super::record::{BundleInfo, Record};
use super::scan::Outline;
use understudy_core::digest::{self, Digest};
use understudy_core::table::{Part, Table};

/// A module that has been read.
#[derive(Debug)]
pub struct ModuleInfo<'a> {
    /// What the module says of itself.
    pub record: Record,
    contents: Contents<'a>,
}

impl<'a> ModuleInfo<'a> {
    /// Whether the module carries no table.
    pub fn is_plain(&self) -> bool {
        self.contents.bytes.is_empty()
    }

    /// The table's digest.
    pub fn digest(&self) -> Digest {
        self.contents.digest
    }

    /// The tables, to look things up in: none in a plain module.
    pub fn tables(&self) -> &[Table<Part<&'a [u8]>>] {
        &self.contents.tables
    }

    /// The bytes of the table, or of all tables.
    pub fn table_bytes(&self) -> &'a [u8] {
        self.contents.bytes
    }
}

/// Reads a plain or bundled module. All of the table is read once, for its digest; nothing is copied.
///
/// # Errors
/// [`BundleError`] where the module wasn't made by [`super::bundle`] or [`super::plain`], or was changed since.
pub fn inspect(module: &[u8]) -> Result<ModuleInfo<'_>, BundleError> {
    let outline = Outline::of(module)?;
    let Some(json) = outline.record else {
        let missing = match outline.is_compiled() {
            Ok(true) => "it is the compiler's output, which no table has been given to",
            _ => "it has no section understudy.table",
        };
        return Err(BundleError::Foreign { missing });
    };
    let record = Record::parse(json)?;
    let mismatch = |problem| BundleError::Mismatch { problem };
    let (length, segment) = outline.wiring()?;
    if segment != record.table.segment {
        return Err(mismatch("the code reads another segment"));
    }
    let bytes = outline.segment(segment)?;
    if record.table.length != bytes.len() as u64 || u64::from(length) != record.table.length {
        return Err(mismatch("the table has another length"));
    }
    // Before anything in the table is believed.
    if digest::hex(&digest_of(bytes)) != record.table.digest {
        return Err(mismatch("the table has another digest"));
    }
    let contents = Contents::open(bytes)?;
    let info = BundleInfo { understudy: record.understudy.clone() };
    if record != Record::of(&contents, segment, &info) {
        return Err(mismatch("the table says something else"));
    }
    Ok(ModuleInfo { record, contents })
}
