//! What the requests of a recording have in which places.

use super::endpoint::Endpoint;
use super::issued::{Hashed, Issued};
use super::known;
use super::protobuf::{self, Names};
use hashbrown::{HashMap, HashSet};
use std::collections::BTreeMap;
use understudy_core::canonical::{self, Part, RequestView, Signature, parts};
use understudy_core::digest;
use understudy_core::exchange::Exchange;
use understudy_core::rules::{Rules, Shape, dates, tokens};

/// So far from the request, in seconds, a time in it may be to be that of the request.
pub(super) const NEAR: u64 = 600;
/// A second recording is compared with at most so many requests to one endpoint.
const KEPT: usize = 2000;

/// What stands in one place of the requests to one endpoint.
#[derive(Default)]
pub(super) struct Values {
    /// How many exchanges have something there.
    pub(super) exchanges: u64,
    /// How many of those have a JSON Web Token with a time in it there.
    pub(super) jwts: u64,
    /// UUIDs, long hexadecimal numbers and the like; with the signatures that they are in, up to two.
    pub(super) random: HashMap<Hashed, ()>,
    /// Times near that of the request.
    pub(super) times_near: u64,
    /// Other times.
    pub(super) times_far: u64,
    /// Whole values.
    pub(super) whole: HashSet<Hashed>,
    /// How many exchanges have a day there and nothing else, and how many of those the day of the request.
    pub(super) days: u64,
    pub(super) today: u64,
    /// How many exchanges have there the nanoseconds of a time near that of the request.
    pub(super) nanos: u64,
    /// How many exchanges have a token there.
    pub(super) with_tokens: u64,
}

/// One request, as it is compared with that of a second recording: its places in order, each with the hash of its value.
pub(super) type Request = Vec<(String, Hashed)>;

/// What has been seen in a recording.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) places: BTreeMap<(Endpoint, String), Values>,
    pub(super) issued: Issued,
    /// The endpoints that speak JSON-RPC.
    pub(super) json_rpc: HashSet<Endpoint>,
    pub(super) requests: BTreeMap<Endpoint, Vec<Request>>,
    pub(super) accepts: HashMap<u64, Accepts>,
    signature: Signature,
}

/// What was answered to one signature, by `accept`.
pub(super) struct Accepts {
    pub(super) endpoint: Endpoint,
    pub(super) answers: BTreeMap<Vec<u8>, HashSet<u64>>,
}

impl Seen {
    /// Takes a request in.
    pub(super) fn request(&mut self, exchange: &Exchange) {
        let rules = Rules::default();
        self.signature.set(&RequestView::from(exchange), &rules);
        let Some(endpoint) = Endpoint::of(&self.signature) else { return };
        let identity = digest::prefix(&self.signature.digest());
        let all = parts(&self.signature);
        if all.iter().any(|part| matches!(part.key.as_str(), "body/jsonrpc" | "body/0/jsonrpc")) {
            self.json_rpc.insert(endpoint.clone());
        }
        let names = self.signature.get(b"content-type").map_or(Names::Members, Names::of);
        let near = |at: u64| at.abs_diff(exchange.time / 1_000_000) <= NEAR;
        let nanos = if names == Names::Members { Vec::new() } else { protobuf::nanoseconds(&all, near) };
        let mut request = Vec::new();
        for part in &all {
            let Some(place) = place_of(&part.key, names) else { continue };
            let hash = self.part(&endpoint, &place, part, exchange.time);
            if let Some(values) = self.places.get_mut(&(endpoint.clone(), place.clone())) {
                values.nanos += u64::from(nanos.contains(&part.key.as_str()));
            }
            request.push((place, hash));
        }
        let requests = self.requests.entry(endpoint.clone()).or_default();
        if requests.len() < KEPT {
            requests.push(request);
        }
        self.accept(endpoint, identity, exchange);
    }

    fn part(&mut self, endpoint: &Endpoint, place: &str, part: &Part, time: u64) -> Hashed {
        let text = match part.key.starts_with("body") {
            true => canonical::json_text(&part.value),
            false => part.value.clone(),
        };
        let whole = self.issued.asked(&text, time);
        let values = self.places.entry((endpoint.clone(), place.to_owned())).or_default();
        values.exchanges += 1;
        values.whole.insert(whole);
        values.jwts +=
            u64::from(is_passing_jwt(&text) || known::field_at(place).is_some_and(|known| known.jwt));
        if let [(range, day)] = dates(&text).as_slice()
            && range.len() == text.len()
        {
            values.days += 1;
            // Somewhere it is tomorrow already.
            values.today += u64::from(day.abs_diff(time / 86_400_000_000) <= 1);
        }
        let found = if protobuf::is_fixed(&text) { Vec::new() } else { tokens(&text) };
        values.with_tokens += u64::from(!found.is_empty());
        for token in found {
            match (token.shape, token.time) {
                (Shape::Time, Some(at)) if at.abs_diff(time / 1_000_000) <= NEAR => values.times_near += 1,
                (Shape::Time, _) => values.times_far += 1,
                _ => {
                    let hash = self.issued.asked(&text[token.range], time);
                    values.random.insert(hash, ());
                }
            }
        }
        // Two captures have two keys: what stands for one secret differs.
        if text.starts_with(b"redacted-") { 0 } else { whole }
    }

    /// Whether all requests to an endpoint name their day in some place.
    pub(super) fn has_today(&self, endpoint: &Endpoint) -> bool {
        let from = (endpoint.clone(), String::new());
        let own = self.places.range(from..).take_while(|((other, _), _)| other == endpoint);
        own.into_iter().any(|(_, values)| values.today > 0 && values.today == values.exchanges)
    }

    fn accept(&mut self, endpoint: Endpoint, identity: u64, exchange: &Exchange) {
        let (Some(accept), Some(response)) = (exchange.request.headers.get(b"accept"), &exchange.response)
        else {
            return;
        };
        let known =
            self.accepts.entry(identity).or_insert_with(|| Accepts { endpoint, answers: BTreeMap::new() });
        let mut answer = response.status.to_le_bytes().to_vec();
        answer.extend_from_slice(response.headers.get(b"content-type").unwrap_or_default());
        known.answers.entry(accept.to_vec()).or_default().insert(digest::prefix(&digest::sha1(&answer)));
    }
}

/// The place that a part stands for in rules: elements of arrays are any. `None`: it isn't one that values change in.
pub(super) fn place_of(key: &str, names: Names) -> Option<String> {
    if key.starts_with("path.") || key.starts_with("query.") || key == "body" {
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
