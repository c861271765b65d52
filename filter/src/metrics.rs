//! Envoy's counters for what the engine counts: `understudy.backend.BACKEND.VERDICT` and
//! `understudy.records.*`.

use crate::host;
use std::collections::BTreeMap;
use understudy_core::engine::{COUNTERS, Counts};
use understudy_core::outbox::Totals;

/// Envoy's counters, each defined when it is first wanted.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    backends: BTreeMap<(usize, usize), Option<u32>>,
    records: [Option<u32>; 3],
    told: Totals,
}

impl Metrics {
    /// Adds to a backend's counters.
    pub(crate) fn add(&mut self, backend: usize, name: &str, counts: &Counts) {
        for (which, (verdict, count)) in COUNTERS.iter().zip(counts).enumerate() {
            if *count == 0 {
                continue;
            }
            let define = || host::define_counter(&format!("understudy.backend.{name}.{verdict}"));
            if let Some(id) = self.backends.entry((backend, which)).or_insert_with(define) {
                host::increment(*id, *count);
            }
        }
    }

    /// Brings the counters of records up to the outbox's totals.
    pub(crate) fn records(&mut self, totals: Totals) {
        let now = [totals.captured, totals.delivered, totals.dropped];
        let before = [self.told.captured, self.told.delivered, self.told.dropped];
        let names = ["captured", "delivered", "dropped"];
        for (((slot, name), now), before) in self.records.iter_mut().zip(names).zip(now).zip(before) {
            let more = now.saturating_sub(before);
            if more == 0 {
                continue;
            }
            *slot = slot.or_else(|| host::define_counter(&format!("understudy.records.{name}")));
            if let Some(id) = *slot {
                host::increment(id, more);
            }
        }
        self.told = totals;
    }
}
