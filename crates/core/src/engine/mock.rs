//! The verdict on a request to a mocked backend, and the answer that it gets.

use super::capture::{Capture, begin_exchange, mark_truncated};
use super::stream::State;
use super::stub::{Stubbed, UNIMPLEMENTED, with_status};
use super::vm::Counter;
use super::{Action, Fixup, Host, Reply, Side, Stream, Vm, explain, fault, serve};
use crate::config::OnMiss;
use crate::digest::{self, Digest};
use crate::exchange::End;
use crate::facts::Facts;
use crate::headers::Headers;
use crate::latency::{Delay, Latency};
use crate::rules::{Fault, FaultAnswer, Place};
use crate::table::Segment;
use crate::v1;
use crate::verdict::{Kind, Matched, Nearest, Reason, Verdict};
use crate::{backend, exchange::Exchange};
use serde::Serialize;

/// As much of a request as there is when the verdict is given.
struct Asked<'a> {
    headers: &'a Headers,
    facts: &'a Facts<'a>,
    body: Vec<u8>,
    /// How long the body is, as far as it has come.
    seen: usize,
    /// Whether that is all.
    ended: bool,
    /// The signature's digest, where there is one.
    digest: Option<Digest>,
}

impl Stream {
    /// Gives the verdict on a whole request.
    pub(super) fn decide<S: Segment>(
        &mut self,
        headers: &Headers,
        facts: &Facts<'_>,
        body: Vec<u8>,
        vm: &mut Vm<S>,
        host: &mut impl Host,
    ) -> Action {
        let seen = body.len();
        let mut asked = Asked { headers, facts, body, seen, ended: true, digest: None };
        if facts.is_grpc() && !vm.grpc_stub {
            return self.miss(asked, Reason::GrpcUnsupported, vm, host);
        }
        backend::write_name(facts.scheme, facts.authority, &mut vm.name);
        let time = vm.time_of_request(host);
        let (digest, said) =
            vm.sign(facts, &asked.body, time, self.policy.is_some_and(|policy| policy.redacted));
        if let (Some(on_miss), Some(policy)) = (said.on_miss, &mut self.policy)
            && !policy.configured
        {
            policy.on_miss = on_miss;
        }
        asked.digest = Some(digest);
        let fault = fault::due(&said.faults, vm, host);
        if let Some(fault) = fault.as_ref().filter(|fault| fault.replaces()) {
            return self.fail_on_purpose(&asked, fault, vm, host);
        }
        let Some(entry) = vm.table.lookup(&digest) else {
            return self.miss(asked, Reason::NoEntry, vm, host);
        };
        let choice = match serve::choose(&entry, vm.signature.values(), vm, host) {
            Ok(choice) => choice,
            Err(reason) => return self.miss(asked, reason, vm, host),
        };
        let normalised = if choice.normalised { places(vm) } else { Vec::new() };
        let Some(mut reply) = serve::reply(&choice, facts, &vm.signature, &normalised, vm) else {
            return self.miss(asked, Reason::BadTable, vm, host);
        };
        let trailers = match choice.answer.trailers.length {
            0 => Headers::new(),
            _ => Headers::from_block(vm.table.blob(choice.answer.trailers).unwrap_or_default()),
        };
        if let Some(fault) = fault.as_ref().filter(|_| vm.verdict_header) {
            reply.headers = fault::mark(&reply.headers, fault);
        }
        let action = match facts.is_grpc() {
            true => self.answer_grpc(reply, trailers, fault.as_ref()),
            false => self.answer(reply, trailers, choice.answer.untyped, facts, fault.as_ref()),
        };
        self.state = State::Answered;
        if vm.outbox.is_some() {
            let exchange = vm.table.blob(choice.answer.exchange).unwrap_or_default();
            let exchange = String::from_utf8_lossy(&exchange).into_owned();
            let matched = Matched { exchange, digest, sequence: choice.sequence, normalised };
            let verdict = Verdict {
                status: Some(choice.answer.status),
                fault: fault.as_ref().map(Fault::to_string),
                matched: Some(matched),
                ..Verdict::of(Kind::Match)
            };
            report(&asked, &verdict, vm, host);
        }
        let latency = self.policy.map_or(Latency::NONE, |policy| policy.latency);
        let held = latency.of(choice.answer.took).saturating_add(delay(fault.as_ref()));
        self.hold(action, Counter::Match, held, vm, host)
    }

