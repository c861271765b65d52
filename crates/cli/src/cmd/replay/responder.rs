//! What the service asked its backends, as the report tells it.

use super::calls;
use crate::capture;
use crate::session::Finished;
use std::path::Path;
use understudy_collector::RecordKind;
use understudy_core::canonical::{RequestView, Signature};
use understudy_core::rules::Rules;
use understudy_core::time;
use understudy_core::v1::Record;
use understudy_core::verdict::{Kind, Verdict};
use understudy_replay::report::{Asked, Responder};
use understudy_replay::{request_message, share};
use understudy_snapshot::Snapshot;

/// So many requests that matched are listed.
const LISTED: usize = 20_000;
/// So many of those that didn't are shown in full.
const IN_FULL: usize = 500;
/// A value in a signature is cut to so many characters.
const VALUE: usize = 400;

/// Reads the verdicts in a collector's store. `counted`: why calls can't be counted, where they can't.
pub(super) async fn of(
    store: &Path,
    snapshot: &Snapshot,
    finished: &Finished,
    counted: Result<(), String>,
) -> anyhow::Result<Responder> {
    let mut responder = Responder {
        complete: finished.is_complete(),
        not_understood: finished.not_understood("refused"),
        ..Responder::default()
    };
    let mut made = calls::Made::default();
    let rules = Rules::new(snapshot.header().rules.clone());
    capture::each(store, RecordKind::Verdict, |record| {
        let Some(verdict) = &record.verdict else { return Ok(()) };
        match verdict.kind {
            Kind::Match => responder.matches += 1,
            Kind::Miss => responder.misses += 1,
            Kind::Passthrough => responder.passthroughs += 1,
        }
        made.add(verdict);
        let matched = verdict.kind == Kind::Match;
        if matched && responder.verdicts.len() >= LISTED {
            responder.not_listed += 1;
        } else {
            let in_full = responder.verdicts.len() < IN_FULL || !matched;
            responder.verdicts.push(asked(&record, verdict, &rules, in_full));
        }
        Ok(())
    })
    .await?;
    responder.requests = responder.matches + responder.misses + responder.passthroughs;
    responder.rate = share(responder.matches, responder.requests);
    responder.verdicts.sort_by(|a, b| {
        let order = |asked: &Asked| (asked.verdict == "match", asked.time.clone());
        order(a).cmp(&order(b))
    });
    match counted {
        Ok(()) => responder.calls = Some(calls::compare(snapshot, &rules, &made)?),
        Err(why) => responder.no_calls = Some(why),
    }
    Ok(responder)
}

fn asked(record: &Record, verdict: &Verdict, rules: &Rules, in_full: bool) -> Asked {
    let exchange = &record.exchange;
    let signature = Signature::of(&RequestView::from(exchange), rules);
    let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let method = lossy(&exchange.request.method);
    let operation = match signature.get(b"operation") {
        Some(operation) => format!("{method} {}", lossy(operation)),
        None => method,
    };
    let cut = |bytes: &[u8]| lossy(bytes).chars().take(VALUE).collect::<String>();
    let fields = || signature.fields().map(|(key, value)| (lossy(key), cut(value))).collect();
    Asked {
        time: time::to_rfc3339(exchange.time),
        backend: exchange.backend.clone(),
        operation,
        location: lossy(&exchange.request.path),
        verdict: match verdict.kind {
            Kind::Match => "match",
            Kind::Miss => "miss",
            Kind::Passthrough => "passthrough",
        }
        .to_owned(),
        status: verdict.status,
        exchange: verdict.matched.as_ref().map(|matched| matched.exchange.clone()),
        signature: if in_full { fields() } else { Vec::new() },
        reason: verdict.reason.map(|reason| reason.message().to_owned()),
        nearest: verdict.nearest.iter().take(3).cloned().collect(),
        request: (in_full && verdict.kind != Kind::Match).then(|| request_message(exchange)),
    }
}
