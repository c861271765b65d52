//! The signature table, version 3: a read-only file that answers "what was recorded for this
//! digest?" with a few small reads.
//!
//! It lives in a passive data segment of the filter's module, where nothing of it is resident in
//! the VM. All numbers are little endian; offsets count from the table's first byte.
//! `docs/reference/table-format.md` describes it.
//!
//! ```text
//! header    64 bytes: magic, version, length, SHA-1 of the bytes after it, number of sections
//! directory a (kind, offset, length) for each section; unknown kinds are refused
//! meta      bincode: Meta
//! index     open addressing over digests: slots of 16 bytes
//! near      (feature, record) of 8 bytes each, sorted, to explain misses
//! records   16 bytes for each signature: places of the signature and of its exchange's identifier
//! data      entries (bincode), header blocks, bodies, signatures
//! ```

mod entry;
mod features;
mod nearest;
mod reader;
mod shelf;

pub use entry::{Answer, BackendMeta, Blob, Echo, EchoSpelling, Entry, GAP, Meta, Plain, Sequence, Source};
pub use features::{FINE_MAX, Features};
pub use nearest::Record;
pub use reader::{Segment, Table, TableError, first_slot};
pub use shelf::{Part, SHELF_MAGIC, Shelf, shelf};

/// The first eight bytes.
pub const MAGIC: [u8; 8] = *b"USTABLE\n";
/// The format's version.
pub const VERSION: u32 = 3;
/// Length of the header in bytes.
pub const HEADER_LEN: u32 = 64;
/// Length of a directory entry in bytes.
pub const DIRECTORY_ENTRY_LEN: u32 = 12;
/// Length of a slot in bytes: the digest's prefix (`u64`), offset (`u32`) and length (`u32`) of the
/// entry. Length 0: free.
pub const SLOT_LEN: u32 = 16;
/// Number of slots that one read fetches.
pub const WINDOW: u32 = 4;
/// Maximum number of records for one feature.
pub const NEAR_MAX: usize = 32;
/// Length of a posting in bytes: a feature and a record's number, `u32` each.
pub const POSTING_LEN: u32 = 8;
/// Length of a record in bytes: the places of a signature and of an exchange's identifier.
pub const RECORD_LEN: u32 = 16;

/// The kinds of sections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// Description of the table.
    Meta,
    /// Digest → entry.
    Index,
    /// Feature → records.
    Near,
    /// Signatures by number.
    Records,
    /// All that the others point to.
    Data,
}

impl Section {
    /// All kinds, in the order in which they stand.
    pub const ALL: [Self; 5] = [Self::Meta, Self::Index, Self::Near, Self::Records, Self::Data];

    /// The number in the directory.
    pub fn code(self) -> u32 {
        match self {
            Self::Meta => 1,
            Self::Index => 2,
            Self::Near => 3,
            Self::Records => 4,
            Self::Data => 5,
        }
    }
}
