//! Values that the service issues during a replay and its client sends back: tokens, identifiers,
//! cookies. They are learned from the recording: an answer contained the value before any request
//! did, and a later request contains it. Each carried value has its evidence.

use crate::endpoint::Requests;
use crate::place::{self, At};
use crate::recording::end_of;
use std::borrow::Cow;
use std::collections::{HashMap, HashSet, VecDeque};
use understudy_core::canonical::json_text;
use understudy_core::exchange::{Exchange, Request, Response};
use understudy_core::redact;
use understudy_core::rules::{Shape, dates, tokens};

/// Number of earlier texts in which a value is searched: a client that fills in a form has just
/// received it.
const TEXTS: usize = 64;

/// A value that is carried from an answer to later requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Carry {
    /// Index of the step whose answer contains the value first.
    pub from: usize,
    /// Place in that answer.
    pub from_at: At,
    /// The recorded value.
    pub recorded: Vec<u8>,
    /// Steps whose requests contain the value, with the place.
    pub to: Vec<(usize, At)>,
    /// True if `replay.yaml` says so; otherwise the value was learned.
    pub told: bool,
}

impl Carry {
    /// Returns whether `step`, the last request that was added, already has the value at this
    /// place.
    fn is_carried_to(&self, step: usize, at: &At) -> bool {
        self.to.iter().rev().take_while(|(last, _)| *last == step).any(|(_, known)| known == at)
    }
}

/// Rules of `replay.yaml` about carried values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CarryRules {
    /// True if learning is turned off.
    pub off: bool,
    /// Pairs of source and destination.
    pub rules: Vec<(RequestPlace, RequestPlace)>,
    /// Destinations to which nothing is carried.
    pub never: Vec<RequestPlace>,
}

/// A place in some requests, or in their answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestPlace {
    /// The requests.
    pub requests: Requests,
    /// The place.
    pub at: At,
}

impl RequestPlace {
    /// Reads `METHOD PATH PLACE`.
    ///
    /// # Errors
    /// The text has another form; the error says which.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (requests, at) = text.trim().rsplit_once(char::is_whitespace).unwrap_or_default();
        let bad = |_| format!("{text:?}: write METHOD PATH PLACE, as in `POST /v1/tokens body/id`");
        Ok(Self { requests: Requests::parse(requests).map_err(bad)?, at: At::parse(at)? })
    }

    pub(crate) fn is_about(&self, request: &Request) -> bool {
        self.requests.is_about(request)
    }
}

/// The carried values of a recording, indexed for use.
#[derive(Debug, Default)]
pub struct Carries {
    all: Vec<Carry>,
    /// Indices by recorded value.
    by_value: HashMap<Vec<u8>, usize>,
    /// By step: the values that its answer contains.
    from: HashMap<usize, Vec<usize>>,
    /// By step: the values that its request contains, with their places.
    to: HashMap<usize, Vec<(usize, At)>>,
}

impl Carries {
    /// Learns the values from the recording and adds those of `rules`.
    pub fn learn(steps: &[Exchange], rules: &CarryRules) -> Self {
        let mut all = if rules.off { Vec::new() } else { learnt(steps, &rules.never) };
        for (from, to) in &rules.rules {
            tell(steps, from, to, &mut all);
        }
        all.retain(|carry| !carry.to.is_empty());
        let mut carries = Self { all, ..Self::default() };
        for (number, carry) in carries.all.iter().enumerate() {
            carries.by_value.insert(carry.recorded.clone(), number);
            carries.from.entry(carry.from).or_default().push(number);
            for (step, at) in &carry.to {
                carries.to.entry(*step).or_default().push((number, at.clone()));
            }
        }
        carries
    }

    /// Returns whether a value is carried to this place of a step's request.
    pub(crate) fn is_carried_to(&self, step: usize, at: &At) -> bool {
        self.to.get(&step).into_iter().flatten().any(|(_, known)| known == at)
    }

    /// All carried values.
    pub fn all(&self) -> &[Carry] {
        &self.all
    }
}

/// Live values that one virtual user has received.
#[derive(Debug, Default)]
pub struct LiveValues {
    live: HashMap<usize, Vec<u8>>,
}

impl LiveValues {
    /// Takes the carried values from a step's answer. Returns the indices of values that are
    /// missing there.
    pub fn take(&mut self, carries: &Carries, step: usize, response: &Response) -> Vec<usize> {
        let mut missing = Vec::new();
        let Some(numbers) = carries.from.get(&step) else { return missing };
        let mut found: HashMap<At, Vec<u8>> = HashMap::new();
        for (at, value) in place::of_response(response) {
            found.entry(at).or_insert(value);
        }
        for &number in numbers {
            let at = &carries.all[number].from_at;
            match found.get(at).cloned().or_else(|| place::read_text(response, at)) {
                Some(value) => drop(self.live.insert(number, value)),
                None => missing.push(number),
            }
        }
        missing
    }

