//! The values that rules take out of a signature: kept apart, since the recorded request whose values are equal too is the better answer, and
//! since they may stand in the answer.

use super::form::Shown;
use super::jwt;
use crate::digest;
use crate::rules::{PlaceId, Said, Shape, Token, What, dates, tokens};

/// A day in microseconds.
const DAY: u64 = 86_400_000_000;

/// The values that rules have taken out of one signature, in the order in which they stand there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Values {
    bytes: Vec<u8>,
    all: Vec<(PlaceId, Spelling, usize)>,
    /// The day of the request, in days since 1970.
    today: u64,
}

/// How a value is spelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spelling {
    /// As it is meant: decoded.
    Plain,
    /// As JSON: with quotes where it is a string.
    Json,
}

/// One value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value<'a> {
    /// The place that the rule names.
    pub place: PlaceId,
    /// How it is spelled.
    pub spelling: Spelling,
    /// The value.
    pub bytes: &'a [u8],
}

impl Values {
    /// Begins anew, for a request of this time in microseconds since 1970.
    pub(super) fn clear(&mut self, time: u64) {
        self.today = time / DAY;
        self.bytes.clear();
        self.all.clear();
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The values, in the order of the signature. Requests with one signature have as many, at the same places.
    pub fn iter(&self) -> impl Iterator<Item = Value<'_>> {
        let mut start = 0;
        self.all.iter().map(move |&(place, spelling, end)| {
            let bytes = self.bytes.get(start..end).unwrap_or_default();
            start = end;
            Value { place, spelling, bytes }
        })
    }

    /// A number that tells these values from others; 0 where there are none.
    pub fn hash(&self) -> u64 {
        if self.all.is_empty() {
            return 0;
        }
        let mut bytes = self.bytes.clone();
        for (_, _, end) in &self.all {
            bytes.extend_from_slice(&u32::try_from(*end).unwrap_or(u32::MAX).to_le_bytes());
        }
        digest::prefix(&digest::sha1(&bytes)).max(1)
    }

    fn add(&mut self, place: PlaceId, spelling: Spelling, value: &[u8]) {
        self.bytes.extend_from_slice(value);
        self.all.push((place, spelling, self.bytes.len()));
    }

    /// What stands in a signature for a decoded value.
    pub(super) fn plain(&mut self, rule: Option<Said<'_>>, value: &[u8]) -> Shown {
        let Some((what, place, _)) = rule else { return Shown::Value };
        match what {
            What::Ignore => Shown::Gone,
            What::Mask => {
                self.add(place, Spelling::Plain, value);
                Shown::Masked
            }
            What::Volatile | What::Times | What::Dates => {
                let shown = self.without_tokens(what, place, value);
                if shown == value { Shown::Value } else { Shown::Other(shown) }
            }
            What::Jwt => match jwt::lasting_claims(value) {
                Some(claims) => {
                    self.add(place, Spelling::Plain, value);
                    Shown::Other(claims)
                }
                None => Shown::Value,
            },
        }
    }

    /// The text with the shapes of its passing tokens in their places.
    fn without_tokens(&mut self, what: What, place: PlaceId, text: &[u8]) -> Vec<u8> {
        if what == What::Dates {
            return self.with_distances(place, text);
        }
        let (mut out, mut done) = (Vec::with_capacity(text.len()), 0usize);
        let passes = |token: &Token| what != What::Times || token.shape == Shape::Time;
        for token in tokens(text).into_iter().filter(passes) {
            out.extend_from_slice(text.get(done..token.range.start).unwrap_or_default());
            out.extend_from_slice(token.shape.placeholder());
            self.add(place, Spelling::Plain, text.get(token.range.clone()).unwrap_or_default());
            done = token.range.end;
        }
        out.extend_from_slice(text.get(done..).unwrap_or_default());
        out
    }

    /// The text with days as their distance from the day of the request.
    fn with_distances(&mut self, place: PlaceId, text: &[u8]) -> Vec<u8> {
        let (mut out, mut done) = (Vec::with_capacity(text.len()), 0usize);
        for (range, day) in dates(text) {
            out.extend_from_slice(text.get(done..range.start).unwrap_or_default());
            let (sign, distance) = if day < self.today {
                ('-', self.today.abs_diff(day))
            } else {
                ('+', day.abs_diff(self.today))
            };
            out.extend_from_slice(format!("<today{sign}{distance}>").as_bytes());
            self.add(place, Spelling::Plain, text.get(range.clone()).unwrap_or_default());
            done = range.end;
        }
        out.extend_from_slice(text.get(done..).unwrap_or_default());
        out
    }

    /// Appends what stands in a signature for a value in JSON's normal form.
    pub(super) fn json(&mut self, what: What, place: PlaceId, value: &[u8], out: &mut Vec<u8>) {
        let claims = match what {
            What::Jwt => {
                value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).map(jwt::lasting_claims)
            }
            _ => None,
        };
        match (what, claims) {
            (What::Jwt, Some(Some(claims))) => {
                super::json::write_string(&claims, out);
                self.add(place, Spelling::Json, value);
            }
            (What::Jwt, _) => out.extend_from_slice(value),
            (What::Volatile | What::Times | What::Dates, _) if value.starts_with(b"\"") => {
                let shown = self.without_tokens(what, place, &super::json_text(value));
                super::json::write_string(&shown, out);
            }
            (What::Volatile | What::Times | What::Dates, _) => {
                out.extend_from_slice(&self.without_tokens(what, place, value))
            }
            _ => {
                out.push(b'*');
                self.add(place, Spelling::Json, value);
            }
        }
    }
}
