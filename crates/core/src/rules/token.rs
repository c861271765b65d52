//! Tokens in a text that pass: UUIDs, long hexadecimal numbers, times, identifiers that hold a time.
//!
//! A shape is never enough to leave a value out of the comparison: what makes a rule of it, and on which evidence, is decided when rules
//! are learnt, not here. Where a rule says that a place is volatile, its tokens of these shapes are what doesn't count.

use super::time_text;
use std::ops::Range;

/// A hexadecimal number is long from here on, in digits.
const HEX_MIN: usize = 16;
/// The seconds since 1970 that a number of ten digits may stand for: from 2001 to 2033. It begins with a 1.
const EPOCH_FIRST: u8 = b'1';
/// Times in identifiers must lie between these, in seconds since 1970 (2010 and 2050): any 26 letters would be a ULID.
const PLAUSIBLE: Range<u64> = 1_262_304_000..2_524_608_000;

/// A token that passes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Where it stands, in bytes.
    pub range: Range<usize>,
    /// What it looks like.
    pub shape: Shape,
    /// The time that it holds, in seconds since 1970.
    pub time: Option<u64>,
}

/// What a token looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shape {
    /// A UUID (RFC 9562).
    Uuid,
    /// At least 16 hexadecimal digits that aren't all decimal.
    Hex,
    /// A time, in one of the spellings of [`super::instants`].
    Time,
    /// An identifier that begins with a time: ULID, KSUID.
    Id,
}

impl Shape {
    /// What stands in a signature for such a token.
    pub fn placeholder(self) -> &'static [u8] {
        match self {
            Self::Uuid => b"<uuid>",
            Self::Hex => b"<hex>",
            Self::Time => b"<time>",
            Self::Id => b"<id>",
        }
    }
}

/// The tokens in a text, in order. A token stands by itself: no letter or digit goes before or after it.
pub fn tokens(text: &[u8]) -> Vec<Token> {
    let mut found = Vec::new();
    let (mut at, mut before) = (0usize, b' ');
    while let Some(&byte) = text.get(at) {
        let begins = byte.is_ascii_alphanumeric() && !before.is_ascii_alphanumeric();
        let token = if begins { token(text, at) } else { None };
        match token {
            Some(token) => {
                at = token.range.end;
                before = b'0';
                found.push(token);
            }
            None => {
                at = at.saturating_add(1);
                before = byte;
            }
        }
    }
    found
}

/// The days in a text (RFC 3339, `full-date`) that stand by themselves: where, and which in days since 1970.
pub fn dates(text: &[u8]) -> Vec<(Range<usize>, u64)> {
    let mut found = Vec::new();
    let mut at = 0usize;
    while let Some(rest) = text.get(at..).filter(|rest| rest.len() >= 10) {
        let begins =
            at.checked_sub(1).and_then(|before| text.get(before)).is_none_or(|b| !b.is_ascii_alphanumeric());
        let ends = rest.get(10).is_none_or(|b| !b.is_ascii_alphanumeric());
        let day = if begins && ends { rest.get(..10).and_then(day) } else { None };
        match day {
            Some(day) => {
                found.push((at..at.saturating_add(10), day));
                at = at.saturating_add(10);
            }
            None => at = at.saturating_add(1),
        }
    }
    found
}

fn day(text: &[u8]) -> Option<u64> {
    let fits = text.iter().zip(b"0000-00-00").all(|(byte, wanted)| match wanted {
        b'0' => byte.is_ascii_digit(),
        other => byte == other,
    });
    let text = std::str::from_utf8(text).ok().filter(|_| fits)?;
    crate::time::from_rfc3339(&format!("{text}T00:00:00Z")).map(|micros| micros / 86_400_000_000)
}

/// Reads the token that a text begins with: its length in bytes, its shape, the time in it.
type Reader = fn(&[u8]) -> Option<(usize, Shape, Option<u64>)>;

