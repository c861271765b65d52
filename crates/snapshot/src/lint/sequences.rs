//! Requests that were made more than once and answered differently.

use super::{Finding, Severity};
use crate::reader::Located;
use crate::table::ANSWERS_MAX;
use crate::table::serve::served;
use hashbrown::{DefaultHashBuilder, HashMap, HashSet};
use std::hash::BuildHasher;
use understudy_core::canonical::{RequestView, Signature};
use understudy_core::digest::Digest;
use understudy_core::table::Sequence;

/// So many sequences are listed by themselves; the others are counted.
const LISTED: usize = 50;

/// What was answered to each signature.
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
    /// A hash stands for an answer: a wrong count of different ones, once in 2⁶⁴, does no harm here.
    first: u64,
    /// When the last of them ended, in microseconds.
    ended: u64,
    /// There from the second one on.
    more: Option<Box<More>>,
}

struct More {
    backend: String,
    request: String,
    sequence: Sequence,
    answers: u64,
    different: HashSet<u64>,
    /// How many began before an earlier one with another answer had ended.
    overlapping: u64,
    last: u64,
}

impl Sequences {
    /// Takes an exchange in that the table answers from.
    pub(super) fn add(&mut self, at: &Located, sequence: Sequence) {
        let (exchange, Some(response)) = (&at.exchange, &at.exchange.response) else { return };
        let request = &exchange.request;
        self.signature.set(&RequestView {
            backend: exchange.backend.as_bytes(),
            method: &request.method,
            path: &request.path,
            headers: &request.headers,
            body: &request.body.bytes,
        });
        let served = served(&request.method, response);
        let answer = self.hasher.hash_one((
            served.status,
            served.headers.as_block(),
            served.body,
            served.trailers.as_block(),
        ));
        let end = exchange.time.saturating_add(exchange.duration);
        let Some(seen) = self.by_digest.get_mut(&self.signature.digest()) else {
            let seen = Seen {
                line: at.line,
                id: exchange.id.as_str().into(),
                first: answer,
                ended: end,
                more: None,
            };
            self.by_digest.insert(self.signature.digest(), seen);
            return;
        };
        let more = seen.more.get_or_insert_with(|| {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).chars().take(100).collect::<String>();
            Box::new(More {
                backend: exchange.backend.clone(),
                request: format!("{} {}", text(&request.method), text(&request.path)),
                sequence,
                answers: 1,
                different: HashSet::from_iter([seen.first]),
                overlapping: 0,
                last: seen.first,
            })
        });
        more.answers += 1;
        more.different.insert(answer);
        more.overlapping += u64::from(exchange.time < seen.ended && answer != more.last);
        more.last = answer;
        seen.ended = seen.ended.max(end);
    }

    /// What is to be told, in order of the lines.
    pub(super) fn findings(self) -> Vec<Finding> {
        let several = self
            .by_digest
            .into_values()
            .filter_map(|seen| Some(Told { line: seen.line, id: seen.id, more: seen.more? }));
        let mut told: Vec<_> = several.filter(|told| told.more.different.len() > 1).collect();
        told.sort_by_key(|told| told.line);
        let (ambiguous, plain): (Vec<_>, Vec<_>) =
            told.into_iter().partition(|told| told.more.overlapping > 0);
        let mut findings: Vec<Finding> = Vec::new();
        findings.extend(plain.iter().chain(&ambiguous).filter_map(too_many));
        findings.extend(listed(&ambiguous, ambiguous_sequence));
        findings.extend(listed(&plain, plain_sequence));
        findings
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

fn plain_sequence(told: &Told) -> Finding {
    let more = &told.more;
    let then = match more.sequence {
        Sequence::Cycle => "then from the first again",
        Sequence::StickLast => "then the last again and again",
        Sequence::Fail => "then each further request misses",
    };
    let message = format!(
        "{} was answered {} times, with {} different answers: they are served in that order, {then} (`sequence` of the backend)",
        more.request,
        more.answers,
        more.different.len()
    );
    Finding { code: "sequence", message, ..finding(Severity::Info, told) }
}

fn ambiguous_sequence(told: &Told) -> Finding {
    let more = &told.more;
    let message = format!(
        "{} was answered {} times, with {} different answers, and {} of them were asked for while another was under way: \
         which answer is whose is chance; keep the one that is meant, or record the requests one after the other",
        more.request,
        more.answers,
        more.different.len(),
        more.overlapping
    );
    Finding { code: "ambiguous-sequence", message, ..finding(Severity::Warning, told) }
}

fn too_many(told: &Told) -> Option<Finding> {
    let more = &told.more;
    (more.answers > ANSWERS_MAX as u64).then(|| {
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
    Finding { code: "", severity, backend, line, exchange, count, message: String::new() }
}
