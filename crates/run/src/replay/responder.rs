//! The service's calls to its backends, as the report lists them.

use super::calls;
use crate::session::Finished;
use crate::store::each_record;
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
use understudy_core::verdict::{ClassCounts, Kind, Verdict};
use understudy_replay::report::{JudgedCall, Responder, WholeRequest};
use understudy_replay::{request_message, share};
use understudy_snapshot::Snapshot;

/// Maximum number of matches that are listed.
const LISTED: usize = 20_000;
/// Maximum number of matches that are listed with their signatures.
const IN_FULL: usize = 500;
/// Maximum total size, in bytes, of the requests that did not match and are kept whole, with their
/// answers.
const WHOLE: usize = 32 << 20;
/// Maximum number of characters of a value in a signature.
const VALUE: usize = 400;

/// Reads the verdicts in a collector's store. `comparable`: whether calls can be compared with the
/// recorded ones, else why not.
pub(super) async fn read<T>(
    store: &Path,
    snapshot: &Snapshot,
    finished: &Finished<T>,
    comparable: Result<(), String>,
) -> anyhow::Result<Responder> {
    let mut responder = Responder {
        complete: finished.is_complete(),
        not_understood: finished.tunnel_lines(),
        ..Responder::default()
    };
    let mut made = calls::CallCounts::default();
    let rules = Rules::new(snapshot.header().rules.clone());
    let mut answers = real_answers(store, snapshot).await?;
    let mut room = WHOLE;
    let mut classes = ClassCounts::default();
    each_record(store, RecordKind::Verdict, |record| {
        let Some(verdict) = &record.verdict else { return Ok(()) };
        if let Some(matched) = &verdict.matched {
            classes.add(matched.class);
        }
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
    responder.classes = Some(classes);
    responder.rate = share(responder.matches, responder.requests);
    responder.verdicts.sort_by(|a, b| {
        let order = |asked: &JudgedCall| (asked.verdict == "match", asked.time.clone());
        order(a).cmp(&order(b))
    });
    match comparable {
        Ok(()) => responder.calls = Some(calls::compare(snapshot, &rules, &made)?),
        Err(why) => responder.no_calls = Some(why),
    }
    Ok(responder)
}

/// Answers of real backends in the order in which they came, by request.
type RealAnswers = HashMap<Digest, VecDeque<Exchange>>;

/// Reads the exchanges with real backends of requests that were sent on.
async fn real_answers(store: &Path, snapshot: &Snapshot) -> anyhow::Result<RealAnswers> {
    let mut answers = RealAnswers::new();
    let mut room = WHOLE;
    each_record(store, RecordKind::Exchange, |record| {
        let exchange = record.exchange;
        let size = exchange.response.as_ref().map_or(0, |response| response.body.bytes.len());
        let mocked = snapshot.header().backend(&exchange.backend).mode == Mode::Mock;
        if mocked && exchange.direction == Direction::Outbound && size <= room {
            room -= size;
            answers.entry(request_digest(&exchange)).or_default().push_back(exchange);
        }
        Ok(())
    })
    .await?;
    Ok(answers)
}

/// Digest of a request and its backend: equal only for equal requests.
fn request_digest(exchange: &Exchange) -> Digest {
    let (backend, request) = (exchange.backend.clone(), exchange.request.clone());
    let mut line = Vec::new();
    v1::write_record(&Exchange { backend, request, ..Exchange::default() }, None, &mut line);
    sha1(&line)
}

/// The whole request, with its answer where one came. `None` if the request was truncated or `room`
/// is used up.
fn whole(asked: Exchange, answers: &mut RealAnswers, room: &mut usize) -> Option<WholeRequest> {
    let answered = answers.get_mut(&request_digest(&asked)).and_then(VecDeque::pop_front);
    let whole = WholeRequest(answered.unwrap_or(asked));
    *room = room.checked_sub(whole.size()).filter(|_| whole.0.request.body.truncated.is_none())?;
    Some(whole)
}

fn asked(record: &Record, verdict: &Verdict, rules: &Rules, in_full: bool) -> JudgedCall {
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
    JudgedCall {
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
