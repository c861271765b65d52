//! Selects exchanges of a capture store by service, time and backend, each exchange once. Holds one
//! batch, and for each VM the identifiers seen. Never writes.

use std::collections::{HashMap, HashSet};

use understudy_core::backend::Pattern;
use understudy_core::exchange::{Direction, Exchange};
use understudy_core::sample::Sample;
use understudy_core::v1;

use crate::error::ReadError;
use crate::ranges::Ranges;
use crate::read::{Reader, StoredBatch};
use crate::wire::RecordKind;

/// Selection of exchanges. The default selects all.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Only exchanges of this service.
    pub service: Option<String>,
    /// Only exchanges that began at this time or later, in microseconds since 1970.
    pub from: Option<u64>,
    /// Only exchanges that began before this time.
    pub to: Option<u64>,
    /// Only exchanges with one of these backends; an empty list selects all. Inbound exchanges have
    /// no backend and are always selected.
    pub backends: Vec<Pattern>,
}

impl Selection {
    fn selects(&self, exchange: &Exchange) -> bool {
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
    seen: SeenIds,
    counts: SelectionCounts,
}

/// The counts so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SelectionCounts {
    /// Exchanges read, selected or not, except those of other services. Each counts once.
    pub read: u64,
    /// The number of repeated exchanges.
    pub repeated: u64,
    /// The share of all exchanges that the selected ones are a sample of; the smallest, if there
    /// are several.
    pub sample: Sample,
}

impl Selected {
    /// Selects from the batches that `reader` has yet to return.
    pub fn new(reader: Reader, selection: Selection) -> Self {
        Self { reader, selection, batch: None, seen: SeenIds::default(), counts: SelectionCounts::default() }
    }

    /// The next exchange, with the service that sent it; `None` at the end.
    ///
    /// # Errors
    /// A segment or a record can't be read. Nothing follows after that.
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
                if self.selection.selects(&read.exchange) {
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

    /// The counts so far.
    pub fn counts(&self) -> SelectionCounts {
        self.counts
    }

    /// The next batch of the selected service.
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

/// The identifiers seen so far. A filter numbers its exchanges, so the identifiers of a VM are a
/// few runs, however many there are.
#[derive(Default)]
pub(crate) struct SeenIds {
    numbered: HashMap<Box<str>, Ranges>,
    others: HashSet<Box<str>>,
}

impl SeenIds {
    /// Adds an identifier and returns whether it is new.
    pub(crate) fn insert(&mut self, id: &str) -> bool {
        let Some((vm, number)) = numbered(id) else { return self.others.insert(id.into()) };
        match self.numbered.get_mut(vm) {
            Some(numbers) => numbers.insert(number),
            None => self.numbered.entry(vm.into()).or_default().insert(number),
        }
    }
}

/// Splits an identifier into the part before its number, and the number, if the two give the same
/// text again.
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
    fn identifier_added_twice_is_new_once() {
        let mut seen = SeenIds::default();
        for id in ["a-1", "a-2", "b-1", "a-01", "a-0", "a-", "a", "1", "", "a-18446744073709551616"] {
            assert!(seen.insert(id), "{id}");
            assert!(!seen.insert(id), "{id}");
        }
    }

    #[test]
    fn identifiers_numbered_by_a_vm_are_a_few_runs() {
        let mut seen = SeenIds::default();
        // Exchanges are sent in the order of their ends, not of their beginnings.
        for number in (1..10_000).map(|n: u64| n ^ 1) {
            assert!(seen.insert(&format!("9f86d081884c7d65-{number}")));
        }
        assert_eq!(seen.numbered.len(), 1);
        assert!(seen.numbered.values().all(|numbers| numbers.runs() < 3));
    }
}
