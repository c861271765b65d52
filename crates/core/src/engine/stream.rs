//! One stream: a state machine over the events that Envoy reports. The only place that changes a
//! stream's state and applies decisions.

use super::capture::{Capture, report_verdict};
use super::decide::{Decision, MockedRequest, Next, decide, refuse};
use super::host::{Action, Fixup, Host, Reply, Side};
use super::pending::PendingAnswer;
use super::serve::VERDICT_HEADER;
use super::vm::{Counter, Policy, Vm};
use crate::config::Mode;
use crate::facts::Facts;
use crate::headers::Headers;
use crate::latency::DELAY_MAX;
use crate::stub_names::STUB_HEADER;
use crate::table::Segment;
use crate::verdict::Reason;

/// One stream. Each method reports one event; after [`Self::end`] all methods do nothing.
#[derive(Debug, Default)]
pub struct Stream {
    state: State,
    /// The copy of a stream whose request continues to its backend.
    capture: Option<Box<Capture>>,
}

/// The state of a stream.
#[derive(Debug, Default)]
enum State {
    /// No event has been reported.
    #[default]
    New,
    /// The request continues to its backend. At most, a copy is made.
    Passing,
    /// A request to a mocked backend whose body isn't complete.
    Held(HeldRequest),
    /// The verdict has been given, and the action is due later.
    Delayed(Box<Delayed>),
    /// The answer has been given.
    Answered(PendingAnswer),
    /// The stream is over.
    Ended,
}

/// A request to a mocked backend, before its end.
#[derive(Debug)]
struct HeldRequest {
    headers: Headers,
    /// Bytes of body that Envoy holds.
    received: usize,
    policy: Policy,
    arrived: u64,
}

/// An action that is due later.
#[derive(Debug)]
struct Delayed {
    action: Action,
    pending: PendingAnswer,
    /// Counted when the action is taken, for this backend.
    counter: Counter,
    backend: usize,
}

impl Stream {
    /// A stream without events.
    pub fn new() -> Self {
        Self::default()
    }

    /// The request's headers have arrived, with pseudo-headers. `ended`: the request has no body.
    pub fn request_headers<S: Segment>(
        &mut self,
        headers: Headers,
        ended: bool,
        vm: &mut Vm<S>,
        host: &mut impl Host,
    ) -> Action {
        if !matches!(self.state, State::New) {
            return Action::Continue;
        }
        let facts = Facts::of(&headers);
        if facts.stub {
            // A client's own header would lead the request to the stub.
            host.remove_request_header(STUB_HEADER);
        }
        let policy = match facts.method {
            b"CONNECT" => vm.policy_of_tunnel(facts.authority),
            _ => vm.policy(facts.scheme, facts.authority),
        };
        let upgrade = facts.is_upgrade();
        match policy.mode {
            Mode::Off => self.state = State::Passing,
            Mode::Tap => {
                vm.count(policy.counter, Counter::Tap);
                // After an upgrade the stream has another protocol, which this copy can't read.
                if vm.outbox.is_some() && !upgrade && vm.samples(&headers) {
                    let mut capture = Capture::begin(&facts, vm, host);
                    if ended {
                        capture.ended(Side::Request);
                    }
                    self.capture = Some(capture);
                }
                self.state = State::Passing;
            }
            Mode::Mock => {
                // Reading the time costs a call of the host.
                let arrived = if vm.delays || !policy.latency.is_none() { host.now() } else { 0 };
                let request =
                    MockedRequest { facts: &facts, body: Vec::new(), received: 0, ended, policy, arrived };
                if let Some(action) = self.judge_headers(request, vm, host) {
                    return action;
                }
                self.state = State::Held(HeldRequest { headers, received: 0, policy, arrived });
                return Action::Hold;
            }
        }
        Action::Continue
    }

