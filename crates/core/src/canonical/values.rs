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
    all: Vec<Taken>,
    /// The day of the request, in days since 1970.
    today: u64,
}

/// A value that was taken out: where it ends in the bytes, and what is known of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Taken {
    place: PlaceId,
    spelling: Spelling,
    end: usize,
    names: bool,
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
    /// Whether it may name a thing, as an identifier does and a time doesn't.
    pub names: bool,
}

impl Value<'_> {
    /// A number that tells it from others; never 0.
    pub fn hash(&self) -> u64 {
        digest::prefix(&digest::sha1(self.bytes)).max(1)
    }
}

/// A number that tells values from others by the numbers of each; 0 where there are none.
pub fn hash_of_all(each: impl IntoIterator<Item = u64>) -> u64 {
    let bytes: Vec<u8> = each.into_iter().flat_map(u64::to_le_bytes).collect();
    if bytes.is_empty() { 0 } else { digest::prefix(&digest::sha1(&bytes)).max(1) }
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
        self.all.iter().map(move |&Taken { place, spelling, end, names }| {
            let bytes = self.bytes.get(start..end).unwrap_or_default();
            start = end;
            Value { place, spelling, bytes, names }
        })
    }

    /// A number that tells these values from others; 0 where there are none.
    pub fn hash(&self) -> u64 {
        hash_of_all(self.iter().map(|value| value.hash()))
    }

    fn add(&mut self, place: PlaceId, spelling: Spelling, names: bool, value: &[u8]) {
        self.bytes.extend_from_slice(value);
        self.all.push(Taken { place, spelling, end: self.bytes.len(), names });
    }

    /// What stands in a signature for a decoded value.
    pub(super) fn plain(&mut self, rule: Option<Said<'_>>, value: &[u8]) -> Shown {
        let Some((what, place, _)) = rule else { return Shown::Value };
        match what {
            What::Ignore => Shown::Gone,
            What::Mask => {
                self.add(place, Spelling::Plain, true, value);
                Shown::Masked
            }
            What::Volatile | What::Times | What::Dates => {
                let shown = self.without_tokens(what, place, value);
                if shown == value { Shown::Value } else { Shown::Other(shown) }
            }
            What::Jwt => match jwt::lasting_claims(value) {
                Some(claims) => {
                    self.add(place, Spelling::Plain, false, value);
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
            let names = token.shape != Shape::Time;
            self.add(place, Spelling::Plain, names, text.get(token.range.clone()).unwrap_or_default());
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
            self.add(place, Spelling::Plain, false, text.get(range.clone()).unwrap_or_default());
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
                self.add(place, Spelling::Json, false, value);
            }
            (What::Jwt, _) => out.extend_from_slice(value),
            (What::Volatile | What::Times | What::Dates, _) if value.starts_with(b"\"") => {
                let shown = self.without_tokens(what, place, &super::json::json_text(value));
                super::json::write_string(&shown, out);
            }
            (What::Volatile | What::Times | What::Dates, _) => {
                out.extend_from_slice(&self.without_tokens(what, place, value))
            }
            _ => {
                out.push(b'*');
                self.add(place, Spelling::Json, true, value);
            }
        }
    }
}
