//! The signature table, version 4: a read-only file that answers "what was recorded for this
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
mod layout;
mod nearest;
mod reader;
mod shelf;

pub use crate::sequence::Sequence;
pub use entry::{Answer, BackendMeta, Blob, Echo, EchoSpelling, Entry, GAP, Meta, Plain, Source};
pub use features::{FINE_MAX, Features};
pub use layout::{
    DIRECTORY_ENTRY_LEN, HEADER_LEN, MAGIC, NEAR_MAX, POSTING_LEN, RECORD_LEN, SLOT_LEN, Section, VERSION,
    WINDOW,
};
pub use nearest::Record;
pub use reader::{Segment, Table, TableError, first_slot};
pub use shelf::{Part, SHELF_MAGIC, Shelf, shelf};
