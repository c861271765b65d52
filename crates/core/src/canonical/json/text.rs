//! Strings: where they end, without their escapes, and with the fewest.

use super::tape::index;

/// Where a run of bytes ends that stand for themselves in a string: at a quote, a backslash, a control character, or the end of the text.
pub(in crate::canonical) fn plain_end(text: &[u8], from: usize) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let mut at = from;
    // Eight bytes at once: the high bit of each byte that is zero, or less than 0x20 (Hacker's Delight, 6-1).
    while let Some(chunk) = text.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let word = u64::from_le_bytes(*chunk);
        let zero = |word: u64| word.wrapping_sub(ONES) & !word & HIGHS;
        let control = word.wrapping_sub(ONES.wrapping_mul(0x20)) & !word & HIGHS;
        let special = zero(word ^ ONES.wrapping_mul(0x22)) | zero(word ^ ONES.wrapping_mul(0x5c)) | control;
        if special != 0 {
            // Borrows go upwards: the lowest mark is right, whatever is above it.
            return at.saturating_add(index(special.trailing_zeros() / 8));
        }
        at = at.saturating_add(8);
    }
    let rest = text.get(at..).unwrap_or_default();
    let special = |b: &u8| matches!(b, b'"' | b'\\' | 0..=0x1f);
    at.saturating_add(rest.iter().position(special).unwrap_or(rest.len()))
}

/// Undoes a string's escapes. A surrogate without its other half, for which there is no character, becomes the three bytes that UTF-8
/// would give it if it could: no valid text holds them, so that it equals nothing but itself.
pub(in crate::canonical) fn unescape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        let Some((&code, after)) = after.split_first() else { break };
        rest = after;
        match code {
            b'b' => out.push(8),
            b'f' => out.push(12),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'u' => rest = unescape_unicode(after, &mut out),
            other => out.push(other),
        }
    }
    out
}

/// Undoes the escape whose four digits `after` begins with, and its other half if it is half of a pair (RFC 8259, 7).
fn unescape_unicode<'a>(after: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    let unit = hex4(after);
    let rest = after.get(4..).unwrap_or_default();
    let low = rest.strip_prefix(b"\\u").map(hex4).filter(|low| (0xdc00..0xe000).contains(low));
    if let (0xd800..0xdc00, Some(low)) = (unit, low) {
        let scalar = 0x1_0000_u32.saturating_add((unit & 0x3ff) << 10).saturating_add(low & 0x3ff);
        let c = char::from_u32(scalar).unwrap_or(char::REPLACEMENT_CHARACTER);
        out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        return rest.get(6..).unwrap_or_default();
    }
    match char::from_u32(unit) {
        Some(c) => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        None => {
            let bits = |shift: u32| u8::try_from((unit >> shift) & 0x3f).unwrap_or(0);
            out.extend_from_slice(&[0xed, 0x80 | bits(6), 0x80 | bits(0)]);
        }
    }
    rest
}

fn hex4(text: &[u8]) -> u32 {
    let digits = text.iter().take(4).filter_map(|&b| char::from(b).to_digit(16));
    digits.fold(0, |value, digit| (value << 4) | digit)
}

/// Writes a string with the fewest escapes (RFC 8785, 3.2.2.2).
pub(in crate::canonical) fn write_string(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for &byte in text {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            8 => out.extend_from_slice(b"\\b"),
            12 => out.extend_from_slice(b"\\f"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0..=0x1f => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

/// The text of a JSON value: a string's text, anything else as it is written.
pub fn json_text(value: &[u8]) -> Vec<u8> {
    match value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")) {
        Some(inner) => unescape(inner),
        None => value.to_vec(),
    }
}
