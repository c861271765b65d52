//! The decision about a request to a mocked backend: a function of the request, the table and the
//! state of its sequences. Nothing here changes a stream or the VM; [`super::Stream`] applies what
//! is decided.

use super::host::{Action, Host};
use super::miss::miss;
use super::pending::PendingAnswer;
use super::secrets::Signed;
use super::serve::Binding;
use super::vm::{Policy, Vm};
use super::{fault, serve};
use crate::facts::Facts;
use crate::headers::Headers;
use crate::latency::Delay;
use crate::rules::{Fault, FaultAnswer, Place};
use crate::table::Segment;
use crate::verdict::{Class, Matched, Reason, Verdict};

/// A request to a mocked backend, as far as it has arrived when it is judged.
#[derive(Debug)]
pub(super) struct MockedRequest<'a> {
    pub(super) facts: &'a Facts<'a>,
    /// The body, up to the filter's limit.
    pub(super) body: Vec<u8>,
    /// The length of the body so far, in bytes.
    pub(super) received: usize,
    /// Whether the request has ended.
    pub(super) ended: bool,
    pub(super) policy: Policy,
    /// The time at which the headers arrived, in microseconds since 1970. 0 if no answer can be
    /// delayed.
    pub(super) arrived: u64,
}

/// What happens to a request to a mocked backend.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Decision {
    /// The verdict to report and to count.
    pub(super) verdict: Verdict,
    /// The action to return to the shell.
    pub(super) action: Action,
    /// The stream's next state.
    pub(super) next: Next,
    /// The live values to remember, with the recorded values that they stand for.
    pub(super) bindings: Vec<Binding>,
}

/// The state of a stream after a decision.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The request continues to its backend.
    Pass {
        /// Whether the exchange is copied.
        capture: bool,
    },
    /// The client gets an answer, or a reset.
    Answer {
        /// The work left on the answer.
        pending: PendingAnswer,
        /// The time between the request's arrival and the action, in microseconds.
        delay: u64,
    },
}

/// Decides about a complete request.
pub(super) fn decide<S: Segment>(request: &MockedRequest<'_>, vm: &Vm<S>, host: &mut impl Host) -> Decision {
    if request.facts.is_grpc() && !vm.grpc_stub {
        return refuse(request, Reason::GrpcUnsupported, vm);
    }
    // Reading the time costs a call of the host.
    let time = if vm.rules.need_time() { host.now() } else { 0 };
    let signed = vm.sign(request.facts, &request.body, time, request.policy.redacted);
    let fault = fault::due(signed.actions.faults(), vm, host);
    if let Some(fault) = fault.filter(|fault| fault.replaces()) {
        return fail_on_purpose(fault, vm);
    }
    match answer(request, &signed, fault, vm, host) {
        Ok(decision) => decision,
        Err(reason) => {
            let on_miss = match signed.actions.on_miss() {
                Some(by_rule) if !request.policy.configured => by_rule,
                _ => request.policy.on_miss,
            };
            miss(request, reason, on_miss, Some(&signed), vm)
        }
    }
}

/// Decides about a request that can't be compared with recorded ones.
pub(super) fn refuse<S: Segment>(request: &MockedRequest<'_>, reason: Reason, vm: &Vm<S>) -> Decision {
    miss(request, reason, request.policy.on_miss, None, vm)
}

