//! The values of a recording's requests, by place.

use super::effect;
use super::endpoint::Endpoint;
use super::issued::{FirstUse, Hashed, Issued};
use super::known;
use super::protobuf::{self, Names};
use hashbrown::{HashMap, HashSet};
use std::collections::BTreeMap;
use understudy_core::canonical::{self, Part, RequestView, Signature, parts};
use understudy_core::exchange::Exchange;
use understudy_core::rules::{Instant, Rules, Shape, instants, tokens};

/// A time in a request is the time of the request from so many seconds before it to so many after
/// it.
const NOW_BEFORE: u64 = 120;
const NOW_AFTER: u64 = 10;
/// A second recording is compared with at most so many requests to one endpoint.
const KEPT: usize = 2000;

/// Returns whether a time is that of the request; both in seconds since 1970.
pub(super) fn is_now(at: u64, request: u64) -> bool {
    at.saturating_add(NOW_BEFORE) >= request && at <= request.saturating_add(NOW_AFTER)
}

/// The values in one place of the requests to one endpoint.
#[derive(Default)]
pub(super) struct Values {
    /// Number of exchanges with a value there.
    pub(super) exchanges: u64,
    /// Number of those with a JSON Web Token with a time in it there.
    pub(super) jwts: u64,
    /// UUIDs, long hexadecimal numbers and the like, each once.
    pub(super) random: HashMap<Hashed, Identifier>,
    /// Whole values, each with the time of the first request that has it in this place, in
    /// microseconds since 1970.
    pub(super) whole: HashMap<Hashed, u64>,
    /// The times and days.
    pub(super) times: Times,
    /// Number of exchanges with the nanoseconds of a time near that of the request.
    pub(super) nanos: u64,
    /// Number of exchanges with a random token there.
    pub(super) with_tokens: u64,
    /// Number of exchanges whose requests may introduce a name there.
    pub(super) introduce: u64,
}

/// A random-looking value in a place.
#[derive(Clone, Copy)]
pub(super) struct Identifier {
    /// Start of the first request with it in this place, in microseconds since 1970.
    pub(super) first: u64,
    /// True if the time that it carries is that of its request; `None` where it carries none.
    pub(super) made_now: Option<bool>,
    /// True if its place or its prefix says that it is computed from a content.
    pub(super) digest: bool,
}

/// The times and days that stand in one place.
#[derive(Default)]
pub(super) struct Times {
    /// Number of exchanges with one.
    pub(super) exchanges: u64,
    /// Number of those with the time, or the day, of the request.
    pub(super) now: u64,
    /// Number of exchanges with nothing but whole seconds that are those of the request: an answer
    /// may have the same second by accident.
    pub(super) whole_seconds: u64,
    /// Number of exchanges with other times, alone or beside it.
    pub(super) with_others: u64,
    /// Number of exchanges in which each other time is at a round distance from the time of the
    /// request that the request itself says.
    pub(super) round: u64,
    /// Number of exchanges with nothing but times at a round distance from the proxy's clock.
    pub(super) round_by_proxy: u64,
    /// The texts of times, as they stand.
    pub(super) texts: HashSet<Hashed>,
}

/// One request, as it is compared with that of a second recording: its places in order, each with
/// the hash of its value.
pub(super) type Request = Vec<(String, Hashed)>;

/// The observations of a recording.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) places: BTreeMap<(Endpoint, String), Values>,
    pub(super) issued: Issued,
    /// The endpoints that speak JSON-RPC.
    pub(super) json_rpc: HashSet<Endpoint>,
    /// The endpoints whose requests are of OAuth: they have both a client and where to come back
    /// to.
    pub(super) oauth: HashSet<Endpoint>,
    pub(super) requests: BTreeMap<Endpoint, Vec<Request>>,
    signature: Signature,
}

/// A text at a place of a request, read once.
struct PlacedText<'p> {
    place: String,
    text: Vec<u8>,
    /// The key of its part.
    key: &'p str,
    /// The text that rules about tokens and times look at, and the times in it. None if a protobuf
    /// number of fixed width has no text.
    readable: Option<(Vec<u8>, Vec<Instant>)>,
}

impl<'p> PlacedText<'p> {
    fn of(part: &'p Part, names: Names) -> Option<Self> {
        let (place, text) = (place_of(&part.key, names)?, text_of(part));
        let readable = (!protobuf::is_fixed(&text)).then(|| {
            let readable = canonical::readable(&text).into_owned();
            let instants = instants(&readable);
            (readable, instants)
        });
        Some(Self { place, text, key: &part.key, readable })
    }
}

/// A text at a place, with the properties of its request that matter for it.
struct Looked<'a> {
    endpoint: &'a Endpoint,
    placed: &'a PlacedText<'a>,
    /// Start of the request, in microseconds since 1970.
    time: u64,
    introduces: bool,
    /// The time of the request that the request itself says, in seconds.
    said: Option<u64>,
    /// True if the request says its day.
    says_day: bool,
}

