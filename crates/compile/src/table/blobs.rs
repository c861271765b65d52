//! Bytes that are stored once, however often they are put in.

use hashbrown::{DefaultHashBuilder, HashTable};
use std::hash::BuildHasher;
use understudy_core::table::Blob;

/// A buffer that gives equal bytes one place. Places count from the buffer's start.
#[derive(Debug, Default)]
pub(crate) struct Blobs {
    bytes: Vec<u8>,
    /// Places by the hash of what stands there. The hash differs from run to run, and nothing that is written depends on it.
    known: HashTable<Blob>,
    hasher: DefaultHashBuilder,
}

impl Blobs {
    /// How many bytes there are.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The place of these bytes, which are put in if they aren't there yet. No bytes have place 0, length 0.
    ///
    /// The caller keeps [`Self::len`] below 2³² bytes; past that places saturate.
    pub(crate) fn intern(&mut self, bytes: &[u8]) -> Blob {
        if bytes.is_empty() {
            return Blob::default();
        }
        let hash = self.hasher.hash_one(bytes);
        if let Some(place) = self.known.find(hash, |place| get(&self.bytes, *place) == bytes) {
            return *place;
        }
        let place = self.append(bytes);
        self.known.insert_unique(hash, place, |place| self.hasher.hash_one(get(&self.bytes, *place)));
        place
    }

    /// Puts bytes in that are known to be there only once.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Blob {
        let place = Blob { offset: to_u32(self.bytes.len()), length: to_u32(bytes.len()) };
        self.bytes.extend_from_slice(bytes);
        place
    }

    /// What stands at a place.
    pub(crate) fn get(&self, place: Blob) -> &[u8] {
        get(&self.bytes, place)
    }

    /// The buffer alone.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

fn get(bytes: &[u8], place: Blob) -> &[u8] {
    let start = place.offset as usize;
    bytes.get(start..start.saturating_add(place.length as usize)).unwrap_or_default()
}

/// Offsets and lengths stay far below 2³²: see `table::LENGTH_MAX`.
pub(crate) fn to_u32(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_bytes_have_one_place() {
        let mut blobs = Blobs::default();
        let first = blobs.intern(b"abc");
        for i in 0..1000u32 {
            blobs.intern(&i.to_le_bytes());
        }
        assert_eq!(blobs.intern(b"abc"), first);
        assert_eq!(blobs.get(first), b"abc");
        assert_eq!(blobs.intern(b""), Blob::default());
        assert_eq!(blobs.len(), 3 + 4 * 1000);
    }
}
