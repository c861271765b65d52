//! For the bundler's tests and bench: tables of any length and a filter that answers with bytes from its table.

use understudy_core::backend;
use understudy_core::config::Mode;
use understudy_core::digest::sha1;
use understudy_core::table::{BackendMeta, HEADER_LEN, MAGIC, Meta, SLOT_LEN, Section, VERSION, WINDOW};

/// A valid table without entries, whose data section has `filling` bytes that are no run of the same.
pub(crate) fn filler_table(filling: usize) -> Vec<u8> {
    let backends = ["http://a.test", "https://b.test:8443"].map(|name| BackendMeta {
        name: name.to_owned(),
        mode: Mode::Mock,
        on_miss: None,
        exchanges: 0,
        redacted: false,
        latency: None,
    });
    assert!(backends.iter().all(|of| backend::parts(&of.name).is_some()));
    let meta = Meta { snapshot: "filler".to_owned(), backends: backends.to_vec(), ..Meta::default() };
    let meta = bincode::encode_to_vec(&meta, bincode::config::standard()).unwrap();
    let slots = vec![0; (SLOT_LEN * WINDOW) as usize];
    let sections = [meta, slots, Vec::new(), Vec::new()];
    let lengths = sections.iter().map(Vec::len).chain([filling]);

    let mut offset = HEADER_LEN as usize + 12 * Section::ALL.len();
    let mut table = Vec::with_capacity(offset + sections.concat().len() + filling);
    table.resize(HEADER_LEN as usize, 0);
    for (kind, length) in Section::ALL.iter().zip(lengths) {
        for number in [kind.code(), offset as u32, length as u32] {
            table.extend_from_slice(&number.to_le_bytes());
        }
        offset += length;
    }
    table.extend_from_slice(&sections.concat());
    table.extend((0..filling).map(|at| ((at * 2_654_435_761) >> 13) as u8));
    seal(&mut table);
    table
}

/// Writes the header over the first bytes: what is there is a table then.
pub(crate) fn seal(table: &mut [u8]) {
    let digest = sha1(&table[HEADER_LEN as usize..]);
    let length = table.len() as u64;
    table[..8].copy_from_slice(&MAGIC);
    table[8..12].copy_from_slice(&VERSION.to_le_bytes());
    table[12..20].copy_from_slice(&length.to_le_bytes());
    table[20..40].copy_from_slice(&digest);
    table[40..44].copy_from_slice(&(Section::ALL.len() as u32).to_le_bytes());
}

/// A filter for Envoy that answers each request with the table's length and last 32 bytes, and with `no table` where there is none.
#[allow(dead_code, reason = "not every test needs it")]
pub(crate) fn probe() -> Vec<u8> {
    wat::parse_str(include_str!("probe.wat")).unwrap()
}
