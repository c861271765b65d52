//! The collector's counters, as numbers for callers and as OpenMetrics text for Prometheus. Names,
//! types and labels are documented in `docs/how-to/run-the-collector.md` and don't change.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::wire::Batch;

/// The content type of [`Metrics::render`].
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Upper bounds in seconds, from an fsync of a fast SSD to a disk in trouble.
const FSYNC_BOUNDS: [f64; 12] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5];

/// The counts since the collector started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Batches stored.
    pub batches: u64,
    /// Exchanges stored.
    pub exchanges: u64,
    /// Verdicts stored.
    pub verdicts: u64,
    /// Bytes stored, uncompressed.
    pub bytes: u64,
    /// Batches that were stored already.
    pub duplicates: u64,
    /// Requests refused, by the code of the error.
    pub rejected: BTreeMap<&'static str, u64>,
    /// Batches missing now, below the highest `seq` of each VM.
    pub missing_batches: u64,
    /// Records that filters reported as dropped.
    pub filter_dropped: u64,
    /// Failures of the disk or the object store.
    pub store_errors: u64,
    /// Closed segments that aren't sealed.
    pub unsealed_segments: u64,
}

/// The label set of `rejected_total`.
type Reason = [(&'static str, &'static str); 1];

pub(crate) struct Metrics {
    registry: Registry,
    batches: Counter,
    exchanges: Counter,
    verdicts: Counter,
    bytes: Counter,
    duplicates: Counter,
    filter_dropped: Counter,
    store_errors: Counter,
    sealed: Counter,
    compacted: Counter,
    compact_errors: Counter,
    rejected: Family<Reason, Counter>,
    /// The codes with a counter in `rejected`.
    rejected_codes: Mutex<BTreeSet<&'static str>>,
    missing: Gauge,
    vms: Gauge,
    open_segment_bytes: Gauge,
    unsealed: Gauge,
    in_flight_bytes: Gauge,
    writable: Gauge,
    fsync: Histogram,
}

/// Values that other parts of the collector own, shown beside the counters.
pub(crate) struct CurrentValues {
    pub(crate) missing: u64,
    pub(crate) vms: usize,
    pub(crate) open_segment_bytes: u64,
    pub(crate) in_flight_bytes: usize,
    pub(crate) writable: bool,
}

impl Default for Metrics {
    fn default() -> Metrics {
        let mut registry = Registry::with_prefix("understudy_collector");
        // The exporter appends `_total` to the name of a counter.
        let mut counter = |name: &str, help: &str| {
            let counter = Counter::default();
            registry.register(name, help, counter.clone());
            counter
        };
        let batches = counter("batches", "Batches stored");
        let exchanges = counter("exchanges", "Exchanges stored");
        let verdicts = counter("verdicts", "Verdicts stored");
        let bytes = counter("bytes", "Bytes stored, uncompressed");
        let duplicates = counter("duplicates", "Batches sent again that were stored already");
        let filter_dropped = counter("filter_dropped", "Records that filters dropped");
        let store_errors = counter("store_errors", "Failures of the disk or object store");
        let sealed = counter("segments_sealed", "Segments sealed");
        let compacted = counter("objects_joined", "Small objects compacted");
        let compact_errors = counter("join_errors", "Failures to compact");
        let rejected = Family::default();
        registry.register("rejected", "Requests refused, by the code of the error", rejected.clone());
        let mut gauge = |name: &str, help: &str| {
            let gauge = Gauge::default();
            registry.register(name, help, gauge.clone());
            gauge
        };
        let missing = gauge("missing_batches", "Batches missing below the highest seq of each VM");
        let vms = gauge("vms", "VMs remembered");
        let open_segment_bytes = gauge("open_segment_bytes", "Durable bytes of the open segment");
        let unsealed = gauge("unsealed_segments", "Segments closed but not sealed");
        let in_flight_bytes = gauge("in_flight_bytes", "Bytes of bodies in memory");
        let writable = gauge("store_writable", "1 if the last write succeeded");
        let fsync = Histogram::new(FSYNC_BOUNDS);
        registry.register("fsync_seconds", "Duration of an fsync of the open segment", fsync.clone());
        Metrics {
            registry,
            batches,
            exchanges,
            verdicts,
            bytes,
            duplicates,
            filter_dropped,
            store_errors,
            sealed,
            compacted,
            compact_errors,
            rejected,
            rejected_codes: Mutex::default(),
            missing,
            vms,
            open_segment_bytes,
            unsealed,
            in_flight_bytes,
            writable,
            fsync,
        }
    }
}

