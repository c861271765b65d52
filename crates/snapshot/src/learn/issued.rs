//! Which values the backends issued: what came in an answer before any request had it.

use super::protobuf::{self, Names};
use hashbrown::HashMap;
use std::hash::{DefaultHasher, Hasher};
use understudy_core::exchange::Exchange;
use understudy_core::{canonical, encoding, rules};

/// A body in an encoding is undone up to this length, in bytes.
const DECODED_MAX: usize = 64 << 20;

/// A value by its hash. Two that have one hash, once in 2⁶⁴, would be taken for one.
pub(super) type Hashed = u64;

/// When values came up first, in requests and in answers.
#[derive(Default)]
pub(super) struct Issued {
    /// The start of the first request with a value, and the end of the first answer, in microseconds since 1970.
    first: HashMap<Hashed, (u64, Option<u64>)>,
}

impl Issued {
    /// A value that a request has.
    pub(super) fn asked(&mut self, value: &[u8], time: u64) -> Hashed {
        let hash = hash(value);
        let first = self.first.entry(hash).or_insert((time, None));
        first.0 = first.0.min(time);
        hash
    }

    /// Takes an answer in. To be called when all requests are known.
    pub(super) fn answer(&mut self, exchange: &Exchange) {
        let Some(response) = &exchange.response else { return };
        let end = exchange.time.saturating_add(exchange.duration);
        for (_, value) in response.headers.iter().chain(response.trailers.iter()) {
            self.text(value, end);
        }
        if response.headers.get(b"content-type").is_some_and(|t| Names::of(t) != Names::Members) {
            protobuf::answered(response).iter().for_each(|text| self.text(text, end));
        }
        let coding = response.headers.get(b"content-encoding").unwrap_or_default();
        let decoded = encoding::undo(coding, &response.body.bytes, DECODED_MAX);
        let body = decoded.as_deref().unwrap_or(&response.body.bytes);
        if matches!(body.trim_ascii_start().first(), Some(b'{' | b'[')) {
            canonical::json_leaves(body, |_, leaf, _| self.text(&canonical::json_text(leaf), end));
        }
        self.text(body, end);
    }

    /// Whether an answer had the value before any request did.
    pub(super) fn is(&self, value: Hashed) -> bool {
        self.first.get(&value).is_some_and(|(asked, answered)| answered.is_some_and(|end| end <= *asked))
    }

    /// The whole text, its words and its tokens.
    fn text(&mut self, text: &[u8], end: u64) {
        self.value(text, end);
        let part_of_word = |b: &u8| b.is_ascii_alphanumeric() || b"-_.=+/~".contains(b);
        text.split(|b| !part_of_word(b)).for_each(|word| self.value(word, end));
        rules::tokens(text).into_iter().for_each(|token| self.value(&text[token.range], end));
    }

    fn value(&mut self, value: &[u8], end: u64) {
        if let Some((_, answered)) = self.first.get_mut(&hash(value)) {
            *answered = Some(answered.map_or(end, |known| known.min(end)));
        }
    }
}

/// The same for equal values in each recording.
fn hash(value: &[u8]) -> Hashed {
    let mut hasher = DefaultHasher::new();
    hasher.write(value);
    hasher.finish()
}
