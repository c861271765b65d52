//! Finds requests that were made more than once and answered differently.

use super::{Finding, Severity};
use crate::answerable::ANSWERS_MAX;
use crate::layout::{EXCHANGES_FILE, HEADER_FILE};
use crate::reader::Located;
use crate::served::served;
use hashbrown::hash_map::Entry;
use hashbrown::{DefaultHashBuilder, HashMap, HashSet};
use std::collections::BTreeSet;
use std::hash::BuildHasher;
use understudy_core::canonical::{RequestView, Signature};
use understudy_core::digest::Digest;
use understudy_core::rules::{PlaceId, Rules};
use understudy_core::table::Sequence;

/// Maximum number of sequences with a finding of their own; the others are counted.
const LISTED: usize = 50;

/// Answers to each signature.
#[derive(Default)]
pub(super) struct Sequences {
    by_digest: HashMap<Digest, Seen>,
    hasher: DefaultHashBuilder,
    signature: Signature,
}

/// The answers to one signature so far.
struct Seen {
    line: u64,
    id: Box<str>,
    first: Served,
    /// The values that rules leave out.
    values: u64,
    /// Latest end of an answer, in microseconds.
    ended: u64,
    /// There from the second one on.
    more: Option<Box<More>>,
}

/// Hashes of an answer's parts. A collision, with a probability of 2⁻⁶⁴, only changes a count in a
/// message.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Served {
    /// Status, body and trailers.
    content: u64,
    headers: u64,
}

struct More {
    backend: String,
    request: String,
    sequence: Sequence,
    answers: u64,
    /// Hashes of the different contents.
    contents: HashSet<u64>,
    /// True if headers differ, if only in a request's identifier.
    headers_differ: bool,
    /// Number of requests that began before an earlier one with another content had ended.
    overlapping: u64,
    last: Served,
    /// The answers to each set of values that rules leave out, and their number.
    by_values: HashMap<u64, (HashSet<u64>, u64)>,
    /// Places of the left-out values.
    places: BTreeSet<PlaceId>,
}

impl Sequences {
    /// Adds an exchange that the table serves as an answer.
    pub(super) fn add(&mut self, at: &Located, sequence: Sequence, rules: &Rules) {
        let exchange = &at.exchange;
        let Some(served) = served(exchange) else { return };
        let said = self.signature.set(&RequestView::from(exchange), rules).sequence();
        let sequence = said.unwrap_or(sequence);
        let answer = Served {
            content: self.hasher.hash_one((served.status, served.body, served.trailers.as_block())),
            headers: self.hasher.hash_one(served.headers.as_block()),
        };
        let end = exchange.time.saturating_add(exchange.duration);
        let values = self.signature.values().hash();
        let seen = self.by_digest.entry(self.signature.digest());
        let seen = match seen {
            Entry::Occupied(seen) => seen.into_mut(),
            Entry::Vacant(place) => {
                let id = exchange.id.as_str().into();
                place.insert(Seen { line: at.line, id, first: answer, values, ended: end, more: None });
                return;
            }
        };
        let first = (seen.first, seen.values);
        let more = seen.more.get_or_insert_with(|| Box::new(More::new(at, &self.signature, sequence, first)));
        more.add(answer, values, exchange.time < seen.ended);
        seen.ended = seen.ended.max(end);
    }

    /// Findings, in order of their lines.
    pub(super) fn findings(self, rules: &Rules, lines: &[u64]) -> Vec<Finding> {
        let several = self
            .by_digest
            .into_values()
            .filter_map(|seen| Some(Told { line: seen.line, id: seen.id, more: seen.more? }));
        let mut told: Vec<_> = several.collect();
        told.sort_by_key(|told| told.line);
        let mut findings: Vec<Finding> = told.iter().filter_map(too_many).collect();
        let (different, alike): (Vec<_>, Vec<_>) =
            told.into_iter().partition(|told| told.more.contents.len() > 1);
        let (collided, different): (Vec<_>, Vec<_>) =
            different.into_iter().partition(|told| told.more.by_values.len() > 1);
        let (warned, noted): (Vec<_>, Vec<_>) =
            collided.into_iter().partition(|told| is_doubtful(told, rules));
        findings.extend(listed(&warned, |told| collision(told, Severity::Warning, rules, lines)));
        findings.extend(listed(&noted, |told| collision(told, Severity::Info, rules, lines)));
        let (ambiguous, plain): (Vec<_>, Vec<_>) =
            different.into_iter().partition(|told| told.more.overlapping > 0);
        findings.extend(listed(&ambiguous, ambiguous_sequence));
        findings.extend(listed(&plain, plain_sequence));
        findings.extend(headers_alone(&alike));
        findings
    }
}

impl More {
    fn new(at: &Located, signature: &Signature, sequence: Sequence, (first, values): (Served, u64)) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).chars().take(100).collect::<String>();
        let request = &at.exchange.request;
        let operation = signature.get(b"operation").map(|name| format!(" ({})", text(name)));
        Self {
            backend: at.exchange.backend.clone(),
            request: format!(
                "{} {}{}",
                text(&request.method),
                text(&request.path),
                operation.unwrap_or_default()
            ),
            sequence,
            answers: 1,
            contents: HashSet::from_iter([first.content]),
            headers_differ: false,
            overlapping: 0,
            last: first,
            by_values: HashMap::from_iter([(values, (HashSet::from_iter([first.content]), 1))]),
            places: signature.values().iter().map(|value| value.place).collect(),
        }
    }

    fn add(&mut self, answer: Served, values: u64, overlaps: bool) {
        self.answers += 1;
        let of_these = self.by_values.entry(values).or_default();
        of_these.0.insert(answer.content);
        of_these.1 += 1;
        self.contents.insert(answer.content);
        self.headers_differ |= answer.headers != self.last.headers;
        self.overlapping += u64::from(overlaps && answer.content != self.last.content);
        self.last = answer;
    }
}

