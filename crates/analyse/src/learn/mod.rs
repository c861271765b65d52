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