impl Seen {
    /// Takes a request in.
    pub(super) fn request(&mut self, exchange: &Exchange) {
        let rules = Rules::default();
        self.signature.set(&RequestView::from(exchange), &rules);
        let Some(endpoint) = Endpoint::of(&self.signature) else { return };
        let all = parts(&self.signature);
        let has = |key: &str| all.iter().any(|part| part.key == key);
        if has("body/jsonrpc") || has("body/0/jsonrpc") {
            self.json_rpc.insert(endpoint.clone());
        }
        if has("query.client_id") && has("query.redirect_uri") {
            self.oauth.insert(endpoint.clone());
        }
        let names = self.signature.get(b"content-type").map_or(Names::Members, Names::of);
        let seconds = exchange.time / 1_000_000;
        let near = |at: u64| is_now(at, seconds);
        let nanos = if names == Names::Members { Vec::new() } else { protobuf::nanoseconds(&all, near) };
        let document = all.iter().find(|part| matches!(part.key.as_str(), "body/query" | "query.query"));
        let document = document.map(text_of).filter(|text| looks_like_graphql(text));
        let effect = effect::effect(&endpoint, document.as_deref());
        let texts: Vec<PlacedText<'_>> = all.iter().filter_map(|part| PlacedText::of(part, names)).collect();
        let instants = || texts.iter().flat_map(|placed| &placed.readable).flat_map(|(_, instants)| instants);
        let said = instants().find(|instant| !instant.day && near(instant.seconds));
        let said = said.map(|instant| instant.seconds);
        let says_day = instants().any(|instant| instant.day && is_today(instant, seconds));
        let mut request = Vec::new();
        for placed in &texts {
            let looked = Looked {
                endpoint: &endpoint,
                placed,
                time: exchange.time,
                introduces: effect::may_introduce(effect, &endpoint.method, &placed.place),
                said,
                says_day,
            };
            let hash = self.part(&looked);
            if let Some(values) = self.places.get_mut(&(endpoint.clone(), placed.place.clone())) {
                values.nanos += u64::from(nanos.contains(&placed.key));
            }
            request.push((placed.place.clone(), hash));
        }
        let requests = self.requests.entry(endpoint).or_default();
        if requests.len() < KEPT {
            requests.push(request);
        }
    }

    fn part(&mut self, looked: &Looked<'_>) -> Hashed {
        let Looked { endpoint, placed, time, introduces, .. } = *looked;
        let PlacedText { place, text, readable, .. } = placed;
        let used = FirstUse { time, introduces };
        let whole = self.issued.asked(text, used);
        // Rules about tokens look into base64, and so does the learner that proposes them.
        let readable = readable.as_ref().map_or(&[][..], |(readable, _)| readable);
        let mut random = Vec::new();
        let mut texts = Vec::new();
        for token in tokens(readable) {
            let token_text = &readable[token.range.clone()];
            let hash = self.issued.asked(token_text, used);
            if token.shape == Shape::Time {
                texts.push(hash);
                continue;
            }
            let made_now = token.time.map(|at| at.abs_diff(time / 1_000_000) <= MADE_NOW);
            let digest = is_digest(place, readable, &token.range);
            random.push((hash, Identifier { first: time, made_now, digest }));
        }
        let values = self.places.entry((endpoint.clone(), place.clone())).or_default();
        values.exchanges += 1;
        values.introduce += u64::from(introduces);
        let first = values.whole.entry(whole).or_insert(time);
        *first = time.min(*first);
        values.jwts +=
            u64::from(is_passing_jwt(text) || known::field_at(place).is_some_and(|known| known.jwt));
        values.with_tokens += u64::from(!random.is_empty());
        for (hash, identifier) in random {
            let known = values.random.entry(hash).or_insert(identifier);
            if identifier.first < known.first {
                *known = identifier;
            }
        }
        values.times.add(looked, &texts);
        // Two captures have two keys: what stands for one secret differs.
        if text.starts_with(b"redacted-") { 0 } else { whole }
    }
}

