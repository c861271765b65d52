//! Results of a run so far. Memory is bounded by the recording, however long a run takes: each
//! recorded request has one row, and only the first failures are kept in full.

use crate::compare::Compared;
use crate::endpoint::{Endpoints, Requests};
use crate::report::{Detail, IgnoredPlace, Message, Pair, Success};
use crate::stats::Stats;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;
use understudy_core::encoding;
use understudy_core::exchange::{Body, Exchange, Response};
use understudy_core::headers::Headers;

/// Maximum number of failures that are kept in full.
const DETAILS: usize = 500;
/// Maximum length of a body in such a failure, in bytes.
const BODY: usize = 4 << 10;
/// Maximum number of differences of a pair.
const DIFFERENCES: usize = 50;
/// Maximum number of ignored places.
const IGNORED: usize = 1000;

/// Results of a run so far.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) pairs: Vec<Pair>,
    pub(crate) endpoints: Endpoints,
    /// Latencies from the moment at which requests were due.
    pub(crate) latency: Stats,
    /// Latencies from the moment at which requests were sent.
    pub(crate) service: Stats,
    pub(crate) missing: HashMap<usize, u64>,
    statuses: BTreeMap<u16, u64>,
    ignored: BTreeMap<(String, String), (u64, String)>,
    details: usize,
}

/// One request that was answered or has failed.
pub(crate) struct Settled<'a> {
    pub(crate) step: usize,
    pub(crate) recorded: &'a Exchange,
    /// The request as sent, with its answer.
    pub(crate) live: &'a Exchange,
    pub(crate) error: Option<String>,
    pub(crate) compared: Compared,
    /// Time since the start of the run.
    pub(crate) at: Duration,
    pub(crate) latency: Duration,
    pub(crate) service: Duration,
    pub(crate) missing: Vec<usize>,
}

impl Tally {
    pub(crate) fn new(steps: &[Exchange], watched: &[Requests]) -> Self {
        Self {
            endpoints: Endpoints::new(steps, watched),
            pairs: steps.iter().map(row).collect(),
            latency: Stats::default(),
            service: Stats::default(),
            missing: HashMap::new(),
            statuses: BTreeMap::new(),
            ignored: BTreeMap::new(),
            details: 0,
        }
    }

    pub(crate) fn add(&mut self, settled: Settled<'_>) {
        let failed = settled.error.is_some() || !settled.compared.differences.is_empty();
        let of = |duration: Duration| settled.error.is_none().then_some(duration);
        self.latency.add(settled.at, of(settled.latency), failed);
        self.service.add(settled.at, of(settled.service), failed);
        self.endpoints.add(settled.step, settled.at, of(settled.latency), failed);
        for number in &settled.missing {
            *self.missing.entry(*number).or_default() += 1;
        }
        for ignored in &settled.compared.ignored {
            let key = (ignored.place.clone(), ignored.why.clone());
            if self.ignored.len() < IGNORED || self.ignored.contains_key(&key) {
                let exchange = || (0, settled.recorded.id.clone());
                self.ignored.entry(key).or_insert_with(exchange).0 += 1;
            }
        }
        let status = settled.live.response.as_ref().map(|response| response.status);
        if let Some(status) = status {
            *self.statuses.entry(status).or_default() += 1;
        }
        let with_detail = failed && !self.pairs[settled.step].failed() && self.details < DETAILS;
        self.details += usize::from(with_detail);
        let pair = &mut self.pairs[settled.step];
        let first_failure = failed && !pair.failed();
        pair.sent += 1;
        pair.errors += u64::from(settled.error.is_some());
        pair.different += u64::from(failed && settled.error.is_none());
        pair.same += u64::from(!failed);
        let micros = u64::try_from(settled.latency.as_micros()).unwrap_or(u64::MAX);
        pair.latency_us = pair.latency_us.max(micros);
        if first_failure || pair.status.is_none() {
            pair.status = status;
        }
        if first_failure {
            pair.error = settled.error;
            let differences = settled.compared.differences;
            let more = differences.len().saturating_sub(DIFFERENCES);
            pair.more = (more > 0).then_some(more as u64);
            pair.differences = differences.into_iter().take(DIFFERENCES).collect();
        }
        if with_detail {
            pair.detail = Some(Box::new(detail(settled.recorded, settled.live)));
        }
    }

    pub(crate) fn success(&self) -> Success {
        let sum = |of: fn(&Pair) -> u64| self.pairs.iter().map(of).sum();
        let (sent, same): (u64, u64) = (sum(|pair| pair.sent), sum(|pair| pair.same));
        Success {
            sent,
            same,
            different: sum(|pair| pair.different),
            errors: sum(|pair| pair.errors),
            not_sent: sum(|pair| u64::from(pair.sent == 0)),
            rate: share(same, sent),
            statuses: self.statuses.clone(),
        }
    }

    pub(crate) fn ignored(&self) -> Vec<IgnoredPlace> {
        let place = |((place, why), (count, exchange)): (&(String, String), &(u64, String))| IgnoredPlace {
            place: place.clone(),
            why: why.clone(),
            count: *count,
            exchange: exchange.clone(),
        };
        self.ignored.iter().map(place).collect()
    }
}

/// A share in percent. `None` if the whole is zero.
#[expect(clippy::cast_precision_loss, reason = "a percentage")]
pub fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 * 100.0 / whole as f64)
}

fn row(step: &Exchange) -> Pair {
    Pair {
        exchange: step.id.clone(),
        method: lossy(&step.request.method),
        path: lossy(&step.request.path),
        recorded_status: step.response.as_ref().map(|response| response.status),
        recorded_us: step.duration,
        ..Pair::default()
    }
}

fn detail(recorded: &Exchange, live: &Exchange) -> Detail {
    Detail {
        request: request_message(live),
        recorded: recorded.response.as_ref().map(response_message),
        live: live.response.as_ref().map(response_message),
    }
}

/// A request as text.
pub fn request_message(exchange: &Exchange) -> Message {
    let request = &exchange.request;
    let head = format!("{} {}", lossy(&request.method), lossy(&request.path));
    message(head, &request.headers, &request.body)
}

fn response_message(response: &Response) -> Message {
    message(response.status.to_string(), &response.headers, &response.body)
}

fn message(head: String, headers: &Headers, body: &Body) -> Message {
    let coding = headers.get(b"content-encoding").unwrap_or_default();
    let undone = encoding::undo(coding, &body.bytes, 1 << 20);
    let bytes = undone.as_deref().unwrap_or(&body.bytes);
    let whole = body.truncated.unwrap_or(bytes.len() as u64);
    let kept = &bytes[..bytes.len().min(BODY)];
    // A character cut in half doesn't make a text binary.
    let is_text =
        std::str::from_utf8(kept).map_or_else(|error| error.valid_up_to() + 4 > kept.len(), |_| true);
    let body = if is_text { lossy(kept) } else { format!("({whole} bytes that are no text)") };
    let cut = (whole > kept.len() as u64 && is_text).then_some(whole);
    let headers = headers.iter().map(|(name, value)| (lossy(name), lossy(value))).collect();
    Message { head, headers, body, cut }
}

pub(crate) fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
