//! Proposes rules from a recording: which values change by themselves, and what speaks for it.
//!
//! `docs/reference/rules.md`, "What is learnt", says what counts as evidence. Each rule that comes out of here names its own. What
//! an earlier answer issued is never left out: it identifies. Never changes anything: applying is the caller's.

mod differs;
mod effect;
mod endpoint;
mod issued;
mod known;
pub mod miss;
mod pairs;
mod propose;
mod protobuf;
mod seen;

use differs::Differing;
use seen::Seen;
use understudy_core::config::Mode;
use understudy_core::exchange::{Direction, Exchange};
use understudy_core::rules::{Rule, Rules};
use understudy_snapshot::SnapshotError;
use understudy_snapshot::answerable::unanswerable;
use understudy_snapshot::feed;
use understudy_snapshot::{Snapshot, unsaid};

/// The rules that a recording speaks for, in order of backend, path and operation. With a second recording of the same run, what is
/// different in it is what changes, and what is the same doesn't.
///
/// # Errors
/// Where one of the snapshots can't be read.
pub fn learn(snapshot: &Snapshot, second: Option<&Snapshot>) -> Result<Vec<Rule>, SnapshotError> {
    let first = observe(snapshot)?;
    let compared = match second {
        Some(second) => Some(pairs::compare(&first, &observe(second)?)),
        None => None,
    };
    let mut singles = propose::proposals(&first, compared.as_ref());
    let rules = Rules::new(propose::joined(&singles));
    let mut differing = Differing::default();
    each(snapshot, |exchange| differing.add(exchange, &rules))?;
    singles.extend(differing.proposals());
    Ok(propose::joined(&singles))
}

/// Gives a snapshot the rules that it speaks for, where `about` takes them. What its rules say already stays as
/// it is. Gives the rules that were added.
///
/// # Errors
/// Where it can't be read, or its `snapshot.yaml` can't be written.
pub fn apply(snapshot: &mut Snapshot, about: &dyn Fn(&Rule) -> bool) -> Result<Vec<Rule>, SnapshotError> {
    let mut rules = snapshot.header().rules.clone();
    let learnt = learn(snapshot, None)?.into_iter().filter(|rule| about(rule));
    let added: Vec<Rule> = learnt.filter_map(|rule| unsaid(&rules, &rule)).collect();
    if !added.is_empty() {
        rules.extend(added.iter().cloned());
        snapshot.set_rules(rules)?;
    }
    Ok(added)
}

/// The rules of a snapshot with the learnt ones learnt anew; what a person wrote stays as it is.
///
/// # Errors
/// A snapshot can't be read.
pub fn renewed(snapshot: &Snapshot, second: Option<&Snapshot>) -> Result<Vec<Rule>, SnapshotError> {
    let mut rules = snapshot.header().rules.clone();
    rules.retain(|rule| !rule.is_learnt());
    let learnt = learn(snapshot, second)?;
    let added: Vec<Rule> = learnt.iter().filter_map(|rule| unsaid(&rules, rule)).collect();
    rules.extend(added);
    Ok(rules)
}

/// The effect of a second recording on the rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// The number of learnt rules before and after.
    pub rules: (usize, usize),
    /// The number of assumed rules before and after.
    pub assumed: (usize, usize),
}

/// Learns the rules of a snapshot anew with a second recording of the same run, and writes them.
/// What differs between the runs doesn't count, and what is the same counts.
///
/// # Errors
/// A snapshot can't be read, or `snapshot.yaml` can't be written.
pub fn settle(snapshot: &mut Snapshot, second: &Snapshot) -> Result<Settled, SnapshotError> {
    let count = |rules: &[Rule]| {
        let learnt = rules.iter().filter(|rule| rule.is_learnt());
        (learnt.clone().count(), learnt.filter(|rule| rule.assumed == Some(true)).count())
    };
    let rules = renewed(snapshot, Some(second))?;
    let (before, after) = (count(&snapshot.header().rules), count(&rules));
    if rules != snapshot.header().rules {
        snapshot.set_rules(rules)?;
    }
    Ok(Settled { rules: (before.0, after.0), assumed: (before.1, after.1) })
}

fn observe(snapshot: &Snapshot) -> Result<Seen, SnapshotError> {
    let mut seen = Seen::default();
    each(snapshot, |exchange| seen.request(exchange))?;
    feed::each(snapshot, |item| {
        seen.issued.answer(&item?.exchange);
        Ok::<_, SnapshotError>(())
    })?;
    Ok(seen)
}

/// Hands over the exchanges that are answered from.
fn each(snapshot: &Snapshot, mut take: impl FnMut(&Exchange)) -> Result<(), SnapshotError> {
    let header = snapshot.header();
    feed::each(snapshot, |item| {
        let exchange = &item?.exchange;
        let mocked =
            exchange.direction == Direction::Outbound && header.backend(&exchange.backend).mode == Mode::Mock;
        if mocked && unanswerable(exchange).is_none() {
            take(exchange);
        }
        Ok::<_, SnapshotError>(())
    })
}
