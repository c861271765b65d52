//! What the collector counts, as numbers for callers and as Prometheus text (exposition format 0.0.4).
//! A dozen counters and one histogram: written by hand, as a crate for it would be longer than this.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::wire::Batch;

/// Upper bounds in microseconds: from a fast SSD's fsync to a disk in trouble.
const BOUNDS_US: [u64; 12] =
    [100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 500_000, 2_500_000];

/// What was counted since the collector started.
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
    /// Records that filters said they have dropped.
    pub filter_dropped: u64,
    /// How often the disk or the object store failed.
    pub store_errors: u64,
    /// Segments closed but not put away.
    pub unsealed_segments: u64,
}

#[derive(Default)]
pub(crate) struct Metrics {
    batches: AtomicU64,
    exchanges: AtomicU64,
    verdicts: AtomicU64,
    bytes: AtomicU64,
    duplicates: AtomicU64,
    filter_dropped: AtomicU64,
    store_errors: AtomicU64,
    unsealed: AtomicU64,
    sealed: AtomicU64,
    joined: AtomicU64,
    join_errors: AtomicU64,
    rejected: Mutex<BTreeMap<&'static str, u64>>,
    fsync: Histogram,
}

/// Each bucket counts what is in it alone; they are summed up when shown.
#[derive(Default)]
struct Histogram {
    buckets: [AtomicU64; BOUNDS_US.len() + 1],
    sum_us: AtomicU64,
}

/// What is known elsewhere and shown with the counters.
pub(crate) struct Gauges {
    pub(crate) missing: u64,
    pub(crate) vms: usize,
    pub(crate) open_segment_bytes: u64,
    pub(crate) in_flight_bytes: u64,
    pub(crate) writable: bool,
}

impl Metrics {
    pub(crate) fn stored(&self, batch: &Batch, dropped: u64) {
        self.batches.fetch_add(1, Relaxed);
        self.exchanges.fetch_add(batch.exchanges, Relaxed);
        self.verdicts.fetch_add(batch.verdicts, Relaxed);
        self.bytes.fetch_add(batch.body.len() as u64, Relaxed);
        self.filter_dropped.fetch_add(dropped, Relaxed);
    }

    pub(crate) fn duplicate(&self) {
        self.duplicates.fetch_add(1, Relaxed);
    }

    pub(crate) fn rejected(&self, code: &'static str) {
        *self.rejected.lock().unwrap_or_else(PoisonError::into_inner).entry(code).or_default() += 1;
    }

    pub(crate) fn store_error(&self) {
        self.store_errors.fetch_add(1, Relaxed);
    }

    /// A segment has to be put away.
    pub(crate) fn closed(&self) {
        self.unsealed.fetch_add(1, Relaxed);
    }

    /// A segment is put away.
    pub(crate) fn sealed(&self) {
        self.unsealed.fetch_sub(1, Relaxed);
        self.sealed.fetch_add(1, Relaxed);
    }

    /// So many objects are one now.
    pub(crate) fn joined(&self, objects: u64) {
        self.joined.fetch_add(objects, Relaxed);
    }

    pub(crate) fn join_error(&self) {
        self.join_errors.fetch_add(1, Relaxed);
    }

    pub(crate) fn unsealed(&self) -> u64 {
        self.unsealed.load(Relaxed)
    }

    pub(crate) fn fsync(&self, latency: Duration) {
        let us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.fsync.buckets[BOUNDS_US.partition_point(|bound| *bound < us)].fetch_add(1, Relaxed);
        self.fsync.sum_us.fetch_add(us, Relaxed);
    }

    pub(crate) fn stats(&self, missing_batches: u64) -> Stats {
        Stats {
            batches: self.batches.load(Relaxed),
            exchanges: self.exchanges.load(Relaxed),
            verdicts: self.verdicts.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            duplicates: self.duplicates.load(Relaxed),
            rejected: self.rejected.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            missing_batches,
            filter_dropped: self.filter_dropped.load(Relaxed),
            store_errors: self.store_errors.load(Relaxed),
            unsealed_segments: self.unsealed.load(Relaxed),
        }
    }

