//! Parts of pages about a report: facts, goals, figures with charts, sums in words. All of it is
//! unescaped text, except [`performance`].

use super::chart::{Chart, charts};
use super::model::{Endpoint, Figures, How, Message, Report};
use super::text::{ending, millis, number};
use askama::Template;
use understudy_core::verdict::Difference;

/// The style of [`performance`]. It needs the variables `--then`, `--now`, `--dim`, `--soft` and
/// `--line`.
pub const CHART_CSS: &str = include_str!("../../templates/chart.css");

/// Maximum number of characters of an endpoint's name.
const NAME: usize = 200;

/// A difference: place, recorded value and live value.
pub type Sides = (String, String, String);

/// A goal, in words.
pub struct Goal {
    /// `good` or `bad`.
    pub class: &'static str,
    /// Result of the goal in one word.
    pub word: &'static str,
    /// The goal as written.
    pub text: String,
    /// The measured value.
    pub measured: String,
    /// The value that it was compared with.
    pub wanted: String,
}

struct ByEndpoint {
    name: String,
    sent: u64,
    failed: u64,
    times: [String; 4],
}

struct Row {
    name: &'static str,
    cells: Vec<String>,
}

/// Latencies and throughput, as figures and drawings.
#[derive(Template)]
#[template(path = "performance.html")]
pub(super) struct Drawn {
    rows: Vec<Row>,
    endpoints: Vec<ByEndpoint>,
    charts: Vec<Chart>,
}

impl Drawn {
    pub(super) fn of(report: &Report) -> Self {
        let endpoints = Endpoint::shares(&report.endpoints).map(by_endpoint).collect();
        Self { rows: rows(report), endpoints, charts: charts(&report.performance) }
    }
}

/// Latencies and throughput as HTML: a table, three drawings and the endpoints, recorded beside
/// replayed. Content from outside is escaped.
pub fn performance(report: &Report) -> String {
    // Rendering into memory doesn't fail.
    Drawn::of(report).render().unwrap_or_default()
}

/// The ending, if the run was not complete; otherwise empty.
pub fn ending_line(report: &Report) -> String {
    match report.end.how {
        How::Complete => String::new(),
        _ => format!("{}.", ending(report)),
    }
}

/// Facts of the run: what ran, where, when and for how long.
pub fn facts(report: &Report) -> Vec<(&'static str, String)> {
    let mut facts = vec![("Snapshot", report.snapshot.clone())];
    let optional = [("Service", &report.service), ("Build", &report.build_tag), ("Target", &report.target)];
    facts.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))));
    facts.push(("Mode", report.mode.clone()));
    facts.push(("Began", report.started.clone()));
    facts.push(("Took", millis(report.duration_us)));
    facts
}

/// The goals.
pub fn goals(report: &Report) -> Vec<Goal> {
    let goal = |goal: &super::model::GoalResult| Goal {
        class: if goal.passed { "good" } else { "bad" },
        word: if goal.passed { "✓ reached" } else { "✗ missed" },
        text: goal.goal.clone(),
        measured: goal.measured.map_or("nothing".to_owned(), |value| number(value, &goal.unit)),
        wanted: goal.wanted.map_or(String::new(), |value| number(value, &goal.unit)),
    };
    report.goals.iter().map(goal).collect()
}

fn rows(report: &Report) -> Vec<Row> {
    let performance = &report.performance;
    let row = |name, figures: Option<Figures>| {
        let f = figures?;
        let times = [f.mean_us, f.p50_us, f.p90_us, f.p95_us, f.p99_us, f.max_us].map(millis);
        let cells = [f.count.to_string(), format!("{:.1}", f.per_second)].into_iter().chain(times).collect();
        Some(Row { name, cells })
    };
    if performance.replayed.is_none() {
        return Vec::new();
    }
    let all = [
        row("recorded", performance.recorded),
        row("replayed", performance.replayed),
        row("from sending on", performance.service),
    ];
    all.into_iter().flatten().collect()
}

fn by_endpoint(endpoint: &Endpoint) -> ByEndpoint {
    let time = |figures: Option<Figures>, of: fn(Figures) -> u64| {
        figures.map_or("–".to_owned(), |figures| millis(of(figures)))
    };
    let (then, now) = (endpoint.recorded, endpoint.replayed);
    let name = format!("{} {}", endpoint.method, endpoint.path);
    ByEndpoint {
        name: name.chars().take(NAME).collect(),
        sent: endpoint.sent,
        failed: endpoint.different + endpoint.errors,
        times: [
            time(then, |f| f.p50_us),
            time(now, |f| f.p50_us),
            time(then, |f| f.p95_us),
            time(now, |f| f.p95_us),
        ],
    }
}

/// The results of the requests in one sentence.
pub fn success(report: &Report) -> String {
    let success = &report.success;
    let rate = success.rate.map_or("nothing was sent".to_owned(), |rate| {
        format!(
            "{}: {} of {} requests were answered as recorded",
            number(rate, "%"),
            success.same,
            success.sent
        )
    });
    let statuses: Vec<String> =
        success.statuses.iter().map(|(status, count)| format!("{status}: {count}")).collect();
    format!(
        "{rate}; {} in another way, {} not at all, {} never sent. By status: {}.",
        success.different,
        success.errors,
        success.not_sent,
        if statuses.is_empty() { "none".to_owned() } else { statuses.join(", ") }
    )
}

/// Both sides of a difference.
pub fn sides(difference: &Difference) -> Sides {
    let side = |value: &Option<String>| value.clone().unwrap_or_else(|| "(nothing)".to_owned());
    (difference.key.clone(), side(&difference.recorded), side(&difference.live))
}

/// A message as written on the wire.
pub fn raw(message: &Message) -> String {
    let headers: String = message.headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
    let cut = message.cut.map(|whole| format!("\n… ({whole} bytes in all)")).unwrap_or_default();
    format!("{}\n{headers}\n{}{cut}", message.head, message.body)
}

/// The results of the calls to backends in one sentence.
pub fn responder_line(responder: &super::model::Responder) -> String {
    let rate = responder.rate.map_or("No request came to a mocked backend".to_owned(), |rate| {
        format!(
            "{}: {} of {} requests to mocked backends were answered from the snapshot",
            number(rate, "%"),
            responder.matches,
            responder.requests
        )
    });
    let complete = if responder.complete { "" } else { " Some of it is missing." };
    format!("{rate}; {} missed, {} passed through.{complete}", responder.misses, responder.passthroughs)
}
