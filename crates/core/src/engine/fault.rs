//! Faults: what a rule makes of an answer on purpose.

use super::serve::VERDICT_HEADER;
use super::{Host, Reply, Vm};
use crate::digest::{self, Digest};
use crate::headers::Headers;
use crate::rules::{Fault, FaultAnswer};
use crate::table::Segment;

/// The fault whose turn it is, of those rules; the first of them counts most, and one whose turn it isn't lets the next decide.
pub(super) fn due<S: Segment>(rules: &[usize], vm: &Vm<S>, host: &mut impl Host) -> Option<Fault> {
    let faults = rules.iter().filter_map(|&rule| Some((rule, vm.rules.fault(rule)?)));
    let mut is_due = |rule: usize, fault: &Fault| {
        // The cursor is shared by all workers, as those of sequences are.
        fault.every == 1 || {
            let asked_before = host.turn(&vm.table.digest(), &cursor(rule));
            asked_before.saturating_add(1).checked_rem(fault.every.into()) == Some(0)
        }
    };
    faults.into_iter().find(|(rule, fault)| is_due(*rule, fault)).map(|(_, fault)| fault.clone())
}

/// Where it is counted how often a rule's requests were asked. No signature has this digest.
fn cursor(rule: usize) -> Digest {
    digest::sha1(format!("understudy fault {rule}").as_bytes())
}

/// The answer with a status and a body of the rule's.
pub(super) fn reply(status: u16, body: &str, fault: &Fault, verdict_header: bool) -> Reply {
    let kind = (!body.is_empty()).then_some(("content-type", "text/plain".to_owned()));
    let name = std::str::from_utf8(VERDICT_HEADER).unwrap_or_default();
    let verdict = verdict_header.then(|| (name, format!("fault; {fault}")));
    let headers = Headers::from_pairs(kind.into_iter().chain(verdict));
    Reply { status, headers, body: body.as_bytes().to_vec(), grpc_status: None }
}

/// Says in a recorded answer that there is a fault.
pub(super) fn mark(headers: &Headers, fault: &Fault) -> Headers {
    let said = headers.get(VERDICT_HEADER).unwrap_or_default();
    let rest = said.strip_prefix(b"match").unwrap_or_default();
    let verdict = [format!("fault; {fault}").as_bytes(), rest].concat();
    let others = headers.iter().filter(|(name, _)| *name != VERDICT_HEADER);
    Headers::from_pairs(others.chain([(VERDICT_HEADER, verdict.as_slice())]))
}

/// Cuts the body, if that is the fault and there is as much. Gives how long it was.
///
/// Envoy sends an answer of the filter's in one piece, and nothing of it where the stream ends in the middle: what is left here only has the
/// filter called for it.
pub(super) fn cut(reply: &mut Reply, fault: &Fault) -> Option<usize> {
    let FaultAnswer::Truncated(length) = fault.answer else { return None };
    let (whole, length) = (reply.body.len(), usize::try_from(length).unwrap_or(usize::MAX));
    reply.body.truncate(length.max(1));
    (length < whole).then_some(whole)
}
