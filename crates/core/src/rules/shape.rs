//! The shapes of values: which look like identifiers, which look random, which hold a time.
//!
//! A shape is never enough to leave a value out of the comparison: what makes a rule of it, and on which evidence, is decided when rules
//! are learnt, not here.

/// Whether a path segment is shaped like an identifier and not like a word: it has a digit, and nothing but letters, digits and `-_.~:@=`.
pub fn is_identifier(segment: &[u8]) -> bool {
    let allowed = |b: &u8| b.is_ascii_alphanumeric() || b"-_.~:@=%".contains(b);
    segment.iter().any(u8::is_ascii_digit) && segment.iter().all(allowed)
}

/// Whether a value looks like a random identifier: a UUID version 4 (RFC 9562, 5.4), or at least 16 hexadecimal digits that aren't all
/// decimal.
pub fn is_random(value: &[u8]) -> bool {
    if let Some(version) = uuid_version(value) {
        return version == b'4';
    }
    let hex = value.len() >= 16 && value.iter().all(u8::is_ascii_hexdigit);
    hex && !value.iter().all(u8::is_ascii_digit)
}

/// The times in seconds since 1970 that a value may stand for: RFC 3339, HTTP dates' cousins in ISO 8601 basic form, seconds or
/// milliseconds since 1970, UUID versions 1 and 7 (RFC 9562), ULID, KSUID, MongoDB's ObjectId.
pub fn times_in(value: &[u8]) -> impl Iterator<Item = u64> {
    let readers: [fn(&[u8]) -> Option<u64>; 7] = [iso8601, epoch, uuid1, uuid7, ulid, ksuid, object_id];
    readers.into_iter().filter_map(move |read| read(value)).collect::<Vec<_>>().into_iter()
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

/// `2026-11-21T08:00:00`, or `20261121T080000`; what follows (a fraction, a zone) moves it by a day at most.
fn iso8601(value: &[u8]) -> Option<u64> {
    let digits: Vec<u8> = value.iter().take(19).filter(|b| b.is_ascii_digit()).copied().collect();
    let separators = value.iter().take(19).filter(|b| !b.is_ascii_digit()).all(|b| b"-:T Zt.+".contains(b));
    let at = if value.get(4) == Some(&b'-') { 10 } else { 8 };
    if !separators || digits.len() < 14 || !matches!(value.get(at), Some(b'T' | b't' | b' ')) {
        return None;
    }
    let number = |from: usize, to: usize| {
        let digits = digits.get(from..to)?;
        Some(
            digits
                .iter()
                .fold(0u64, |n, d| n.saturating_mul(10).saturating_add(u64::from(d.wrapping_sub(b'0')))),
        )
    };
    let (year, month, day) = (number(0, 4)?, number(4, 6)?, number(6, 8)?);
    let (hour, minute, second) = (number(8, 10)?, number(10, 12)?, number(12, 14)?);
    let text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z");
    crate::time::from_rfc3339(&text).map(|micros| micros / 1_000_000)
}

/// Seconds (10 digits, a fraction perhaps) or milliseconds (13 digits) since 1970.
fn epoch(value: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(value).ok()?;
    let whole = text.split_once('.').map_or(text, |(whole, _)| whole);
    let fraction_is_digits = text.split_once('.').is_none_or(|(_, f)| f.bytes().all(|b| b.is_ascii_digit()));
    let number: u64 =
        whole.parse().ok().filter(|_| whole.bytes().all(|b| b.is_ascii_digit()) && fraction_is_digits)?;
    match whole.len() {
        10 => Some(number),
        13 => Some(number / 1000),
        16 => Some(number / 1_000_000),
        _ => None,
    }
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
