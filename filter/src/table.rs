//! The seam to the table. The module imports two functions that the bundler replaces: by a constant
//! and by `memory.init` on a passive data segment. So the table is in the module's file and in no
//! VM's memory.

use understudy_core::table::Segment;

#[link(wasm_import_module = "understudy")]
#[allow(unsafe_code, reason = "the bundler's functions are imports")]
unsafe extern "C" {
    fn table_length() -> u32;
    fn table_read(offset: u32, to: *mut u8, length: u32);
}

/// The passive data segment that the bundler added to this module.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Passive;

impl Segment for Passive {
    #[allow(unsafe_code, reason = "the bundler's function takes nothing and touches nothing")]
    fn length(&self) -> u32 {
        // SAFETY: a function without arguments or side effects.
        unsafe { table_length() }
    }

    #[allow(
        unsafe_code,
        reason = "only memory.init reads a passive segment, and Rust has no safe name for it"
    )]
    fn read(&self, offset: u32, to: &mut [u8]) -> bool {
        let Ok(length) = u32::try_from(to.len()) else { return false };
        if offset.checked_add(length).is_none_or(|end| end > self.length()) {
            return false;
        }
        // SAFETY: the range is inside the segment, checked above, and `to` is `length` writable
        // bytes.
        unsafe { table_read(offset, to.as_mut_ptr(), length) };
        true
    }
}
