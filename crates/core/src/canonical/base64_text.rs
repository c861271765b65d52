//! Texts in base64 inside a value: Azure's block identifiers, cursors, JSON in a header.
//!
//! Without a rule, a value compares as it is written. A rule about tokens and times looks at what
//! is coded, and so does the learner, by the same function.

use crate::rules::{dates, tokens};
use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use std::borrow::Cow;

/// Shorter texts are words, more often than not.
const LEAST: usize = 16;

const CONFIG: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const PLAIN: GeneralPurpose = GeneralPurpose::new(&STANDARD, CONFIG);
const URL: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, CONFIG);

/// The text that a text in base64 or base64url stands for (RFC 4648, 4 and 5), with or without its
/// padding. `None` where it is shorter than 16 characters or doesn't decode to a text: valid UTF-8
/// of printable characters and white space.
pub fn text_in_base64(text: &[u8]) -> Option<Vec<u8>> {
    if text.len() < LEAST {
        return None;
    }
    let of_url = text.iter().any(|b| matches!(b, b'-' | b'_'));
    let engine = if of_url { &URL } else { &PLAIN };
    // Most texts have a space or a full stop soon: no space is taken for those.
    let is_coded = text.iter().all(|b| b.is_ascii_alphanumeric() || b"+/-_=".contains(b));
    let decoded = if is_coded { engine.decode(text).ok()? } else { return None };
    let is_strange = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r');
    let is_text = std::str::from_utf8(&decoded).is_ok_and(|text| !text.chars().any(is_strange));
    is_text.then_some(decoded)
}

/// The text in which a rule looks for tokens and times: the value as it is written; or what it
/// stands for in base64, if that alone has any.
pub fn readable(value: &[u8]) -> Cow<'_, [u8]> {
    let has_some = |text: &[u8]| !tokens(text).is_empty() || !dates(text).is_empty();
    match text_in_base64(value) {
        Some(inner) if !has_some(value) && has_some(&inner) => Cow::Owned(inner),
        _ => Cow::Borrowed(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE};

    #[test]
    fn text_in_base64_is_found_in_each_spelling() {
        let text = "{\"after\":\"2026-11-21T08:00:00Z\",\"n\":\"~~~???>>>\"}";
        for coded in [STANDARD.encode(text), STANDARD_NO_PAD.encode(text), URL_SAFE.encode(text)] {
            assert_eq!(text_in_base64(coded.as_bytes()).as_deref(), Some(text.as_bytes()), "{coded}");
        }
        let lines = STANDARD.encode("Zürich\r\n\tBern");
        assert_eq!(text_in_base64(lines.as_bytes()).as_deref(), Some("Zürich\r\n\tBern".as_bytes()));
    }

    #[test]
    fn what_is_no_text_in_base64_stays_as_written() {
        let bytes = STANDARD.encode([7u8; 16]);
        let latin = STANDARD.encode(b"Z\xfcrich Hauptbahnhof");
        for text in [
            "",
            "YWJjZGVm",
            "YWJjZGVmZ2hpamts!",
            "YWJj ZGVmZ2hpamtsbW5v",
            "YWJjZGVmZ2hpamtsb",
            // Not the shortest bits at its end.
            "YWJjZGVmZ2hpamtsbW5vcB",
            "a-b_c+d/e-f_g+h/",
            "====",
            "================",
            "f47ac10b-58cc-4372-a567-0e02b2c3d479",
            &bytes,
            &latin,
        ] {
            assert_eq!(text_in_base64(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn value_is_read_as_written_where_that_has_tokens() {
        let check = |value: &str, expect: &str| {
            assert_eq!(String::from_utf8_lossy(&readable(value.as_bytes())), expect);
        };
        let uuid = "f47ac10b-58cc-4372-a567-0e02b2c3d479";
        check(uuid, uuid);
        check(&STANDARD.encode(uuid), uuid);
        check(&STANDARD.encode("due 2026-11-21"), "due 2026-11-21");
        let plain = STANDARD.encode("nothing that passes");
        check(&plain, &plain);
        check("hello world", "hello world");
    }
}
