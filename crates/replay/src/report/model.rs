//! The types of the report's file, version 2. `docs/reference/report.md` describes it.

use super::whole::WholeRequest;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use understudy_core::verdict::{ClassCounts, Difference, Nearest};

/// Version of the format. Version 2 added [`JudgedCall::whole`] and [`Report::endpoints`], version
/// 3 [`Responder::classes`].
pub const VERSION: u32 = 3;
/// Oldest version that is read.
pub const OLDEST: u32 = 1;
/// Value of the file's `type`.
pub const TYPE: &str = "replay";

/// The result of a replay.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// [`TYPE`].
    #[serde(rename = "type")]
    pub kind: String,
    /// From [`OLDEST`] to [`VERSION`].
    pub v: u32,
    /// True if the run was complete and all goals were reached.
    pub passed: bool,
    /// The snapshot's name.
    pub snapshot: String,
    /// The service's name, if the snapshot has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The build that was tested, if it was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build_tag: Option<String>,
    /// `full-replay`, `generator-only` or `responder-only`.
    pub mode: String,
    /// Address to which requests were sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Start of the run, in RFC 3339.
    pub started: String,
    /// Duration of the run, in microseconds.
    pub duration_us: u64,
    /// End of the run.
    pub end: Ending,
    /// Results of the goals.
    pub goals: Vec<GoalResult>,
    /// Sums over the requests.
    pub success: Success,
    /// Latencies and throughput.
    pub performance: Performance,
    /// Results by endpoint: those with the most requests first, and those of goals.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<Endpoint>,
    /// The service's calls to its backends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub responder: Option<Responder>,
    /// Each recorded request with its result.
    pub pairs: Vec<Pair>,
    /// Differences that were ignored.
    pub ignored: Vec<IgnoredPlace>,
    /// Values that were issued during the replay and sent back.
    pub carried: Vec<Carried>,
    /// The end of the service's output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logs: Option<Logs>,
    /// Notes for the reader.
    pub notes: Vec<String>,
}

/// End of a replay, with details.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ending {
    /// The kind of ending.
    pub how: How,
    /// Details for a person.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

/// Kinds of endings of a replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// All planned requests were sent.
    Complete,
    /// A signal stopped the run.
    Interrupted,
    /// The time limit was reached.
    TimedOut,
    /// The service was not ready in time.
    NeverReady,
    /// The service exited while it was driven.
    ServiceEnded,
    /// The service stopped answering.
    ServiceHangs,
    /// Envoy exited.
    ProxyEnded,
}

/// The result of a goal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoalResult {
    /// The goal as written.
    pub goal: String,
    /// The measured value, if there was something to measure.
    pub measured: Option<f64>,
    /// The value that it was compared with.
    pub wanted: Option<f64>,
    /// Unit of both values.
    pub unit: String,
    /// True if the goal was reached.
    pub passed: bool,
}

/// Sums over the requests of a replay.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Success {
    /// Number of requests that were sent.
    pub sent: u64,
    /// Requests that were answered as recorded.
    pub same: u64,
    /// Requests that were answered differently.
    pub different: u64,
    /// Requests without an answer.
    pub errors: u64,
    /// Recorded requests that were never sent.
    pub not_sent: u64,
    /// `same ÷ sent`, in percent, if something was sent.
    pub rate: Option<f64>,
    /// Answers by status.
    pub statuses: BTreeMap<u16, u64>,
}

/// Latencies and throughput, recorded and replayed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Performance {
    /// Recorded.
    pub recorded: Option<Figures>,
    /// Replayed, from the moment at which each request was due.
    pub replayed: Option<Figures>,
    /// Replayed, from the moment at which each request was sent.
    pub service: Option<Figures>,
    /// Length of an interval of the timelines, in microseconds.
    pub interval_us: u64,
    /// Recorded intervals, from the first request on.
    pub recorded_timeline: Vec<Interval>,
    /// Replayed intervals.
    pub timeline: Vec<Interval>,
}

/// Latencies in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figures {
    /// Number of answers.
    pub count: u64,
    /// Answers per second.
    pub per_second: f64,
    /// The mean.
    pub mean_us: u64,
    /// The median.
    pub p50_us: u64,
    /// The 90th percentile.
    pub p90_us: u64,
    /// The 95th percentile.
    pub p95_us: u64,
    /// The 99th percentile.
    pub p99_us: u64,
    /// The slowest.
    pub max_us: u64,
}

/// Requests with one method and path pattern, and their results.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// The method; `*`: any.
    pub method: String,
    /// The path pattern; `*` stands for a segment that differs in each request.
    pub path: String,
    /// True if the endpoint exists because a goal names it. Other endpoints count its requests too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub asked_for: bool,
    /// Number of requests that were sent.
    pub sent: u64,
    /// Requests that were answered as recorded.
    pub same: u64,
    /// Requests that were answered differently.
    pub different: u64,
    /// Requests without an answer.
    pub errors: u64,
    /// Recorded latencies.
    pub recorded: Option<Figures>,
    /// Replayed latencies, from the moment at which each request was due.
    pub replayed: Option<Figures>,
}

