//! Learns from a recording which parts of answers change by themselves, with the evidence.
//!
//! A value counts as made by the service if it looks random, or is a time near that of the answer,
//! and neither the request nor an answer of a backend contains it. Values from those come again in
//! a replay and are compared.

use std::collections::{BTreeMap, HashSet};
use understudy_core::canonical::{Part, RequestView, Signature, json_text, parts};
use understudy_core::digest;
use understudy_core::exchange::{Exchange, Request, Response};
use understudy_core::rules::{PathPattern, Place, Rule, Rules, Shape, Step, dates, is_identifier, tokens};

/// Maximum distance, in seconds, of a time in an answer from that of the answer.
const NEAR: u64 = 600;

/// Values that the service has received from clients and backends, as hashes.
#[derive(Debug, Default)]
pub struct ServiceInputs {
    values: HashSet<u64>,
}

impl ServiceInputs {
    /// Adds the answer of a backend.
    pub fn backend(&mut self, exchange: &Exchange) {
        if let Some(response) = &exchange.response {
            self.text(&response.body.bytes);
            for (_, value) in response.headers.iter().chain(response.trailers.iter()) {
                self.text(value);
            }
        }
    }

    fn request(&mut self, request: &Request) {
        self.text(&request.path);
        self.text(&request.body.bytes);
        for (_, value) in request.headers.iter() {
            self.text(value);
        }
    }

    fn text(&mut self, text: &[u8]) {
        for token in tokens(text) {
            self.values.insert(hash(&text[token.range]));
        }
        for word in words(text).filter(|word| is_made_up(word)) {
            self.values.insert(hash(word));
        }
    }

    fn knows(&self, value: &[u8]) -> bool {
        self.values.contains(&hash(value))
    }
}

fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|b| !b.is_ascii_alphanumeric() && *b != b'_')
}

/// A text without its temporary parts: tokens become their shapes, and identifiers keep only their
/// prefixes.
pub(crate) fn without_what_passes(text: &[u8]) -> Vec<u8> {
    let text = without(text, |_| true);
    let mut out = Vec::with_capacity(text.len());
    let mut rest = &text[..];
    while !rest.is_empty() {
        let part_of_word = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
        let length = rest.iter().take_while(|b| part_of_word(b)).count();
        let (word, after) = rest.split_at(length);
        match word.iter().rposition(|&b| b == b'_').filter(|_| is_made_up(word)) {
            Some(at) => {
                out.extend_from_slice(&word[..=at]);
                out.extend_from_slice(Shape::Id.placeholder());
            }
            None => out.extend_from_slice(word),
        }
        let (between, next) = after.split_at(after.len().min(1));
        out.extend_from_slice(between);
        rest = next;
    }
    out
}

/// A text with tokens replaced by their shapes.
pub(crate) fn without(text: &[u8], passes: impl Fn(Shape) -> bool) -> Vec<u8> {
    let (mut out, mut done) = (Vec::with_capacity(text.len()), 0);
    for token in tokens(text).into_iter().filter(|token| passes(token.shape)) {
        out.extend_from_slice(&text[done..token.range.start]);
        out.extend_from_slice(token.shape.placeholder());
        done = token.range.end;
    }
    out.extend_from_slice(&text[done..]);
    out
}

/// Returns whether a word is an identifier with a prefix that names its kind, such as
/// `cus_8wHpCOymnkcDH9`, and a random rest.
fn is_made_up(word: &[u8]) -> bool {
    let Some(at) = word.iter().rposition(|&b| b == b'_').filter(|at| *at > 0) else { return false };
    let (prefix, rest) = (&word[..at], &word[at + 1..]);
    let has = |test: fn(&u8) -> bool| rest.iter().any(test);
    prefix.iter().all(|b| b.is_ascii_lowercase() || *b == b'_')
        && rest.len() >= 12
        // Some have no digit; then capitals within the word tell them from words.
        && (has(u8::is_ascii_digit) || rest.windows(2).any(|pair| pair.iter().all(u8::is_ascii_uppercase)))
        && has(u8::is_ascii_lowercase)
        && has(u8::is_ascii_uppercase)
}

fn hash(value: &[u8]) -> u64 {
    digest::prefix(&digest::sha1(value))
}

/// The parts of an answer's body that are compared, and its media type.
pub(crate) fn answer_parts(request: &Request, response: &Response) -> Vec<Part> {
    let view = RequestView {
        backend: b"",
        method: &request.method,
        path: &request.path,
        headers: &response.headers,
        body: &response.body.bytes,
        time: 0,
    };
    let mut all = parts(&Signature::of(&view, &Rules::default()));
    all.retain(|part| part.key == "content-type" || part.key.starts_with("body"));
    all
}

#[derive(Default)]
struct Seen {
    answers: u64,
    random: u64,
    times: u64,
    days: u64,
    other: u64,
}

