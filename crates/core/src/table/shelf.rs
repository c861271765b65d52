//! Several tables in one segment, of which a proxy uses one: a mesh rolls out one module, and each
//! workload names its snapshot.
//!
//! ```text
//! header    16 bytes: magic, version (u32), number of tables (u32)
//! places    8 bytes a table: offset and length (u32 each), offsets from the first byte of all
//! tables    each as `super` says, one after the other
//! ```
//! Numbers are little endian. One table alone stands there as it is, without any of this.

use super::reader::{Segment, Table, TableError};

/// The first eight bytes of several tables.
pub const SHELF_MAGIC: [u8; 8] = *b"USSHELF\n";
/// Version of the format around the tables.
const SHELF_VERSION: u32 = 1;
/// Length of the header in bytes.
const SHELF_HEADER_LEN: u32 = 16;
/// Length of a place in bytes.
const SHELF_PLACE_LEN: u32 = 8;
/// Maximum number of tables.
const SHELF_MAX: u32 = 4096;

/// A part of a segment, as a segment of its own.
#[derive(Clone, Copy, Debug)]
pub struct Part<S> {
    segment: S,
    offset: u32,
    length: u32,
}

impl<S: Segment> Part<S> {
    /// An empty table.
    pub fn nothing(segment: S) -> Self {
        Self { segment, offset: 0, length: 0 }
    }
}

impl<S: Segment> Segment for Part<S> {
    fn length(&self) -> u32 {
        self.length
    }

    fn read(&self, offset: u32, to: &mut [u8]) -> bool {
        let Ok(length) = u32::try_from(to.len()) else { return false };
        if offset.checked_add(length).is_none_or(|end| end > self.length) {
            return false;
        }
        self.offset.checked_add(offset).is_some_and(|offset| self.segment.read(offset, to))
    }
}

/// The tables of a segment.
#[derive(Debug)]
pub struct Shelf<S> {
    parts: Vec<Part<S>>,
    segment: S,
}

impl<S: Segment + Copy> Shelf<S> {
    /// Finds the tables of a segment: several, one, or none if the segment is empty. The tables
    /// themselves aren't read.
    ///
    /// # Errors
    /// [`TableError`] if an offset is outside, or the version is unknown.
    pub fn open(segment: S) -> Result<Self, TableError> {
        let whole = Part { segment, offset: 0, length: segment.length() };
        let mut header = [0; SHELF_HEADER_LEN as usize];
        if !segment.read(0, &mut header) || header.first_chunk() != Some(&SHELF_MAGIC) {
            let parts = if whole.length == 0 { Vec::new() } else { vec![whole] };
            return Ok(Self { parts, segment });
        }
        let number =
            |at: usize| header.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |n| u32::from_le_bytes(*n));
        if number(8) != SHELF_VERSION {
            return Err(TableError::Version(number(8)));
        }
        let count = number(12);
        if count > SHELF_MAX {
            return Err(TableError::Section("there are more tables than can be"));
        }
        let parts = (0..count).map(|index| place(&whole, index)).collect::<Option<_>>();
        let parts = parts.ok_or(TableError::Section("a table lies outside of the module"))?;
        Ok(Self { parts, segment })
    }

    /// The tables, opened.
    ///
    /// # Errors
    /// The first [`TableError`].
    pub fn tables(&self) -> Result<Vec<Table<Part<S>>>, TableError> {
        self.parts.iter().map(|part| Table::open(*part)).collect()
    }

    /// The table to use: that of the requested snapshot. Without a request, the only table, or the
    /// one with the name of the workload.
    ///
    /// # Errors
    /// [`TableError`] if a table is damaged. `Ok(Err(…))`, with all names, if there are tables and
    /// none applies.
    pub fn choose(
        &self,
        asked: Option<&str>,
        workload: Option<&str>,
    ) -> Result<Result<Table<Part<S>>, Vec<String>>, TableError> {
        let mut tables = self.tables()?;
        let called = |name: &str| tables.iter().position(|table| table.meta().snapshot == name);
        let chosen = match (asked, tables.len()) {
            (_, 0) => return Table::open(Part::nothing(self.segment)).map(Ok),
            (Some(name), _) => called(name),
            (None, 1) => Some(0),
            (None, _) => workload.and_then(called),
        };
        Ok(match chosen {
            Some(index) => Ok(tables.swap_remove(index)),
            None => Err(tables.iter().map(|table| table.meta().snapshot.clone()).collect()),
        })
    }
}

