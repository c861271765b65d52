//! Counts how often each recorded call was made. A call that a build no longer makes is a change
//! too, although nothing misses.

use std::collections::HashMap;
use understudy_core::canonical::{RequestView, Signature};
use understudy_core::config::Mode;
use understudy_core::digest::Digest;
use understudy_core::exchange::Direction;
use understudy_core::rules::Rules;
use understudy_core::verdict::Verdict;
use understudy_replay::report::{Call, Calls};
use understudy_snapshot::Snapshot;
use understudy_snapshot::answerable::unanswerable;

/// Maximum number of changed calls that are listed.
const LISTED: usize = 1000;

/// Number of requests that matched each signature, by its digest.
#[derive(Default)]
pub(super) struct CallCounts(HashMap<Digest, u64>);

impl CallCounts {
    /// Counts a verdict, if it is a match.
    pub(super) fn add(&mut self, verdict: &Verdict) {
        if let Some(matched) = &verdict.matched {
            *self.0.entry(matched.digest).or_default() += 1;
        }
    }
}

/// Compares the recorded calls with those that were made.
pub(super) fn compare(snapshot: &Snapshot, rules: &Rules, made: &CallCounts) -> anyhow::Result<Calls> {
    let mut recorded: HashMap<Digest, Call> = HashMap::new();
    let mut order = Vec::new();
    let mut signature = Signature::default();
    for located in snapshot.exchanges()? {
        let exchange = located?.exchange;
        let mocked = exchange.direction == Direction::Outbound
            && snapshot.header().backend(&exchange.backend).mode == Mode::Mock
            && unanswerable(&exchange).is_none();
        if !mocked {
            continue;
        }
        signature.set(&RequestView::from(&exchange), rules);
        let digest = signature.digest();
        let call = recorded.entry(digest).or_insert_with(|| {
            order.push(digest);
            let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let (method, path) = (lossy(&exchange.request.method), lossy(&exchange.request.path));
            let operation = signature.get(b"operation").map(|operation| format!("  {}", lossy(operation)));
            let request = format!(" {method} {path}{}", operation.unwrap_or_default());
            Call {
                exchange: exchange.id.clone(),
                backend: exchange.backend.clone(),
                request,
                ..Call::default()
            }
        });
        call.recorded += 1;
    }
    let mut calls = Calls::default();
    for digest in order {
        let Some(mut call) = recorded.remove(&digest) else { continue };
        call.made = made.0.get(&digest).copied().unwrap_or(0);
        calls.dropped += call.recorded.saturating_sub(call.made);
        calls.extra += call.made.saturating_sub(call.recorded);
        if call.made != call.recorded && calls.changed.len() < LISTED {
            calls.changed.push(call);
        }
    }
    Ok(calls)
}
