//! The open-addressing index, filled just as `understudy_core::table`'s reader probes it.

use super::blobs::to_u32;
use understudy_core::table::{Blob, SLOT_LEN, WINDOW, first_slot};

/// Slots in the making.
#[derive(Debug)]
pub(crate) struct Slots {
    slots: Vec<(u64, Blob)>,
    mask: u32,
}

impl Slots {
    /// Room for so many keys: a power of two, at most half full, at least one window.
    pub(crate) fn for_keys(keys: usize) -> Self {
        let count = keys.saturating_mul(2).next_power_of_two().max(WINDOW as usize);
        Self { slots: vec![(0, Blob::default()); count], mask: to_u32(count - 1) }
    }

    /// How many bytes such an index takes.
    pub(crate) fn size(keys: usize) -> usize {
        keys.saturating_mul(2).next_power_of_two().max(WINDOW as usize).saturating_mul(SLOT_LEN as usize)
    }

    /// Puts a key in the first free slot from its own on. There is one: the index is half empty.
    pub(crate) fn insert(&mut self, key: u64, place: Blob) {
        let mut slot = first_slot(key, self.mask);
        // The reader goes window by window from the first slot of one: that is slot by slot.
        while self.slots[slot as usize].1.length != 0 {
            slot = slot.wrapping_add(1) & self.mask;
        }
        self.slots[slot as usize] = (key, place);
    }

    /// Appends the section's bytes.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        for (key, place) in &self.slots {
            out.extend_from_slice(&key.to_le_bytes());
            out.extend_from_slice(&place.offset.to_le_bytes());
            out.extend_from_slice(&place.length.to_le_bytes());
        }
    }
}
