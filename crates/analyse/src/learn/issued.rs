//! Which values the backends issued: what came in an answer before any request had it. So did who calls the service, whose requests
//! come again in a replay with the same values in them; but for those that the service itself has told them before.

use super::protobuf::{self, Names};
use hashbrown::HashMap;
use std::hash::{DefaultHasher, Hasher};
use understudy_core::exchange::{Body, Direction, Exchange};
use understudy_core::headers::Headers;
use understudy_core::{canonical, encoding, rules};

/// A body in an encoding is undone up to this length, in bytes.
const DECODED_MAX: usize = 64 << 20;

/// A value by its hash. Two that have one hash, once in 2⁶⁴, would be taken for one.
pub(super) type Hashed = u64;

/// When values came up first, in requests and in answers.
#[derive(Default)]
pub(super) struct Issued {
    first: HashMap<Hashed, First>,
}

/// The first request to a backend that had a value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct FirstUse {
    /// Its start, in microseconds since 1970.
    pub(super) time: u64,
    /// True if the value stood where a client may introduce a name of its own.
    pub(super) introduces: bool,
}

/// When a value came up first in what, in microseconds since 1970.
#[derive(Clone, Copy)]
struct First {
    /// The start of a request to a backend.
    asked: FirstUse,
    /// The end of a backend's answer, or the start of a request to the service.
    given: Option<u64>,
    /// The end of an answer of the service.
    told: Option<u64>,
}

/// Who says a value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Says {
    Backend,
    Caller,
    Service,
}

impl Issued {
    /// A value that a request has.
    pub(super) fn asked(&mut self, value: &[u8], used: FirstUse) -> Hashed {
        let hash = hash(value);
        let first = self.first.entry(hash).or_insert(First { asked: used, given: None, told: None });
        if used.time < first.asked.time {
            first.asked = used;
        } else if used.time == first.asked.time {
            // A request that reads by a value and carries it elsewhere too doesn't introduce it.
            first.asked.introduces &= used.introduces;
        }
        hash
    }

    /// The first request that had a value.
    pub(super) fn first_use(&self, value: Hashed) -> Option<FirstUse> {
        self.first.get(&value).map(|first| first.asked)
    }

    /// Takes an answer in, and what the service was asked. To be called when all requests to backends are known.
    pub(super) fn answer(&mut self, exchange: &Exchange) {
        let inbound = exchange.direction == Direction::Inbound;
        if inbound {
            let request = &exchange.request;
            let at = (Says::Caller, exchange.time);
            self.text(&request.path, at);
            self.message(&request.headers, &request.trailers, &request.body, at);
        }
        let Some(response) = &exchange.response else { return };
        let says = if inbound { Says::Service } else { Says::Backend };
        let at = (says, exchange.time.saturating_add(exchange.duration));
        if response.headers.get(b"content-type").is_some_and(is_of_items) {
            protobuf::answered(response).iter().for_each(|text| self.text(text, at));
        }
        self.message(&response.headers, &response.trailers, &response.body, at);
    }

    fn message(&mut self, headers: &Headers, trailers: &Headers, body: &Body, at: (Says, u64)) {
        for (name, value) in headers.iter().chain(trailers.iter()) {
            // Each answer has the time of day: a request that has it too doesn't have it from
            // there.
            if !name.eq_ignore_ascii_case(b"date") {
                self.text(value, at);
            }
        }
        let coding = headers.get(b"content-encoding").unwrap_or_default();
        let decoded = encoding::undo(coding, &body.bytes, DECODED_MAX);
        let body = decoded.as_deref().unwrap_or(&body.bytes);
        if matches!(body.trim_ascii_start().first(), Some(b'{' | b'[')) {
            canonical::json_leaves(body, |_, leaf, _| self.text(&canonical::json_text(leaf), at));
        }
        self.text(body, at);
    }

    /// Whether somebody else had the value before any request to a backend did.
    pub(super) fn is(&self, value: Hashed) -> bool {
        self.first.get(&value).is_some_and(|first| {
            let Some(given) = first.given.filter(|given| *given <= first.asked.time) else { return false };
            // What comes back from a caller, the service will make anew.
            first.told.is_none_or(|told| given < told)
        })
    }

    /// The whole text, its words and its tokens; those in base64 too, such as an identifier in a
    /// cursor.
    fn text(&mut self, text: &[u8], at: (Says, u64)) {
        self.value(text, at);
        let part_of_word = |b: &u8| b.is_ascii_alphanumeric() || b"-_.=+/~".contains(b);
        for word in text.split(|b| !part_of_word(b)) {
            self.value(word, at);
            if let Some(inner) = canonical::text_in_base64(last_value(word)) {
                rules::tokens(&inner).into_iter().for_each(|token| self.value(&inner[token.range], at));
            }
        }
        rules::tokens(text).into_iter().for_each(|token| self.value(&text[token.range], at));
    }