    /// Replaces the recorded values in a step's request by live ones.
    pub fn put(&self, carries: &Carries, step: usize, request: &mut Request) {
        for (number, at) in carries.to.get(&step).into_iter().flatten() {
            let Some(live) = self.live.get(number) else { continue };
            let carry = &carries.all[*number];
            if *live == carry.recorded || place::replace(request, at, &carry.recorded, live) {
                continue;
            }
            if carry.told {
                // `replay.yaml` names the place explicitly, so another value there is replaced too.
                place::set(request, at, live);
            }
        }
    }

    /// The carried value that explains the difference between a recorded and a live text of an
    /// answer. `None` if no single value does.
    pub fn explains(&self, carries: &Carries, recorded: &str, live: &str) -> Option<usize> {
        let explains = |number: usize, value: &Vec<u8>| {
            let swapped = place::swap(recorded.as_bytes(), &carries.all[number].recorded, value)?;
            (swapped == live.as_bytes()).then_some(number)
        };
        // Most often the value is the whole text.
        let whole = carries.by_value.get(json_text(recorded.as_bytes()).as_slice());
        let whole = whole.and_then(|number| explains(*number, self.live.get(number)?));
        whole.or_else(|| self.live.iter().find_map(|(number, value)| explains(*number, value)))
    }
}

/// Starts of requests and ends of answers in the order of time: time, whether it is a start, step.
fn events(steps: &[Exchange]) -> Vec<(u64, bool, usize)> {
    let starts = steps.iter().enumerate().map(|(number, step)| (step.time, true, number));
    let ends = steps.iter().enumerate().map(|(number, step)| (end_of(step), false, number));
    let mut events: Vec<_> = starts.chain(ends).collect();
    events.sort_unstable();
    events
}

