//! The report of a replay: one file, version 2, from which all else is made. `docs/reference/report.md` describes it.
//!
//! These types are the file's own. A reader refuses a version that it doesn't know, and keys that aren't its.

mod chart;
mod file;
mod html;
mod junit;
pub mod kept;
mod markdown;
mod text;
mod versus;
pub mod view;
mod whole;

pub use file::{Head, head, read};
pub use html::html;
pub use junit::junit;
pub use markdown::markdown;
pub use text::{millis, number, summary};
pub use versus::{Versus, versus};
pub use whole::Whole;

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use understudy_core::verdict::{Difference, Nearest};

/// The format's version. 2 has [`Asked::whole`] and [`Report::endpoints`].
pub const VERSION: u32 = 2;
/// The oldest version that is read.
pub const OLDEST: u32 = 1;
/// What the file says that it is.
pub const TYPE: &str = "replay";

/// What became of a replay.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// [`TYPE`].
    #[serde(rename = "type")]
    pub kind: String,
    /// From [`OLDEST`] to [`VERSION`].
    pub v: u32,
    /// Whether it ran to its end and all goals were reached.
    pub passed: bool,
    /// The snapshot's name.
    pub snapshot: String,
    /// The service's name, where the snapshot says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The build that was tested, where that was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build_tag: Option<String>,
    /// `full-replay`, `generator-only` or `responder-only`.
    pub mode: String,
    /// Where the requests went.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// When it began, RFC 3339.
    pub started: String,
    /// How long the requests took, all together, in microseconds.
    pub duration_us: u64,
    /// How it ended.
    pub end: Ending,
    /// What was to be reached.
    pub goals: Vec<GoalResult>,
    /// What became of the requests.
    pub success: Success,
    /// How long they took.
    pub performance: Performance,
    /// What became of the requests to each endpoint: those with the most first, and those of goals.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<Endpoint>,
    /// What the service asked its backends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub responder: Option<Responder>,
    /// Each recorded request, with what came of it.
    pub pairs: Vec<Pair>,
    /// What differed and didn't count.
    pub ignored: Vec<IgnoredPlace>,
    /// What was issued during the replay and sent back.
    pub carried: Vec<Carried>,
    /// What the service said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logs: Option<Logs>,
    /// What a reader should know.
    pub notes: Vec<String>,
}

/// How a replay ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ending {
    /// Which way.
    pub how: How,
    /// What is to be known about it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

/// The ways in which a replay ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// All that was planned was sent.
    Complete,
    /// Somebody stopped it.
    Interrupted,
    /// The time for it was over.
    TimedOut,
    /// The service never was ready.
    NeverReady,
    /// The service ended while it was driven.
    ServiceEnded,
    /// The service doesn't answer any more.
    ServiceHangs,
    /// Envoy ended.
    ProxyEnded,
}

/// What became of a goal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoalResult {
    /// As it was written.
    pub goal: String,
    /// What was measured. Nothing where there was nothing to measure.
    pub measured: Option<f64>,
    /// With what it was compared.
    pub wanted: Option<f64>,
    /// The unit of both.
    pub unit: String,
    /// Whether it was reached.
    pub passed: bool,
}

/// What became of the requests.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Success {
    /// How many were sent.
    pub sent: u64,
    /// Of these, those that were answered as recorded.
    pub same: u64,
    /// Those that were answered in another way.
    pub different: u64,
    /// Those that got no answer.
    pub errors: u64,
    /// Recorded requests that were never sent.
    pub not_sent: u64,
    /// `same ÷ sent`, in percent. Nothing where nothing was sent.
    pub rate: Option<f64>,
    /// Answers by status.
    pub statuses: BTreeMap<u16, u64>,
}

/// How long answers took.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Performance {
    /// Then.
    pub recorded: Option<Figures>,
    /// Now, from the moment at which a request was to be sent.
    pub replayed: Option<Figures>,
    /// Now, from the moment at which it was sent.
    pub service: Option<Figures>,
    /// How long an interval of the timelines is, in microseconds.
    pub interval_us: u64,
    /// The intervals from the first request on, as recorded.
    pub recorded_timeline: Vec<Interval>,
    /// The same of the replay.
    pub timeline: Vec<Interval>,
}

/// Latencies in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figures {
    /// How many answers.
    pub count: u64,
    /// Answers per second.
    pub per_second: f64,
    /// The mean.
    pub mean_us: u64,
    /// Half of the answers were there by then.
    pub p50_us: u64,
    /// 90 % of them.
    pub p90_us: u64,
    /// 95 % of them.
    pub p95_us: u64,
    /// 99 % of them.
    pub p99_us: u64,
    /// The slowest.
    pub max_us: u64,
}

/// Requests that do the same, and what became of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// The method; `*`: any.
    pub method: String,
    /// The path; `*` stands for a segment that is called otherwise in each.
    pub path: String,
    /// Whether a goal is about it. Such a one counts requests that others count too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub asked_for: bool,
    /// How many were sent.
    pub sent: u64,
    /// Of these, those that were answered as recorded.
    pub same: u64,
    /// Those that were answered in another way.
    pub different: u64,
    /// Those that got no answer.
    pub errors: u64,
    /// How long answers took then.
    pub recorded: Option<Figures>,
    /// How long they take now, from the moment at which a request was to be sent.
    pub replayed: Option<Figures>,
}