/// A signature with several answers, and its first exchange.
struct Told {
    line: u64,
    id: Box<str>,
    more: Box<More>,
}

/// The first of them, and one finding for all the others.
fn listed(told: &[Told], tell: impl Fn(&Told) -> Finding) -> Vec<Finding> {
    let mut findings: Vec<_> = told.iter().take(LISTED).map(tell).collect();
    if let (Some(next), Some(first)) = (told.get(LISTED), findings.first()) {
        let count = (told.len() - LISTED) as u64;
        let message = format!("{count} more requests like the {LISTED} above");
        let mut last = Finding { count, message, code: first.code, ..finding(first.severity, next) };
        (last.backend, last.exchange) = (None, None);
        findings.push(last);
    }
    findings
}

/// Returns whether the left-out values may have selected the answer: a person wrote a rule without
/// evidence, or equal values got equal answers again, and other values got others.
fn is_doubtful(told: &Told, rules: &Rules) -> bool {
    let more = &told.more;
    let written =
        |place: &PlaceId| rules.all().get(place.rule()).is_some_and(|rule| rule.exchanges.is_none());
    let chosen = more.by_values.values().all(|(contents, _)| contents.len() == 1)
        && more.by_values.values().any(|(_, answers)| *answers > 1);
    chosen || more.places.iter().any(written)
}

fn collision(told: &Told, severity: Severity, rules: &Rules, lines: &[u64]) -> Finding {
    let more = &told.more;
    let mut places: Vec<&str> =
        more.places.iter().filter_map(|id| Some(rules.place(*id)?.as_str())).collect();
    places.dedup();
    let message = format!(
        "{} and requests that differ from it only in {}, which this rule leaves out, were answered {} times with {} different contents: \
         requests with recorded values get the answers to these, and requests with other values get the recorded answers in turn; if \
         these values select the answer, remove them from the rule",
        more.request,
        places.join(", "),
        more.answers,
        more.contents.len()
    );
    let line = more.places.first().and_then(|place| lines.get(place.rule()).copied());
    Finding { code: "collision", message, file: HEADER_FILE, line, ..finding(severity, told) }
}

fn plain_sequence(told: &Told) -> Finding {
    let more = &told.more;
    let then = match more.sequence {
        Sequence::Cycle => "then from the first again",
        Sequence::StickLast => "then the last is repeated",
        Sequence::Fail => "then each further request misses",
    };
    let message = format!(
        "{} was answered {} times, with {} different contents: the answers are served in that order, {then} (`sequence` of the backend)",
        more.request,
        more.answers,
        more.contents.len()
    );
    Finding { code: "sequence", message, ..finding(Severity::Info, told) }
}

fn ambiguous_sequence(told: &Told) -> Finding {
    let more = &told.more;
    let message = format!(
        "{} was answered {} times, with {} different contents, and {} of the requests began while another was in progress: \
         their assignment to requests is arbitrary; keep the right answer, or record the requests one after the other",
        more.request,
        more.answers,
        more.contents.len(),
        more.overlapping
    );
    Finding { code: "ambiguous-sequence", message, ..finding(Severity::Warning, told) }
}

/// Answers that differ in nothing but their headers: one finding for all of them, since most are
/// requests' identifiers.
fn headers_alone(alike: &[Told]) -> Option<Finding> {
    let differ: Vec<_> = alike.iter().filter(|told| told.more.headers_differ).collect();
    let first = differ.first()?;
    let message = format!(
        "{} requests were answered several times with the same body and other headers (such as a request's identifier), the first of them \
         {}: the answers are served one after the other; keep one of each if the headers don't matter",
        differ.len(),
        first.more.request
    );
    let (count, backend) = (differ.len() as u64, None);
    Some(Finding { code: "sequence-of-headers", message, count, backend, ..finding(Severity::Info, first) })
}

fn too_many(told: &Told) -> Option<Finding> {
    let more = &told.more;
    // Answers that are all alike are one in the table, but where they are counted.
    let kept = more.contents.len() > 1 || more.headers_differ || more.sequence == Sequence::Fail;
    (kept && more.answers > ANSWERS_MAX as u64).then(|| {
        let message = format!(
            "{} was answered {} times, and a table holds {ANSWERS_MAX} answers to one request: keep fewer of them",
            more.request, more.answers
        );
        Finding { code: "too-many-answers", message, ..finding(Severity::Error, told) }
    })
}

fn finding(severity: Severity, told: &Told) -> Finding {
    let (backend, exchange) = (Some(told.more.backend.clone()), Some(told.id.to_string()));
    let (line, count) = (Some(told.line), told.more.answers);
    let file = EXCHANGES_FILE;
    Finding { code: "", severity, backend, file, line, exchange, count, message: String::new() }
}
