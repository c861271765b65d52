//! Goals, and conditions that fail a run: `success >= 100%`, `p95 <= 1.2 x recorded`, `errors > 0`;
//! about all requests, or about some: `GET /orders/*: p95 <= 200ms`.

use crate::endpoint::{self, Requests};
use crate::error::Error;
use crate::report::{Endpoint, Figures, GoalResult, Report};
use crate::tally::share;

/// A measure of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Metric {
    Success,
    Responder,
    Errors,
    Different,
    NotSent,
    Misses,
    Passthroughs,
    Dropped,
    Extra,
    Latency(Quantile),
    Throughput,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quantile {
    P50,
    P90,
    P95,
    P99,
    Mean,
    Max,
}

const METRICS: [(&str, Metric); 17] = [
    ("success", Metric::Success),
    ("responder", Metric::Responder),
    ("errors", Metric::Errors),
    ("different", Metric::Different),
    ("not-sent", Metric::NotSent),
    ("misses", Metric::Misses),
    ("passthroughs", Metric::Passthroughs),
    ("dropped-calls", Metric::Dropped),
    ("extra-calls", Metric::Extra),
    ("p50", Metric::Latency(Quantile::P50)),
    ("p90", Metric::Latency(Quantile::P90)),
    ("p95", Metric::Latency(Quantile::P95)),
    ("p99", Metric::Latency(Quantile::P99)),
    ("mean", Metric::Latency(Quantile::Mean)),
    ("max", Metric::Latency(Quantile::Max)),
    ("throughput", Metric::Throughput),
    ("rps", Metric::Throughput),
];

const OPERATORS: [(&str, Op); 10] = [
    (">=", Op::AtLeast),
    ("<=", Op::AtMost),
    ("==", Op::Equal),
    ("!=", Op::Not),
    ("≥", Op::AtLeast),
    ("≤", Op::AtMost),
    ("≠", Op::Not),
    (">", Op::Over),
    ("<", Op::Under),
    ("=", Op::Equal),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    AtLeast,
    AtMost,
    Equal,
    Not,
    Over,
    Under,
}

/// The value that a measure is compared with.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Value {
    Number(f64),
    /// Multiple of the recorded value.
    TimesRecorded(f64),
}

/// A goal or a condition.
#[derive(Clone, Debug, PartialEq)]
pub struct Goal {
    text: String,
    /// The requests that the goal is about; `None`: all.
    requests: Option<Requests>,
    metric: Metric,
    op: Op,
    value: Value,
    /// True if the run fails when the condition holds, and false if it fails when the condition
    /// doesn't.
    fails: bool,
}

impl Goal {
    /// Reads a goal, which must hold.
    ///
    /// # Errors
    /// The text is invalid; the error says what can be written.
    pub fn must(text: &str) -> Result<Self, Error> {
        parse(text, false).map_err(|problem| Error::Goal { text: text.to_owned(), problem })
    }

    /// Reads a condition that must not hold.
    ///
    /// # Errors
    /// The text is invalid; the error says what can be written.
    pub fn must_not(text: &str) -> Result<Self, Error> {
        parse(text, true).map_err(|problem| Error::Goal { text: text.to_owned(), problem })
    }

    /// The requests that the goal is about, if not all.
    pub fn requests(&self) -> Option<&Requests> {
        self.requests.as_ref()
    }

    /// Judges a report. A goal fails if its measure doesn't exist: no result must not pass for a
    /// good one.
    pub fn judge(&self, report: &Report) -> GoalResult {
        let (measured, recorded) = match &self.requests {
            None => (self.metric.of(report), self.metric.recorded(report.performance.recorded.as_ref())),
            Some(requests) => {
                let endpoint = endpoint::find(&report.endpoints, requests);
                let of = |endpoint| self.metric.of_endpoint(endpoint);
                let recorded = endpoint.and_then(|endpoint| endpoint.recorded.as_ref());
                (endpoint.and_then(of), self.metric.recorded(recorded))
            }
        };
        let wanted = match self.value {
            Value::Number(number) => Some(number),
            Value::TimesRecorded(factor) => recorded.map(|value| value * factor),
        };
        let holds = match (measured, wanted) {
            (Some(measured), Some(wanted)) => Some(self.op.holds(measured, wanted)),
            _ => None,
        };
        let text = if self.fails { format!("fail if {}", self.text) } else { self.text.clone() };
        GoalResult {
            goal: text,
            measured,
            wanted,
            unit: self.metric.unit().to_owned(),
            passed: holds.map_or(self.fails && measured.is_none(), |holds| holds != self.fails),
        }
    }
}