fn learnt(steps: &[Exchange], never: &[RequestPlace]) -> Vec<Carry> {
    let asked: Vec<Vec<(At, Vec<u8>)>> = steps.iter().map(|step| place::of_request(&step.request)).collect();
    let wanted: HashSet<&[u8]> = asked.iter().flatten().map(|(_, value)| &value[..]).collect();
    let mut told: HashSet<&[u8]> = HashSet::new();
    let mut issued: HashMap<Vec<u8>, usize> = HashMap::new();
    let mut texts: VecDeque<(usize, Cow<'_, [u8]>)> = VecDeque::new();
    let mut carries: Vec<Carry> = Vec::new();
    for (_, begins, number) in events(steps) {
        if !begins {
            let Some(response) = &steps[number].response else { continue };
            for (at, value) in place::of_response(response) {
                let known = told.contains(&value[..]) || issued.contains_key(&value);
                if !known && wanted.contains(&value[..]) && is_worth(&at, &value) {
                    issued.insert(value.clone(), carries.len());
                    let to = Vec::new();
                    carries.push(Carry { from: number, from_at: at, recorded: value, to, told: false });
                }
            }
            texts.extend(text(response).map(|text| (number, text)));
            texts.drain(..texts.len().saturating_sub(TEXTS));
            continue;
        }
        for (at, value) in &asked[number] {
            let unwanted = |rule: &RequestPlace| rule.at == *at && rule.is_about(&steps[number].request);
            if never.iter().any(unwanted) {
                continue;
            }
            let found = issued.get(value).copied().or_else(|| {
                let new = !told.contains(&value[..]) && is_random(value);
                let carry = if new { in_texts(&texts, value) } else { None }?;
                carries.push(carry);
                issued.insert(value.clone(), carries.len() - 1);
                Some(carries.len() - 1)
            });
            match found {
                // A name that repeats, as in a list, contains the value at one place several times.
                Some(carry) if carries[carry].is_carried_to(number, at) => {}
                Some(carry) if fits(&carries[carry].recorded, at) => {
                    carries[carry].to.push((number, at.clone()));
                }
                Some(_) => {}
                None => drop(told.insert(value)),
            }
        }
    }
    carries
}

/// Finds a value within the text of an earlier answer, such as a page with a hidden field.
fn in_texts(texts: &VecDeque<(usize, Cow<'_, [u8]>)>, value: &[u8]) -> Option<Carry> {
    texts.iter().rev().find_map(|(number, text)| {
        let from_at = At::Text(place::words_before(text, value)?);
        Some(Carry { from: *number, from_at, recorded: value.to_vec(), to: Vec::new(), told: false })
    })
}

/// The body of an answer, if it is text.
fn text(response: &Response) -> Option<Cow<'_, [u8]>> {
    let starts = |value: &[u8]| value.to_ascii_lowercase().starts_with(b"text/");
    response.headers.get(b"content-type").filter(|value| starts(value))?;
    place::plain(response)
}

/// Adds a rule of `replay.yaml`: each request that `to` names gets the value of the last answer
/// before it that `from` names.
fn tell(steps: &[Exchange], from: &RequestPlace, to: &RequestPlace, all: &mut Vec<Carry>) {
    let sources = Sources::find(steps, from);
    let own = steps.iter().enumerate().filter(|(_, step)| to.is_about(&step.request));
    let told: HashMap<usize, usize> =
        own.filter_map(|(number, step)| Some((number, sources.before(step.time)?))).collect();
    for carry in all.iter_mut() {
        carry.to.retain(|(step, at)| *at != to.at || !told.contains_key(step));
    }
    let known = |(number, carry): (usize, &Carry)| {
        (carry.told && carry.from_at == from.at).then_some((carry.from, number))
    };
    let mut by_source: HashMap<usize, usize> = all.iter().enumerate().filter_map(known).collect();
    let mut told: Vec<_> = told.into_iter().collect();
    told.sort_unstable();
    for (step, source) in told {
        let number = *by_source.entry(source).or_insert_with(|| {
            let recorded = sources.values[&source].clone();
            let from_at = from.at.clone();
            all.push(Carry { from: source, from_at, recorded, to: Vec::new(), told: true });
            all.len() - 1
        });
        all[number].to.push((step, to.at.clone()));
    }
}

/// Answers that contain the value of a rule.
struct Sources {
    /// End of each answer, with the latest request that had been answered by then.
    ends: Vec<(u64, usize)>,
    values: HashMap<usize, Vec<u8>>,
}

impl Sources {
    fn find(steps: &[Exchange], from: &RequestPlace) -> Self {
        let mut values = HashMap::new();
        for (number, step) in steps.iter().enumerate().filter(|(_, step)| from.is_about(&step.request)) {
            let value = step.response.as_ref().and_then(|response| place::read(response, &from.at));
            values.extend(value.map(|value| (number, value)));
        }
        let mut ends: Vec<_> = values.keys().map(|number| (end_of(&steps[*number]), *number)).collect();
        ends.sort_unstable();
        let mut last = 0;
        for (_, number) in &mut ends {
            last = last.max(*number);
            *number = last;
        }
        Self { ends, values }
    }

    fn before(&self, time: u64) -> Option<usize> {
        let answered = self.ends.partition_point(|(end, _)| *end <= time);
        answered.checked_sub(1).map(|at| self.ends[at].1)
    }
}

/// Returns whether a value may have been issued: it looks random, or its name is that of an
/// identifier.
fn is_worth(at: &At, value: &[u8]) -> bool {
    const NAMES: [&str; 12] = [
        "token", "key", "cursor", "next", "code", "csrf", "nonce", "session", "secret", "etag", "uuid",
        "state",
    ];
    let name = at.name();
    let called = name.ends_with("id") || NAMES.iter().any(|known| name.contains(known));
    match at {
        At::Cookie(_) => true,
        // The last segment of a new resource's URL is its identifier.
        At::HeaderPath(..) => is_random(value) || value.iter().any(u8::is_ascii_digit),
        _ => is_random(value) || called && value.len() < 512 && !is_time(value),
    }
}

/// Returns whether a value is too random to occur by coincidence.
fn is_random(value: &[u8]) -> bool {
    let has = |test: fn(&u8) -> bool| value.iter().any(test);
    let plain = value.iter().all(|b| b.is_ascii_graphic());
    let mixed = has(u8::is_ascii_digit) && has(u8::is_ascii_alphabetic);
    redact::is_token(value)
        || plain && value.len() <= 4096 && (value.len() >= 8 && mixed || value.len() >= 20) && !is_time(value)
}

fn is_time(value: &[u8]) -> bool {
    let whole = |range: &std::ops::Range<usize>| range.len() == value.len();
    tokens(value).iter().any(|token| token.shape == Shape::Time && whole(&token.range))
        || dates(value).iter().any(|(range, _)| whole(range))
}

/// A short number counts as an identifier only in places where identifiers are usual.
fn fits(value: &[u8], at: &At) -> bool {
    value.len() >= 6
        || !value.iter().all(u8::is_ascii_digit)
        || matches!(at, At::Path(_) | At::Cookie(_))
        || at.name().ends_with("id")
}

#[cfg(test)]
mod tests;
