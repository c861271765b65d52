//! What the controller counts, as Prometheus text (exposition format 0.0.4).

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What the controller counts.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    pub(crate) leader: AtomicBool,
    /// How often it has become the leader.
    pub(crate) elected: AtomicU64,
    reconciled: AtomicU64,
    reconcile_us: AtomicU64,
    pub(crate) status_writes: AtomicU64,
    pub(crate) applied: AtomicU64,
    pub(crate) deleted: AtomicU64,
    pub(crate) watch_errors: AtomicU64,
    failed: Mutex<BTreeMap<&'static str, u64>>,
    /// Resources by whether they're active, and the reason of `Ready`.
    replays: Mutex<BTreeMap<String, String>>,
}

impl Metrics {
    pub(crate) fn reconciled(&self, took: Duration) {
        self.reconciled.fetch_add(1, Relaxed);
        self.reconcile_us.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Relaxed);
    }

    pub(crate) fn failed(&self, code: &'static str) {
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner).entry(code).or_default() += 1;
    }

    /// How a resource is doing; `None`: it's gone.
    pub(crate) fn replay(&self, uid: &str, state: Option<&str>) {
        let mut replays = self.replays.lock().unwrap_or_else(PoisonError::into_inner);
        match state {
            Some(state) => replays.insert(uid.to_owned(), state.to_owned()),
            None => replays.remove(uid),
        };
    }

    /// Nothing is known of any resource any more.
    pub(crate) fn forget(&self) {
        self.replays.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    pub(crate) fn render(&self) -> String {
        let mut text = String::new();
        let mut one = |name: &str, kind: &str, help: &str, lines: &[(String, String)]| {
            // Writing to a String doesn't fail.
            let _ = write!(
                text,
                "# HELP understudy_controller_{name} {help}\n# TYPE understudy_controller_{name} {kind}\n"
            );
            for (labels, value) in lines {
                let _ = writeln!(text, "understudy_controller_{name}{labels} {value}");
            }
        };
        let plain = |value: u64| vec![(String::new(), value.to_string())];
        let counter = |counter: &AtomicU64| plain(counter.load(Relaxed));
        one(
            "leader",
            "gauge",
            "1 if this is the one that works.",
            &plain(u64::from(self.leader.load(Relaxed))),
        );
        one("elections_total", "counter", "How often it became the leader.", &counter(&self.elected));
        let seconds = self.reconcile_us.load(Relaxed) as f64 / 1e6;
        let sum = vec![
            ("_sum".to_owned(), seconds.to_string()),
            ("_count".to_owned(), self.reconciled.load(Relaxed).to_string()),
        ];
        one("reconcile_seconds", "summary", "How long it took to look at a resource.", &sum);
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        let failed: Vec<_> =
            failed.iter().map(|(code, n)| (format!("{{code=\"{code}\"}}"), n.to_string())).collect();
        one(
            "reconcile_errors_total",
            "counter",
            "Failures, which are tried again, by the code of the error.",
            &failed,
        );
        one("status_writes_total", "counter", "Statuses written.", &counter(&self.status_writes));
        one("applied_total", "counter", "Resources of a replay applied.", &counter(&self.applied));
        one("deleted_total", "counter", "Resources of a replay deleted.", &counter(&self.deleted));
        one(
            "watch_errors_total",
            "counter",
            "Failures of watches, which begin again.",
            &counter(&self.watch_errors),
        );
        let mut states = BTreeMap::<String, u64>::new();
        for state in self.replays.lock().unwrap_or_else(PoisonError::into_inner).values() {
            *states.entry(state.clone()).or_default() += 1;
        }
        let states: Vec<_> =
            states.iter().map(|(state, n)| (format!("{{state=\"{state}\"}}"), n.to_string())).collect();
        one("replays", "gauge", "TrafficReplay resources, by the reason of their condition Ready.", &states);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_shown() {
        let metrics = Metrics::default();
        metrics.reconciled(Duration::from_millis(1500));
        metrics.failed("api-conflict");
        metrics.replay("a", Some("Responding"));
        metrics.replay("b", Some("Responding"));
        metrics.replay("a", None);
        let text = metrics.render();
        for line in [
            "leader 0",
            "reconcile_seconds_sum 1.5",
            "reconcile_seconds_count 1",
            "reconcile_errors_total{code=\"api-conflict\"} 1",
            "replays{state=\"Responding\"} 1",
        ] {
            assert!(text.contains(&format!("\nunderstudy_controller_{line}\n")), "{line} in {text}");
        }
    }
}
