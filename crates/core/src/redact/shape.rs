//! Recognises secrets by their shape, at any place: keys of known vendors, signed JWTs, private
//! keys in PEM, card numbers.

use super::rules::{ISSUERS, PEM, SHAPES};
use super::token::contains_token;

/// A secret that was recognised by its shape, at the beginning of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shaped {
    /// Number of bytes at the beginning that stay.
    pub(super) from: usize,
    /// End of the secret.
    pub(super) to: usize,
    /// Description of the secret, for a person.
    pub(super) what: &'static str,
    /// True if white space in it means nothing.
    pub(super) squeeze: bool,
}

/// Description of a card's number, for a person.
pub(super) const CARD: &str = "a card number";

/// Range of the [`SHAPES`] with a given first byte, empty if there are none.
const FIRST: [(u8, u8); 128] = first();

const fn first() -> [(u8, u8); 128] {
    let mut table = [(0, 0); 128];
    let mut at = 0;
    #[expect(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "the compiler runs it")]
    while at < SHAPES.len() {
        let byte = SHAPES[at].starts[0] as usize;
        if table[byte].1 == 0 {
            table[byte].0 = at as u8;
        }
        table[byte].1 = at as u8 + 1;
        at += 1;
    }
    table
}

/// True if a secret may begin with a byte.
const BEGINS: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    #[expect(clippy::indexing_slicing, reason = "the compiler runs it")]
    while byte < 128 {
        table[byte] = FIRST[byte].1 > 0 || byte as u8 == b'-' || byte as u8 == b'e';
        byte += 1;
    }
    table
};

/// Returns whether a secret may begin with a byte.
pub(super) const fn may_begin(byte: u8) -> bool {
    #[expect(clippy::indexing_slicing, reason = "there is a place for each byte")]
    BEGINS[byte as usize]
}

/// Finds a secret at the beginning of a text. The byte before the text must not be a letter or
/// digit: within base64, the letters of a prefix occur by accident.
///
/// Many calls along one text take at most a small multiple of its length in total: a search without
/// a result is short, or isn't repeated over the same bytes.
pub(super) fn begins(before: Option<u8>, text: &[u8]) -> Option<Shaped> {
    let first = *text.first()?;
    match first {
        b'-' => return pem(text),
        b'e' if before.is_some_and(is_key) => return None,
        b'e' => return jwt(text),
        _ => {}
    }
    let (from, to) = *FIRST.get(usize::from(first))?;
    let shapes = SHAPES.get(usize::from(from)..usize::from(to))?;
    // Nearly always the second byte is another already.
    let second = text.get(1)?;
    let shape =
        shapes.iter().find(|shape| shape.starts.get(1) == Some(second) && text.starts_with(shape.starts))?;
    let rest = text.get(shape.starts.len()..)?;
    let is_part = |byte: u8| if shape.is_name { is_in_url(byte) } else { is_key(byte) };
    let length = rest.iter().take_while(|b| is_part(**b)).count();
    // AWS's own examples end so.
    let is_example = length < 64 && rest.get(..length).is_some_and(|key| key.ends_with(b"EXAMPLE"));
    // What stands before a token was too short for a key.
    let is_done = contains_token(rest.get(..length.min(96))?);
    let to = shape.starts.len().saturating_add(length);
    let from = if shape.is_name { shape.starts.len() } else { 0 };
    (length >= shape.follow && !is_example && !is_done).then_some(Shaped {
        from,
        to,
        what: shape.what,
        squeeze: false,
    })
}

