//! From a snapshot and settings to a plan, and from what was driven to a report.

use crate::carry::Carries;
use crate::compare::{Baseline, Comparer};
use crate::drive::{Driven, Plan};
use crate::error::Error;
use crate::goal::Goal;
use crate::noise::{self, Told};
use crate::recording::Recording;
use crate::report::{Carried, Ending, How, Logs, Performance, Report, Responder, TYPE, VERSION};
use crate::settings::Settings;
use crate::tally::lossy;
use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};
use understudy_core::exchange::{Direction, Exchange};
use understudy_core::redact::{Redactor, contains_token};
use understudy_core::time;
use understudy_snapshot::Snapshot;

/// Recorded values in the report are cut to so many characters.
const SHOWN: usize = 80;

/// What a report says of a run besides what was measured.
#[derive(Debug, Default)]
pub struct About {
    /// The build that was tested.
    pub build_tag: Option<String>,
    /// `full-replay`, `generator-only`, `responder-only`.
    pub mode: String,
    /// Where the requests went.
    pub target: Option<String>,
    /// What the service asked its backends, where they were mocked.
    pub responder: Option<Responder>,
    /// What the service said.
    pub logs: Option<Logs>,
    /// What a reader should know.
    pub notes: Vec<String>,
    /// What the run is to reach.
    pub goals: Vec<Goal>,
}

/// Makes a plan of a snapshot: `goals` are those that a person says. Gives with it what a reader of the report should know.
///
/// # Errors
/// The snapshot can't be read, or nobody calls the service in it.
pub fn plan<'a>(
    snapshot: &Snapshot,
    settings: &Settings,
    goals: impl Iterator<Item = &'a Goal>,
    baseline: Option<&Report>,
) -> Result<(Plan, Vec<String>), Error> {
    let recording = Recording::read(snapshot)?;
    let mut rules = settings.noise.clone();
    if settings.learn_noise {
        let mut told = Told::default();
        for located in snapshot.exchanges()? {
            let exchange = located?.exchange;
            if exchange.direction == Direction::Outbound {
                told.backend(&exchange);
            }
        }
        // What a person says wins: the last rule does.
        let mut learnt = noise::learn(recording.steps(), told);
        learnt.append(&mut rules);
        rules = learnt;
    }
    let carries = Carries::learn(recording.steps(), &settings.carry);
    let watched = goals.filter_map(|goal| goal.requests().cloned()).collect();
    let comparer = Comparer {
        headers: settings.headers.clone(),
        rules,
        baseline: baseline.map(differences_of).unwrap_or_default(),
        redactor: snapshot.header().redaction.as_ref().map(Redactor::new),
    };
    let plan = Plan { recording, carries, set: settings.set.clone(), comparer, watched };
    let notes = notes(&plan);
    Ok((plan, notes))
}

fn differences_of(baseline: &Report) -> Baseline {
    let places = |pair: &crate::report::Pair| {
        let all = pair.differences.iter().filter(|difference| difference.key != "status");
        (pair.exchange.clone(), all.map(|difference| (difference.key.clone(), difference.change)).collect())
    };
    baseline.pairs.iter().filter(|pair| !pair.differences.is_empty()).map(places).collect()
}

/// What is sent in other words than recorded, or not at all.
fn notes(plan: &Plan) -> Vec<String> {
    let mut notes = Vec::new();
    let mut left_out: BTreeMap<&str, u64> = BTreeMap::new();
    for left in plan.recording.left_out() {
        *left_out.entry(left.why).or_default() += 1;
    }
    for (why, count) in left_out {
        let requests = if count == 1 { "request" } else { "requests" };
        notes.push(format!("{count} recorded {requests} can't be sent: {why}"));
    }
    let mut secrets: BTreeMap<String, u64> = BTreeMap::new();
    for (number, step) in plan.recording.steps().iter().enumerate() {
        let mut request = step.request.clone();
        for set in &plan.set {
            set.apply(&mut request);
        }
        for (at, value) in crate::place::of_request(&request) {
            if contains_token(&value) && !plan.carries.is_carried_to(number, &at) {
                *secrets.entry(at.to_string()).or_default() += 1;
            }
        }
    }
    for (place, count) in secrets {
        notes.push(format!(
            "{count} requests send a placeholder at {place}, since the recording holds no secrets: give the real one under `set` in replay.yaml"
        ));
    }
    notes
}

/// Makes the report. Without `driven`, nothing was sent: `end` says why.
pub fn report(
    snapshot: &Snapshot,
    plan: Option<&Plan>,
    outcome: Result<Driven, Ending>,
    about: About,
) -> Report {
    let header = snapshot.header();
    let mut report = Report {
        kind: TYPE.to_owned(),
        v: VERSION,
        passed: false,
        snapshot: header.name.clone(),
        service: header.service.clone(),
        build_tag: about.build_tag,
        mode: about.mode,
        target: about.target,
        started: rfc3339(SystemTime::now()),
        duration_us: 0,
        end: Ending { how: How::Complete, detail: String::new() },
        goals: Vec::new(),
        success: crate::report::Success::default(),
        performance: Performance::default(),
        endpoints: Vec::new(),
        responder: about.responder,
        pairs: Vec::new(),
        ignored: Vec::new(),
        carried: Vec::new(),
        logs: about.logs,
        notes: about.notes,
    };
    match outcome {
        Ok(driven) => take(&mut report, plan, driven),
        Err(end) => {
            report.end = end;
            report.success.not_sent = plan.map_or(0, |plan| plan.recording.steps().len() as u64);
        }
    }
    report.goals = about.goals.iter().map(|goal| goal.judge(&report)).collect();
    report.passed = report.end.how == How::Complete && report.goals.iter().all(|goal| goal.passed);
    report
}

fn take(report: &mut Report, plan: Option<&Plan>, mut driven: Driven) {
    report.started = rfc3339(driven.started);
    report.duration_us = u64::try_from(driven.duration.as_micros()).unwrap_or(u64::MAX);
    report.end = driven.end;
    let tally = &mut driven.tally;
    report.success = tally.success();
    report.ignored = tally.ignored();
    let interval = tally.latency.interval().max(driven.recorded.interval());
    tally.latency.as_long_as(interval);
    driven.recorded.as_long_as(interval);
    report.performance = Performance {
        recorded: driven.recorded.figures(),
        replayed: tally.latency.figures(),
        service: tally.service.figures(),
        interval_us: u64::try_from(interval.as_micros()).unwrap_or(u64::MAX),
        recorded_timeline: driven.recorded.timeline(),
        timeline: tally.latency.timeline(),
    };
    report.endpoints = tally.endpoints.rows();
    report.pairs = std::mem::take(&mut tally.pairs);
    if let Some(plan) = plan {
        let steps = plan.recording.steps();
        report.carried = carried(plan, steps, &tally.missing);
    }
}

fn carried(plan: &Plan, steps: &[Exchange], missing: &std::collections::HashMap<usize, u64>) -> Vec<Carried> {
    let all = plan.carries.all().iter().enumerate();
    all.map(|(number, carry)| Carried {
        from: steps[carry.from].id.clone(),
        from_at: carry.from_at.to_string(),
        recorded: lossy(&carry.recorded).chars().take(SHOWN).collect(),
        to: carry.to.iter().map(|(step, at)| (steps[*step].id.clone(), at.to_string())).collect(),
        told: carry.told,
        missing: missing.get(&number).copied().unwrap_or(0),
    })
    .collect()
}

fn rfc3339(at: SystemTime) -> String {
    let micros = at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros());
    time::to_rfc3339(u64::try_from(micros).unwrap_or(0))
}
