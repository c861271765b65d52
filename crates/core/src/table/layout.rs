//! The numbers of the table's format: its version, the lengths of its parts, and the kinds of
//! sections.

/// The first eight bytes.
pub const MAGIC: [u8; 8] = *b"USTABLE\n";
/// The format's version.
pub const VERSION: u32 = 4;
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