fn parse(text: &str, fails: bool) -> Result<Goal, String> {
    let names = || METRICS.map(|(name, _)| name).join(", ");
    let example = "write METRIC OP VALUE, as in `success >= 100%` or `p95 <= 1.2 x recorded`";
    let (requests, condition) = match text.rsplit_once(": ") {
        Some((requests, condition)) => (Some(Requests::parse(requests)?), condition),
        None => (None, text),
    };
    let found = OPERATORS.iter().filter_map(|(sign, op)| Some((condition.find(sign)?, *sign, *op)));
    // The first operator, and of several at one position the longest.
    let (at, sign, op) =
        found.min_by_key(|(at, sign, _)| (*at, usize::MAX - sign.len())).ok_or(example.to_owned())?;
    let name = condition[..at].trim();
    let metric = METRICS.iter().find(|(known, _)| *known == name);
    let metric = metric.ok_or_else(|| format!("{name:?} isn't measured; there are {}", names()))?.1;
    if requests.is_some() && !metric.is_of_requests() {
        let known = METRICS.iter().filter(|(_, metric)| metric.is_of_requests()).map(|(name, _)| *name);
        let known: Vec<_> = known.collect();
        return Err(format!("{name} isn't measured of some requests alone; there are {}", known.join(", ")));
    }
    let value = condition[at + sign.len()..].trim();
    let value = metric.value(value).ok_or_else(|| format!("{value:?} is no value for {name}; {example}"))?;
    Ok(Goal { text: text.trim().to_owned(), requests, metric, op, value, fails })
}

impl Op {
    #[expect(clippy::float_cmp, reason = "a person asks for exactly this number")]
    fn holds(self, left: f64, right: f64) -> bool {
        match self {
            Self::AtLeast => left >= right,
            Self::AtMost => left <= right,
            Self::Equal => left == right,
            Self::Not => left != right,
            Self::Over => left > right,
            Self::Under => left < right,
        }
    }
}

impl Metric {
    fn unit(self) -> &'static str {
        match self {
            Self::Success | Self::Responder => "%",
            Self::Latency(_) => "ms",
            Self::Throughput => "/s",
            _ => "",
        }
    }

    /// Reads a value in this measure's unit.
    fn value(self, text: &str) -> Option<Value> {
        let number = |text: &str| text.trim().parse::<f64>().ok().filter(|number| number.is_finite());
        if let Some(factor) = text.strip_suffix("recorded") {
            let factor = factor.trim().trim_end_matches(['x', '×', '*']);
            let factor = if factor.trim().is_empty() { Some(1.0) } else { number(factor) };
            return matches!(self, Self::Latency(_) | Self::Throughput)
                .then_some(Value::TimesRecorded(factor?));
        }
        let plain = match self {
            Self::Success | Self::Responder => number(text.strip_suffix('%').unwrap_or(text)),
            Self::Latency(_) => {
                match (text.strip_suffix("us"), text.strip_suffix("ms"), text.strip_suffix('s')) {
                    (Some(us), ..) => number(us).map(|us| us / 1000.0),
                    (_, Some(ms), _) => number(ms),
                    (.., Some(s)) => number(s).map(|s| s * 1000.0),
                    _ => number(text),
                }
            }
            _ => number(text.strip_suffix("/s").unwrap_or(text)),
        };
        plain.map(Value::Number)
    }

    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    fn of(self, report: &Report) -> Option<f64> {
        let responder = report.responder.as_ref();
        let calls = responder.and_then(|responder| responder.calls.as_ref());
        match self {
            Self::Success => report.success.rate,
            Self::Responder => responder.and_then(|responder| responder.rate),
            Self::Errors => Some(report.success.errors as f64),
            Self::Different => Some(report.success.different as f64),
            Self::NotSent => Some(report.success.not_sent as f64),
            Self::Misses => responder.map(|responder| responder.misses as f64),
            Self::Passthroughs => responder.map(|responder| responder.passthroughs as f64),
            Self::Dropped => calls.map(|calls| calls.dropped as f64),
            Self::Extra => calls.map(|calls| calls.extra as f64),
            Self::Latency(quantile) => quantile.of(report.performance.replayed.as_ref()?),
            Self::Throughput => report.performance.replayed.as_ref().map(|figures| figures.per_second),
        }
    }

    /// The measure of one endpoint. `None` if nothing was sent to it.
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    fn of_endpoint(self, endpoint: &Endpoint) -> Option<f64> {
        let replayed = endpoint.replayed.as_ref();
        match self {
            Self::Success => share(endpoint.same, endpoint.sent),
            Self::Errors => Some(endpoint.errors as f64),
            Self::Different => Some(endpoint.different as f64),
            Self::Latency(quantile) => quantile.of(replayed?),
            Self::Throughput => replayed.map(|figures| figures.per_second),
            _ => None,
        }
        .filter(|_| endpoint.sent > 0)
    }

    /// Returns whether the measure exists for single endpoints.
    fn is_of_requests(self) -> bool {
        matches!(self, Self::Success | Self::Errors | Self::Different | Self::Latency(_) | Self::Throughput)
    }

    fn recorded(self, recorded: Option<&Figures>) -> Option<f64> {
        let recorded = recorded?;
        match self {
            Self::Latency(quantile) => quantile.of(recorded),
            Self::Throughput => Some(recorded.per_second),
            _ => None,
        }
    }
}

impl Quantile {
    #[expect(clippy::cast_precision_loss, reason = "microseconds far below 2^52")]
    fn of(self, figures: &Figures) -> Option<f64> {
        let micros = match self {
            Self::P50 => figures.p50_us,
            Self::P90 => figures.p90_us,
            Self::P95 => figures.p95_us,
            Self::P99 => figures.p99_us,
            Self::Mean => figures.mean_us,
            Self::Max => figures.max_us,
        };
        (figures.count > 0).then_some(micros as f64 / 1000.0)
    }
}

#[cfg(test)]
mod tests;
