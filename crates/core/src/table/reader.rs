//! Reads a table in place.
//!
//! Look-ups never fail loudly: unreadable data is treated as absent. A table is checked when it is
//! opened and, completely, by [`Table::verify`] before it is bundled.

use super::entry::{Blob, Echo, Entry, Meta};
use super::layout::{
    DIRECTORY_ENTRY_LEN, HEADER_LEN, MAGIC, POSTING_LEN, RECORD_LEN, SLOT_LEN, Section, VERSION, WINDOW,
};
use crate::digest::{self, Digest};

/// Source of a table's bytes. In the filter this is `memory.init` on the module's passive segment.
pub trait Segment {
    /// Number of bytes.
    fn length(&self) -> u32;

    /// Fills `to` from `offset` on. Returns `false`, and leaves `to` unchanged, if the range isn't
    /// completely inside.
    fn read(&self, offset: u32, to: &mut [u8]) -> bool;
}

impl Segment for &[u8] {
    fn length(&self) -> u32 {
        u32::try_from((**self).len()).unwrap_or(u32::MAX)
    }

    fn read(&self, offset: u32, to: &mut [u8]) -> bool {
        let range = usize::try_from(offset).ok().and_then(|start| Some(start..start.checked_add(to.len())?));
        match range.and_then(|range| self.get(range)) {
            Some(from) => {
                to.copy_from_slice(from);
                true
            }
            None => false,
        }
    }
}

/// Why bytes are no table that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// The first bytes aren't a table's.
    #[error("this is no signature table")]
    NotATable,
    /// Written in a version that this reader doesn't know.
    #[error(
        "the table has format version {0}, this understudy reads version {VERSION}: bundle the snapshot again"
    )]
    Version(u32),
    /// Shorter or longer than its header says.
    #[error(
        "the table is damaged: it should have {expected} bytes and has {actual}; bundle the snapshot again"
    )]
    Length {
        /// Length according to the header.
        expected: u64,
        /// Actual length.
        actual: u32,
    },
    /// The bytes aren't those that were written.
    #[error("the table is damaged: its checksum is wrong; bundle the snapshot again")]
    Checksum,
    /// A section is missing, unknown, or outside the table.
    #[error("the table is damaged: {0}; bundle the snapshot again")]
    Section(&'static str),
}

impl TableError {
    /// A stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotATable => "table-magic",
            Self::Version(_) => "table-version",
            Self::Length { .. } => "table-length",
            Self::Checksum => "table-checksum",
            Self::Section(_) => "table-section",
        }
    }
}

/// A table that has been opened.
#[derive(Debug)]
pub struct Table<S> {
    segment: S,
    digest: Digest,
    meta: Meta,
    index: Slots,
    near: Blob,
    records: Blob,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slots {
    offset: u32,
    /// Number of slots minus one; the number is a power of two, at least [`WINDOW`].
    mask: u32,
}

impl<S: Segment> Table<S> {
    /// Opens the table in a segment. An empty segment is an empty table.
    ///
    /// # Errors
    /// [`TableError`] if the segment isn't a complete table of a known version. The checksum isn't
    /// verified; see [`Self::verify`].
    pub fn open(segment: S) -> Result<Self, TableError> {
        if segment.length() == 0 {
            let (digest, none) = (digest::sha1(b""), Blob::default());
            let (meta, index) = (Meta::default(), Slots::default());
            return Ok(Self { segment, digest, meta, index, near: none, records: none });
        }
        let mut header = [0; HEADER_LEN as usize];
        if !segment.read(0, &mut header) {
            return Err(TableError::NotATable);
        }
        let [magic, version, length, rest] = split_header(&header).ok_or(TableError::NotATable)?;
        if magic != MAGIC {
            return Err(TableError::NotATable);
        }
        let version = u32_at(version, 0).unwrap_or(0);
        if version != VERSION {
            return Err(TableError::Version(version));
        }
        let expected = u64_at(length, 0).unwrap_or(0);
        if expected != u64::from(segment.length()) {
            return Err(TableError::Length { expected, actual: segment.length() });
        }
        let digest = rest.first_chunk::<20>().copied().unwrap_or_default();
        let sections = u32_at(rest, 20).unwrap_or(0);
        // The checksum doesn't cover the header: two tables that differ there must not have one
        // name.
        if rest.get(24..).is_none_or(|padding| padding.iter().any(|&b| b != 0)) {
            return Err(TableError::Section("its header has bytes that mean nothing"));
        }
        let directory = Directory::read(&segment, sections)?;
        let meta = directory.meta(&segment)?;
        let (index, near) = (directory.slots(Section::Index)?, directory.array(Section::Near, POSTING_LEN)?);
        let records = directory.array(Section::Records, RECORD_LEN)?;
        Ok(Self { segment, digest, meta, index, near, records })
    }

