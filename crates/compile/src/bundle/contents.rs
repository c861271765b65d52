//! What a module's data segment holds: no table, one, or several, each of a snapshot with a name of its own.

use super::error::BundleError;
use understudy_core::digest::{self, Digest};
use understudy_core::table::{HEADER_LEN, Part, SHELF_MAGIC, Shelf, Table};

/// Tables, opened where they lie.
#[derive(Debug)]
pub(super) struct Contents<'a> {
    pub(super) tables: Vec<Table<Part<&'a [u8]>>>,
    pub(super) bytes: &'a [u8],
    pub(super) digest: Digest,
}

impl<'a> Contents<'a> {
    /// Opens them, and reads no further than that needs.
    ///
    /// # Errors
    /// [`BundleError::Table`], [`BundleError::OneName`].
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self, BundleError> {
        let tables = Shelf::open(bytes)?.tables()?;
        let mut names: Vec<_> = tables.iter().map(|table| &table.meta().snapshot).collect();
        names.sort();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(BundleError::OneName { snapshot: pair[0].clone() });
        }
        let digest = match tables.as_slice() {
            // As it says itself: whether that is so, who reads it may ask.
            [table] => table.digest(),
            _ => digest_of(bytes),
        };
        Ok(Self { digest, tables, bytes })
    }

    /// Compares each table with its checksum.
    ///
    /// # Errors
    /// [`BundleError::Table`].
    pub(super) fn verify(&self) -> Result<(), BundleError> {
        Ok(self.tables.iter().try_for_each(Table::verify)?)
    }
}

/// The name by content: of one table its own, of several the digest of all bytes.
pub(super) fn digest_of(bytes: &[u8]) -> Digest {
    match bytes.starts_with(&SHELF_MAGIC) {
        true => digest::sha1(bytes),
        false => digest::sha1(bytes.get(HEADER_LEN as usize..).unwrap_or_default()),
    }
}
