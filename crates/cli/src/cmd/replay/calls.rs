//! How often each recorded call was made: what a build doesn't ask any more is a change too, though nothing misses.

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

/// So many calls are named.
const NAMED: usize = 1000;

/// How often each signature was asked, by its digest.
#[derive(Default)]
pub(super) struct Made(HashMap<Digest, u64>);

impl Made {
    pub(super) fn add(&mut self, verdict: &Verdict) {
        if let Some(matched) = &verdict.matched {
            *self.0.entry(matched.digest).or_default() += 1;
        }
    }
}

/// Compares what was recorded with what was made.
pub(super) fn compare(snapshot: &Snapshot, rules: &Rules, made: &Made) -> anyhow::Result<Calls> {
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
        if call.made != call.recorded && calls.changed.len() < NAMED {
            calls.changed.push(call);
        }
    }
    Ok(calls)
}
