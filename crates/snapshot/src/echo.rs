//! Finds the values of a request that its recorded answer repeats. When the answer is served, the
//! live value replaces the recorded one. Only values that rules leave out and headers that identify
//! a request are considered: all other values are compared, so that the live value equals the
//! recorded one.

use crate::served::Served;
use understudy_core::canonical::{self, RequestView, Signature, Spelling};
use understudy_core::exchange::Exchange;
use understudy_core::facts;
use understudy_core::headers::Headers;
use understudy_core::rules::{Actions, Root, Rules, Shape, Step, Token, tokens};
use understudy_core::table::{Echo, EchoSpelling, Source};

/// Request headers that aren't compared and whose value a backend may repeat.
const HEADERS: [&str; 7] = [
    "idempotency-key",
    "x-idempotency-key",
    "x-request-id",
    "request-id",
    "x-correlation-id",
    "correlation-id",
    "x-client-request-id",
];

/// Length in bytes below which a value may occur in an answer by accident. A shorter value counts
/// only as a member of the same name.
const SHORT: usize = 8;
/// Maximum number of echoes in one answer.
const MOST: usize = 256;

/// A value of the request that the answer may repeat.
struct Said {
    source: Source,
    /// The text to search for.
    text: Vec<u8>,
    /// Range of the value within the text.
    within: std::ops::Range<usize>,
    /// True if the value is JSON in the request, so that its spelling tells a string from a number.
    json: bool,
    /// True if the value counts only as a member of the same name.
    common: bool,
    /// Name of the value in the request.
    name: Vec<u8>,
}

impl Said {
    fn new(source: Source, text: Vec<u8>, name: Vec<u8>) -> Self {
        let (within, common) = (0..text.len(), is_common(&text));
        Self { source, text, within, json: false, common, name }
    }

    fn is_all(&self) -> bool {
        self.within == (0..self.text.len())
    }
}

/// Finds the values of a request in its answer, ordered by header and offset.
pub fn find(
    exchange: &Exchange,
    signature: &Signature,
    actions: &Actions<'_>,
    rules: &Rules,
    served: &Served<'_>,
) -> Vec<Echo> {
    let mut said = said(&exchange.request.headers, signature, actions, rules);
    with_context(exchange, &mut said);
    if said.is_empty() {
        return Vec::new();
    }
    let (headers, body) = match &served.plain {
        Some(plain) => (&plain.headers, plain.body.as_slice()),
        None => (&served.headers, served.body),
    };
    let mut echoes = Vec::new();
    for value in said.iter().filter(|value| !value.common) {
        for (number, (_, text)) in (0u16..).zip(headers.iter()) {
            occurrences(text, &value.text, |at| {
                push_inner(value, Some(number), at, EchoSpelling::Plain, &mut echoes);
            });
        }
    }
    // A body that can't be decoded stays as it is, and so does a binary one, which holds lengths of
    // its texts.
    let is_binary = headers
        .get(b"content-type")
        .is_some_and(|content_type| facts::is_binary(facts::media_type(content_type)));
    if headers.get(b"content-encoding").is_none() && !is_binary {
        in_body(&said, body, &mut echoes);
    }
    echoes.sort_by_key(|echo| (echo.header, echo.offset, std::cmp::Reverse(echo.length)));
    without_overlaps(echoes)
}

fn said(request: &Headers, signature: &Signature, actions: &Actions<'_>, rules: &Rules) -> Vec<Said> {
    let mut said = Vec::new();
    for (number, value) in (0u16..).zip(signature.values().iter()) {
        let text = match value.spelling {
            Spelling::Json => canonical::json_text(value.bytes),
            Spelling::Plain => value.bytes.to_vec(),
        };
        let name = rules.place(value.place).map(|place| last_name(place.root())).unwrap_or_default();
        let json = value.spelling == Spelling::Json;
        said.push(Said { json, ..Said::new(Source::Value(number), text, name) });
    }
    let masked = actions.headers_left_out();
    for name in HEADERS.into_iter().chain(masked) {
        let known = said.iter().any(|known| matches!(&known.source, Source::Header(other) if other == name));
        if let Some(value) = request.get(name.as_bytes()).filter(|_| !known) {
            said.push(Said::new(Source::Header(name.to_owned()), value.to_vec(), Vec::new()));
        }
    }
    said.retain(|value| !value.text.is_empty());
    said
}

/// Adds values that may occur by accident together with the text around them, such as
/// `batch-1795248000`, which can't.
fn with_context(exchange: &Exchange, said: &mut Vec<Said>) {
    if !said.iter().any(|value| value.common) {
        return;
    }
    let whole = Signature::of(&RequestView::from(exchange), &Rules::default());
    let mut wider = Vec::new();
    for part in canonical::parts(&whole) {
        let text = if part.key.starts_with("body") { canonical::json_text(&part.value) } else { part.value };
        for value in said.iter().filter(|value| value.common && text.len() > value.text.len()) {
            if let Some(at) = find_from(&text, &value.text, 0).filter(|_| text.len() >= SHORT) {
                let within = at..at + value.text.len();
                let new = Said::new(value.source.clone(), text.clone(), Vec::new());
                wider.push(Said { within, common: false, ..new });
            }
        }
    }
    said.extend(wider);
}

