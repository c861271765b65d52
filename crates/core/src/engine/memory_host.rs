//! A host without a proxy: for the offline matcher, tests and benchmarks.

use super::host::{Host, Side};
use crate::digest::Digest;
use std::collections::BTreeMap;

/// A host whose answers are its fields. Sequences and remembered values live in memory.
#[derive(Clone, Debug)]
pub struct MemoryHost {
    /// The time, in microseconds since 1970.
    pub clock: u64,
    /// Added to the clock before each reading, in microseconds.
    pub clock_step: u64,
    /// The number of times that the clock was read.
    pub clock_reads: u32,
    /// The body of the current callback.
    pub body: Vec<u8>,
    /// The protocol of the stream.
    pub protocol: String,
    /// Whether a response is the backend's.
    pub backend_answered: bool,
    /// Whether the client left before its stream ended.
    pub client_left: bool,
    /// The request headers that the engine removed.
    pub removed_headers: Vec<String>,
    /// The turn of every signature. `None`: turns are counted.
    pub fixed_turn: Option<u64>,
    /// The next turn of each signature.
    pub turns: BTreeMap<Digest, u64>,
    /// Recorded values by the live values that stand for them.
    pub recorded_values: BTreeMap<u64, u64>,
}

impl Default for MemoryHost {
    fn default() -> Self {
        Self {
            clock: 0,
            clock_step: 0,
            clock_reads: 0,
            body: Vec::new(),
            protocol: "HTTP/1.1".to_owned(),
            backend_answered: true,
            client_left: false,
            removed_headers: Vec::new(),
            fixed_turn: None,
            turns: BTreeMap::new(),
            recorded_values: BTreeMap::new(),
        }
    }
}

impl MemoryHost {
    /// A host with this body at hand.
    pub fn with_body(body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..Self::default() }
    }
}

impl Host for MemoryHost {
    fn now(&mut self) -> u64 {
        self.clock_reads = self.clock_reads.saturating_add(1);
        self.clock = self.clock.saturating_add(self.clock_step);
        self.clock
    }

    fn remove_request_header(&mut self, name: &str) {
        self.removed_headers.push(name.to_owned());
    }

    fn body(&mut self, _side: Side, start: usize, max: usize) -> Vec<u8> {
        self.body.iter().skip(start).take(max).copied().collect()
    }

    fn protocol(&mut self) -> String {
        self.protocol.clone()
    }

    fn backend_answered(&mut self) -> bool {
        self.backend_answered
    }

    fn client_left(&mut self) -> bool {
        self.client_left
    }

    fn next_turn(&mut self, _table: &Digest, signature: &Digest) -> u64 {
        if let Some(turn) = self.fixed_turn {
            return turn;
        }
        let next = self.turns.entry(*signature).or_default();
        let turn = *next;
        *next = next.saturating_add(1);
        turn
    }

    fn recorded_value(&mut self, _table: &Digest, live: u64) -> Option<u64> {
        self.recorded_values.get(&live).copied()
    }

    fn remember_value(&mut self, _table: &Digest, live: u64, recorded: u64) {
        self.recorded_values.insert(live, recorded);
    }

    fn restart_sequences(&mut self, _table: &Digest) {
        self.turns.clear();
        self.recorded_values.clear();
    }
}
