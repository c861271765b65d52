//! The values that rules take out of a signature: kept apart, since the recorded request whose values are equal too is the better answer, and
//! since they may stand in the answer.

use super::base64_text::readable;
use super::clock;
use super::jwt;
use super::shown::Shown;
use crate::digest;
use crate::rules::{Instant, PlaceId, Said, Shape, Token, What, dates, instants, tokens};
use std::borrow::Cow;
use std::ops::Range;

/// A day in seconds.
const DAY: u64 = 86_400;
/// Maximum difference between the service's clock and the proxy's, in seconds.
const CLOCK_OFF: u64 = 2 * DAY;

/// The values that rules have taken out of one signature, in the order in which they stand there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Values {
    bytes: Vec<u8>,
    all: Vec<Taken>,
    /// The time of the request by the proxy's clock, in seconds since 1970.
    proxy_time: u64,
    /// The same by the service's clock, where the request says it.
    service_time: Option<u64>,
}

/// A value that was taken out: where it ends in the bytes, and what is known of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Taken {
    place: PlaceId,
    spelling: Spelling,
    end: usize,
    role: Role,
}

/// The role of a value that was taken out in a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Nothing: a time, a count.
    Passing,
    /// It may name a thing, and introduce that name.
    Name,
    /// It refers to a name that an earlier request has introduced.
    Reference,
    /// It says who calls.
    Caller,
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
    /// Its role in a conversation.
    pub role: Role,
}

