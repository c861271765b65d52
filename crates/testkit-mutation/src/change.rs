//! Changes of a request, each with its effect on matching.

use crate::said::{Said, What, claims, lasting};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use understudy_core::rules::{Shape, Token, dates, tokens};

/// Effect that a change must have on matching.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The request differs.
    Counts,
    /// The request stays the same.
    Volatile,
    /// The reference decides.
    Reference,
}

impl Meaning {
    /// Meaning of a change from a value to none at a place, or the reverse.
    pub(super) fn of_presence(said: &Said<'_>, place: &str) -> Self {
        if said.of_place(place) == Some(What::Ignore) { Self::Volatile } else { Self::Counts }
    }
}

/// Changed texts, each with a description and its effect.
#[derive(Default)]
pub(super) struct Changes(pub(super) Vec<(String, Vec<u8>, Meaning)>);

impl Changes {
    pub(super) fn push(&mut self, what: String, text: Vec<u8>, meaning: Meaning) {
        self.0.push((what, text, meaning));
    }
}

/// Values to replace a value with.
pub(super) fn values(what: Option<What>, text: &[u8], now: u64) -> Vec<(String, Vec<u8>, Meaning)> {
    let longer = || ("longer".to_owned(), [text, b"x"].concat());
    let other = || ("another".to_owned(), b"another value".to_vec());
    let empty = || ("emptied".to_owned(), Vec::new());
    let all = |changes: Vec<(String, Vec<u8>)>, meaning| {
        let different = changes.into_iter().filter(|(_, new)| new != text);
        different.map(move |(what, new)| (what, new, meaning)).collect::<Vec<_>>()
    };
    match what {
        Some(What::Mask | What::Ignore) => all(vec![longer(), other()], Meaning::Volatile),
        Some(What::Jwt) => match claims(text) {
            Some(_) => jwt(text),
            None => all(vec![longer(), other(), empty()], Meaning::Counts),
        },
        _ => {
            let mut changes = all(vec![longer(), other(), empty()], Meaning::Counts);
            changes.extend(all(one_letter(text), Meaning::Reference));
            if matches!(what, Some(What::Dates | What::Clock)) {
                let days = dates(text).into_iter().map(|(range, _)| with(text, range, b"2001-02-03"));
                changes
                    .extend(all(days.map(|new| ("another day".to_owned(), new)).collect(), Meaning::Counts));
                debug_assert!(lasting(what, text, now).0 != text || dates(text).is_empty());
            }
            for token in tokens(text) {
                changes.extend(passing(what, text, &token));
            }
            changes
        }
    }
}

/// Another token of the same shape, something of another shape, and something beside it.
fn passing(what: Option<What>, text: &[u8], token: &Token) -> Vec<(String, Vec<u8>, Meaning)> {
    let passes = match what {
        Some(What::Volatile) => true,
        Some(What::Times) => token.shape == Shape::Time,
        _ => false,
    };
    let meaning = if passes { Meaning::Volatile } else { Meaning::Counts };
    let range = token.range.clone();
    let mut out = Vec::new();
    let new = another(&text[range.clone()], token.shape);
    // The day of a time may be all that counts, and is the same.
    let meaning = match what {
        Some(What::Dates | What::Now | What::Clock) => Meaning::Reference,
        _ => meaning,
    };
    out.push(("another token".to_owned(), with(text, range.clone(), &new), meaning));
    out.push(("no token".to_owned(), with(text, range.clone(), b"x"), Meaning::Counts));
    out.push(("before the token".to_owned(), with(text, range.start..range.start, b"!"), Meaning::Counts));
    out.push(("after the token".to_owned(), with(text, range.end..range.end, b"!"), Meaning::Counts));
    out
}

/// A token of the same shape.
fn another(token: &[u8], shape: Shape) -> Vec<u8> {
    let mut new = token.to_vec();
    let turn = |byte: &mut u8, first: u8, last: u8| *byte = if *byte == last { first } else { *byte + 1 };
    match shape {
        Shape::Uuid => {
            // These digits aren't part of the version or variant.
            for at in [1, 9, 35] {
                new[at] = if new[at] == b'7' { b'6' } else { b'7' };
            }
        }
        Shape::Hex => {
            let at = new.len() - 1;
            new[at] = match new[at] {
                b'a'..=b'f' | b'A'..=b'F' => {
                    if new[at].eq_ignore_ascii_case(&b'a') {
                        b'b'
                    } else {
                        b'a'
                    }
                }
                digit => {
                    if digit == b'7' {
                        b'6'
                    } else {
                        b'7'
                    }
                }
            };
        }
        Shape::Time => {
            // The seconds' last digit.
            let at = match (new.get(4), new.get(8)) {
                (Some(b'-'), _) => 18,
                (_, Some(b'T' | b't' | b' ')) => 14,
                _ => 9,
            };
            turn(&mut new[at], b'0', b'9');
        }
        Shape::Id => {
            let at = new.len() - 1;
            new[at] = if new[at] == b'7' { b'6' } else { b'7' };
        }
    }
    new
}

/// Changes the case of the first letter, or the first digit: the smallest possible difference.
fn one_letter(text: &[u8]) -> Vec<(String, Vec<u8>)> {
    let Some(at) = text.iter().position(u8::is_ascii_alphanumeric) else { return Vec::new() };
    let new = match text[at] {
        b'9' => b'8',
        digit @ b'0'..=b'8' => digit + 1,
        letter => letter ^ 0x20,
    };
    vec![("one letter".to_owned(), with(text, at..at + 1, &[new]))]
}

fn jwt(token: &[u8]) -> Vec<(String, Vec<u8>, Meaning)> {
    let parts: Vec<&[u8]> = token.split(|&b| b == b'.').collect();
    let claims = URL_SAFE_NO_PAD.decode(parts[1]).unwrap_or_default();
    let joined = |claims: &[u8], signature: &[u8]| {
        [parts[0], URL_SAFE_NO_PAD.encode(claims).as_bytes(), signature].join(&b'.')
    };
    let adding = |member: &str| {
        let inner = claims.strip_prefix(b"{").unwrap_or_default();
        [b"{", member.as_bytes(), b",", inner].concat()
    };
    vec![
        (
            "signed anew".to_owned(),
            joined(&claims, b"c2lnbmVkIGFuZXcgd2l0aCBhbm90aGVyIGtleSBhZ2Fpbg"),
            Meaning::Volatile,
        ),
        (
            "issued later".to_owned(),
            joined(&adding(r#""iat":1795248000,"jti":"j""#), parts[2]),
            Meaning::Volatile,
        ),
        ("with a claim".to_owned(), joined(&adding(r#""zz":"1""#), parts[2]), Meaning::Counts),
        ("no token".to_owned(), b"another value".to_vec(), Meaning::Counts),
    ]
}

pub(super) fn with(text: &[u8], range: std::ops::Range<usize>, new: &[u8]) -> Vec<u8> {
    [&text[..range.start], new, &text[range.end..]].concat()
}
