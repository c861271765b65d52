//! Latencies of a run: a histogram of all, and one for each interval of time. Memory is bounded for
//! runs of any length: when there are too many intervals, neighbours are merged.

use crate::report::{Figures, Interval};
use hdrhistogram::Histogram;
use std::time::Duration;

/// Maximum number of intervals.
const INTERVALS: usize = 300;
/// Length of an interval at the start.
const FIRST: Duration = Duration::from_millis(250);
/// Number of significant digits of latencies.
const DIGITS: u8 = 3;
const DIGITS_OF_INTERVAL: u8 = 2;
/// Maximum latency: an hour, in microseconds.
const MAX: u64 = 3_600_000_000;

/// Latencies.
#[derive(Debug)]
pub struct Latencies {
    all: Histogram<u64>,
    last: Duration,
}

/// Latencies over time.
#[derive(Debug)]
pub struct Stats {
    latencies: Latencies,
    interval: Duration,
    intervals: Vec<Slot>,
}

#[derive(Debug)]
struct Slot {
    latencies: Option<Histogram<u32>>,
    failed: u64,
}

impl Default for Latencies {
    fn default() -> Self {
        Self { all: histogram(DIGITS), last: Duration::ZERO }
    }
}

impl Default for Stats {
    fn default() -> Self {
        Self { latencies: Latencies::default(), interval: FIRST, intervals: Vec::new() }
    }
}

/// An empty histogram that grows on demand.
fn histogram<C: hdrhistogram::Counter>(digits: u8) -> Histogram<C> {
    // The bounds and digits are constants within the crate's limits.
    Histogram::new_with_bounds(1, MAX, digits).unwrap_or_else(|_| unreachable!("the bounds are right"))
}

/// A duration in microseconds, within the bounds of histograms.
fn micros(latency: Duration) -> u64 {
    u64::try_from(latency.as_micros()).unwrap_or(MAX).clamp(1, MAX)
}

impl Latencies {
    /// Adds an answer that came `at` after the start.
    pub fn add(&mut self, at: Duration, latency: Duration) {
        self.last = self.last.max(at);
        self.all.saturating_record(micros(latency));
    }

    /// The figures. `None` without answers.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "microseconds, rounded"
    )]
    pub fn figures(&self) -> Option<Figures> {
        let at = |quantile| self.all.value_at_quantile(quantile).min(self.all.max());
        (!self.all.is_empty()).then(|| Figures {
            count: self.all.len(),
            per_second: self.all.len() as f64 / self.last.as_secs_f64().max(1e-6),
            mean_us: self.all.mean().round() as u64,
            p50_us: at(0.5),
            p90_us: at(0.9),
            p95_us: at(0.95),
            p99_us: at(0.99),
            max_us: self.all.max(),
        })
    }
}

impl Stats {
    /// Adds a request that was settled `at` after the start; `latency` is `None` without an answer.
    pub fn add(&mut self, at: Duration, latency: Option<Duration>, failed: bool) {
        self.latencies.last = self.latencies.last.max(at);
        if let Some(latency) = latency {
            self.latencies.add(at, latency);
        }
        let slot = self.slot(at);
        slot.failed += u64::from(failed);
        if let Some(latency) = latency {
            let all = slot.latencies.get_or_insert_with(|| histogram(DIGITS_OF_INTERVAL));
            all.saturating_record(micros(latency));
        }
    }

    fn slot(&mut self, at: Duration) -> &mut Slot {
        let number = |interval: Duration| usize::try_from(at.as_micros() / interval.as_micros()).unwrap_or(0);
        while number(self.interval) >= INTERVALS {
            self.halve();
        }
        let number = number(self.interval);
        while self.intervals.len() <= number {
            self.intervals.push(Slot { latencies: None, failed: 0 });
        }
        &mut self.intervals[number]
    }

    fn halve(&mut self) {
        self.interval *= 2;
        let mut old = std::mem::take(&mut self.intervals).into_iter();
        while let Some(mut slot) = old.next() {
            if let Some(next) = old.next() {
                slot.failed += next.failed;
                slot.latencies = match (slot.latencies, next.latencies) {
                    (Some(mut one), Some(other)) => {
                        // Both histograms have the same bounds.
                        let _ = one.add(other);
                        Some(one)
                    }
                    (one, other) => one.or(other),
                };
            }
            self.intervals.push(slot);
        }
    }

    /// Merges intervals until they are as long as `interval`.
    pub fn as_long_as(&mut self, interval: Duration) {
        while self.interval < interval {
            self.halve();
        }
    }

    /// Length of an interval.
    pub fn interval(&self) -> Duration {
        self.interval
    }

    /// The figures. `None` without answers.
    pub fn figures(&self) -> Option<Figures> {
        self.latencies.figures()
    }

    /// The intervals, in order.
    pub fn timeline(&self) -> Vec<Interval> {
        self.intervals
            .iter()
            .map(|slot| {
                let at = |quantile| slot.latencies.as_ref().map_or(0, |all| all.value_at_quantile(quantile));
                let count = slot.latencies.as_ref().map_or(0, Histogram::len);
                Interval { count, failed: slot.failed, p50_us: at(0.5), p95_us: at(0.95) }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests;