impl Endpoint {
    /// Those in which each request is counted once.
    pub fn shares(all: &[Self]) -> impl Iterator<Item = &Self> {
        all.iter().filter(|endpoint| !endpoint.asked_for)
    }
}

/// What happened in one interval of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interval {
    /// Answers that came in it.
    pub count: u64,
    /// Requests that got none, or another one than recorded.
    pub failed: u64,
    /// The median of their latencies, in microseconds.
    pub p50_us: u64,
    /// 95 % of them were faster.
    pub p95_us: u64,
}

/// A recorded request, and what came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pair {
    /// The recorded exchange's identifier.
    pub exchange: String,
    /// The method.
    pub method: String,
    /// Path and query, as recorded.
    pub path: String,
    /// How often it was sent.
    pub sent: u64,
    /// How often it was answered as recorded.
    pub same: u64,
    /// How often in another way.
    pub different: u64,
    /// How often not at all.
    pub errors: u64,
    /// The recorded status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recorded_status: Option<u16>,
    /// The status that came; of several that of the first failure, else the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// How long the recorded answer took, in microseconds.
    pub recorded_us: u64,
    /// How long it took now, in microseconds; of several the longest.
    pub latency_us: u64,
    /// Why there was no answer, the first time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What differed, the first time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<Difference>,
    /// How many differences there were, where not all are listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub more: Option<u64>,
    /// Of a failure: what was sent, what was recorded and what came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Box<Detail>>,
}

impl Pair {
    /// Whether something of it failed.
    pub fn failed(&self) -> bool {
        self.different + self.errors > 0
    }
}

/// A failure in full, but for what is too long.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Detail {
    /// The request as sent.
    pub request: Message,
    /// The recorded answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recorded: Option<Message>,
    /// The answer that came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<Message>,
}

/// A message as text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// Its first line.
    pub head: String,
    /// Its headers.
    pub headers: Vec<(String, String)>,
    /// Its body; without what isn't text.
    pub body: String,
    /// How many bytes the body has in all, where it was cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut: Option<u64>,
}

/// What the service asked its backends.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Responder {
    /// Requests to mocked backends.
    pub requests: u64,
    /// Those that were answered from the snapshot.
    pub matches: u64,
    /// Those that were refused.
    pub misses: u64,
    /// Those that were sent on.
    pub passthroughs: u64,
    /// `matches ÷ requests`, in percent. Nothing where there were none.
    pub rate: Option<f64>,
    /// Whether every verdict is here.
    pub complete: bool,
    /// How often each recorded request was asked. Nothing where that can't be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls: Option<Calls>,
    /// Why it can't, where it can't.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_calls: Option<String>,
    /// Tunnels with neither TLS nor HTTP in them, and the like.
    pub not_understood: Vec<String>,
    /// The requests, misses first, then in the order of time.
    pub verdicts: Vec<Asked>,
    /// How many more there were that aren't listed; they matched.
    pub not_listed: u64,
}

/// Recorded calls against those that were made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calls {
    /// Recorded calls that weren't made.
    pub dropped: u64,
    /// Calls that were made more often than recorded.
    pub extra: u64,
    /// Which.
    pub changed: Vec<Call>,
}

/// A recorded call that was made more or less often than recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// The first recorded exchange of it.
    pub exchange: String,
    /// The backend.
    pub backend: String,
    /// Method and path.
    pub request: String,
    /// How often it was recorded.
    pub recorded: u64,
    /// How often it was made.
    pub made: u64,
}

/// A request to a mocked backend.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// When, RFC 3339.
    pub time: String,
    /// The backend.
    pub backend: String,
    /// Method and operation, where there is one.
    pub operation: String,
    /// Path and query.
    pub location: String,
    /// `match`, `miss` or `passthrough`.
    pub verdict: String,
    /// What was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The recorded exchange that it matched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exchange: Option<String>,
    /// The signature: each key with its value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signature: Vec<(String, String)>,
    /// Why it missed or was sent on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The recorded requests that are nearest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nearest: Vec<Nearest>,
    /// The request, where it didn't match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Message>,
    /// The same to the last byte, as long as there is room; since version 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whole: Option<Box<Whole>>,
}

/// A place at which answers differed, and why that doesn't count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IgnoredPlace {
    /// The place.
    pub place: String,
    /// Why.
    pub why: String,
    /// How often.
    pub count: u64,
    /// The first recorded exchange in which it did.
    pub exchange: String,
}

/// A value that was issued during the replay and sent back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Carried {
    /// The recorded exchange whose answer has it.
    pub from: String,
    /// Where in that.
    pub from_at: String,
    /// The recorded value, cut where it is long; secrets aren't in recordings.
    pub recorded: String,
    /// The requests that have it: recorded exchange and place.
    pub to: Vec<(String, String)>,
    /// Whether `replay.yaml` says so; else it was learnt.
    pub told: bool,
    /// How often the answer lacked it.
    pub missing: u64,
}

/// What the service said on stdout and stderr.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Logs {
    /// The last of it.
    pub text: String,
    /// How many bytes came before.
    pub left_out: u64,
}

#[cfg(test)]
mod tests;
