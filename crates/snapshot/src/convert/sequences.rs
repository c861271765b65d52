//! Which recorded answers are to the same request, for formats that tell them apart by a state. Asks the rules of matching, has none itself.

use crate::answerable::unanswerable;
use crate::convert::error::ConvertError;
use crate::reader::Snapshot;
use std::collections::HashMap;
use understudy_core::canonical::{RequestView, Signature};
use understudy_core::digest::Digest;
use understudy_core::exchange::Exchange;
use understudy_core::table::Sequence;

/// The place of an answer among those to the same request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    /// The number of the request, from 1; only requests with several answers are counted.
    pub(super) request: u64,
    /// From 1.
    pub(super) answer: u64,
    /// How many there are.
    pub(super) answers: u64,
}

/// What identifies an exchange's request.
pub(super) fn digest(exchange: &Exchange) -> Digest {
    let request = &exchange.request;
    let view = RequestView {
        backend: exchange.backend.as_bytes(),
        method: &request.method,
        path: &request.path,
        headers: &request.headers,
        body: &request.body.bytes,
    };
    Signature::of(&view).digest()
}

/// The positions of answers to requests that have several, by their lines in the snapshot.
pub(super) fn positions(snapshot: &Snapshot) -> Result<HashMap<u64, Position>, ConvertError> {
    let mut answers: HashMap<Digest, Vec<(u64, u64)>> = HashMap::new();
    for located in snapshot.exchanges()? {
        let located = located?;
        if unanswerable(&located.exchange).is_none() {
            answers.entry(digest(&located.exchange)).or_default().push((located.exchange.time, located.line));
        }
    }
    let mut several: Vec<_> = answers.into_values().filter(|lines| lines.len() > 1).collect();
    several.iter_mut().for_each(|lines| lines.sort_unstable());
    several.sort_unstable();
    let mut positions = HashMap::new();
    for (request, lines) in (1..).zip(&several) {
        for (answer, (_, line)) in (1..).zip(lines) {
            positions.insert(*line, Position { request, answer, answers: lines.len() as u64 });
        }
    }
    Ok(positions)
}

impl Position {
    /// The answer that comes next; `None` where this one stays. After the last of a sequence that ends in a miss comes one that isn't there.
    pub(super) fn next(&self, sequence: Sequence) -> Option<u64> {
        match sequence {
            _ if self.answer < self.answers => Some(self.answer + 1),
            Sequence::Cycle => Some(1),
            Sequence::StickLast => None,
            Sequence::Fail => Some(self.answers + 1),
        }
    }
}
