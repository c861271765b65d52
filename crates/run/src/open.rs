//! Opens a snapshot whose rules are used.

use crate::observer::{Event, Observer};
use std::path::Path;
use understudy_analyse::learn;
use understudy_snapshot::Snapshot;

/// Opens a snapshot. Rules that an earlier version learnt are learnt anew, in memory, because their
/// evidence is too weak: a request could get the answer to another one. `snapshot.yaml` stays as it
/// is.
///
/// # Errors
/// The snapshot can't be read.
pub fn open_snapshot(path: &Path, observer: &dyn Observer) -> anyhow::Result<Snapshot> {
    let snapshot = Snapshot::open(path)?;
    let outdated = snapshot.header().rules.iter().filter(|rule| rule.is_outdated()).count();
    if outdated == 0 {
        return Ok(snapshot);
    }
    let rules = learn::renewed(&snapshot, None)?;
    observer.event(&Event::RulesRenewed { snapshot: path, outdated: outdated as u64 });
    Ok(snapshot.with_rules(rules))
}