    /// Judges a request to a mocked backend by its headers alone. `None`: the body is needed too.
    fn judge_headers<S: Segment>(
        &mut self,
        request: MockedRequest<'_>,
        vm: &mut Vm<S>,
        host: &mut impl Host,
    ) -> Option<Action> {
        if request.facts.control == Some(b"reset-sequences") {
            return Some(self.restart_sequences(vm, host));
        }
        let decision = if request.facts.is_upgrade() {
            // An upgraded stream has no end that the filter could wait for.
            refuse(&request, Reason::Upgrade, vm)
        } else if request.facts.declared_length() > vm.body_cap {
            refuse(&request, Reason::BodyOverCap, vm)
        } else if request.ended {
            decide(&request, vm, host)
        } else {
            return None;
        };
        Some(self.apply(decision, request, vm, host))
    }

    /// More of the request's body has arrived. `length`: the bytes at hand, which are everything
    /// held so far, or the current chunk if nothing is held.
    pub fn request_body<S: Segment>(
        &mut self,
        length: usize,
        ended: bool,
        vm: &mut Vm<S>,
        host: &mut impl Host,
    ) -> Action {
        match &mut self.state {
            State::Held(held) => {
                held.received = length;
                if ended || length > vm.body_cap { self.judge_held(ended, vm, host) } else { Action::Hold }
            }
            State::Delayed(_) => Action::Hold,
            _ => {
                self.copy_body(Side::Request, length, ended, vm, host);
                Action::Continue
            }
        }
    }

    /// The request's trailers have arrived, and end it.
    pub fn request_trailers<S: Segment>(
        &mut self,
        trailers: impl FnOnce() -> Headers,
        vm: &mut Vm<S>,
        host: &mut impl Host,
    ) -> Action {
        match self.state {
            State::Held(_) => return self.judge_held(true, vm, host),
            State::Delayed(_) => return Action::Hold,
            _ => {}
        }
        if let Some(capture) = &mut self.capture {
            capture.trailers(Side::Request, trailers());
        }
        Action::Continue
    }

    /// The response's headers have arrived: those of the backend, or those of an answer of the
    /// filter.
    pub fn response_headers<S: Segment>(
        &mut self,
        headers: impl FnOnce() -> Headers,
        ended: bool,
        vm: &mut Vm<S>,
        host: &mut impl Host,
    ) -> Fixup {
        match (&mut self.state, &mut self.capture) {
            (State::Answered(pending), _) => return pending.headers(headers),
            // Envoy answers on its own if it can't hold the request any longer. No verdict follows.
            (State::Held(_) | State::Delayed(_), _) => self.abort(vm),
            (_, Some(capture)) => {
                capture.response_headers(&headers(), host);
                if ended {
                    capture.ended(Side::Response);
                }
            }
            (_, None) => {}
        }
        Fixup::None
    }

    /// More of the response's body has arrived: `length` bytes.
    pub fn response_body<S: Segment>(
        &mut self,
        length: usize,
        ended: bool,
        vm: &mut Vm<S>,
        host: &mut impl Host,
    ) -> Fixup {
        if let State::Answered(pending) = &mut self.state {
            return pending.body(ended);
        }
        self.copy_body(Side::Response, length, ended, vm, host);
        Fixup::None
    }

    /// The response's trailers have arrived, and end it.
    pub fn response_trailers(&mut self, trailers: impl FnOnce() -> Headers) {
        if let (State::Passing, Some(capture)) = (&self.state, &mut self.capture) {
            capture.trailers(Side::Response, trailers());
        }
    }

    /// Returns the delayed action once its time has come, or [`Action::Hold`] if the stream has
    /// since ended or been answered.
    pub fn resume<S: Segment>(&mut self, vm: &mut Vm<S>) -> Action {
        match std::mem::take(&mut self.state) {
            State::Delayed(delayed) => {
                let Delayed { action, pending, counter, backend } = *delayed;
                vm.count(backend, counter);
                self.state = State::Answered(pending);
                action
            }
            other => {
                self.state = other;
                Action::Hold
            }
        }
    }

