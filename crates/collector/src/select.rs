//! Some of the exchanges of a capture store: of one service, from a time to a time, with some backends; each once.
//! Holds one batch, and of each VM which of its exchanges were seen. Never writes.

use std::collections::{HashMap, HashSet};

use understudy_core::backend::Pattern;
use understudy_core::exchange::{Direction, Exchange};
use understudy_core::sample::Sample;
use understudy_core::v1;

use crate::error::ReadError;
use crate::ranges::Ranges;
use crate::read::{Reader, StoredBatch};
use crate::wire::RecordKind;

/// Which exchanges. The default: all.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Of this service.
    pub service: Option<String>,
    /// That began at this time or later, in microseconds since 1970.
    pub from: Option<u64>,
    /// That began before this time.
    pub to: Option<u64>,
    /// With one of these backends; all where there are none. Inbound exchanges have no backend, and are always taken.
    pub backends: Vec<Pattern>,
}

impl Selection {
    fn takes(&self, exchange: &Exchange) -> bool {
        let in_time =
            self.from.is_none_or(|from| exchange.time >= from) && self.to.is_none_or(|to| exchange.time < to);
        let outbound = exchange.direction == Direction::Outbound;
        let with_backend = !outbound
            || self.backends.is_empty()
            || self.backends.iter().any(|pattern| pattern.matches(&exchange.backend));
        in_time && with_backend
    }
}

/// The exchanges of a store that a [`Selection`] takes, in the order in which they were stored.
pub struct Selected {
    reader: Reader,
    selection: Selection,
    batch: Option<StoredBatch>,
    seen: Seen,
    counts: Counts,
}

/// What came by so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Exchanges read, taken or not, but for those of other services. Each counts once.
    pub read: u64,
    /// How often one came again.
    pub repeated: u64,
    /// Which share of what there was the exchanges are that were taken; the smallest, where there are several.
    pub sample: Sample,
}

impl Selected {
    /// Those that `reader` has still to come.
    pub fn new(reader: Reader, selection: Selection) -> Self {
        Self { reader, selection, batch: None, seen: Seen::default(), counts: Counts::default() }
    }

    /// The next one, with the service that sent it; `None` at the end.
    ///
    /// # Errors
    /// A segment or a record can't be read. There is nothing more after that.
    pub async fn next(&mut self) -> Result<Option<(Exchange, Option<String>)>, ReadError> {
        loop {
            if let Some(batch) = &mut self.batch
                && let Some(record) = batch.next_record()?
            {
                if record.kind != RecordKind::Exchange {
                    continue;
                }
                let read = v1::read_record(&record.line).map_err(|error| batch.damaged(error))?;
                if !self.seen.insert(&read.exchange.id) {
                    self.counts.repeated += 1;
                    continue;
                }
                self.counts.read += 1;
                if self.selection.takes(&read.exchange) {
                    self.counts.sample = self.counts.sample.min(record.batch.sample);
                    return Ok(Some((read.exchange, record.batch.service.clone())));
                }
                continue;
            }
            self.batch = self.next_batch().await?;
            if self.batch.is_none() {
                return Ok(None);
            }
        }
    }

    /// What came by so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The next batch of the service that is asked for.
    async fn next_batch(&mut self) -> Result<Option<StoredBatch>, ReadError> {
        while let Some(batch) = self.reader.next_batch().await? {
            let wanted = self.selection.service.as_deref();
            if wanted.is_none() || batch.meta().service.as_deref() == wanted {
                return Ok(Some(batch));
            }
        }
        Ok(None)
    }
}

/// Identifiers that have come by. A filter numbers its exchanges, so that those of a VM are a few runs, however many they are.
#[derive(Default)]
pub(crate) struct Seen {
    numbered: HashMap<Box<str>, Ranges>,
    others: HashSet<Box<str>>,
}

impl Seen {
    /// Whether it is new.
    pub(crate) fn insert(&mut self, id: &str) -> bool {
        let Some((vm, number)) = numbered(id) else { return self.others.insert(id.into()) };
        match self.numbered.get_mut(vm) {
            Some(numbers) => numbers.insert(number),
            None => self.numbered.entry(vm.into()).or_default().insert(number),
        }
    }
}

/// What stands before the number at the end, and the number, where one spells the other.
fn numbered(id: &str) -> Option<(&str, u64)> {
    let digits = id.bytes().rev().take_while(u8::is_ascii_digit).count();
    let (vm, digits) = id.split_at(id.len() - digits);
    let number = digits.parse().ok().filter(|_| !digits.starts_with('0'))?;
    Some((vm, number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_is_new_once() {
        let mut seen = Seen::default();
        for id in ["a-1", "a-2", "b-1", "a-01", "a-0", "a-", "a", "1", "", "a-18446744073709551616"] {
            assert!(seen.insert(id), "{id}");
            assert!(!seen.insert(id), "{id}");
        }
    }

    #[test]
    fn a_vm_that_counts_is_a_few_runs() {
        let mut seen = Seen::default();
        // As they end, not as they began.
        for number in (1..10_000).map(|n: u64| n ^ 1) {
            assert!(seen.insert(&format!("9f86d081884c7d65-{number}")));
        }
        assert_eq!(seen.numbered.len(), 1);
        assert!(seen.numbered.values().all(|numbers| numbers.runs() < 3));
    }
}