    /// Reads the whole table and compares its checksum.
    ///
    /// # Errors
    /// [`TableError::Checksum`].
    pub fn verify(&self) -> Result<(), TableError> {
        if self.segment.length() == 0 {
            return Ok(());
        }
        let mut hasher = sha1_smol::Sha1::new();
        let mut at = HEADER_LEN;
        let mut chunk = vec![0; 64 * 1024];
        while at < self.segment.length() {
            let left = usize::try_from(self.segment.length().saturating_sub(at)).unwrap_or(usize::MAX);
            let size = left.min(chunk.len());
            let part = chunk.get_mut(..size).unwrap_or_default();
            if !self.segment.read(at, part) {
                return Err(TableError::Checksum);
            }
            hasher.update(part);
            at = at.saturating_add(u32::try_from(size).unwrap_or(u32::MAX));
        }
        if hasher.digest().bytes() == self.digest { Ok(()) } else { Err(TableError::Checksum) }
    }

    /// Description of the table.
    pub fn meta(&self) -> &Meta {
        &self.meta
    }

    /// The table's digest: its name by content. Without a table, the digest of no bytes.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Returns whether there is no table.
    pub fn is_empty(&self) -> bool {
        self.segment.length() == 0
    }

    /// The entry of a signature.
    pub fn lookup(&self, digest: &Digest) -> Option<Entry> {
        self.probe(self.index, digest::prefix(digest), |blob| {
            self.decode::<Entry>(blob).filter(|entry| entry.digest == *digest)
        })
    }

    /// Range of the postings.
    pub(super) fn near(&self) -> Blob {
        self.near
    }

    /// Range of the records.
    pub(super) fn records(&self) -> Blob {
        self.records
    }

    pub(super) fn segment(&self) -> &S {
        &self.segment
    }

    /// The numbers of the values of an answer's request that name something in other requests too.
    pub fn names(&self, place: Blob) -> Vec<u64> {
        if place.length == 0 { Vec::new() } else { self.decode(place).unwrap_or_default() }
    }

    /// The echoes of an answer.
    pub fn echoes(&self, place: Blob) -> Vec<Echo> {
        if place.length == 0 { Vec::new() } else { self.decode(place).unwrap_or_default() }
    }

    /// Bytes of the data section.
    pub fn blob(&self, blob: Blob) -> Option<Vec<u8>> {
        if blob.offset.checked_add(blob.length)? > self.segment.length() {
            return None;
        }
        let mut bytes = vec![0; usize::try_from(blob.length).ok()?];
        self.segment.read(blob.offset, &mut bytes).then_some(bytes)
    }

    fn decode<T: bincode::Decode<()>>(&self, blob: Blob) -> Option<T> {
        let bytes = self.blob(blob)?;
        decode(&bytes)
    }