fn token(text: &[u8], at: usize) -> Option<Token> {
    let rest = text.get(at..)?;
    let readers: [Reader; 5] = [date_time, uuid, number, time_in_words, word];
    let (length, shape, time) = readers.iter().find_map(|read| read(rest))?;
    // A secret's stand-in says which secret it was: that counts.
    let redacted = text.get(..at)?;
    if redacted.ends_with(b"redacted-") || redacted.ends_with(b"redacted-jwt-") {
        return None;
    }
    let ends = rest.get(length).is_none_or(|after| !after.is_ascii_alphanumeric());
    ends.then_some(Token { range: at..at.saturating_add(length), shape, time })
}

/// `2026-11-21T08:00:00.5Z`, `2026-11-21 08:00:00+01:00`, `20261121T080000Z`.
fn date_time(rest: &[u8]) -> Option<(usize, Shape, Option<u64>)> {
    let extended = rest.get(4) == Some(&b'-');
    let pattern: &[u8] = if extended { b"0000-00-00T00:00:00" } else { b"00000000T000000" };
    let start = rest.get(..pattern.len())?;
    let fits = start.iter().zip(pattern).all(|(byte, wanted)| match wanted {
        b'0' => byte.is_ascii_digit(),
        b'T' => matches!(byte, b'T' | b't' | b' '),
        other => byte == other,
    });
    if !fits {
        return None;
    }
    let digits: Vec<u8> = start.iter().filter(|b| b.is_ascii_digit()).copied().collect();
    let seconds = seconds(&digits)?;
    let mut length = pattern.len();
    if matches!(rest.get(length), Some(b'.' | b',')) {
        let after = rest.get(length.saturating_add(1)..).unwrap_or_default();
        let fraction = after.iter().take_while(|b| b.is_ascii_digit()).count();
        if fraction > 0 {
            length = length.saturating_add(1).saturating_add(fraction);
        }
    }
    let (zone, offset) = time_text::offset(rest.get(length..).unwrap_or_default()).unwrap_or((0, 0));
    length = length.saturating_add(zone);
    Some((length, Shape::Time, seconds.checked_add_signed(offset.checked_neg()?)))
}

/// `Sat, 21 Nov 2026 08:00:00 GMT` and its like; see [`time_text`].
fn time_in_words(rest: &[u8]) -> Option<(usize, Shape, Option<u64>)> {
    time_text::in_words(rest).map(|(length, seconds)| (length, Shape::Time, Some(seconds)))
}

/// 14 digits of date and time in UTC as seconds since 1970.
fn seconds(digits: &[u8]) -> Option<u64> {
    let number = |range: Range<usize>| std::str::from_utf8(digits.get(range)?).ok();
    let (year, month, day) = (number(0..4)?, number(4..6)?, number(6..8)?);
    let (hour, minute, second) = (number(8..10)?, number(10..12)?, number(12..14)?);
    let text = format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z");
    crate::time::from_rfc3339(&text).map(|micros| micros / 1_000_000)
}

fn uuid(rest: &[u8]) -> Option<(usize, Shape, Option<u64>)> {
    let value = rest.get(..36)?;
    uuid_version(value)?;
    Some((36, Shape::Uuid, uuid1(value).or_else(|| uuid7(value))))
}

/// Seconds (10 digits), milliseconds (13), microseconds (16) or nanoseconds (19) since 1970, a
/// fraction perhaps.
fn number(rest: &[u8]) -> Option<(usize, Shape, Option<u64>)> {
    let length = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    let unit = match length {
        10 => 1,
        13 => 1000,
        16 => 1_000_000,
        19 => 1_000_000_000,
        _ => return None,
    };
    if rest.first() != Some(&EPOCH_FIRST) {
        return None;
    }
    let number: u64 = std::str::from_utf8(rest.get(..length)?).ok()?.parse().ok()?;
    let mut end = length;
    if rest.get(length) == Some(&b'.') {
        let after = rest.get(length.saturating_add(1)..).unwrap_or_default();
        let fraction = after.iter().take_while(|b| b.is_ascii_digit()).count();
        if fraction > 0 {
            end = length.saturating_add(1).saturating_add(fraction);
        }
    }
    Some((end, Shape::Time, number.checked_div(unit)))
}