    /// The stream is over, for whatever reason.
    pub fn end<S: Segment>(&mut self, vm: &mut Vm<S>, host: &mut impl Host) {
        self.abort(vm);
        self.state = State::Ended;
        if let Some(capture) = self.capture.take() {
            capture.finish(vm, host);
        }
    }

    /// Judges a request whose body has ended, or has grown too long.
    fn judge_held<S: Segment>(&mut self, ended: bool, vm: &mut Vm<S>, host: &mut impl Host) -> Action {
        let held = match std::mem::take(&mut self.state) {
            State::Held(held) => held,
            other => {
                self.state = other;
                return Action::Hold;
            }
        };
        let HeldRequest { headers, received, policy, arrived } = held;
        let at_hand = received.min(vm.body_cap);
        let body = if at_hand > 0 { host.body(Side::Request, 0, at_hand) } else { Vec::new() };
        let request = MockedRequest { facts: &Facts::of(&headers), body, received, ended, policy, arrived };
        let decision = if received > vm.body_cap {
            refuse(&request, Reason::BodyOverCap, vm)
        } else {
            decide(&request, vm, host)
        };
        self.apply(decision, request, vm, host)
    }

    /// Applies a decision: remembers, reports and counts what it says, and changes the state.
    fn apply<S: Segment>(
        &mut self,
        decision: Decision,
        request: MockedRequest<'_>,
        vm: &mut Vm<S>,
        host: &mut impl Host,
    ) -> Action {
        let Decision { verdict, action, next, bindings } = decision;
        for binding in bindings {
            host.remember_value(&vm.table.digest(), binding.live, binding.recorded);
        }
        report_verdict(&request, &verdict, vm, host);
        let (counter, backend) = (Counter::of(verdict.kind), request.policy.counter);
        let (pending, delay) = match next {
            Next::Pass { capture } => {
                vm.count(backend, counter);
                if capture {
                    self.capture = Some(Capture::of_mocked(request, vm, host));
                }
                self.state = State::Passing;
                return action;
            }
            Next::Answer { pending, delay } => (pending, delay),
        };
        // A clock that is set back must not delay answers for ever.
        let passed = if delay > 0 { host.now().saturating_sub(request.arrived) } else { 0 };
        let left = delay.min(DELAY_MAX).saturating_sub(passed);
        if left > 0 {
            self.state = State::Delayed(Box::new(Delayed { action, pending, counter, backend }));
            return Action::Delay(left);
        }
        vm.count(backend, counter);
        self.state = State::Answered(pending);
        action
    }

    /// Restarts all sequences, as a test asks for with `x-understudy-control`. This is no verdict:
    /// it is neither counted nor reported.
    fn restart_sequences<S: Segment>(&mut self, vm: &Vm<S>, host: &mut impl Host) -> Action {
        host.restart_sequences(&vm.table.digest());
        self.state = State::Answered(PendingAnswer::none());
        let headers = Headers::from_pairs([(VERDICT_HEADER, "reset")]);
        Action::Reply(Reply { status: 204, headers, ..Reply::default() })
    }

    /// Counts a request that ended before it was judged or answered.
    fn abort<S: Segment>(&mut self, vm: &mut Vm<S>) {
        let backend = match &self.state {
            State::Held(held) => held.policy.counter,
            State::Delayed(delayed) => delayed.backend,
            _ => return,
        };
        vm.count(backend, Counter::Aborted);
        self.state = State::Answered(PendingAnswer::none());
    }

    fn copy_body<S: Segment>(
        &mut self,
        side: Side,
        length: usize,
        ended: bool,
        vm: &mut Vm<S>,
        host: &mut impl Host,
    ) {
        if let (State::Passing, Some(capture)) = (&self.state, &mut self.capture) {
            if length > 0 {
                capture.body(side, length, vm, host);
            }
            if ended {
                capture.ended(side);
            }
        }
    }
}
