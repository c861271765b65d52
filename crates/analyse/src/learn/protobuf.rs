//! What is particular to protobuf's messages, alone or in gRPC's frames: their fields have numbers and no names.

use std::collections::HashMap;
use understudy_core::canonical::{self, Part, RequestView, Signature, parts};
use understudy_core::exchange::Response;
use understudy_core::rules::{Rules, Shape, tokens};

/// Shorter nanoseconds than these, which one time in a thousand has, may as well be a number of something.
const NANOS: std::ops::Range<u64> = 1_000_000..1_000_000_000;

/// How the places in a body are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Names {
    /// Numbers are those of elements.
    Members,
    /// Numbers are those of fields.
    Fields,
    /// The first number is that of a message, the others are those of fields.
    Messages,
}

impl Names {
    pub(super) fn of(content_type: &[u8]) -> Self {
        let text = String::from_utf8_lossy(content_type).to_ascii_lowercase();
        match text.contains("grpc") || text.contains("connect") {
            true => Self::Messages,
            false if text.contains("proto") => Self::Fields,
            false => Self::Members,
        }
    }
}

/// Whether a value is a number in eight or four bytes. In hexadecimal, those look like an identifier.
pub(super) fn is_fixed(text: &[u8]) -> bool {
    text.starts_with(b"d:") || text.starts_with(b"f:")
}

/// The texts in an answer's messages.
pub(super) fn answered(response: &Response) -> Vec<Vec<u8>> {
    let view = RequestView {
        backend: b"",
        method: b"",
        path: b"",
        headers: &response.headers,
        body: &response.body.bytes,
        time: 0,
    };
    let parts = parts(&Signature::of(&view, &Rules::default()));
    let of_body = parts.into_iter().filter(|part| part.key.starts_with("body"));
    of_body.map(|part| canonical::json_text(&part.value)).collect()
}

/// The keys of the parts that are the nanoseconds of a time near that of the request: the second of two fields of which the first is its
/// seconds (`google.protobuf.Timestamp`).
pub(super) fn nanoseconds(parts: &[Part], near: impl Fn(u64) -> bool) -> Vec<&str> {
    let mut messages: HashMap<&str, Vec<(&str, &Part)>> = HashMap::new();
    for part in parts.iter().filter(|part| part.key.starts_with("body/")) {
        if let Some((message, field)) = part.key.rsplit_once('/') {
            messages.entry(message).or_default().push((field, part));
        }
    }
    let number = |part: &Part| -> Option<u64> {
        std::str::from_utf8(part.value.strip_prefix(b"\"v:")?.strip_suffix(b"\"")?).ok()?.parse().ok()
    };
    let is_now = |part: &Part| {
        let text = canonical::json_text(&part.value);
        matches!(tokens(&text).as_slice(), [token] if token.shape == Shape::Time && token.time.is_some_and(&near))
    };
    let nanos = messages.values().filter_map(|fields| match fields.as_slice() {
        [("1", seconds), ("2", nanos)]
            if is_now(seconds) && number(nanos).is_some_and(|n| NANOS.contains(&n)) =>
        {
            Some(nanos.key.as_str())
        }
        _ => None,
    });
    nanos.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use understudy_core::headers::Headers;

    #[test]
    fn texts_of_answers_are_found_whatever_their_length() {
        // A length of 48 is the character 0, which would belong to the word that follows.
        let text = "0123456789abcdef-0123456789abcdef-0123456789abcd";
        let message = [&[0x0a, 48], text.as_bytes()].concat();
        let body = [&[0, 0, 0, 0, 50][..], &message].concat();
        let headers = Headers::from_pairs([("content-type", "application/grpc")]);
        let mut response = Response { headers, ..Response::default() };
        response.body.bytes = body;
        assert_eq!(answered(&response), [format!("s:{text}").into_bytes()]);
    }

    #[test]
    fn nanoseconds_stand_beside_the_time_of_the_request() {
        let check = |fields: &[(&str, &str)], expect: &[&str]| {
            let part = |(key, value): &(&str, &str)| Part {
                key: (*key).into(),
                value: format!("\"{value}\"").into(),
            };
            let parts: Vec<Part> = fields.iter().map(part).collect();
            assert_eq!(nanoseconds(&parts, |at| at.abs_diff(1_795_000_000) < 600), expect);
        };
        check(&[("body/0/4/1", "v:1795000007"), ("body/0/4/2", "v:171227000")], &["body/0/4/2"]);
        // Another time, too few of them, or more fields: it may be anything.
        check(&[("body/0/4/1", "v:1695000007"), ("body/0/4/2", "v:171227000")], &[]);
        check(&[("body/0/4/1", "v:1795000007"), ("body/0/4/2", "v:1999")], &[]);
        let more = ("body/0/4/3", "s:EUR");
        check(&[("body/0/4/1", "v:1795000007"), ("body/0/4/2", "v:171227000"), more], &[]);
    }
}
