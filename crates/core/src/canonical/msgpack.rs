//! MessagePack as a tree ("MessagePack specification"); see [`super::items`].
//!
//! Longer forms of lengths and integers are the same, and so are floats of different widths with
//! one value. The extension -1 is a time.

use super::items::{self, Item, float32, float64, take, take_byte, take_number};
use std::borrow::Cow;

/// Appends the tree text of one value. Gives `false`, and appends nothing, where the bytes are
/// something else.
pub(super) fn write(bytes: &[u8], out: &mut Vec<u8>) -> bool {
    items::write(bytes, next, out)
}

fn next<'a>(rest: &mut &'a [u8]) -> Option<Item<'a>> {
    let first = take_byte(rest)?;
    let low = |bits: u8| u64::from(first & bits);
    // The three widths of a family follow each other: one, two, four bytes (and eight).
    let width = |from: u8| 1u64 << first.saturating_sub(from);
    Some(match first {
        0x00..=0x7f => Item::Unsigned(u64::from(first)),
        0x80..=0x8f => Item::Map(Some(low(15))),
        0x90..=0x9f => Item::Array(Some(low(15))),
        0xa0..=0xbf => text(take(rest, low(31))?),
        0xc0 => Item::Null,
        0xc1 => return None,
        0xc2 => Item::Bool(false),
        0xc3 => Item::Bool(true),
        0xc4..=0xc6 => Item::Bytes(Cow::Borrowed(sized(rest, width(0xc4))?)),
        0xc7..=0xc9 => {
            let length = take_number(rest, width(0xc7))?;
            extension(rest, length)?
        }
        0xca => float32(take(rest, 4)?)?,
        0xcb => float64(take(rest, 8)?)?,
        0xcc..=0xcf => Item::Unsigned(take_number(rest, width(0xcc))?),
        0xd0..=0xd3 => signed(take_number(rest, width(0xd0))?, width(0xd0)),
        0xd4..=0xd8 => extension(rest, width(0xd4))?,
        0xd9..=0xdb => text(sized(rest, width(0xd9))?),
        0xdc | 0xdd => Item::Array(Some(take_number(rest, width(0xdb))?)),
        0xde | 0xdf => Item::Map(Some(take_number(rest, width(0xdd))?)),
        // A number from -32 to -1 in the lowest bits.
        0xe0..=0xff => Item::Negative(u64::from(!first)),
    })
}

fn sized<'a>(rest: &mut &'a [u8], width: u64) -> Option<&'a [u8]> {
    let length = take_number(rest, width)?;
    take(rest, length)
}

/// A text; some encoders write bytes as one.
fn text(bytes: &[u8]) -> Item<'_> {
    match std::str::from_utf8(bytes) {
        Ok(_) => Item::Text(Cow::Borrowed(bytes)),
        Err(_) => Item::RawText(bytes),
    }
}

/// A number of so many bytes in two's complement.
fn signed(number: u64, width: u64) -> Item<'static> {
    let bits = width.saturating_mul(8);
    let sign = 1u64 << bits.saturating_sub(1).min(63);
    if number & sign == 0 {
        return Item::Unsigned(number);
    }
    let all = if bits >= 64 { u64::MAX } else { (1u64 << bits).saturating_sub(1) };
    Item::Negative(!number & all)
}

fn extension<'a>(rest: &mut &'a [u8], length: u64) -> Option<Item<'a>> {
    let kind = i8::from_be_bytes([take_byte(rest)?]);
    let bytes = take(rest, length)?;
    let time = if kind == -1 { time(bytes) } else { None };
    Some(time.unwrap_or(Item::Extension(kind, bytes)))
}

/// The three forms of a time ("Timestamp extension type").
fn time(bytes: &[u8]) -> Option<Item<'static>> {
    let mut rest = bytes;
    let (nanoseconds, seconds) = match bytes.len() {
        4 => (0, i64::try_from(take_number(&mut rest, 4)?).ok()?),
        8 => {
            let both = take_number(&mut rest, 8)?;
            (both >> 34, i64::try_from(both & 0x3_ffff_ffff).ok()?)
        }
        12 => {
            let nanoseconds = take_number(&mut rest, 4)?;
            (nanoseconds, i64::from_be_bytes(*rest.first_chunk::<8>()?))
        }
        _ => return None,
    };
    let nanoseconds = u32::try_from(nanoseconds).ok().filter(|number| *number < 1_000_000_000)?;
    Some(Item::Time { seconds, nanoseconds })
}

#[cfg(test)]
mod tests;
