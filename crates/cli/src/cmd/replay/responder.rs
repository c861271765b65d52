//! What the service asked its backends, as the report tells it.

use super::calls;
use crate::capture;
use crate::session::Finished;
use std::collections::{HashMap, VecDeque};
use std::path::Path;
use understudy_collector::RecordKind;
use understudy_core::canonical::{RequestView, Signature};
use understudy_core::config::Mode;
use understudy_core::digest::{Digest, sha1};
use understudy_core::exchange::{Direction, Exchange};
use understudy_core::rules::Rules;
use understudy_core::time;
use understudy_core::v1::{self, Record};
use understudy_core::verdict::{Kind, Verdict};
use understudy_replay::report::{Asked, Responder, Whole};
use understudy_replay::{request_message, share};
use understudy_snapshot::Snapshot;

/// So many requests that matched are listed.
const LISTED: usize = 20_000;
/// So many of those that didn't are shown in full.
const IN_FULL: usize = 500;
/// Requests that didn't match are kept to the last byte up to so many bytes together, their answers included.
const WHOLE: usize = 32 << 20;
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
    let mut answers = answers(store, snapshot).await?;
    let mut room = WHOLE;
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
            let mut asked = asked(&record, verdict, &rules, in_full);
            if !matched {
                asked.whole = whole(record.exchange, &mut answers, &mut room).map(Box::new);
            }
            responder.verdicts.push(asked);
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

/// What real backends have answered, by the request, each in its order.
type Answers = HashMap<Digest, VecDeque<Exchange>>;

/// The exchanges with real backends that were let through.
async fn answers(store: &Path, snapshot: &Snapshot) -> anyhow::Result<Answers> {
    let mut answers = Answers::new();
    let mut room = WHOLE;
    capture::each(store, RecordKind::Exchange, |record| {
        let exchange = record.exchange;
        let size = exchange.response.as_ref().map_or(0, |response| response.body.bytes.len());
        let mocked = snapshot.header().backend(&exchange.backend).mode == Mode::Mock;
        if mocked && exchange.direction == Direction::Outbound && size <= room {
            room -= size;
            answers.entry(request_of(&exchange)).or_default().push_back(exchange);
        }
        Ok(())
    })
    .await?;
    Ok(answers)
}

/// What tells a request from others: all of it, and whom it asks.
fn request_of(exchange: &Exchange) -> Digest {
    let (backend, request) = (exchange.backend.clone(), exchange.request.clone());
    let mut line = Vec::new();
    v1::write_record(&Exchange { backend, request, ..Exchange::default() }, None, &mut line);
    sha1(&line)
}

/// The request to the last byte, with its answer where one came. Not where it was cut, or there is no room left.
fn whole(asked: Exchange, answers: &mut Answers, room: &mut usize) -> Option<Whole> {
    let answered = answers.get_mut(&request_of(&asked)).and_then(VecDeque::pop_front);
    let whole = Whole(answered.unwrap_or(asked));
    *room = room.checked_sub(whole.size()).filter(|_| whole.0.request.body.truncated.is_none())?;
    Some(whole)
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
        whole: None,
    }
}
