//! Which recorded answers are to the same request, for formats that tell them apart by a state. Asks the rules of matching, has none itself.

use crate::error::ConvertError;
use std::collections::{BTreeSet, HashMap};
use understudy_core::canonical::{RequestView, Signature};
use understudy_core::digest::{self, Digest};
use understudy_core::exchange::Exchange;
use understudy_core::header_family;
use understudy_core::headers::Headers;
use understudy_core::rules::Rules;
use understudy_core::table::Sequence;
use understudy_snapshot::Snapshot;
use understudy_snapshot::answerable::unanswerable;

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
    Signature::of(&RequestView::from(exchange), &Rules::default()).digest()
}

/// The path of an exchange's request in normal form, without the query.
pub(super) fn path(exchange: &Exchange) -> String {
    let signature = Signature::of(&RequestView::from(exchange), &Rules::default());
    String::from_utf8_lossy(signature.get(b"path").unwrap_or_default()).into_owned()
}

/// What is to be known of all exchanges before one can be written as a stub.
#[derive(Default)]
pub(super) struct Sequences {
    /// The positions of answers to requests that have several, by their lines in the snapshot.
    pub(super) positions: HashMap<u64, Position>,
    /// The headers that tell requests to one method and path apart, by [`place`].
    compared: HashMap<Digest, BTreeSet<String>>,
}

impl Sequences {
    /// The compared headers that this request doesn't have, and others to its method and path have.
    pub(super) fn absent(&self, exchange: &Exchange) -> impl Iterator<Item = &str> {
        let own: Vec<_> = compared(&exchange.request.headers).map(|(name, _)| name).collect();
        let all = self.compared.get(&place(exchange)).into_iter().flatten();
        all.map(String::as_str).filter(move |name| own.iter().all(|known| known != name))
    }
}

/// The headers that are part of what identifies a request, by their names in lower case.
pub(super) fn compared(headers: &Headers) -> impl Iterator<Item = (String, &[u8])> {
    let text = |name: &[u8]| String::from_utf8_lossy(name).to_ascii_lowercase();
    headers
        .iter()
        .filter(|(name, _)| header_family::identifies(name))
        .map(move |(name, value)| (text(name), value))
}

/// Backend, method and path.
fn place(exchange: &Exchange) -> Digest {
    let request = &exchange.request;
    digest::sha1(&[exchange.backend.as_bytes(), &request.method, &request.path].join(&b' '))
}

/// Looks at all exchanges of a snapshot.
pub(super) fn sequences(snapshot: &Snapshot) -> Result<Sequences, ConvertError> {
    let mut found = Sequences::default();
    let mut answers: HashMap<Digest, Vec<(u64, u64)>> = HashMap::new();
    for located in snapshot.exchanges()? {
        let located = located?;
        if unanswerable(&located.exchange).is_none() {
            let names = compared(&located.exchange.request.headers).map(|(name, _)| name);
            found.compared.entry(place(&located.exchange)).or_default().extend(names);
            answers.entry(digest(&located.exchange)).or_default().push((located.exchange.time, located.line));
        }
    }
    let mut several: Vec<_> = answers.into_values().filter(|lines| lines.len() > 1).collect();
    several.iter_mut().for_each(|lines| lines.sort_unstable());
    several.sort_unstable();
    for (request, lines) in (1..).zip(&several) {
        for (answer, (_, line)) in (1..).zip(lines) {
            found.positions.insert(*line, Position { request, answer, answers: lines.len() as u64 });
        }
    }
    Ok(found)
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