impl Times {
    fn add(&mut self, looked: &Looked<'_>, texts: &[Hashed]) {
        let Some((readable, found)) = &looked.placed.readable else { return };
        if found.is_empty() {
            return;
        }
        let request = looked.time / 1_000_000;
        let now = |instant: &Instant| match instant.day {
            true => is_today(instant, request),
            false => is_now(instant.seconds, request),
        };
        let others: Vec<&Instant> = found.iter().filter(|instant| !now(instant)).collect();
        self.exchanges += 1;
        self.texts.extend(texts);
        self.now += u64::from(others.len() < found.len());
        let is_whole_second = |instant: &Instant| {
            let text = &readable[instant.range.clone()];
            let is_coarse = !text.contains(&b'.') && (text.len() == 10 || text.get(4) == Some(&b'-'));
            is_coarse && !instant.day && instant.seconds.abs_diff(request) <= ACCIDENT
        };
        self.whole_seconds += u64::from(found.iter().all(is_whole_second));
        self.with_others += u64::from(!others.is_empty());
        let round = |instant: &&Instant| match (instant.day, looked.said) {
            (true, _) => looked.says_day && is_round_in_days(instant.seconds, request),
            (false, Some(said)) => is_round(instant.seconds, said, 300, 1),
            (false, None) => false,
        };
        self.round += u64::from(!others.is_empty() && others.iter().all(round));
        let by_proxy = |instant: &&Instant| !instant.day && is_round(instant.seconds, request, 3600, 10);
        self.round_by_proxy += u64::from(!others.is_empty() && others.iter().all(by_proxy));
    }
}

/// A time in whole seconds may equal one in an answer by accident within so many seconds.
const ACCIDENT: u64 = 5;
/// An identifier that carries a time was made for the request from so many seconds around it.
const MADE_NOW: u64 = 600;
/// Times farther from the request than this, in seconds, are no windows of time: 400 days.
const WINDOW_MAX: u64 = 400 * 86_400;

/// Returns whether a time is a multiple of a unit away from another, within a tolerance; all in
/// seconds.
fn is_round(at: u64, from: u64, unit: u64, tolerance: u64) -> bool {
    let distance = at.abs_diff(from);
    let nearest = (distance + unit / 2) / unit * unit;
    nearest > 0 && distance.abs_diff(nearest) <= tolerance && distance <= WINDOW_MAX
}

/// Returns whether a day is away from that of the request as windows of time are: days, weeks,
/// months, a year.
fn is_round_in_days(at: u64, request: u64) -> bool {
    const DISTANCES: [u64; 18] = [1, 2, 3, 5, 7, 10, 14, 21, 28, 29, 30, 31, 60, 90, 91, 180, 365, 366];
    DISTANCES.contains(&(at / 86_400).abs_diff(request / 86_400))
}

/// Returns whether a day is that of the request; somewhere it is tomorrow already.
fn is_today(instant: &Instant, request: u64) -> bool {
    (instant.seconds / 86_400).abs_diff(request / 86_400) <= 1
}

/// The text of a part: a string of JSON without its quotes, anything else as it is.
fn text_of(part: &Part) -> Vec<u8> {
    match part.key.starts_with("body") {
        true => canonical::json_text(&part.value),
        false => part.value.clone(),
    }
}

fn looks_like_graphql(text: &[u8]) -> bool {
    let text = text.trim_ascii_start();
    [&b"{"[..], b"query", b"mutation", b"subscription", b"fragment"]
        .iter()
        .any(|start| text.starts_with(start))
}

/// Returns whether a token is computed from a content, as its prefix, its length and the name of
/// its place say.
fn is_digest(place: &str, text: &[u8], token: &std::ops::Range<usize>) -> bool {
    let before = &text[..token.start];
    let prefixed = [&b"sha1:"[..], b"sha256:", b"sha512:", b"md5:", b"sha1-", b"sha256-", b"blake3:"]
        .iter()
        .any(|prefix| before.ends_with(prefix));
    let name = place.rsplit(['/', '.']).find(|step| *step != "*").unwrap_or_default().to_ascii_lowercase();
    let named = ["sha", "hash", "digest", "checksum", "md5", "etag", "fingerprint", "commit", "revision"]
        .iter()
        .any(|word| name.contains(word));
    prefixed || named && matches!(token.len(), 32 | 40 | 56 | 64 | 96 | 128)
}

/// The place that a part stands for in rules: elements of arrays are any. `None`: it isn't one that
/// values change in.
pub(super) fn place_of(key: &str, names: Names) -> Option<String> {
    if ["path.", "query.", "header."].iter().any(|start| key.starts_with(start)) || key == "body" {
        return Some(key.to_owned());
    }
    let pointer = key.strip_prefix("body/")?;
    let is_number = |step: &str| !step.is_empty() && step.bytes().all(|b| b.is_ascii_digit());
    let steps = pointer.split('/').enumerate().map(|(depth, step)| match names {
        Names::Members if is_number(step) => "*",
        Names::Messages if depth == 0 => "*",
        _ => step,
    });
    Some(format!("body/{}", steps.collect::<Vec<_>>().join("/")))
}

/// Three parts in base64url, of which the first says so: `{"` in base64 is `eyJ`, `{ "` `eyAi`.
pub(super) fn is_passing_jwt(text: &[u8]) -> bool {
    let parts: Vec<&[u8]> = text.split(|&b| b == b'.').collect();
    let coded = |part: &&[u8]| part.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    parts.len() == 3 && parts.iter().all(coded) && parts[..2].iter().all(|part| part.starts_with(b"ey"))
}