    /// The way of a recorded answer to the client.
    fn answer(
        &mut self,
        mut reply: Reply,
        trailers: Headers,
        untyped: bool,
        facts: &Facts<'_>,
        fault: Option<&Fault>,
    ) -> Action {
        // Envoy takes trailers at the end of a body alone. To HEAD there are none (RFC 9110, 6.5).
        let may_have_body = facts.method != b"HEAD" && !matches!(reply.status, 204 | 304);
        self.bodiless = reply.body.is_empty() && !trailers.is_empty() && may_have_body;
        let untyped = untyped || self.bodiless && reply.headers.get(b"content-type").is_none();
        if self.bodiless {
            reply.body.push(b' ');
        }
        self.fixup = fixup(&reply, untyped, !trailers.is_empty());
        self.trailers = trailers;
        if let Some(whole) = fault.filter(|_| !self.bodiless).and_then(|fault| fault::cut(&mut reply, fault))
        {
            self.fixup = Some(Fixup::Replace(with_length(&reply, whole)));
            self.trailers = Headers::new();
            self.cut = true;
        }
        Action::Reply(reply)
    }

    /// The way of a recorded gRPC answer to the client: by the stub, but for one that is nothing but headers.
    fn answer_grpc(&mut self, mut reply: Reply, trailers: Headers, fault: Option<&Fault>) -> Action {
        if reply.body.is_empty() && trailers.is_empty() {
            self.fixup = Some(Fixup::Replace(with_status(reply.status, &reply.headers)));
            return Action::Reply(reply);
        }
        self.cut = fault.is_some_and(|fault| fault::cut(&mut reply, fault).is_some());
        let (stubbed, action) = Stubbed::new(reply, trailers);
        self.stubbed = Some(Box::new(stubbed));
        action
    }

    /// An answer, or none, that a rule puts in the place of any recorded one.
    fn fail_on_purpose<S: Segment>(
        &mut self,
        asked: &Asked<'_>,
        fault: &Fault,
        vm: &mut Vm<S>,
        host: &mut impl Host,
    ) -> Action {
        let (action, status) = match &fault.answer {
            FaultAnswer::Status(status, body) => {
                let reply = fault::reply(*status, body, fault, vm.verdict_header);
                self.fixup = fixup(&reply, false, false);
                (Action::Reply(reply), Some(*status))
            }
            _ => (Action::Reset, None),
        };
        self.state = State::Answered;
        let verdict = Verdict { status, fault: Some(fault.to_string()), ..Verdict::of(Kind::Match) };
        report(asked, &verdict, vm, host);
        self.hold(action, Counter::Match, delay(Some(fault)), vm, host)
    }

    /// Begins all sequences anew, which the request asked for with `x-understudy-control`.
    pub(super) fn reset<S: Segment>(&mut self, vm: &Vm<S>, host: &mut impl Host) -> Action {
        host.reset_turns(&vm.table.digest());
        self.state = State::Answered;
        let headers = Headers::from_pairs([(serve::VERDICT_HEADER, "reset")]);
        Action::Reply(Reply { status: 204, headers, ..Reply::default() })
    }