/// A run of letters and digits.
fn word(rest: &[u8]) -> Option<(usize, Shape, Option<u64>)> {
    let length = rest.iter().take_while(|b| b.is_ascii_alphanumeric()).count();
    let word = rest.get(..length)?;
    let hex = length >= HEX_MIN && word.iter().all(u8::is_ascii_hexdigit);
    if hex && !word.iter().all(u8::is_ascii_digit) {
        return Some((length, Shape::Hex, object_id(word)));
    }
    let time = ulid(word).or_else(|| ksuid(word)).filter(|time| PLAUSIBLE.contains(time))?;
    Some((length, Shape::Id, Some(time)))
}

/// The version digit of a UUID in its text form.
fn uuid_version(value: &[u8]) -> Option<u8> {
    let dashes = [8, 13, 18, 23];
    let shaped = value.len() == 36
        && value.iter().enumerate().all(
            |(i, b)| {
                if dashes.contains(&i) { *b == b'-' } else { b.is_ascii_hexdigit() }
            },
        );
    let variant = matches!(value.get(19), Some(b'8' | b'9' | b'a' | b'b' | b'A' | b'B'));
    if shaped && variant { value.get(14).copied() } else { None }
}

fn uuid1(value: &[u8]) -> Option<u64> {
    if uuid_version(value)? != b'1' {
        return None;
    }
    let (low, mid, high) = (hex(value.get(..8)?)?, hex(value.get(9..13)?)?, hex(value.get(15..18)?)?);
    let ticks = (high << 48) | (mid << 32) | low;
    // 100 ns since 15 October 1582.
    ticks.checked_sub(0x01B2_1DD2_1381_4000).map(|ticks| ticks / 10_000_000)
}

fn uuid7(value: &[u8]) -> Option<u64> {
    if uuid_version(value)? != b'7' {
        return None;
    }
    Some(((hex(value.get(..8)?)? << 16) | hex(value.get(9..13)?)?) / 1000)
}

/// 26 characters of Crockford's base 32: 48 bits of milliseconds first (the ULID specification).
fn ulid(value: &[u8]) -> Option<u64> {
    const ALPHABET: &[u8] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let digit = |b: &u8| ALPHABET.iter().position(|a| *a == b.to_ascii_uppercase());
    if value.len() != 26 || !value.iter().all(|b| digit(b).is_some()) {
        return None;
    }
    let millis = value
        .get(..10)?
        .iter()
        .try_fold(0u64, |n, b| n.checked_mul(32)?.checked_add(u64::try_from(digit(b)?).ok()?))?;
    Some(millis / 1000)
}

/// 27 characters of base 62: 32 bits of seconds since 13 May 2014 first, of 160 (the KSUID specification).
fn ksuid(value: &[u8]) -> Option<u64> {
    const ALPHABET: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    if value.len() != 27 {
        return None;
    }
    let mut number = [0u32; 5];
    for byte in value {
        let mut carry = u64::try_from(ALPHABET.iter().position(|a| a == byte)?).ok()?;
        for word in number.iter_mut().rev() {
            let sum = u64::from(*word).saturating_mul(62).saturating_add(carry);
            *word = u32::try_from(sum & 0xffff_ffff).unwrap_or(0);
            carry = sum >> 32;
        }
        if carry > 0 {
            return None;
        }
    }
    number.first().map(|seconds| u64::from(*seconds).saturating_add(1_400_000_000))
}

/// 24 hexadecimal digits: 32 bits of seconds first (MongoDB, "ObjectId").
fn object_id(value: &[u8]) -> Option<u64> {
    if value.len() != 24 || !value.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    hex(value.get(..8)?)
}

fn hex(digits: &[u8]) -> Option<u64> {
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}