/// Name of the value at a place: `at` for `metadata[at]`.
fn last_name(root: &Root) -> Vec<u8> {
    let name = match root {
        Root::Query(name) => name,
        Root::Body(steps) => match steps.iter().rev().find(|step| **step != Step::Any) {
            Some(Step::Key(name)) => name,
            _ => return Vec::new(),
        },
        Root::Path(_) | Root::Header(_) => return Vec::new(),
    };
    let inner = name.strip_suffix(b"]").and_then(|name| name.rsplit(|&b| b == b'[').next());
    inner.unwrap_or(name).to_vec()
}

/// Returns whether a value may occur in an answer by accident: it is short, or a time in whole
/// seconds.
fn is_common(text: &[u8]) -> bool {
    let second = |token: &Token| token.shape == Shape::Time && !text.contains(&b'.');
    text.len() < SHORT
        || matches!(tokens(text).as_slice(), [token] if token.range.len() == text.len() && second(token))
}

fn in_body(said: &[Said], body: &[u8], echoes: &mut Vec<Echo>) {
    if !matches!(body.trim_ascii_start().first(), Some(b'{' | b'[')) {
        for value in said.iter().filter(|value| !value.common) {
            occurrences(body, &value.text, |at| {
                push_inner(value, None, at, EchoSpelling::Plain, echoes);
            });
        }
        return;
    }
    canonical::json_leaves(body, |pointer, leaf, range| {
        let text = canonical::json_text(leaf);
        let last = pointer.rsplit('/').next().unwrap_or_default();
        for value in said {
            let named = !value.name.is_empty() && value.name == last.as_bytes();
            let whole = text == value.text;
            if whole && value.is_all() && (named || !value.common) {
                let bytes = body.get(range.clone()).unwrap_or_default();
                // A request's text that the answer gives as a number stays a number.
                let is_text = value.json || leaf.starts_with(b"\"");
                let spelling = if is_text { EchoSpelling::JsonValue } else { EchoSpelling::JsonLiteral };
                push(value, None, range.start, bytes, spelling, echoes);
            } else if !value.common && leaf.starts_with(b"\"") {
                in_string(value, body, range.clone(), echoes);
            }
        }
    });
}

fn in_string(value: &Said, body: &[u8], range: std::ops::Range<usize>, echoes: &mut Vec<Echo>) {
    let quoted = canonical::json_string(&value.text);
    let inner = quoted.get(1..quoted.len() - 1).unwrap_or_default();
    let raw = body.get(range.clone()).unwrap_or_default();
    occurrences(raw, inner, |at| match value.is_all() {
        true => push(value, None, range.start + at, inner, EchoSpelling::JsonText, echoes),
        // Escapes would shift the value's range.
        false if inner == value.text => {
            push_inner(value, None, range.start + at, EchoSpelling::JsonText, echoes);
        }
        false => {}
    });
}

/// Adds the echo of a value in its text, which was found at a place.
fn push_inner(value: &Said, header: Option<u16>, at: usize, spelling: EchoSpelling, echoes: &mut Vec<Echo>) {
    let bytes = value.text.get(value.within.clone()).unwrap_or_default();
    push(value, header, at + value.within.start, bytes, spelling, echoes);
}

fn push(
    value: &Said,
    header: Option<u16>,
    at: usize,
    bytes: &[u8],
    spelling: EchoSpelling,
    echoes: &mut Vec<Echo>,
) {
    if let (Ok(offset), Ok(length), true) =
        (u32::try_from(at), u32::try_from(bytes.len()), echoes.len() < MOST)
    {
        echoes.push(Echo { source: value.source.clone(), header, offset, length, spelling });
    }
}

/// Calls `each` with the offset of each occurrence of a value that has no letter or digit next to
/// it.
fn occurrences(text: &[u8], value: &[u8], mut each: impl FnMut(usize)) {
    let mut from = 0;
    while let Some(at) = find_from(text, value, from) {
        let before = at.checked_sub(1).and_then(|before| text.get(before));
        let after = text.get(at + value.len());
        if ![before, after].into_iter().flatten().any(u8::is_ascii_alphanumeric) {
            each(at);
        }
        from = at + value.len();
    }
}

fn find_from(text: &[u8], value: &[u8], from: usize) -> Option<usize> {
    let first = *value.first()?;
    let mut at = from;
    loop {
        at += text.get(at..)?.iter().position(|&b| b == first)?;
        if text.get(at..)?.starts_with(value) {
            return Some(at);
        }
        at += 1;
    }
}

/// Removes overlaps; the longer of two echoes stays.
fn without_overlaps(echoes: Vec<Echo>) -> Vec<Echo> {
    let mut kept: Vec<Echo> = Vec::new();
    for echo in echoes {
        let overlaps = kept
            .last()
            .is_some_and(|last| last.header == echo.header && echo.offset < last.offset + last.length);
        if !overlaps {
            kept.push(echo);
        }
    }
    kept
}
