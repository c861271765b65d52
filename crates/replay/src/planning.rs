//! From a snapshot and settings to a plan.

use crate::carry::Carries;
use crate::compare::{Baseline, Comparer};
use crate::drive::Plan;
use crate::error::Error;
use crate::goal::Goal;
use crate::noise::{self, ServiceInputs};
use crate::recording::Recording;
use crate::report::Report;
use crate::settings::Settings;
use std::collections::BTreeMap;
use understudy_core::exchange::Direction;
use understudy_core::redact::{Redactor, contains_token};
use understudy_snapshot::Snapshot;

/// Plans the replay of a snapshot. `goals` may name requests, which are then counted separately.
/// Returns notes for the report with the plan.
///
/// # Errors
/// The snapshot can't be read, or has no inbound exchanges.
pub fn plan<'a>(
    snapshot: &Snapshot,
    settings: &Settings,
    goals: impl Iterator<Item = &'a Goal>,
    baseline: Option<&Report>,
) -> Result<(Plan, Vec<String>), Error> {
    let recording = Recording::read(snapshot)?;
    let mut rules = settings.noise.clone();
    if settings.learn_noise {
        let mut inputs = ServiceInputs::default();
        for located in snapshot.exchanges()? {
            let exchange = located?.exchange;
            if exchange.direction == Direction::Outbound {
                inputs.backend(&exchange);
            }
        }
        // The last rule about a place decides, so the rules of the settings come last.
        let mut learnt = noise::learn(recording.steps(), inputs);
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

/// Notes about requests that can't be sent, or not as recorded.
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
            "{count} requests send a placeholder at {place}, since the recording contains no secrets: write the real value under `set` in replay.yaml"
        ));
    }
    notes
}