fn is_key(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

/// Returns whether a value in a URL may contain a byte, also in JSON and XML.
fn is_in_url(byte: u8) -> bool {
    is_key(byte) || matches!(byte, b'%' | b'+' | b'/' | b'=' | b'~')
}

/// A JWS in its compact form (RFC 7515, 3.1) whose header and payload are JSON objects.
fn jwt(text: &[u8]) -> Option<Shaped> {
    if !text.starts_with(b"eyJ") {
        return None;
    }
    let to = text.iter().take_while(|b| is_key(**b)).count();
    let to = text.get(..to)?.iter().rposition(|&b| b != b'.')?.saturating_add(1);
    is_jwt(text.get(..to)?).then_some(Shaped { from: 0, to, what: "a signed JWT", squeeze: false })
}

/// Returns whether a text is a signed JWT.
pub(super) fn is_jwt(text: &[u8]) -> bool {
    let mut parts = text.splitn(4, |&b| b == b'.');
    let (header, payload, signature) = (parts.next(), parts.next(), parts.next());
    parts.next().is_none()
        && header.is_some_and(|part| part.starts_with(b"eyJ"))
        && payload.is_some_and(|part| part.starts_with(b"eyJ"))
        && signature.is_some_and(|part| part.len() >= 16 && !contains_token(part))
}

/// A private key, up to the line that ends it, or up to the end of the text if that line is
/// missing.
fn pem(text: &[u8]) -> Option<Shaped> {
    let head = text.strip_prefix(PEM)?;
    let label = head.get(..head.len().min(40))?;
    let label = label.get(..label.windows(5).position(|window| window == b"-----")?)?;
    if !label.ends_with(b"PRIVATE KEY") {
        return None;
    }
    let all = text.iter().take_while(|b| !matches!(b, b'"' | b'<' | b'&')).count();
    let body = text.get(..all)?;
    let end = (PEM.len()..all).find(|&at| body.get(at..).is_some_and(|rest| rest.starts_with(b"-----END ")));
    let to = match end {
        Some(end) => {
            let after = body.get(end.saturating_add(9)..)?;
            let rest = after.windows(5).position(|window| window == b"-----").unwrap_or(after.len());
            end.saturating_add(14).saturating_add(rest).min(all)
        }
        // Half an escape isn't the key's.
        None => all.saturating_sub(usize::from(body.ends_with(b"\\"))),
    };
    Some(Shaped { from: 0, to, what: "a private key", squeeze: true })
}

/// The digits of a text that contains only digits, with spaces and dashes between them: their
/// number, and the digits.
pub(super) fn digits(text: &[u8]) -> Option<(usize, [u8; 19])> {
    let is_digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
    if text.len() > 37 || !is_digit(text.first()) || !is_digit(text.last()) {
        return None;
    }
    let (mut found, mut count) = ([0; 19], 0usize);
    for &byte in text {
        match byte {
            b'0'..=b'9' => {
                *found.get_mut(count)? = byte.wrapping_sub(b'0');
                count = count.saturating_add(1);
            }
            b' ' | b'-' => {}
            _ => return None,
        }
    }
    Some((count, found))
}

/// Returns whether a text is exactly a card's number: digits of an issuer with a valid checksum
/// (ISO/IEC 7812-1, annex B).
pub(super) fn is_card(text: &[u8]) -> bool {
    if text.len() < 13 {
        return false;
    }
    let Some((count, all)) = digits(text) else { return false };
    let number = all.get(..count).unwrap_or_default();
    let begins = |many: usize| {
        let value = |sum: u32, digit: &u8| sum.saturating_mul(10).saturating_add(u32::from(*digit));
        number.iter().take(many).fold(0, value)
    };
    let is_issued = ISSUERS
        .iter()
        .any(|(many, from, to, lengths)| lengths.contains(&count) && (*from..=*to).contains(&begins(*many)));
    is_issued && luhn(number)
}

fn luhn(number: &[u8]) -> bool {
    let mut sum = 0u32;
    for (at, &digit) in number.iter().rev().enumerate() {
        let twice = u32::from(digit).saturating_mul(2);
        let value = match (at & 1 == 1, twice > 9) {
            (false, _) => u32::from(digit),
            (true, false) => twice,
            (true, true) => twice.saturating_sub(9),
        };
        sum = sum.saturating_add(value);
    }
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_recognised_by_their_shape() {
        let check = |text: &str, expect: Option<&str>| {
            assert_eq!(begins(None, text.as_bytes()).map(|shaped| shaped.what), expect, "{text}");
        };
        // Put together here, so that no scanner takes this file for a leak.
        let live = format!("{}{}", "sk_live_", "51H8xAbCdEfGhIj");
        check(&live, Some("a Stripe live key"));
        check("sk_test_51H8xAbCdEfGhIj", None);
        check("sk_live_short", None);
        check(&format!("{}IOSFODNN7ABCDEFG/2026", "AKIA"), Some("an AWS access key"));
        check("AKIAIOSFODNN7EXAMPLE/2026", None);
        check(&format!("{}RSA PRIVATE KEY-----\nMII", "-----BEGIN "), Some("a private key"));
        check(&format!("{}CERTIFICATE-----\nMII", "-----BEGIN "), None);
        check("eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.c2lnbmF0dXJlc2lnbmF0dXJl", Some("a signed JWT"));
        check("eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.redacted-0123456789abcdef", None);
        check("eyJMYXN0RXZhbHVhdGVkS2V5Ijoi", None);
        check("", None);
        check("-", None);
    }

    #[test]
    fn a_private_key_ends_with_its_last_line() {
        let key = format!("{0}BEGIN PRIVATE KEY{0}\nMIIE\n{0}END PRIVATE KEY{0}\nmore", "-----");
        assert_eq!(begins(None, key.as_bytes()).map(|shaped| shaped.to), Some(key.len() - 5));
        let cut = &key[..40];
        assert_eq!(begins(None, cut.as_bytes()).map(|shaped| shaped.to), Some(cut.len()));
    }

    #[test]
    fn cards_are_recognised_by_issuer_and_checksum() {
        let check = |text: &str, expect: bool| assert_eq!(is_card(text.as_bytes()), expect, "{text}");
        for card in [
            "4242424242424242",
            "4242 4242 4242 4242",
            "4242-4242-4242-4242",
            "5555555555554444",
            "2223003122003222",
            "378282246310005",
            "6011111111111117",
            "3056930009020004",
            "36227206271667",
            "3566002020360505",
            "6200000000000005",
        ] {
            check(card, true);
        }
        for other in [
            "4242424242424241",
            "1795251572000000",
            "1234567812345670",
            "424242424242",
            "a4242424242424242",
            "4242424242424242 ",
            "42424242424242424242",
            "",
            "0000000000000000",
        ] {
            check(other, false);
        }
    }
}
