//! Faults: errors that a rule adds to answers on purpose.

use super::host::{Host, Reply};
use super::serve::VERDICT_HEADER;
use super::vm::Vm;
use crate::digest::{self, Digest};
use crate::headers::Headers;
use crate::rules::{Fault, FaultAnswer};
use crate::table::Segment;

/// The fault that is due, among the faults of these rules. Rules come in order of precedence; a
/// rule whose fault isn't due leaves the decision to the next.
pub(super) fn due<'v, S: Segment>(
    rules: impl Iterator<Item = usize>,
    vm: &'v Vm<S>,
    host: &mut impl Host,
) -> Option<&'v Fault> {
    let mut faults = rules.filter_map(|rule| Some((rule, vm.rules.fault(rule)?)));
    let is_due = |&(rule, fault): &(usize, &Fault)| {
        // All workers share the counter, as they share the turns of sequences.
        fault.every == 1 || {
            let requested_before = host.next_turn(&vm.table.digest(), &counter_key(rule));
            requested_before.saturating_add(1).checked_rem(fault.every.into()) == Some(0)
        }
    };
    faults.find(is_due).map(|(_, fault)| fault)
}

/// The key under which the requests of a rule are counted. No signature has this digest.
fn counter_key(rule: usize) -> Digest {
    digest::sha1(format!("understudy fault {rule}").as_bytes())
}

/// The answer with the status and the body that a rule states.
pub(super) fn reply(status: u16, body: &str, fault: &Fault, verdict_header: bool) -> Reply {
    let kind = (!body.is_empty()).then_some(("content-type", "text/plain".to_owned()));
    let name = std::str::from_utf8(VERDICT_HEADER).unwrap_or_default();
    let verdict = verdict_header.then(|| (name, format!("fault; {fault}")));
    let headers = Headers::from_pairs(kind.into_iter().chain(verdict));
    Reply { status, headers, body: body.as_bytes().to_vec(), grpc_status: None }
}

/// Names the fault in the verdict header of a recorded answer.
pub(super) fn mark(headers: &Headers, fault: &Fault) -> Headers {
    let verdict = headers.get(VERDICT_HEADER).unwrap_or_default();
    let rest = verdict.strip_prefix(b"match").unwrap_or_default();
    let verdict = [format!("fault; {fault}").as_bytes(), rest].concat();
    let others = headers.iter().filter(|(name, _)| *name != VERDICT_HEADER);
    Headers::from_pairs(others.chain([(VERDICT_HEADER, verdict.as_slice())]))
}

/// Cuts the body if the fault says so and the body is longer. Returns the length of the whole body.
///
/// Envoy sends an answer of the filter in one piece, and sends nothing of it if the stream is reset
/// in between. The rest of the body only serves to have Envoy call the filter for it.
pub(super) fn cut(reply: &mut Reply, fault: &Fault) -> Option<usize> {
    let FaultAnswer::Truncated(length) = fault.answer else { return None };
    let (whole, length) = (reply.body.len(), usize::try_from(length).unwrap_or(usize::MAX));
    reply.body.truncate(length.max(1));
    (length < whole).then_some(whole)
}