    /// Gives the verdict on a request that can't be compared. `(length, ended)`: bytes of body at hand, and whether that is all.
    pub(super) fn refuse<S: Segment>(
        &mut self,
        headers: &Headers,
        facts: &Facts<'_>,
        reason: Reason,
        (length, ended): (usize, bool),
        vm: &mut Vm<S>,
        host: &mut impl Host,
    ) -> Action {
        let body = if length > 0 { host.body(Side::Request, 0, length.min(vm.body_cap)) } else { Vec::new() };
        self.miss(Asked { headers, facts, body, seen: length, ended, digest: None }, reason, vm, host)
    }

    fn miss<S: Segment>(
        &mut self,
        asked: Asked<'_>,
        reason: Reason,
        vm: &mut Vm<S>,
        host: &mut impl Host,
    ) -> Action {
        let on_miss = self.policy.map_or(OnMiss::Fail, |policy| policy.on_miss);
        if on_miss == OnMiss::Fail {
            return self.refusal(&asked, reason, vm, host);
        }
        self.count(Counter::Passthrough, vm);
        let verdict = Verdict { reason: Some(reason), ..Verdict::of(Kind::Passthrough) };
        report(&asked, &verdict, vm, host);
        if on_miss == OnMiss::Capture && vm.outbox.is_some() && reason != Reason::Upgrade {
            let mut capture = Capture::begin(asked.headers, asked.facts, vm, host);
            capture.request_body(asked.body, asked.seen, vm);
            if asked.ended {
                capture.ended(Side::Request);
            }
            self.capture = Some(capture);
        }
        self.pass()
    }

    /// The answer to a request that must not go on.
    fn refusal<S: Segment>(
        &mut self,
        asked: &Asked<'_>,
        reason: Reason,
        vm: &mut Vm<S>,
        host: &mut impl Host,
    ) -> Action {
        self.state = State::Answered;
        self.count(Counter::Miss, vm);
        let facts = asked.facts;
        let time = vm.time_of_request(host);
        let digest = asked.digest.map(|_| vm.sign_for_all_to_see(facts, &asked.body, time));
        let nearest = match digest {
            Some(_) => explain::nearest(&vm.table, &vm.signature),
            None => Vec::new(),
        };
        let message = if vm.table.is_empty() {
            "this filter carries no table: bundle a snapshot"
        } else {
            reason.message()
        };
        let reply = match facts.is_grpc() {
            true => told_by_status(message, &nearest, vm),
            false => told_in_body(facts, (reason, message), digest, &nearest, vm),
        };
        let status = Some(reply.status);
        let verdict = Verdict { status, reason: Some(reason), nearest, ..Verdict::of(Kind::Miss) };
        report(asked, &verdict, vm, host);
        Action::Reply(reply)
    }

    pub(super) fn count<S: Segment>(&self, counter: Counter, vm: &mut Vm<S>) {
        vm.count(self.policy.map_or(0, |policy| policy.counter), counter);
    }
}

/// How much later than it would be an answer leaves, in microseconds.
fn delay(fault: Option<&Fault>) -> u64 {
    fault.and_then(|fault| fault.delay).map_or(0, Delay::micros)
}

/// All headers of an answer whose body is cut, with the length that it would have had.
fn with_length(reply: &Reply, whole: usize) -> Headers {
    let whole = whole.to_string();
    let length = (&b"content-length"[..], whole.as_bytes());
    with_status(reply.status, &Headers::from_pairs([length].into_iter().chain(reply.headers.iter())))
}

/// What has to be changed in what Envoy makes of a reply.
fn fixup(reply: &Reply, untyped: bool, trailers: bool) -> Option<Fixup> {
    if reply.body.is_empty() {
        // Envoy takes out what speaks of a body, and doesn't know that HEAD and 304 do so without one.
        let speaks = |name: &[u8]| reply.headers.get(name).is_some();
        let taken = speaks(b"content-type") || speaks(b"content-length");
        return taken.then(|| Fixup::Replace(with_status(reply.status, &reply.headers)));
    }
    // HTTP/1.1 has trailers after a body in chunks alone.
    match (untyped, trailers) {
        (true, true) => Some(Fixup::Remove(&["content-type", "content-length"])),
        (true, false) => Some(Fixup::Remove(&["content-type"])),
        (false, true) => Some(Fixup::Remove(&["content-length"])),
        (false, false) => None,
    }
}

