//! The queue of records for the collector. Records are gathered into batches, which are sent until
//! the collector acknowledges them.
//!
//! Memory is bounded: records that don't fit are dropped and counted, and the next batch states the
//! count. The outbox has no clock and does no I/O: times are arguments, batches are bytes.

use crate::config::OutboxConfig;
use crate::sample::Sample;
use crate::v1;
use std::collections::VecDeque;

/// The maximum number of batches in flight.
const IN_FLIGHT_MAX: usize = 4;
/// The longest wait before a batch is sent again, in milliseconds, unless the collector requests a
/// longer one.
const BACKOFF_MAX_MS: u64 = 5_000;
/// The longest wait that a collector can request, in milliseconds.
const RETRY_AFTER_MAX_MS: u64 = 60_000;

/// The collector's reply to a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CollectorReply {
    /// The batch is acknowledged: every record is durable.
    Acknowledged,
    /// Send the batch again, after this many milliseconds if the collector stated a wait.
    Retry(Option<u64>),
    /// The collector will never accept this batch.
    Refused,
}

impl CollectorReply {
    /// The meaning of an HTTP status. `None`: the collector didn't reply.
    pub fn from_status(status: Option<u16>, retry_after_s: Option<u64>) -> Self {
        match status {
            Some(200..=299) => Self::Acknowledged,
            Some(429 | 500..=599) | None => Self::Retry(retry_after_s.map(|s| s.saturating_mul(1000))),
            Some(_) => Self::Refused,
        }
    }
}

/// Totals of records. `captured = delivered + dropped + waiting` holds between calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Passed to the outbox.
    pub captured: u64,
    /// Acknowledged by the collector.
    pub delivered: u64,
    /// Dropped: the queue was full, or the collector refused the batch.
    pub dropped: u64,
}

#[derive(Debug)]
struct QueuedBatch {
    seq: u64,
    bytes: Vec<u8>,
    records: u64,
    attempts: u32,
    not_before: u64,
    in_flight: bool,
}

/// The queue of one VM's records for the collector.
#[derive(Debug)]
pub struct Outbox {
    vm: String,
    service: Option<String>,
    sample: Sample,
    flush_ms: u64,
    batch_max: usize,
    queue_max: usize,
    open: Vec<u8>,
    open_records: u64,
    open_since: u64,
    sealed: VecDeque<QueuedBatch>,
    sealed_bytes: usize,
    seq: u64,
    totals: Totals,
}

impl Outbox {
    /// An outbox for the VM of this name.
    pub fn new(vm: String, service: Option<String>, collector: &OutboxConfig) -> Self {
        Self {
            vm,
            service,
            sample: Sample::WHOLE,
            flush_ms: u64::from(collector.flush_interval_ms),
            batch_max: usize::try_from(collector.batch_max_bytes).unwrap_or(usize::MAX),
            queue_max: usize::try_from(collector.queue_max_bytes).unwrap_or(usize::MAX),
            open: Vec::new(),
            open_records: 0,
            open_since: 0,
            sealed: VecDeque::new(),
            sealed_bytes: 0,
            seq: 0,
            totals: Totals::default(),
        }
    }

    /// The outbox, for exchanges that are this share of the traffic.
    #[must_use]
    pub fn sampled(self, sample: Sample) -> Self {
        Self { sample, ..self }
    }

    /// The totals so far.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// Adds a record at `now` (milliseconds). `write` appends its line. Returns `false` if the
    /// record was dropped.
    pub fn push(&mut self, now: u64, write: impl FnOnce(&mut Vec<u8>)) -> bool {
        self.totals.captured = self.totals.captured.saturating_add(1);
        let start = self.open.len();
        if self.room() == 0 {
            self.drop_records(1);
            return false;
        }
        write(&mut self.open);
        if self.sealed_bytes.saturating_add(self.open.len()) > self.queue_max {
            self.open.truncate(start);
            self.drop_records(1);
            return false;
        }
        if self.open_records == 0 {
            self.open_since = now;
        }
        self.open_records = self.open_records.saturating_add(1);
        if self.open.len() >= self.batch_max {
            self.seal();
        }
        true
    }

    /// The next batch to send at `now` (milliseconds): its number and its bytes. The batch is in
    /// flight until [`Self::replied`].
    pub fn next(&mut self, now: u64) -> Option<(u64, &[u8])> {
        if self.open_records > 0 && now.saturating_sub(self.open_since) >= self.flush_ms {
            self.seal();
        }
        if self.sealed.iter().filter(|batch| batch.in_flight).count() >= IN_FLIGHT_MAX {
            return None;
        }
        let batch = self.sealed.iter_mut().find(|batch| !batch.in_flight && batch.not_before <= now)?;
        batch.in_flight = true;
        Some((batch.seq, &batch.bytes))
    }

    /// Handles the collector's reply to a batch at `now` (milliseconds).
    pub fn replied(&mut self, seq: u64, reply: CollectorReply, now: u64) {
        let Some(at) = self.sealed.iter().position(|batch| batch.seq == seq && batch.in_flight) else {
            return;
        };
        if let CollectorReply::Retry(after) = reply {
            if let Some(batch) = self.sealed.get_mut(at) {
                batch.in_flight = false;
                batch.attempts = batch.attempts.saturating_add(1);
                let backoff =
                    100_u64.checked_shl(batch.attempts.min(16)).unwrap_or(BACKOFF_MAX_MS).min(BACKOFF_MAX_MS);
                batch.not_before = now.saturating_add(after.unwrap_or(backoff).min(RETRY_AFTER_MAX_MS));
            }
            return;
        }
        if let Some(batch) = self.sealed.remove(at) {
            self.sealed_bytes = self.sealed_bytes.saturating_sub(batch.bytes.len());
            if reply == CollectorReply::Acknowledged {
                self.totals.delivered = self.totals.delivered.saturating_add(batch.records);
            } else {
                self.drop_records(batch.records);
            }
        }
    }