impl Endpoint {
    /// The endpoints that together count each request once.
    pub fn shares(all: &[Self]) -> impl Iterator<Item = &Self> {
        all.iter().filter(|endpoint| !endpoint.asked_for)
    }
}

/// One interval of a timeline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interval {
    /// Number of answers.
    pub count: u64,
    /// Requests without an answer or with a different one.
    pub failed: u64,
    /// Median latency, in microseconds.
    pub p50_us: u64,
    /// 95th percentile of the latencies, in microseconds.
    pub p95_us: u64,
}

/// A recorded request with its result.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pair {
    /// The recorded exchange's identifier.
    pub exchange: String,
    /// The method.
    pub method: String,
    /// Path and query, as recorded.
    pub path: String,
    /// Number of times it was sent.
    pub sent: u64,
    /// Number of times it was answered as recorded.
    pub same: u64,
    /// Number of times it was answered differently.
    pub different: u64,
    /// Number of times it was not answered.
    pub errors: u64,
    /// The recorded status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recorded_status: Option<u16>,
    /// The live status; of several that of the first failure, else the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Recorded latency, in microseconds.
    pub recorded_us: u64,
    /// Live latency, in microseconds; of several the longest.
    pub latency_us: u64,
    /// The reason why the first missing answer is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Differences of the first failure.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<Difference>,
    /// Number of differences, if not all are listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub more: Option<u64>,
    /// The messages of the first failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Box<Detail>>,
}

impl Pair {
    /// Returns whether the request failed at least once.
    pub fn failed(&self) -> bool {
        self.different + self.errors > 0
    }
}

/// The messages of a failure, cut where they are long.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Detail {
    /// The request as sent.
    pub request: Message,
    /// The recorded answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recorded: Option<Message>,
    /// The live answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<Message>,
}

/// A message as text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// The first line.
    pub head: String,
    /// The headers.
    pub headers: Vec<(String, String)>,
    /// The body, if it is text.
    pub body: String,
    /// Full length of the body in bytes, if it was cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut: Option<u64>,
}

/// The service's calls to its backends.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Responder {
    /// Requests to mocked backends.
    pub requests: u64,
    /// Requests that were answered from the snapshot.
    pub matches: u64,
    /// The matches by their certainty. `None` in reports of versions that did not count them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<ClassCounts>,
    /// Requests that were refused.
    pub misses: u64,
    /// Requests that were sent on to the real backend.
    pub passthroughs: u64,
    /// `matches ÷ requests`, in percent, if there were requests.
    pub rate: Option<f64>,
    /// True if no verdict is missing.
    pub complete: bool,
    /// Recorded calls compared with those that were made, if they can be compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls: Option<Calls>,
    /// The reason why they can't be compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_calls: Option<String>,
    /// One line for each tunnel that was not understood.
    pub not_understood: Vec<String>,
    /// The requests: misses first, then by time.
    pub verdicts: Vec<JudgedCall>,
    /// Number of further requests, all of them matches.
    pub not_listed: u64,
}

/// Recorded calls compared with those that were made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calls {
    /// Recorded calls that weren't made.
    pub dropped: u64,
    /// Calls that were made more often than recorded.
    pub extra: u64,
    /// The calls whose numbers differ.
    pub changed: Vec<Call>,
}

/// A recorded call that was made more or less often than recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// Identifier of its first recorded exchange.
    pub exchange: String,
    /// The backend.
    pub backend: String,
    /// Method and path.
    pub request: String,
    /// Number of times it was recorded.
    pub recorded: u64,
    /// Number of times it was made.
    pub made: u64,
}

/// A request to a mocked backend.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JudgedCall {
    /// Time, in RFC 3339.
    pub time: String,
    /// The backend.
    pub backend: String,
    /// Method, and operation if there is one.
    pub operation: String,
    /// Path and query.
    pub location: String,
    /// `match`, `miss` or `passthrough`.
    pub verdict: String,
    /// The served status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Identifier of the recorded exchange that it matched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exchange: Option<String>,
    /// The signature: keys and values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signature: Vec<(String, String)>,
    /// The reason for a miss or a passthrough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The nearest recorded requests.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nearest: Vec<Nearest>,
    /// The request as text, if it didn't match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Message>,
    /// The whole request, while there is room; since version 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whole: Option<Box<WholeRequest>>,
}

/// A place where answers differed, and the reason why that is ignored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IgnoredPlace {
    /// The place.
    pub place: String,
    /// The reason.
    pub why: String,
    /// Number of times.
    pub count: u64,
    /// Identifier of the first recorded exchange with the difference.
    pub exchange: String,
}

/// A value that was issued during the replay and sent back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Carried {
    /// Identifier of the recorded exchange whose answer contains the value.
    pub from: String,
    /// Place in that answer.
    pub from_at: String,
    /// The recorded value, cut if it is long. Recordings contain no secrets.
    pub recorded: String,
    /// The requests that contain the value: recorded exchange and place.
    pub to: Vec<(String, String)>,
    /// True if `replay.yaml` says so; otherwise the value was learned.
    pub told: bool,
    /// Number of answers without the value.
    pub missing: u64,
}

/// The service's output on stdout and stderr.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Logs {
    /// The end of the output.
    pub text: String,
    /// Number of bytes before the text.
    pub left_out: u64,
}
