//! From the results of a run to its report.

use crate::drive::{Driven, Plan};
use crate::goal::Goal;
use crate::report::{Carried, Ending, How, Logs, Performance, Report, Responder, TYPE, VERSION};
use crate::tally::lossy;
use std::time::{SystemTime, UNIX_EPOCH};
use understudy_core::exchange::Exchange;
use understudy_core::time;
use understudy_snapshot::Snapshot;

/// Maximum number of characters of a recorded value in the report.
const SHOWN: usize = 80;

/// Facts about a run that are not measured.
#[derive(Debug, Default)]
pub struct About {
    /// The build that was tested.
    pub build_tag: Option<String>,
    /// `full-replay`, `generator-only`, `responder-only`.
    pub mode: String,
    /// Address to which requests were sent.
    pub target: Option<String>,
    /// The service's calls to its backends, if they were mocked.
    pub responder: Option<Responder>,
    /// The end of the service's output.
    pub logs: Option<Logs>,
    /// Notes for the reader.
    pub notes: Vec<String>,
    /// Goals of the run.
    pub goals: Vec<Goal>,
}

/// Makes the report. If nothing was sent, `outcome` is the ending with the reason.
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