    fn seal(&mut self) {
        self.seq = self.seq.saturating_add(1);
        let mut bytes = Vec::with_capacity(self.open.len().saturating_add(128));
        let (service, sample) = (self.service.as_deref(), self.sample);
        v1::write_sampled_batch(&self.vm, self.seq, self.totals.dropped, service, sample, &mut bytes);
        bytes.append(&mut self.open);
        self.sealed_bytes = self.sealed_bytes.saturating_add(bytes.len());
        let records = std::mem::take(&mut self.open_records);
        self.sealed.push_back(QueuedBatch {
            seq: self.seq,
            bytes,
            records,
            attempts: 0,
            not_before: 0,
            in_flight: false,
        });
    }

    fn room(&self) -> usize {
        self.queue_max.saturating_sub(self.sealed_bytes).saturating_sub(self.open.len())
    }

    fn drop_records(&mut self, records: u64) {
        self.totals.dropped = self.totals.dropped.saturating_add(records);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outbox(queue: u32) -> Outbox {
        let json = format!(
            r#"{{"cluster":"c","batch_max_bytes":1024,"queue_max_bytes":{queue},"flush_interval_ms":100}}"#
        );
        Outbox::new("vm".into(), None, &serde_json::from_str(&json).unwrap())
    }

    fn push(outbox: &mut Outbox, now: u64, size: usize) -> bool {
        outbox.push(now, |out| {
            out.extend(std::iter::repeat_n(b'x', size - 1));
            out.push(b'\n');
        })
    }

    fn next(outbox: &mut Outbox, now: u64) -> Option<(u64, String)> {
        outbox.next(now).map(|(seq, bytes)| (seq, String::from_utf8(bytes.to_vec()).unwrap()))
    }

    #[test]
    fn batch_is_sent_when_old_or_full() {
        let mut outbox = outbox(4096);
        push(&mut outbox, 0, 10);
        assert_eq!(next(&mut outbox, 99), None);
        let (seq, bytes) = next(&mut outbox, 100).unwrap();
        assert_eq!((seq, bytes.lines().count()), (1, 2));
        assert!(bytes.starts_with(r#"{"type":"batch","v":1,"vm":"vm","seq":1,"dropped":0}"#));
        push(&mut outbox, 100, 1024);
        assert_eq!(next(&mut outbox, 100).unwrap().0, 2);
        outbox.replied(1, CollectorReply::Acknowledged, 100);
        outbox.replied(2, CollectorReply::Acknowledged, 100);
        assert_eq!(outbox.totals(), Totals { captured: 2, delivered: 2, dropped: 0 });
    }

    #[test]
    fn batch_is_resent_unchanged_until_acknowledged() {
        let mut outbox = outbox(4096);
        push(&mut outbox, 0, 10);
        let first = next(&mut outbox, 100).unwrap();
        assert_eq!(next(&mut outbox, 100), None, "the batch is in flight");
        outbox.replied(1, CollectorReply::from_status(Some(503), Some(2)), 100);
        assert_eq!(next(&mut outbox, 2099), None);
        assert_eq!(next(&mut outbox, 2100).unwrap(), first);
        for _ in 0..40 {
            outbox.replied(1, CollectorReply::from_status(None, None), 5000);
            assert_eq!(next(&mut outbox, 10_000).unwrap(), first);
        }
        outbox.replied(1, CollectorReply::from_status(Some(204), None), 10_000);
        outbox.replied(1, CollectorReply::from_status(Some(204), None), 10_000);
        assert_eq!(outbox.totals(), Totals { captured: 1, delivered: 1, dropped: 0 });
    }

    #[test]
    fn record_without_room_is_dropped_and_reported() {
        let mut outbox = outbox(2048);
        assert!(push(&mut outbox, 0, 1000));
        assert!(push(&mut outbox, 0, 900));
        assert!(!push(&mut outbox, 0, 900), "over queue_max_bytes");
        assert_eq!(outbox.totals().dropped, 1);
        assert!(next(&mut outbox, 0).unwrap().1.contains(r#""dropped":0"#), "sealed before the drop");
        outbox.replied(1, CollectorReply::Refused, 0);
        assert_eq!(outbox.totals(), Totals { captured: 3, delivered: 0, dropped: 3 });
        push(&mut outbox, 0, 1024);
        assert!(next(&mut outbox, 0).unwrap().1.contains(r#""seq":2,"dropped":3"#));
    }

    #[cfg(not(target_family = "wasm"))]
    proptest::proptest! {
        #[test]
        fn every_record_is_counted(steps in proptest::collection::vec((0u8..6, 1usize..700), 0..200)) {
            let mut outbox = outbox(3000);
            let (mut now, mut flying) = (0, Vec::new());
            for (what, size) in steps {
                now += 40;
                match what {
                    0..=2 => { push(&mut outbox, now, size); }
                    3 => flying.extend(next(&mut outbox, now).map(|(seq, _)| seq)),
                    _ => if let Some(seq) = flying.pop() {
                        let answers = [CollectorReply::Acknowledged, CollectorReply::Retry(None), CollectorReply::Refused];
                        outbox.replied(seq, answers[size % 3], now);
                    },
                }
                let waiting: u64 = outbox.open_records + outbox.sealed.iter().map(|b| b.records).sum::<u64>();
                let totals = outbox.totals();
                proptest::prop_assert_eq!(totals.captured, totals.delivered + totals.dropped + waiting);
                proptest::prop_assert!(outbox.sealed_bytes + outbox.open.len() <= 3000 + 128 * outbox.sealed.len());
            }
        }
    }
}