/// Answers from the table.
///
/// # Errors
/// The reason why the table has no answer.
fn answer<S: Segment>(
    request: &MockedRequest<'_>,
    signed: &Signed<'_>,
    fault: Option<&Fault>,
    vm: &Vm<S>,
    host: &mut impl Host,
) -> Result<Decision, Reason> {
    let digest = signed.signature.digest();
    let entry = vm.table.lookup(&digest).ok_or(Reason::NoEntry)?;
    let choice = serve::choose(&entry, signed.signature.values(), vm, host)?;
    let recorded = choice.answer;
    let normalised = match choice.class {
        Class::Exact => Vec::new(),
        Class::Proved | Class::Assumed => places_left_out(signed, vm),
    };
    let reply = serve::reply(&choice, request.facts, &signed.signature, &normalised, vm);
    let mut reply = reply.ok_or(Reason::BadTable)?;
    let trailers = match recorded.trailers.length {
        0 => Headers::new(),
        _ => Headers::from_block(vm.table.blob(recorded.trailers).unwrap_or_default()),
    };
    if let Some(fault) = fault.filter(|_| vm.verdict_header) {
        reply.headers = fault::mark(&reply.headers, fault);
    }
    let exchange = vm.table.blob(recorded.exchange).unwrap_or_default();
    let matched = Matched {
        exchange: String::from_utf8_lossy(&exchange).into_owned(),
        digest,
        sequence: choice.sequence,
        normalised,
        class: choice.class,
    };
    let (pending, action) = match request.facts.is_grpc() {
        true => PendingAnswer::grpc(reply, trailers, fault),
        false => PendingAnswer::http(reply, trailers, recorded.untyped, request.facts, fault),
    };
    let delay = request.policy.latency.of(recorded.took).saturating_add(delay_of(fault));
    Ok(Decision {
        verdict: Verdict::answered(recorded.status, matched, fault.map(Fault::to_string)),
        action,
        next: Next::Answer { pending, delay },
        bindings: choice.bindings,
    })
}

/// Answers with the status of a rule's fault, or resets the stream, whatever was recorded.
fn fail_on_purpose<S: Segment>(fault: &Fault, vm: &Vm<S>) -> Decision {
    let (action, pending, status) = match &fault.answer {
        FaultAnswer::Status(status, body) => {
            let reply = fault::reply(*status, body, fault, vm.verdict_header);
            let pending = PendingAnswer::of_reply(&reply);
            (Action::Reply(reply), pending, Some(*status))
        }
        _ => (Action::Reset, PendingAnswer::none(), None),
    };
    Decision {
        verdict: Verdict::failed_on_purpose(status, fault.to_string()),
        action,
        next: Next::Answer { pending, delay: delay_of(Some(fault)) },
        bindings: Vec::new(),
    }
}

/// The delay that a fault adds to an answer, in microseconds.
fn delay_of(fault: Option<&Fault>) -> u64 {
    fault.and_then(|fault| fault.delay).map_or(0, Delay::micros)
}

/// The places of the values that rules left out of the signature, each once.
fn places_left_out<S: Segment>(signed: &Signed<'_>, vm: &Vm<S>) -> Vec<String> {
    let mut places: Vec<String> = Vec::new();
    for value in signed.signature.values().iter() {
        let place = vm.rules.place(value.place).map(Place::as_str).unwrap_or_default();
        if places.iter().all(|known| known != place) {
            places.push(place.to_owned());
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::engine::MemoryHost;
    use crate::table::Table;
    use crate::verdict::Kind;

    #[test]
    fn decision_without_table_follows_on_miss() {
        let check = |config: &str, expect: Kind, capture: Option<bool>| {
            let config = Config::from_json(config.as_bytes()).unwrap();
            let vm = Vm::new(&config, Table::open(&b""[..]).unwrap(), "vm".to_owned());
            let pairs = [(":method", "GET"), (":path", "/"), (":scheme", "http"), (":authority", "api.test")];
            let headers = Headers::from_pairs(pairs);
            let request = MockedRequest {
                facts: &Facts::of(&headers),
                body: Vec::new(),
                received: 0,
                ended: true,
                policy: vm.policy(b"http", b"api.test"),
                arrived: 0,
            };
            let mut host = MemoryHost::default();
            let decision = decide(&request, &vm, &mut host);
            assert_eq!(decision, decide(&request, &vm, &mut host), "a decision changes nothing");
            assert_eq!(host.clock_reads, 0, "nothing here depends on the time");
            assert_eq!(decision.verdict.kind, expect);
            match decision.next {
                Next::Pass { capture: copied } => {
                    assert_eq!((decision.action, Some(copied)), (Action::Continue, capture));
                }
                Next::Answer { delay, .. } => {
                    assert!(matches!(decision.action, Action::Reply(_)));
                    assert_eq!((delay, capture), (0, None));
                }
            }
        };
        check(r#"{"default":"mock"}"#, Kind::Miss, None);
        check(r#"{"default":"mock","on_miss":"passthrough"}"#, Kind::Passthrough, Some(false));
        check(
            r#"{"default":"mock","on_miss":"capture","collector":{"cluster":"c"}}"#,
            Kind::Passthrough,
            Some(true),
        );
    }
}
