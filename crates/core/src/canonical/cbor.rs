//! CBOR as a tree (RFC 8949); see [`super::items`].
//!
//! Definite and indefinite lengths are the same, and so are longer forms of lengths and integers,
//! and floats of different widths with one value. What isn't well-formed (appendix C) isn't read,
//! nor is a text that isn't UTF-8.

use super::items::{self, Item, float32, float64, take, take_byte, take_number};
use std::borrow::Cow;

/// Appends the tree text of one value. Gives `false`, and appends nothing, where the bytes are
/// something else.
pub(super) fn write(bytes: &[u8], out: &mut Vec<u8>) -> bool {
    items::write(bytes, next, out)
}

/// The same for a CBOR sequence (RFC 8742): an array of its values.
pub(super) fn write_sequence(bytes: &[u8], out: &mut Vec<u8>) -> bool {
    items::write_sequence(bytes, next, out)
}

/// The next item: major type, additional information, argument (RFC 8949, 3).
fn next<'a>(rest: &mut &'a [u8]) -> Option<Item<'a>> {
    let initial = take_byte(rest)?;
    let (major, information) = (initial >> 5, initial & 31);
    if major == 7 {
        return simple_or_float(information, rest);
    }
    let argument = match information {
        31 => None,
        _ => Some(argument(information, rest)?),
    };
    Some(match (major, argument) {
        (0, Some(number)) => Item::Unsigned(number),
        (1, Some(number)) => Item::Negative(number),
        (2, length) => Item::Bytes(string(2, length, rest)?),
        (3, length) => Item::Text(string(3, length, rest)?),
        (4, length) => Item::Array(length),
        (5, length) => Item::Map(length),
        (6, Some(number)) => Item::Tag(number),
        _ => return None,
    })
}

fn argument(information: u8, rest: &mut &[u8]) -> Option<u64> {
    match information {
        0..=23 => Some(u64::from(information)),
        24..=27 => take_number(rest, 1 << (information & 3)),
        _ => None,
    }
}

/// A string in one piece or, without a length, in chunks of the same type (3.2.3).
fn string<'a>(major: u8, length: Option<u64>, rest: &mut &'a [u8]) -> Option<Cow<'a, [u8]>> {
    let is_valid = |bytes: &[u8]| major != 3 || std::str::from_utf8(bytes).is_ok();
    if let Some(length) = length {
        return take(rest, length).filter(|bytes| is_valid(bytes)).map(Cow::Borrowed);
    }
    let mut whole = Vec::new();
    loop {
        let initial = take_byte(rest)?;
        if initial == 0xff {
            return Some(Cow::Owned(whole));
        }
        if initial >> 5 != major {
            return None;
        }
        let length = argument(initial & 31, rest)?;
        whole.extend_from_slice(take(rest, length).filter(|bytes| is_valid(bytes))?);
    }
}

fn simple_or_float<'a>(information: u8, rest: &mut &'a [u8]) -> Option<Item<'a>> {
    Some(match information {
        20 => Item::Bool(false),
        21 => Item::Bool(true),
        22 => Item::Null,
        0..=23 => Item::Simple(information),
        // Numbers below 32 in two bytes aren't well-formed (3.3).
        24 => Item::Simple(take_byte(rest).filter(|number| *number >= 32)?),
        25 => float16(take(rest, 2)?)?,
        26 => float32(take(rest, 4)?)?,
        27 => float64(take(rest, 8)?)?,
        31 => Item::Break,
        _ => return None,
    })
}

/// A float of two bytes (IEEE 754, binary16): sign, five bits of exponent, ten bits of fraction.
fn float16(bytes: &[u8]) -> Option<Item<'_>> {
    let half = u64::from(u16::from_be_bytes(*bytes.first_chunk::<2>()?));
    let (sign, exponent, fraction) = ((half >> 15) << 63, (half >> 10) & 31, half & 0x3ff);
    let bits = match (exponent, fraction) {
        (31, 0) => sign | 0x7ff0_0000_0000_0000,
        (31, 0x200) if sign == 0 => 0x7ff8_0000_0000_0000,
        (31, _) => return Some(Item::OddNan(bytes)),
        (0, 0) => sign,
        (0, _) => {
            // Below the smallest normal number: units of 2⁻²⁴.
            let size = f64::from(u32::try_from(fraction).ok()?) / 16_777_216.0;
            sign | size.to_bits()
        }
        // Exponents count from 15 in two bytes, from 1023 in eight.
        _ => sign | (exponent.saturating_add(1008) << 52) | (fraction << 42),
    };
    Some(Item::Float(f64::from_bits(bits)))
}

#[cfg(test)]
mod tests;
