//! Decoding of `gzip` (RFC 1952) and `deflate` (RFC 1950, and bare RFC 1951). Verifies checksums
//! and ignores the headers' content.

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::{
    TINFL_FLAG_COMPUTE_ADLER32, TINFL_FLAG_PARSE_ZLIB_HEADER, TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF,
};
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

/// The initial size of the output buffer.
const FIRST_ROOM: usize = 4096;

/// Decodes one or more gzip members (RFC 1952, 2.2).
pub(super) fn gunzip(data: &[u8], cap: usize) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut rest = data;
    loop {
        let deflated = after_gzip_header(rest)?;
        let start = out.len();
        let used = inflate(deflated, false, &mut out, cap)?;
        let (trailer, after) = deflated.get(used..)?.split_first_chunk::<8>()?;
        let member = out.get(start..)?;
        // The length is modulo 2^32 (RFC 1952, 2.3.1).
        let length = u32::try_from(member.len()).ok()?;
        let [a, b, c, d, e, f, g, h] = *trailer;
        if u32::from_le_bytes([a, b, c, d]) != crc32(member) || u32::from_le_bytes([e, f, g, h]) != length {
            return None;
        }
        if after.is_empty() {
            return Some(out);
        }
        rest = after;
    }
}

/// Decodes deflate: with zlib's frame, as RFC 9110, 8.4.1.2, requires, or without it, as some
/// servers send it.
pub(super) fn undo(data: &[u8], cap: usize) -> Option<Vec<u8>> {
    let whole = |zlib: bool| {
        let mut out = Vec::new();
        let used = inflate(data, zlib, &mut out, cap)?;
        (used == data.len()).then_some(out)
    };
    whole(true).or_else(|| whole(false))
}

/// Appends the content of the deflate stream at the start of `data`, up to a total of `cap` bytes.
/// Returns the length of the stream.
fn inflate(data: &[u8], zlib: bool, out: &mut Vec<u8>, cap: usize) -> Option<usize> {
    let mut flags = TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
    if zlib {
        flags |= TINFL_FLAG_PARSE_ZLIB_HEADER | TINFL_FLAG_COMPUTE_ADLER32;
    }
    let start = out.len();
    // One byte more than allowed, so that a stream that ends exactly at the limit can finish.
    let most = cap.checked_sub(start)?.saturating_add(1);
    let mut room = data.len().saturating_mul(2).max(FIRST_ROOM).min(most);
    let (mut used, mut written) = (0usize, 0usize);
    let mut state = DecompressorOxide::new();
    loop {
        out.resize(start.checked_add(room)?, 0);
        let (status, took, gave) =
            decompress(&mut state, data.get(used..)?, out.get_mut(start..)?, written, flags);
        used = used.checked_add(took)?;
        written = written.checked_add(gave)?;
        match status {
            TINFLStatus::Done if written < most => {
                out.truncate(start.checked_add(written)?);
                return Some(used);
            }
            TINFLStatus::HasMoreOutput if room < most => room = room.saturating_mul(2).min(most),
            _ => return None,
        }
    }
}

/// The data after a member's header (RFC 1952, 2.3). Time, name and comment are ignored.
fn after_gzip_header(member: &[u8]) -> Option<&[u8]> {
    const HEADER_CRC: u8 = 2;
    const EXTRA: u8 = 4;
    const NAME: u8 = 8;
    const COMMENT: u8 = 16;
    let (header, mut rest) = member.split_first_chunk::<10>()?;
    let [0x1f, 0x8b, 8, flags, ..] = *header else { return None };
    if flags & 0xe0 != 0 {
        return None;
    }
    if flags & EXTRA != 0 {
        let (length, after) = rest.split_first_chunk::<2>()?;
        rest = after.get(usize::from(u16::from_le_bytes(*length))..)?;
    }
    for text in [NAME, COMMENT] {
        if flags & text != 0 {
            rest = rest.get(rest.iter().position(|&b| b == 0)?.checked_add(1)?..)?;
        }
    }
    if flags & HEADER_CRC != 0 {
        rest = rest.get(2..)?;
    }
    Some(rest)
}

/// CRC-32 (RFC 1952, 8), four bits at a time: a table of 64 bytes instead of 1 KiB.
fn crc32(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 16] = [
        0x0000_0000,
        0x1db7_1064,
        0x3b6e_20c8,
        0x26d9_30ac,
        0x76dc_4190,
        0x6b6b_51f4,
        0x4db2_6158,
        0x5005_713c,
        0xedb8_8320,
        0xf00f_9344,
        0xd6d6_a3e8,
        0xcb61_b38c,
        0x9b64_c2b0,
        0x86d3_d2d4,
        0xa00a_e278,
        0xbdbd_f21c,
    ];
    let step = |crc: u32| {
        let index = usize::try_from(crc & 15).unwrap_or_default();
        (crc >> 4) ^ TABLE.get(index).copied().unwrap_or_default()
    };
    !bytes.iter().fold(u32::MAX, |crc, &byte| step(step(crc ^ u32::from(byte))))
}
