//! The signature table, version 1: a read-only file that answers "what was recorded for this digest?" with a few small reads.
//!
//! It lives in a passive data segment of the filter's module, where nothing of it is resident in the VM. All numbers are little endian;
//! offsets count from the table's first byte. `docs/reference/table-format.md` describes it.
//!
//! ```text
//! header    64 bytes: magic, version, length, SHA-1 of all that follows the header, number of sections
//! directory a (kind, offset, length) for each section; unknown kinds are refused
//! meta      bincode: Meta
//! index     open addressing over digests: slots of 16 bytes
//! near      open addressing over coarse keys: slots of 16 bytes, to lists of entries
//! data      entries (bincode), header blocks, bodies, signatures, near lists
//! ```

mod entry;
mod reader;

pub use entry::{Answer, BackendMeta, Blob, Entry, Meta, Sequence};
pub use reader::{Segment, Table, TableError, first_slot};

/// The first eight bytes.
pub const MAGIC: [u8; 8] = *b"USTABLE\n";
/// The format's version.
pub const VERSION: u32 = 1;
/// Length of the header in bytes.
pub const HEADER_LEN: u32 = 64;
/// Length of a directory entry in bytes.
pub const DIRECTORY_ENTRY_LEN: u32 = 12;
/// Length of a slot in bytes: the digest's prefix (`u64`), offset (`u32`) and length (`u32`) of what it leads to. Length 0: free.
pub const SLOT_LEN: u32 = 16;
/// How many slots one read fetches.
pub const WINDOW: u32 = 4;
/// A near list names at most this many entries.
pub const NEAR_MAX: usize = 32;

/// The kinds of sections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// What the table is about.
    Meta,
    /// Digest → entry.
    Index,
    /// Coarse key → list of entries.
    Near,
    /// All that the others point to.
    Data,
}

impl Section {
    /// All kinds, in the order in which they stand.
    pub const ALL: [Self; 4] = [Self::Meta, Self::Index, Self::Near, Self::Data];

    /// The number in the directory.
    pub fn code(self) -> u32 {
        match self {
            Self::Meta => 1,
            Self::Index => 2,
            Self::Near => 3,
            Self::Data => 4,
        }
    }
}

/// The coarse keys of a signature, finest first: what a miss is explained with.
pub fn near_keys(signature: &crate::canonical::Signature) -> [u64; 3] {
    let get = |key: &[u8]| signature.get(key).unwrap_or_default();
    let (backend, method, path, operation) =
        (get(b"backend"), get(b"method"), get(b"path"), get(b"operation"));
    let parent = path.iter().rposition(|&b| b == b'/').and_then(|at| path.get(..at)).unwrap_or_default();
    let key = |level: u8, parts: &[&[u8]]| {
        let mut bytes = vec![level];
        for part in parts {
            bytes.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_le_bytes());
            bytes.extend_from_slice(part);
        }
        crate::digest::prefix(&crate::digest::sha1(&bytes))
    };
    [key(1, &[backend, method, path, operation]), key(2, &[backend, parent]), key(3, &[backend])]
}