/// The rules that the recording is evidence for.
pub fn learn(steps: &[Exchange], mut told: ServiceInputs) -> Vec<Rule> {
    for step in steps {
        told.request(&step.request);
    }
    let mut seen: BTreeMap<(String, String, String), Seen> = BTreeMap::new();
    for step in steps {
        let Some(response) = &step.response else { continue };
        let method = String::from_utf8_lossy(&step.request.method).into_owned();
        let path = endpoint(&step.request.path);
        for part in answer_parts(&step.request, response) {
            let Some(place) = place_of(&part.key) else { continue };
            let entry = seen.entry((method.clone(), path.clone(), place)).or_default();
            look(&part, step, &told, entry);
        }
    }
    seen.into_iter().filter_map(|((method, path, place), seen)| rule(method, path, &place, &seen)).collect()
}

fn look(part: &Part, step: &Exchange, told: &ServiceInputs, seen: &mut Seen) {
    let text = json_text(&part.value);
    let answered = (step.time + step.duration) / 1_000_000;
    let found = tokens(&text);
    seen.answers += 1;
    let (mut random, mut times) = (false, false);
    for token in &found {
        let known = told.knows(&text[token.range.clone()]);
        match (token.shape, token.time) {
            (_, _) if known => {}
            (Shape::Time, Some(at)) => times |= at.abs_diff(answered) <= NEAR,
            (Shape::Time, None) => {}
            _ => random = true,
        }
    }
    let today = |day: u64| day.abs_diff(answered / 86_400) <= 1;
    let days = !random && !times && dates(&text).iter().any(|(_, day)| today(*day));
    random |= words(&text).any(|word| is_made_up(word) && !told.knows(word));
    let days = days && !random;
    seen.random += u64::from(random);
    seen.times += u64::from(times && !random);
    seen.days += u64::from(days);
    seen.other += u64::from(!random && !times && !days);
}

/// A place is noise if every answer has a value of the service's own there, all of the same kind.
fn rule(method: String, path: String, place: &str, seen: &Seen) -> Option<Rule> {
    let all = seen.answers;
    if seen.other > 0 || all == 0 || seen.days > 0 && seen.days < all {
        return None;
    }
    let why = match seen {
        Seen { days: 1.., .. } => format!("{place}: the day of the answer, in {all} of {all} answers"),
        Seen { random: 0, times, .. } => {
            format!("{place}: a time near that of the answer, in {times} of {all} answers")
        }
        Seen { random, .. } => format!(
            "{place}: an identifier that neither a client nor a backend has said before, in {random} of {all} answers"
        ),
    };
    let at = vec![Place::parse(place).ok()?];
    let mut rule = Rule::default();
    match seen {
        Seen { days: 1.., .. } => rule.dates = at,
        _ => rule.volatile = at,
    }
    Some(Rule {
        method: Some(method),
        path: Some(PathPattern::try_from(path).ok()?),
        why: Some(why),
        exchanges: Some(all),
        ..rule
    })
}

/// The path pattern of an endpoint: `*` stands for a segment that differs in each request.
pub(crate) fn endpoint(path: &[u8]) -> String {
    let path = String::from_utf8_lossy(path.split(|&b| b == b'?').next().unwrap_or_default()).into_owned();
    let stands_for_many = |segment: &str| {
        let bytes = segment.as_bytes();
        let digits = bytes.iter().all(u8::is_ascii_digit);
        segment.contains('*')
            || !tokens(bytes).is_empty()
            || is_identifier(bytes) && (digits || bytes.len() >= 8)
    };
    let segments = path.split('/').map(|segment| if stands_for_many(segment) { "*" } else { segment });
    segments.collect::<Vec<_>>().join("/")
}

/// The place of a part, with any index for elements of arrays.
pub(crate) fn place_of(key: &str) -> Option<String> {
    if key == "body" {
        return Some(key.to_owned());
    }
    let pointer = key.strip_prefix("body/")?;
    let number = |step: &str| !step.is_empty() && step.bytes().all(|b| b.is_ascii_digit());
    let steps: Vec<&str> = pointer.split('/').map(|step| if number(step) { "*" } else { step }).collect();
    Some(format!("body/{}", steps.join("/")))
}

/// Returns whether a place in a rule is that of a part.
pub(crate) fn is_at(place: &Place, key: &str) -> bool {
    use understudy_core::rules::Root;
    let Root::Body(steps) = place.root() else { return place.as_str() == key };
    let Ok(own) = Place::parse(key) else { return false };
    let Root::Body(own) = own.root() else { return false };
    let fits = |(step, own): (&Step, &Step)| *step == Step::Any || step == own;
    steps.len() <= own.len() && steps.iter().zip(own).all(fits)
}

#[cfg(test)]
mod tests;
