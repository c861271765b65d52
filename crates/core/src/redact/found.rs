//! Result of a search through a text: the places of secrets, in order and without overlaps. Judges
//! values; changes nothing.

use super::decode::decode_url;
use super::names::Kind;
use super::rules::{SCHEMES, SIGNED};
use super::shape::{self, CARD};
use super::token::{contains_token, is_placeholder};

/// The place of a secret.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hit<'a> {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) what: What<'a>,
    pub(super) written: Written,
    /// True if white space and dashes in it mean nothing.
    pub(super) squeeze: bool,
}

/// Why something is taken for a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What<'a> {
    /// Under this name, as written.
    Name(&'a [u8]),
    /// A known shape.
    Shape(&'static str),
    /// The number of a payment card.
    Card,
}

/// Encoding of a text at its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// Without an encoding.
    Plain,
    /// Inside a JSON string.
    Json,
    /// As a JSON number. A string must replace it.
    JsonNumber,
    /// `%XX` and `+`, as in queries and forms.
    Url,
}

/// Judges values, and tells what it finds.
pub(super) struct Finder<'a, F> {
    pub(super) text: &'a [u8],
    pub(super) tell: F,
}

impl<'a, F: FnMut(Hit<'a>)> Finder<'a, F> {
    pub(super) fn part(&self, start: usize, end: usize) -> &'a [u8] {
        self.text.get(start..end).unwrap_or_default()
    }

    fn hit(&mut self, start: usize, end: usize, what: What<'a>, written: Written, squeeze: bool) -> bool {
        let is_secret = !is_placeholder(self.part(start, end));
        if is_secret {
            (self.tell)(Hit { start, end, what, written, squeeze });
        }
        is_secret
    }

    /// Judges the value under a name of this kind. Whether that was all: if not, shapes are still
    /// to be looked for.
    pub(super) fn value(
        &mut self,
        kind: Kind,
        name: &'a [u8],
        (start, end): (usize, usize),
        written: Written,
    ) -> bool {
        let raw = self.part(start, end);
        let what = What::Name(name);
        // An earlier search has replaced the secret here. The text beside the token was kept then,
        // and is kept again. Some clients escape more than they have to.
        let is_escaped = written == Written::Url && raw.contains(&b'%');
        if contains_token(raw) || is_escaped && contains_token(&decode_url(raw)) {
            return true;
        }
        match kind {
            Kind::Always => self.hit(start, end, what, written, false),
            Kind::Opaque => is_opaque(raw) && self.hit(start, end, what, written, false),
            Kind::Key => is_key(raw) && self.hit(start, end, what, written, false),
            Kind::Digits => raw.iter().any(u8::is_ascii_digit) && self.hit(start, end, what, written, false),
            Kind::Card => {
                let is = plain_digits(raw, written).is_some_and(|count| count >= 12);
                is && self.hit(start, end, What::Card, written, true)
            }
            Kind::MaybeCard => self.card((start, end), written),
            Kind::Authorization => self.authorization((start, end), name, written),
            Kind::Cookies => self.cookies((start, end), name, written),
            Kind::SetCookie => self.cookie((start, self.find(start, end, b';')), name, written),
            Kind::Assertion => {
                let signature = raw.iter().rposition(|&b| b == b'.').filter(|_| shape::is_jwt(raw));
                match signature {
                    Some(at) => {
                        self.hit(start.saturating_add(at).saturating_add(1), end, what, written, false)
                    }
                    // A JWT whose signature was already removed.
                    None => is_opaque(raw) && self.hit(start, end, what, written, false),
                }
            }
            Kind::Scoped => {
                let cut =
                    |at: usize| raw.get(at..).is_some_and(|r| r.starts_with(b"/") || r.starts_with(b"%2"));
                let length = (0..raw.len()).find(|&at| cut(at)).unwrap_or(raw.len());
                self.hit(start, start.saturating_add(length), what, written, false)
            }
        }
    }

    /// Tells of a value that is a card's number.
    pub(super) fn card(&mut self, (start, end): (usize, usize), written: Written) -> bool {
        let raw = self.part(start, end);
        // Long before it is decoded.
        if raw.len() < 13 || raw.len() > 64 || !raw.first().is_some_and(u8::is_ascii_digit) {
            return false;
        }
        let is = match written {
            Written::Url => shape::is_card(&decode_url(raw)),
            _ => shape::is_card(raw),
        };
        is && self.hit(start, end, What::Card, written, true)
    }

    /// Reports the secret that begins here by its shape, and returns its end.
    pub(super) fn shaped(&mut self, at: usize, end: usize, written: Written) -> Option<usize> {
        let before = at.checked_sub(1).and_then(|at| self.text.get(at)).copied();
        let shaped = shape::begins(before, self.part(at, end))?;
        let (start, end) = (at.saturating_add(shaped.from), at.saturating_add(shaped.to));
        if !is_placeholder(self.part(start, end)) {
            let (what, squeeze) = (What::Shape(shaped.what), shaped.squeeze);
            (self.tell)(Hit { start, end, what, written, squeeze });
        }
        Some(end)
    }

    /// Searches only for shapes.
    pub(super) fn shapes(&mut self, start: usize, end: usize, written: Written) {
        let (mut at, mut in_word) = (start, false);
        while let Some(&byte) = self.text.get(at).filter(|_| at < end) {
            if !in_word
                && shape::may_begin(byte)
                && let Some(after) = self.shaped(at, end, written)
            {
                (at, in_word) = (after, false);
                continue;
            }
            in_word = byte.is_ascii_alphanumeric();
            at = at.saturating_add(1);
        }
    }

    /// A scheme that is known, which stays, and credentials (RFC 9110, 11.6.2).
    fn authorization(&mut self, (start, end): (usize, usize), name: &'a [u8], written: Written) -> bool {
        let raw = self.part(start, end);
        let space = raw.iter().position(|&b| b == b' ').unwrap_or(0);
        let scheme = raw.get(..space).unwrap_or_default();
        let is_in = |known: &[&[u8]]| known.iter().any(|known| scheme.eq_ignore_ascii_case(known));
        if is_in(&SIGNED) {
            return self.signed((start.saturating_add(space), end), name, written);
        }
        if !is_in(&SCHEMES) {
            return self.hit(start, end, What::Name(name), written, false);
        }
        let rest = raw.get(space..).unwrap_or_default();
        let spaces = rest.iter().take_while(|b| **b == b' ').count();
        let from = start.saturating_add(space).saturating_add(spaces);
        self.hit(from, end, What::Name(name), written, false)
    }

    fn signed(&mut self, (start, end): (usize, usize), name: &'a [u8], written: Written) -> bool {
        let (mut at, mut found) = (start, false);
        while at < end {
            let to = self.find(at, end, b',');
            let part = self.part(at, to);
            let from = |known: &[u8]| {
                let place = part.windows(known.len()).position(|window| window == known)?;
                Some(at.saturating_add(place).saturating_add(known.len()))
            };
            if let Some(from) = from(b"Credential=") {
                found |= self.value(Kind::Scoped, name, (from, to), written);
            } else if let Some(from) = from(b"Signature=") {
                found |= self.hit(from, to, What::Name(name), written, false);
            }
            at = to.saturating_add(1);
        }
        found
    }

    fn cookies(&mut self, (start, end): (usize, usize), name: &'a [u8], written: Written) -> bool {
        let (mut at, mut found) = (start, false);
        while at < end {
            let to = self.find(at, end, b';');
            found |= self.cookie((at, to), name, written);
            at = to.saturating_add(1);
        }
        found
    }

    fn cookie(&mut self, (start, end): (usize, usize), name: &'a [u8], written: Written) -> bool {
        let equals = self.find(start, end, b'=');
        let from = if equals < end { equals.saturating_add(1) } else { start };
        let spaces = self.part(from, end).iter().take_while(|b| **b == b' ').count();
        self.hit(from.saturating_add(spaces), end, What::Name(name), written, false)
    }

    /// Offset of a byte, or the end if the byte doesn't occur.
    fn find(&self, start: usize, end: usize, byte: u8) -> usize {
        let place = self.part(start, end).iter().position(|&b| b == byte);
        place.map_or(end, |at| start.saturating_add(at))
    }
}

fn plain_digits(raw: &[u8], written: Written) -> Option<usize> {
    if raw.len() > 64 {
        return None;
    }
    let count = match written {
        Written::Url => shape::digits(&decode_url(raw)),
        _ => shape::digits(raw),
    };
    count.map(|(count, _)| count)
}

/// Returns whether a text is no word and no sentence: long, without spaces, and with digits where
/// it isn't very long.
fn is_opaque(raw: &[u8]) -> bool {
    raw.len() >= 16
        && raw.iter().all(|b| b.is_ascii_graphic())
        && (raw.len() >= 24 || raw.iter().any(u8::is_ascii_digit))
}

/// Returns whether a text looks like an API key.
fn is_key(raw: &[u8]) -> bool {
    raw.len() >= 20
        && raw.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        && raw.iter().any(u8::is_ascii_digit)
        && raw.iter().any(u8::is_ascii_alphabetic)
}

/// Description for a person.
impl std::fmt::Display for What<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Name(name) => write!(f, "a value under `{}`", String::from_utf8_lossy(name)),
            Self::Shape(what) => f.write_str(what),
            Self::Card => f.write_str(CARD),
        }
    }
}
