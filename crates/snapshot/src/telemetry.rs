//! Finds the backends that receive only telemetry while a snapshot is being written, and the lines
//! of their exchanges. The caller decides whether an exchange delivers telemetry.

use hashbrown::HashSet;
use std::collections::BTreeMap;
use understudy_core::exchange::{Direction, Exchange};

/// Traffic of each backend so far. Memory grows by 8 bytes for each exchange that delivers
/// telemetry.
#[derive(Debug)]
pub(crate) struct Telemetry {
    /// True if an exchange delivers telemetry.
    is_telemetry: fn(&Exchange) -> bool,
    backends: BTreeMap<String, Seen>,
}

/// Kind of traffic that one backend received.
#[derive(Debug)]
enum Seen {
    /// Only telemetry, with the offsets of its lines.
    Telemetry(Vec<u64>),
    /// Other exchanges too.
    Other,
}

impl Telemetry {
    pub(crate) fn new(is_telemetry: fn(&Exchange) -> bool) -> Self {
        Self { is_telemetry, backends: BTreeMap::new() }
    }

    /// Counts an exchange whose line begins at the offset `line`.
    pub(crate) fn add(&mut self, exchange: &Exchange, line: u64) {
        if exchange.direction == Direction::Inbound {
            return;
        }
        if !self.backends.contains_key(&exchange.backend) {
            self.backends.insert(exchange.backend.clone(), Seen::Telemetry(Vec::new()));
        }
        let Some(seen) = self.backends.get_mut(&exchange.backend) else { return };
        match seen {
            Seen::Telemetry(lines) if (self.is_telemetry)(exchange) => lines.push(line),
            _ => *seen = Seen::Other,
        }
    }

    /// The backends that received only telemetry, and the number of their exchanges.
    pub(crate) fn backends(&self) -> impl Iterator<Item = (&str, u64)> {
        self.backends.iter().filter_map(|(name, seen)| match seen {
            Seen::Telemetry(lines) => Some((name.as_str(), lines.len() as u64)),
            Seen::Other => None,
        })
    }

    /// Offsets of the lines of these backends.
    pub(crate) fn lines(&self) -> HashSet<u64> {
        let lines = self.backends.values().filter_map(|seen| match seen {
            Seen::Telemetry(lines) => Some(lines),
            Seen::Other => None,
        });
        lines.flatten().copied().collect()
    }
}