impl Metrics {
    pub(crate) fn stored(&self, batch: &Batch, dropped: u64) {
        self.batches.inc();
        self.exchanges.inc_by(batch.exchanges);
        self.verdicts.inc_by(batch.verdicts);
        self.bytes.inc_by(batch.body.len() as u64);
        self.filter_dropped.inc_by(dropped);
    }

    pub(crate) fn duplicate(&self) {
        self.duplicates.inc();
    }

    pub(crate) fn rejected(&self, code: &'static str) {
        self.rejected_codes.lock().unwrap_or_else(PoisonError::into_inner).insert(code);
        self.rejected.get_or_create(&[("reason", code)]).inc();
    }

    pub(crate) fn store_error(&self) {
        self.store_errors.inc();
    }

    /// A segment was closed and has to be sealed.
    pub(crate) fn segment_closed(&self) {
        self.unsealed.inc();
    }

    pub(crate) fn segment_sealed(&self) {
        self.unsealed.dec();
        self.sealed.inc();
    }

    /// This many objects were compacted into one.
    pub(crate) fn compacted(&self, objects: u64) {
        self.compacted.inc_by(objects);
    }

    pub(crate) fn compact_error(&self) {
        self.compact_errors.inc();
    }

    /// The number of segments closed but not sealed.
    pub(crate) fn unsealed(&self) -> u64 {
        u64::try_from(self.unsealed.get()).unwrap_or(0)
    }

    pub(crate) fn fsync(&self, latency: Duration) {
        self.fsync.observe(latency.as_secs_f64());
    }

    pub(crate) fn stats(&self, missing_batches: u64) -> Stats {
        let codes = self.rejected_codes.lock().unwrap_or_else(PoisonError::into_inner);
        let rejected = codes.iter().map(|code| {
            let counter = self.rejected.get_or_create(&[("reason", *code)]);
            (*code, counter.get())
        });
        Stats {
            batches: self.batches.get(),
            exchanges: self.exchanges.get(),
            verdicts: self.verdicts.get(),
            bytes: self.bytes.get(),
            duplicates: self.duplicates.get(),
            rejected: rejected.collect(),
            missing_batches,
            filter_dropped: self.filter_dropped.get(),
            store_errors: self.store_errors.get(),
            unsealed_segments: self.unsealed(),
        }
    }

    /// All metrics as OpenMetrics text.
    pub(crate) fn render(&self, current: &CurrentValues) -> String {
        self.missing.set(saturated(current.missing));
        self.vms.set(saturated(current.vms));
        self.open_segment_bytes.set(saturated(current.open_segment_bytes));
        self.in_flight_bytes.set(saturated(current.in_flight_bytes));
        self.writable.set(current.writable.into());
        let mut text = String::new();
        // Writing to a `String` doesn't fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

fn saturated(value: impl TryInto<i64>) -> i64 {
    value.try_into().unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_rendered_keep_names_types_and_values() {
        let metrics = Metrics::default();
        for us in [100, 101, 3_000_000] {
            metrics.fsync(Duration::from_micros(us));
        }
        let current =
            CurrentValues { missing: 2, vms: 1, open_segment_bytes: 9, in_flight_bytes: 0, writable: true };
        metrics.rejected("too-large");
        let text = metrics.render(&current);
        for line in [
            "fsync_seconds_bucket{le=\"0.0001\"} 1",
            "fsync_seconds_bucket{le=\"0.00025\"} 2",
            "fsync_seconds_bucket{le=\"2.5\"} 2",
            "fsync_seconds_bucket{le=\"+Inf\"} 3",
            "fsync_seconds_sum 3.000201",
            "fsync_seconds_count 3",
            "missing_batches 2",
            "rejected_total{reason=\"too-large\"} 1",
            "batches_total 0",
        ] {
            assert!(text.contains(&format!("\nunderstudy_collector_{line}\n")), "{line} in {text}");
        }
        for (name, kind) in [
            ("batches", "counter"),
            ("rejected", "counter"),
            ("vms", "gauge"),
            ("fsync_seconds", "histogram"),
        ] {
            let line = format!("# TYPE understudy_collector_{name} {kind}\n");
            assert!(text.contains(&line), "{line} in {text}");
        }
        assert!(text.ends_with("# EOF\n"), "{text}");
    }
}