/// A miss of a plain HTTP request.
fn told_in_body<S: Segment>(
    facts: &Facts<'_>,
    (reason, message): (Reason, &str),
    digest: Option<Digest>,
    nearest: &[Nearest],
    vm: &Vm<S>,
) -> Reply {
    let path = vm.path_for_all_to_see(facts.path);
    let told = Told {
        understudy: "miss",
        error: ErrorTold { kind: "understudy_miss", message },
        reason: reason.code(),
        message,
        backend: backend::name(
            &String::from_utf8_lossy(facts.scheme),
            &String::from_utf8_lossy(facts.authority),
        ),
        method: String::from_utf8_lossy(facts.method),
        path: String::from_utf8_lossy(&path),
        digest: digest.map(|digest| digest::hex(&digest)),
        nearest,
    };
    let mut body = serde_json::to_vec_pretty(&told).unwrap_or_default();
    body.push(b'\n');
    Reply { status: 404, headers: miss_headers("application/json", vm), body, grpc_status: None }
}

/// A miss of a gRPC request: Envoy makes `grpc-message` of the body.
fn told_by_status<S: Segment>(message: &str, nearest: &[Nearest], vm: &Vm<S>) -> Reply {
    let mut text = format!("understudy: {message}");
    if let Some(nearest) = nearest.first() {
        text.push_str("; nearest: ");
        text.push_str(&nearest.in_short());
    }
    let headers = miss_headers("application/grpc", vm);
    Reply { status: 200, headers, body: text.into_bytes(), grpc_status: Some(UNIMPLEMENTED) }
}

fn miss_headers<S>(content_type: &str, vm: &Vm<S>) -> Headers {
    let headers = [(&b"content-type"[..], content_type.as_bytes()), (serve::VERDICT_HEADER, b"miss")];
    Headers::from_pairs(headers.into_iter().take(if vm.verdict_header { 2 } else { 1 }))
}

/// What clients show of an answer that is an error.
#[derive(Serialize)]
struct ErrorTold<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    message: &'a str,
}

/// The body of a miss.
#[derive(Serialize)]
struct Told<'a> {
    understudy: &'a str,
    /// Clients take an object without it for a success.
    error: ErrorTold<'a>,
    reason: &'a str,
    message: &'a str,
    backend: String,
    method: std::borrow::Cow<'a, str>,
    path: std::borrow::Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    nearest: &'a [Nearest],
}

/// The places of the values that rules have left out, each once.
fn places<S: Segment>(vm: &Vm<S>) -> Vec<String> {
    let mut places: Vec<String> = Vec::new();
    for value in vm.signature.values().iter() {
        let place = vm.rules.place(value.place).map(Place::as_str).unwrap_or_default();
        if places.iter().all(|known| known != place) {
            places.push(place.to_owned());
        }
    }
    places
}

/// Puts a verdict into the outbox, if there is one.
fn report<S: Segment>(asked: &Asked<'_>, verdict: &Verdict, vm: &mut Vm<S>, host: &mut impl Host) {
    if vm.outbox.is_none() {
        return;
    }
    let mut exchange: Exchange = begin_exchange(asked.headers, asked.facts, vm, host);
    exchange.request.body.bytes.clone_from(&asked.body);
    mark_truncated(&mut exchange.request.body, u64::try_from(asked.seen).unwrap_or(u64::MAX));
    exchange.end = if asked.ended { End::Complete } else { End::RequestAborted };
    vm.redact(&mut exchange);
    let now = exchange.time / 1000;
    if let Some(outbox) = &mut vm.outbox {
        outbox.push(now, |out| v1::write_record(&exchange, Some(verdict), out));
    }
}