    /// Everything as Prometheus text.
    pub(crate) fn render(&self, gauges: &Gauges) -> String {
        let stats = self.stats(gauges.missing);
        let mut text = Text(String::new());
        text.one("batches_total", "counter", "Batches stored.", stats.batches);
        text.one("exchanges_total", "counter", "Exchanges stored.", stats.exchanges);
        text.one("verdicts_total", "counter", "Verdicts stored.", stats.verdicts);
        text.one("bytes_total", "counter", "Bytes stored, uncompressed.", stats.bytes);
        text.one(
            "duplicates_total",
            "counter",
            "Batches sent again that were stored already.",
            stats.duplicates,
        );
        text.one("filter_dropped_total", "counter", "Records that filters dropped.", stats.filter_dropped);
        text.one(
            "store_errors_total",
            "counter",
            "Failures of the disk or object store.",
            stats.store_errors,
        );
        text.one("segments_sealed_total", "counter", "Segments put away.", self.sealed.load(Relaxed));
        text.one("objects_joined_total", "counter", "Small objects joined.", self.joined.load(Relaxed));
        text.one("join_errors_total", "counter", "Failures to join.", self.join_errors.load(Relaxed));
        text.head("rejected_total", "counter", "Requests refused, by the code of the error.");
        for (code, n) in &stats.rejected {
            text.line("rejected_total", &format!("{{reason=\"{code}\"}}"), n);
        }
        text.one(
            "missing_batches",
            "gauge",
            "Batches missing below the highest seq of each VM.",
            gauges.missing,
        );
        text.one("vms", "gauge", "VMs remembered.", gauges.vms as u64);
        text.one(
            "open_segment_bytes",
            "gauge",
            "Durable bytes of the open segment.",
            gauges.open_segment_bytes,
        );
        text.one("unsealed_segments", "gauge", "Segments closed but not put away.", stats.unsealed_segments);
        text.one("in_flight_bytes", "gauge", "Bytes of bodies in memory.", gauges.in_flight_bytes);
        text.one("store_writable", "gauge", "1 if the last write went well.", u64::from(gauges.writable));
        self.fsync.render(&mut text);
        text.0
    }
}

impl Histogram {
    fn render(&self, text: &mut Text) {
        text.head("fsync_seconds", "histogram", "How long an fsync of the open segment takes.");
        let mut sum = 0;
        for (n, bucket) in self.buckets.iter().enumerate() {
            sum += bucket.load(Relaxed);
            let bound = BOUNDS_US.get(n).map_or("+Inf".to_owned(), |us| seconds(*us));
            text.line("fsync_seconds_bucket", &format!("{{le=\"{bound}\"}}"), sum);
        }
        text.line("fsync_seconds_sum", "", seconds(self.sum_us.load(Relaxed)));
        text.line("fsync_seconds_count", "", sum);
    }
}

fn seconds(us: u64) -> String {
    format!("{}", us as f64 / 1e6)
}

struct Text(String);

impl Text {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let name = format!("understudy_collector_{name}");
        // Writing to a String doesn't fail.
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    fn line(&mut self, name: &str, labels: &str, value: impl std::fmt::Display) {
        let _ = writeln!(self.0, "understudy_collector_{name}{labels} {value}");
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: u64) {
        self.head(name, kind, help);
        self.line(name, "", value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_sums_up_and_has_its_bounds() {
        let metrics = Metrics::default();
        for us in [100, 101, 3_000_000] {
            metrics.fsync(Duration::from_micros(us));
        }
        let gauges = Gauges { missing: 2, vms: 1, open_segment_bytes: 9, in_flight_bytes: 0, writable: true };
        metrics.rejected("too-large");
        let text = metrics.render(&gauges);
        for line in [
            "fsync_seconds_bucket{le=\"0.0001\"} 1",
            "fsync_seconds_bucket{le=\"0.00025\"} 2",
            "fsync_seconds_bucket{le=\"2.5\"} 2",
            "fsync_seconds_bucket{le=\"+Inf\"} 3",
            "fsync_seconds_sum 3.000201",
            "fsync_seconds_count 3",
            "missing_batches 2",
            "rejected_total{reason=\"too-large\"} 1",
        ] {
            assert!(text.contains(&format!("\nunderstudy_collector_{line}\n")), "{line} in {text}");
        }
    }
}
