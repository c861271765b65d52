//! Lints a snapshot: finds faults and other notable facts, and tells what to do about them. It
//! changes nothing.
//!
//! A finding that many exchanges share is reported once, with their number and the first of them.

mod rules;
mod secrets;
mod sequences;

use crate::answerable::{Unanswerable, unanswerable};
use crate::error::SnapshotError;
use crate::feed;
use crate::header::{Header, check_name, rule_lines};
use crate::layout::{EXCHANGES_FILE, HEADER_FILE};
use crate::reader::{Located, Snapshot};
use crate::{echo, served};
use rules::RuleUse;
use sequences::Sequences;
use serde::Serialize;
use std::collections::BTreeMap;
use understudy_core::canonical::{RequestView, Signature};
use understudy_core::config::{Config, Mode};
use understudy_core::exchange::{Direction, Exchange};
use understudy_core::redact::{Detector, Settings};
use understudy_core::rules::Rules;

/// Severity of a finding. The worst is first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The snapshot can't be used as it is.
    Error,
    /// Some recorded requests won't be answered, or not as recorded; or the snapshot holds a
    /// secret.
    Warning,
    /// Information.
    Info,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Stable code of the finding.
    pub code: &'static str,
    /// Severity.
    pub severity: Severity,
    /// Backend concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backend: Option<String>,
    /// File of the snapshot concerned.
    pub file: &'static str,
    /// First line of that file concerned, counted from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// Identifier of the exchange on that line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exchange: Option<String>,
    /// Number of exchanges, lines, rules or signatures concerned.
    pub count: u64,
    /// Description and remedy.
    pub message: String,
}

/// Lints a snapshot. Findings are ordered by severity, then by file (`snapshot.yaml` first), then
/// by line.
///
/// # Errors
/// [`SnapshotError::Io`] if the file of exchanges can't be read. A malformed line is a finding, not
/// an error.
pub fn lint(snapshot: &Snapshot) -> Result<Vec<Finding>, SnapshotError> {
    let mut linter = Linter::new(snapshot)?;
    feed::each(snapshot, |item| linter.take(item))?;
    Ok(linter.finish())
}

/// Key of a finding that many exchanges share: the code, and the backend.
type Key = (&'static str, String);

struct Linter<'a> {
    header: &'a Header,
    /// Findings that count exchanges.
    counted: BTreeMap<Key, Finding>,
    others: Vec<Finding>,
    sequences: Sequences,
    rules: Rules,
    rule_use: RuleUse,
    signature: Signature,
    backends: BTreeMap<String, u64>,
    last_time: u64,
    body_cap: usize,
    detector: Detector,
}

impl<'a> Linter<'a> {
    fn new(snapshot: &'a Snapshot) -> Result<Self, SnapshotError> {
        let header = snapshot.header();
        let lines = rule_lines(&snapshot.header_text()?);
        Ok(Self {
            header,
            counted: BTreeMap::new(),
            others: Vec::new(),
            sequences: Sequences::default(),
            rules: Rules::new(header.rules.clone()),
            rule_use: RuleUse::new(&header.rules, lines),
            signature: Signature::default(),
            backends: BTreeMap::new(),
            last_time: 0,
            detector: Detector::new(header.redaction.as_ref().unwrap_or(&Settings::default())),
            body_cap: usize::try_from(Config::default().body_cap_bytes).unwrap_or(usize::MAX),
        })
    }

    fn take(&mut self, item: Result<&Located, SnapshotError>) -> Result<(), SnapshotError> {
        match item {
            Ok(located) => self.exchange(located),
            Err(error @ SnapshotError::Io { .. }) => return Err(error),
            Err(error) => self.bad_line(&error),
        }
        Ok(())
    }

    fn bad_line(&mut self, error: &SnapshotError) {
        let source = std::error::Error::source(error).map(|source| format!(": {source}")).unwrap_or_default();
        let message = format!("{error}{source}");
        let (code, line) = (error.code(), error.line());
        let severity = Severity::Error;
        let (file, backend, exchange) = (EXCHANGES_FILE, None, None);
        self.others.push(Finding { code, severity, backend, file, line, exchange, count: 1, message });
    }

    fn exchange(&mut self, at: &Located) {
        let exchange = &at.exchange;
        // Taken out of `self`, so that `self.count` can be called while it is in use.
        let detector = std::mem::take(&mut self.detector);
        secrets::look(&detector, exchange, |code, message| self.count(code, Severity::Warning, at, message));
        self.detector = detector;
        if exchange.time < self.last_time {
            let message = "comes before the line above it in time: answers are served in the order of their times, not of the lines";
            self.count("out-of-order", Severity::Info, at, message);
        }
        self.last_time = self.last_time.max(exchange.time);
        if exchange.direction == Direction::Inbound {
            return;
        }
        match self.backends.get_mut(&exchange.backend) {
            Some(count) => *count += 1,
            None => drop(self.backends.insert(exchange.backend.clone(), 1)),
        }
        let said = self.header.backend(&exchange.backend);
        if said.mode != Mode::Mock {
            return;
        }
        self.sizes(at);
        match unanswerable(exchange) {
            Some(why) => self.unanswerable(why, at),
            None => {
                self.sequences.add(at, said.sequence.unwrap_or_default(), &self.rules);
                self.rule_use.request(exchange);
                self.echoes(at);
            }
        }
    }

