//! Reads what a module carries, and checks that the description, the code and the bytes agree.

use super::{BundleError, BundleInfo, Record, scan::Outline};
use understudy_core::digest::{self, Digest};
use understudy_core::table::{HEADER_LEN, Table};

/// A module that has been read.
#[derive(Debug)]
pub struct ModuleInfo<'a> {
    /// What the module says of itself.
    pub record: Record,
    table: Table<&'a [u8]>,
    bytes: &'a [u8],
}

impl<'a> ModuleInfo<'a> {
    /// Whether the module carries no table.
    pub fn is_plain(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The table's digest.
    pub fn digest(&self) -> Digest {
        self.table.digest()
    }

    /// The table, to look things up in.
    pub fn table(&self) -> &Table<&'a [u8]> {
        &self.table
    }

    /// The table's bytes.
    pub fn table_bytes(&self) -> &'a [u8] {
        self.bytes
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
    let content = bytes.get(HEADER_LEN as usize..).unwrap_or_default();
    if digest::hex(&digest::sha1(content)) != record.table.digest {
        return Err(mismatch("the table has another digest"));
    }
    let table = Table::open(bytes)?;
    let info = BundleInfo { understudy: record.understudy.clone() };
    if record != Record::of(&table, record.table.length, segment, &info) {
        return Err(mismatch("the table says something else"));
    }
    Ok(ModuleInfo { record, table, bytes })
}