    fn value(&mut self, value: &[u8], (says, time): (Says, u64)) {
        if let Some(first) = self.first.get_mut(&hash(value)) {
            let known = if says == Says::Service { &mut first.told } else { &mut first.given };
            *known = Some(known.map_or(time, |known| known.min(time)));
        }
    }
}

/// Returns whether a body consists of items without text between them, so that words in its bytes
/// aren't words.
fn is_of_items(content_type: &[u8]) -> bool {
    let has = |part: &[u8]| content_type.windows(part.len()).any(|text| text.eq_ignore_ascii_case(part));
    Names::of(content_type) != Names::Members || has(b"cbor") || has(b"msgpack")
}

/// The value in a word such as `cursor=eyJpZCI6MX0=`: what follows the last `=` that isn't padding.
fn last_value(word: &[u8]) -> &[u8] {
    let end = word.iter().rposition(|&b| b != b'=').map_or(0, |last| last + 1);
    let start = word[..end].iter().rposition(|&b| b == b'=').map_or(0, |last| last + 1);
    &word[start..]
}

/// The same for equal values in each recording.
fn hash(value: &[u8]) -> Hashed {
    let mut hasher = DefaultHasher::new();
    hasher.write(value);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use understudy_core::exchange::{Request, Response};

    const VALUE: &str = "0f8b6a34-9d3c-4c8e-8f57-2b1f0d6a7c11";

    /// Somebody asks the service with one text, and it answers with another.
    fn inbound(time: u64, duration: u64, asked: &str, told: &str) -> Exchange {
        let body = |text: &str| Body { bytes: text.into(), truncated: None };
        let direction = Direction::Inbound;
        let request = Request { path: b"/".to_vec(), body: body(asked), ..Request::default() };
        let response = Some(Response { status: 200, body: body(told), ..Response::default() });
        Exchange { direction, time, duration, request, response, ..Exchange::default() }
    }

    #[test]
    fn identifier_in_base64_of_an_answer_is_issued() {
        // {"after":"0f8b6a34-9d3c-4c8e-8f57-2b1f0d6a7c11"}
        let coded = "eyJhZnRlciI6IjBmOGI2YTM0LTlkM2MtNGM4ZS04ZjU3LTJiMWYwZDZhN2MxMSJ9";
        for text in [
            format!("{{\"next\":\"{coded}\"}}"),
            format!("{{\"next\":\"/orders?cursor={coded}&n=1\"}}"),
            coded.to_owned(),
        ] {
            let mut issued = Issued::default();
            let value = issued.asked(VALUE.as_bytes(), FirstUse { time: 20, introduces: true });
            let exchange = Exchange { direction: Direction::Outbound, ..inbound(1, 5, "", &text) };
            issued.answer(&exchange);
            assert!(issued.is(value), "{text}");
        }
    }

    #[test]
    fn identifier_in_a_binary_answer_is_issued() {
        // A CBOR map of "id" and "n": the next key's first byte is a letter.
        let body = [b"\xa2\x62id\x78\x24", VALUE.as_bytes(), b"\x61n\x01"].concat();
        let mut issued = Issued::default();
        let value = issued.asked(VALUE.as_bytes(), FirstUse { time: 20, introduces: true });
        let mut exchange = Exchange { direction: Direction::Outbound, ..inbound(1, 5, "", "") };
        let response = exchange.response.as_mut().unwrap();
        response.headers = Headers::from_pairs([("content-type", "application/cbor")]);
        response.body.bytes = body;
        issued.answer(&exchange);
        assert!(issued.is(value));
    }

    #[test]
    fn what_a_caller_sends_it_sends_again_and_what_the_service_makes_it_makes_anew() {
        let json = format!("{{\"id\":\"{VALUE}\"}}");
        let check = |asked_at, exchanges: &[Exchange], expect: bool| {
            let mut issued = Issued::default();
            let value = issued.asked(VALUE.as_bytes(), FirstUse { time: asked_at, introduces: true });
            exchanges.iter().for_each(|exchange| issued.answer(exchange));
            assert_eq!(issued.is(value), expect, "{exchanges:?}");
        };
        let backend = |time| Exchange { direction: Direction::Outbound, ..inbound(time, 5, "", &json) };
        check(20, &[], false);
        check(20, &[inbound(10, 50, &json, "")], true);
        check(20, &[inbound(30, 50, &json, "")], false);
        // Told before the backend was asked: the service has made it.
        check(20, &[inbound(5, 5, "", &json)], false);
        // It comes back from the caller.
        check(20, &[inbound(5, 5, "", &json), inbound(15, 50, &json, "")], false);
        // The caller had it first, and is told of it.
        check(20, &[inbound(5, 5, &json, &json), inbound(15, 50, &json, "")], true);
        // A backend has issued it, and the service has handed it on.
        check(20, &[backend(1), inbound(0, 8, "", &json), inbound(15, 50, &json, "")], true);
        let in_path = Exchange {
            request: Request { path: format!("/orders/{VALUE}?x").into(), ..Request::default() },
            ..inbound(10, 50, "", "")
        };
        check(20, &[in_path], true);
    }
}