    /// Goes through the slots from a key's place on until one with the key satisfies `take`, or one
    /// is free.
    fn probe<T>(&self, slots: Slots, key: u64, take: impl Fn(Blob) -> Option<T>) -> Option<T> {
        if slots.offset == 0 {
            return None;
        }
        let mut slot = first_slot(key, slots.mask);
        let mut window = [0; (SLOT_LEN * WINDOW) as usize];
        // At most a full circle, in case a damaged table has no free slot.
        for _ in 0..=slots.mask / WINDOW {
            let offset = slots.offset.checked_add(slot.checked_mul(SLOT_LEN)?)?;
            if !self.segment.read(offset, &mut window) {
                return None;
            }
            for bytes in window.chunks_exact(SLOT_LEN as usize) {
                let blob = Blob { offset: u32_at(bytes, 8)?, length: u32_at(bytes, 12)? };
                if blob.length == 0 {
                    return None;
                }
                if u64_at(bytes, 0)? == key
                    && let Some(found) = take(blob)
                {
                    return Some(found);
                }
            }
            slot = slot.wrapping_add(WINDOW) & slots.mask;
        }
        None
    }
}

/// The slot at which the search for a key begins: always the first of a window.
pub fn first_slot(key: u64, mask: u32) -> u32 {
    u32::try_from(key >> 32).unwrap_or(0) & mask & !(WINDOW.wrapping_sub(1))
}

/// Decodes a value. The limit bounds the allocation for a damaged length: without it, bincode
/// allocates any length that it reads, which panics.
fn decode<T: bincode::Decode<()>>(bytes: &[u8]) -> Option<T> {
    const LIMIT: usize = 64 << 20;
    let limited = bincode::config::standard().with_limit::<LIMIT>();
    bincode::decode_from_slice(bytes, limited).ok().map(|(value, _)| value)
}

struct Directory {
    sections: Vec<(u32, Blob)>,
}

impl Directory {
    fn read(segment: &impl Segment, count: u32) -> Result<Self, TableError> {
        if usize::try_from(count) != Ok(Section::ALL.len()) {
            return Err(TableError::Section("a section is missing or unknown"));
        }
        let mut bytes = [0; DIRECTORY_ENTRY_LEN as usize * Section::ALL.len()];
        if !segment.read(HEADER_LEN, &mut bytes) {
            return Err(TableError::Section("the directory is missing"));
        }
        let entries = bytes.chunks_exact(DIRECTORY_ENTRY_LEN as usize).filter_map(|entry| {
            Some((u32_at(entry, 0)?, Blob { offset: u32_at(entry, 4)?, length: u32_at(entry, 8)? }))
        });
        let sections: Vec<_> = entries.collect();
        let inside =
            |blob: &Blob| blob.offset.checked_add(blob.length).is_some_and(|end| end <= segment.length());
        if !sections.iter().all(|(_, blob)| inside(blob)) {
            return Err(TableError::Section("a section lies outside"));
        }
        Ok(Self { sections })
    }

    fn find(&self, section: Section) -> Result<Blob, TableError> {
        let found = self.sections.iter().find(|(code, _)| *code == section.code());
        found.map(|(_, blob)| *blob).ok_or(TableError::Section("a section is missing or unknown"))
    }

    fn meta(&self, segment: &impl Segment) -> Result<Meta, TableError> {
        let blob = self.find(Section::Meta)?;
        let mut bytes = vec![0; usize::try_from(blob.length).unwrap_or(0)];
        let read = segment.read(blob.offset, &mut bytes);
        match decode(&bytes).filter(|_| read) {
            Some(meta) => Ok(meta),
            None => Err(TableError::Section("its description can't be read")),
        }
    }

    /// An array of elements of this length.
    fn array(&self, section: Section, length: u32) -> Result<Blob, TableError> {
        let blob = self.find(section)?;
        match blob.length.checked_rem(length) {
            Some(0) => Ok(blob),
            _ => Err(TableError::Section("an index has an impossible length")),
        }
    }

    fn slots(&self, section: Section) -> Result<Slots, TableError> {
        let blob = self.find(section)?;
        let count = blob.length / SLOT_LEN;
        if blob.length % SLOT_LEN != 0 || !count.is_power_of_two() || count < WINDOW || blob.offset == 0 {
            return Err(TableError::Section("an index has an impossible length"));
        }
        Ok(Slots { offset: blob.offset, mask: count.wrapping_sub(1) })
    }
}

fn split_header(header: &[u8]) -> Option<[&[u8]; 4]> {
    let (magic, rest) = header.split_at_checked(8)?;
    let (version, rest) = rest.split_at_checked(4)?;
    let (length, rest) = rest.split_at_checked(8)?;
    Some([magic, version, length, rest])
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}
