//! Counters of the controller, as Prometheus text (exposition format 0.0.4).

use prometheus_client::encoding::prometheus_text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::collections::HashMap;
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Content type of [`Metrics::render`].
pub(crate) use prometheus_text::CONTENT_TYPE;

/// The first part of every name.
const PREFIX: &str = "understudy_controller";

/// One label and its value.
type Label = [(&'static str, String); 1];

/// Counters of the controller.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    /// 1 while this controller holds the lease.
    pub(crate) leader: Gauge,
    pub(crate) elections: Counter,
    pub(crate) status_writes: Counter,
    pub(crate) applied: Counter,
    pub(crate) deleted: Counter,
    pub(crate) watch_errors: Counter,
    errors: Family<Label, Counter>,
    replays: Family<Label, Gauge>,
    reconciled: Mutex<Reconciled>,
    /// State of each resource, by the resource's identifier: `replays` counts them.
    states: Mutex<HashMap<String, String>>,
}

/// Number and duration of all reconciliations.
#[derive(Debug, Default)]
struct Reconciled {
    count: u64,
    sum: Duration,
}

impl Default for Metrics {
    fn default() -> Self {
        let metrics = Self {
            registry: Registry::with_prefix(PREFIX),
            leader: Gauge::default(),
            elections: Counter::default(),
            status_writes: Counter::default(),
            applied: Counter::default(),
            deleted: Counter::default(),
            watch_errors: Counter::default(),
            errors: Family::default(),
            replays: Family::default(),
            reconciled: Mutex::default(),
            states: Mutex::default(),
        };
        metrics.registered()
    }
}

impl Metrics {
    /// Registers all metrics. The registry adds `_total` to counters, and a full stop to help
    /// texts.
    fn registered(mut self) -> Self {
        let registry = &mut self.registry;
        registry.register("leader", "1 if this controller holds the lease", self.leader.clone());
        registry.register("elections", "Times that this controller took the lease", self.elections.clone());
        registry.register(
            "reconcile_errors",
            "Failed reconciliations, which are retried, by error code",
            self.errors.clone(),
        );
        registry.register("status_writes", "Statuses written", self.status_writes.clone());
        registry.register("applied", "EnvoyFilters and jobs applied", self.applied.clone());
        registry.register("deleted", "EnvoyFilters and jobs deleted", self.deleted.clone());
        registry.register(
            "watch_errors",
            "Failed watches, which are started again",
            self.watch_errors.clone(),
        );
        registry.register(
            "replays",
            "TrafficReplay resources by the reason of their condition Ready",
            self.replays.clone(),
        );
        self
    }

    /// Counts one reconciliation.
    pub(crate) fn reconciled(&self, took: Duration) {
        let mut reconciled = self.reconciled.lock().unwrap_or_else(PoisonError::into_inner);
        reconciled.count = reconciled.count.saturating_add(1);
        reconciled.sum = reconciled.sum.saturating_add(took);
    }

    /// Counts one failure by the code of its error.
    pub(crate) fn failed(&self, code: &'static str) {
        self.errors.get_or_create(&[("code", code.to_owned())]).inc();
    }

    /// Sets the state of a resource; `None` if the resource is gone.
    pub(crate) fn replay(&self, uid: &str, state: Option<&str>) {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        let old = match state {
            Some(state) => states.insert(uid.to_owned(), state.to_owned()),
            None => states.remove(uid),
        };
        for state in old.as_deref().into_iter().chain(state) {
            let label = [("state", state.to_owned())];
            match states.values().filter(|known| *known == state).count() {
                0 => drop(self.replays.remove(&label)),
                count => {
                    self.replays.get_or_create(&label).set(i64::try_from(count).unwrap_or(i64::MAX));
                }
            }
        }
    }

    /// Forgets the states of all resources: another controller reports them.
    pub(crate) fn forget(&self) {
        self.states.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.replays.clear();
    }

    /// Everything as text.
    pub(crate) fn render(&self) -> String {
        let mut text = String::new();
        // Writing to a String doesn't fail.
        let _ = prometheus_text::encode(&mut text, &self.registry);
        let reconciled = self.reconciled.lock().unwrap_or_else(PoisonError::into_inner);
        // By hand: prometheus-client has no summaries.
        let _ = write!(
            text,
            "# HELP {PREFIX}_reconcile_seconds Duration of reconciliations.\n\
             # TYPE {PREFIX}_reconcile_seconds summary\n\
             {PREFIX}_reconcile_seconds_sum {}\n\
             {PREFIX}_reconcile_seconds_count {}\n",
            reconciled.sum.as_secs_f64(),
            reconciled.count
        );
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_keep_their_names_types_and_labels() {
        let metrics = Metrics::default();
        metrics.reconciled(Duration::from_millis(1500));
        metrics.failed("api-conflict");
        metrics.replay("a", Some("Responding"));
        metrics.replay("b", Some("Responding"));
        metrics.replay("c", Some("Settling"));
        metrics.replay("a", None);
        metrics.replay("c", Some("Running"));
        metrics.applied.inc();
        let text = metrics.render();
        let mut lines: Vec<_> = text
            .lines()
            .filter(|line| !line.starts_with("# HELP "))
            .map(|line| line.replace(PREFIX, ""))
            .collect();
        lines.sort();
        let mut expect = [
            "# TYPE _leader gauge",
            "_leader 0",
            "# TYPE _elections_total counter",
            "_elections_total 0",
            "# TYPE _reconcile_seconds summary",
            "_reconcile_seconds_sum 1.5",
            "_reconcile_seconds_count 1",
            "# TYPE _reconcile_errors_total counter",
            "_reconcile_errors_total{code=\"api-conflict\"} 1",
            "# TYPE _status_writes_total counter",
            "_status_writes_total 0",
            "# TYPE _applied_total counter",
            "_applied_total 1",
            "# TYPE _deleted_total counter",
            "_deleted_total 0",
            "# TYPE _watch_errors_total counter",
            "_watch_errors_total 0",
            "# TYPE _replays gauge",
            "_replays{state=\"Responding\"} 1",
            "_replays{state=\"Running\"} 1",
        ];
        expect.sort_unstable();
        assert_eq!(lines, expect);
        metrics.forget();
        assert!(!metrics.render().contains("_replays{"));
    }
}