fn place<S: Segment + Copy>(whole: &Part<S>, index: u32) -> Option<Part<S>> {
    let mut bytes = [0; SHELF_PLACE_LEN as usize];
    let at = index.checked_mul(SHELF_PLACE_LEN)?.checked_add(SHELF_HEADER_LEN)?;
    if !whole.read(at, &mut bytes) {
        return None;
    }
    let offset = u32::from_le_bytes(*bytes.first_chunk()?);
    let length = u32::from_le_bytes(*bytes.last_chunk()?);
    let end = offset.checked_add(length)?;
    (end <= whole.length && length > 0).then_some(Part { offset, length, ..*whole })
}

/// Joins tables to a shelf. A single table is returned unchanged. `None` if the number or the size
/// of the tables exceeds the limits.
pub fn shelf(tables: &[Vec<u8>]) -> Option<Vec<u8>> {
    if let [one] = tables {
        return Some(one.clone());
    }
    let count = u32::try_from(tables.len()).ok().filter(|count| *count <= SHELF_MAX)?;
    let mut at = count.checked_mul(SHELF_PLACE_LEN)?.checked_add(SHELF_HEADER_LEN)?;
    let mut bytes = [&SHELF_MAGIC[..], &SHELF_VERSION.to_le_bytes(), &count.to_le_bytes()].concat();
    for table in tables {
        let length = u32::try_from(table.len()).ok()?;
        bytes.extend(at.to_le_bytes());
        bytes.extend(length.to_le_bytes());
        at = at.checked_add(length)?;
    }
    bytes.extend(tables.iter().flatten());
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shelf_of(parts: &[&[u8]]) -> Vec<u8> {
        shelf(&parts.iter().map(|part| part.to_vec()).collect::<Vec<_>>()).unwrap()
    }

    fn parts(bytes: &[u8]) -> Result<Vec<Vec<u8>>, TableError> {
        let shelf = Shelf::open(bytes)?;
        Ok(shelf
            .parts
            .iter()
            .map(|part| {
                let mut to = vec![0; part.length as usize];
                assert!(part.read(0, &mut to));
                assert!(!part.read(1, &mut to), "nothing past its end");
                to
            })
            .collect())
    }

    #[test]
    fn shelved_table_is_found() {
        for tables in [&[&b"one"[..], b"two!"][..], &[b"a", b"bb", b"ccc"]] {
            assert_eq!(parts(&shelf_of(tables)).unwrap(), tables);
        }
        assert_eq!(parts(b"").unwrap(), Vec::<Vec<u8>>::new());
        assert_eq!(parts(b"USTABLE\n and so on").unwrap(), [b"USTABLE\n and so on"]);
        assert_eq!(shelf_of(&[b"alone"]), b"alone");
    }

    #[test]
    fn damaged_shelf_is_refused() {
        let good = shelf_of(&[b"one", b"two"]);
        let check = |at: usize, byte: u8| {
            let mut bytes = good.clone();
            bytes[at] = byte;
            assert!(Shelf::open(&bytes[..]).is_err(), "{at}");
        };
        // The version, the number of tables, an offset, a length.
        check(8, 9);
        check(12, 200);
        check(15, 1);
        check(19, 255);
        check(20, 100);
        assert!(Shelf::open(&good[..good.len() - 1]).is_err());
    }
}