impl Value<'_> {
    /// A number that tells it from others; never 0.
    pub fn hash(&self) -> u64 {
        digest::prefix(&digest::sha1(self.bytes)).max(1)
    }

    /// Returns whether it may stand for a recorded name.
    pub fn may_name(&self) -> bool {
        matches!(self.role, Role::Name | Role::Reference)
    }

    /// Returns whether only the recorded value will do, or one that is known to stand for it.
    pub fn must_be_known(&self) -> bool {
        matches!(self.role, Role::Reference | Role::Caller)
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
        self.proxy_time = time / 1_000_000;
        self.service_time = None;
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
        self.all.iter().map(move |&Taken { place, spelling, end, role }| {
            let bytes = self.bytes.get(start..end).unwrap_or_default();
            start = end;
            Value { place, spelling, bytes, role }
        })
    }

    /// A number that tells these values from others; 0 where there are none.
    pub fn hash(&self) -> u64 {
        hash_of_all(self.iter().map(|value| value.hash()))
    }

    fn add(&mut self, place: PlaceId, spelling: Spelling, role: Role, value: &[u8]) {
        self.bytes.extend_from_slice(value);
        self.all.push(Taken { place, spelling, end: self.bytes.len(), role });
    }

    /// What stands in a signature for a decoded value.
    pub(super) fn plain(&mut self, rule: Option<Said<'_>>, value: &[u8]) -> Shown {
        let Some((what, place, _)) = rule else { return Shown::Value };
        match what {
            What::Ignore => Shown::Gone,
            What::Mask => {
                self.add(place, Spelling::Plain, Role::Name, value);
                Shown::Masked
            }
            What::Caller => {
                self.add(place, Spelling::Plain, Role::Caller, value);
                Shown::Masked
            }
            What::Name if tokens(&readable(value)).is_empty() => {
                self.add(place, Spelling::Plain, Role::Reference, value);
                Shown::Masked
            }
            What::Volatile | What::Times | What::Dates | What::Name | What::Now | What::Clock => {
                let shown = self.without_tokens(what, place, value);
                if shown == value { Shown::Value } else { Shown::Other(shown) }
            }
            What::Jwt => match jwt::lasting_claims(value) {
                Some(claims) => {
                    self.add(place, Spelling::Plain, Role::Passing, value);
                    Shown::Other(claims)
                }
                None => Shown::Value,
            },
        }
    }

    /// The text with the shapes of its passing tokens in their places. A text in base64 that has
    /// them inside stands there as what it says.
    fn without_tokens(&mut self, what: What, place: PlaceId, text: &[u8]) -> Vec<u8> {
        match readable(text) {
            Cow::Borrowed(text) => self.without_tokens_of(what, place, text),
            Cow::Owned(inner) => {
                let shown = self.without_tokens_of(what, place, &inner);
                // A text without matches for the rule stays as it is written.
                if shown == inner { text.to_vec() } else { [b"base64(", shown.as_slice(), b")"].concat() }
            }
        }
    }

    fn without_tokens_of(&mut self, what: What, place: PlaceId, text: &[u8]) -> Vec<u8> {
        match what {
            What::Dates => self.with_distances(place, text),
            What::Now | What::Clock => self.by_the_clock(what, place, text),
            _ => {
                let passes = |token: &Token| what != What::Times || token.shape == Shape::Time;
                let replaced = tokens(text).into_iter().filter(passes).map(|token| {
                    let role = match (what, token.shape) {
                        (What::Name, _) => Role::Reference,
                        (_, Shape::Time) => Role::Passing,
                        _ => Role::Name,
                    };
                    (token.range, token.shape.placeholder(), role)
                });
                self.replace(place, text, replaced)
            }
        }
    }

    /// The text with replacements for some ranges of it, in order. The values there are taken out.
    fn replace<R: AsRef<[u8]>>(
        &mut self,
        place: PlaceId,
        text: &[u8],
        replaced: impl IntoIterator<Item = (Range<usize>, R, Role)>,
    ) -> Vec<u8> {
        let (mut out, mut done) = (Vec::with_capacity(text.len()), 0usize);
        for (range, replacement, role) in replaced {
            out.extend_from_slice(text.get(done..range.start).unwrap_or_default());
            out.extend_from_slice(replacement.as_ref());
            done = range.end;
            self.add(place, Spelling::Plain, role, text.get(range).unwrap_or_default());
        }
        out.extend_from_slice(text.get(done..).unwrap_or_default());
        out
    }

    /// The text with days as their distance from the day of the request.
    fn with_distances(&mut self, place: PlaceId, text: &[u8]) -> Vec<u8> {
        let today = self.proxy_time / DAY;
        let replaced = dates(text).into_iter().map(|(range, day)| {
            let sign = if day < today { '-' } else { '+' };
            (range, format!("<today{sign}{}>", today.abs_diff(day)), Role::Passing)
        });
        self.replace(place, text, replaced)
    }

    /// Takes the service's clock from texts that hold the time of the request: the time in them
    /// that is nearest to the proxy's clock, or else the nearest day. A clock that is more than two
    /// days off is none.
    pub(super) fn set_service_time<'t>(&mut self, texts: impl Iterator<Item = Cow<'t, [u8]>>) {
        let all: Vec<Instant> = texts.flat_map(|text| instants(&readable(&text))).collect();
        let distance = |instant: &&Instant| instant.seconds.abs_diff(self.proxy_time);
        let times = all.iter().filter(|instant| !instant.day);
        let nearest = times.min_by_key(distance).or_else(|| all.iter().min_by_key(distance));
        let seconds = nearest.map(|instant| match instant.day {
            true => instant.seconds.saturating_add(self.proxy_time % DAY),
            false => instant.seconds,
        });
        self.service_time = seconds.filter(|seconds| seconds.abs_diff(self.proxy_time) <= CLOCK_OFF);
    }

    /// The text with times and days as their distance from the time of the request.
    fn by_the_clock(&mut self, what: What, place: PlaceId, text: &[u8]) -> Vec<u8> {
        let now = clock::Now {
            seconds: self.service_time.unwrap_or(self.proxy_time),
            exact: self.service_time.is_some(),
        };
        // Beside the time of the request, another time counts as it stands.
        let passes = |instant: &Instant| what != What::Now || now.is_now(instant);
        let replaced = instants(text).into_iter().filter(passes).map(|instant| {
            let distance = now.distance(&instant, what == What::Now);
            (instant.range, distance, Role::Passing)
        });
        self.replace(place, text, replaced)
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
                self.add(place, Spelling::Json, Role::Passing, value);
            }
            (What::Jwt, _) => out.extend_from_slice(value),
            (What::Name, _) if tokens(&readable(&super::json::json_text(value))).is_empty() => {
                out.push(b'*');
                self.add(place, Spelling::Json, Role::Reference, value);
            }
            (What::Volatile | What::Times | What::Dates | What::Name | What::Now | What::Clock, _)
                if value.starts_with(b"\"") =>
            {
                let shown = self.without_tokens(what, place, &super::json::json_text(value));
                super::json::write_string(&shown, out);
            }
            (What::Volatile | What::Times | What::Dates | What::Name | What::Now | What::Clock, _) => {
                out.extend_from_slice(&self.without_tokens(what, place, value))
            }
            _ => {
                out.push(b'*');
                self.add(place, Spelling::Json, Role::Name, value);
            }
        }
    }
}