    /// Reports answers in which live values replace recorded ones.
    fn echoes(&mut self, at: &Located) {
        let mut signature = std::mem::take(&mut self.signature);
        let actions = signature.set(&RequestView::from(&at.exchange), &self.rules);
        let served = if actions.echoes() { served::served(&at.exchange) } else { None };
        let repeats =
            |served| !echo::find(&at.exchange, &signature, &actions, &self.rules, &served).is_empty();
        let echoes = served.is_some_and(repeats);
        self.signature = signature;
        if echoes {
            let message = "the answer repeats a value of its request that isn't compared: the live value replaces it (`echo: false` in a rule turns this off)";
            self.count("echo", Severity::Info, at, message);
        }
    }

    fn sizes(&mut self, at: &Located) {
        let size = |body: &understudy_core::exchange::Body| body.bytes.len() > self.body_cap;
        let (request, response) =
            (size(&at.exchange.request.body), at.exchange.response.as_ref().is_some_and(|r| size(&r.body)));
        if request {
            let message = "the request's body is longer than the filter holds by default (512 KiB), so that it will miss: raise `body_cap_bytes` to have it answered";
            self.count("request-over-cap", Severity::Warning, at, message);
        }
        if response {
            let message = "the answer is longer than the filter records by default (512 KiB): it is served completely, but would be cut if it were recorded again with the default `body_cap_bytes`";
            self.count("response-over-cap", Severity::Info, at, message);
        }
    }

    fn unanswerable(&mut self, why: Unanswerable, at: &Located) {
        let (code, message) = reason(why);
        self.count(code, Severity::Warning, at, message);
    }

    fn count(&mut self, code: &'static str, severity: Severity, at: &Located, message: &str) {
        let Located { line, exchange: Exchange { id, backend, .. } } = at;
        let found = self.counted.entry((code, backend.clone())).or_insert_with(|| Finding {
            code,
            severity,
            backend: Some(backend.clone()),
            file: EXCHANGES_FILE,
            line: Some(*line),
            exchange: Some(id.clone()),
            count: 0,
            message: message.to_owned(),
        });
        found.count += 1;
    }

    fn finish(mut self) -> Vec<Finding> {
        self.check_backends();
        self.check_sample();
        let mut findings = self.others;
        findings.extend(self.counted.into_values());
        findings.extend(self.sequences.findings(&self.rules, self.rule_use.lines()));
        findings.extend(self.rule_use.findings());
        let order = |f: &Finding| (f.severity, f.file == EXCHANGES_FILE, f.line, f.code);
        findings.sort_by(|a, b| order(a).cmp(&order(b)));
        findings
    }

    fn check_sample(&mut self) {
        let (sample, count) = (self.header.sample, self.backends.values().sum());
        if sample.is_whole() {
            return;
        }
        let message = format!(
            "{sample} of the exchanges were recorded, whole traces at a time: requests of other traces will miss, and some of several answers to one request may be missing; record with `sample: 1` to mock backends"
        );
        let (code, severity, file) = ("sampled", Severity::Warning, HEADER_FILE);
        let (backend, line, exchange) = (None, None, None);
        self.others.push(Finding { code, severity, backend, file, line, exchange, count, message });
    }

    fn check_backends(&mut self) {
        let mut tell = |code, severity, backend: &str, count, message| {
            let backend = Some(backend.to_owned());
            let (file, line, exchange) = (HEADER_FILE, None, None);
            self.others.push(Finding { code, severity, backend, file, line, exchange, count, message });
        };
        for (name, &count) in &self.backends {
            if let Err(problem) = check_name(name) {
                tell(
                    "backend-name",
                    Severity::Error,
                    name,
                    count,
                    format!("no request will ever match: {problem}"),
                );
            } else if !self.header.backends.contains_key(name) {
                let message = "the backend is in exchanges.ndjson, but not in snapshot.yaml: it is mocked; list it there".to_owned();
                tell("backend-not-listed", Severity::Warning, name, count, message);
            }
        }
        for (name, said) in &self.header.backends {
            if said.mode == Mode::Mock && !self.backends.contains_key(name) {
                let message = "the backend is mocked and nothing was recorded from it: each request to it will miss; record it, or remove it from snapshot.yaml".to_owned();
                tell("backend-unused", Severity::Warning, name, 0, message);
            }
        }
    }
}

/// Code and message for an exchange that the table leaves out.
fn reason(why: Unanswerable) -> (&'static str, &'static str) {
    match why {
        Unanswerable::Inbound => ("inbound", "the exchange is inbound: there is no backend to mock"),
        Unanswerable::NoResponse => (
            "no-response",
            "the backend gave no response: the request will miss; record it again or delete the line",
        ),
        Unanswerable::Incomplete => (
            "incomplete",
            "the stream was aborted: the exchange isn't served as an answer; record it again or delete the line",
        ),
        Unanswerable::RequestTruncated => (
            "request-truncated",
            "the request's body was cut at the filter's cap, so that it can't be matched: record it again with a larger `body_cap_bytes`",
        ),
        Unanswerable::ResponseTruncated => (
            "response-truncated",
            "the answer was cut at the filter's cap, so that it can't be served: record it again with a larger `body_cap_bytes`",
        ),
        Unanswerable::Status => (
            "status",
            "the status isn't one of a final answer (200 to 599), such as an upgrade to WebSocket: the exchange can't be served as an answer",
        ),
        Unanswerable::Header => (
            "header",
            "a response header or trailer has no name, or a line break or NUL in it: it can't be sent; mend the line",
        ),
        Unanswerable::HeadersOverLimit => (
            "headers-over-limit",
            "the response has more headers than Envoy takes from a filter (1,024, or 1 MiB)",
        ),
    }
}
