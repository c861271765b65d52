//! One stream: a state machine over what Envoy reports of it.

use super::capture::Capture;
use super::hold::Waiting;
use super::stub::{STUB_HEADER, Stubbed};
use super::vm::{Counter, Policy};
use super::{Action, Fixup, Host, Side, Vm};
use crate::config::Mode;
use crate::facts::Facts;
use crate::headers::Headers;
use crate::table::Segment;
use crate::verdict::Reason;

/// One stream. Each method takes one thing that happened to it; after [`Self::end`] all do nothing.
#[derive(Debug, Default)]
pub struct Stream {
    pub(super) state: State,
    pub(super) policy: Option<Policy>,
    pub(super) capture: Option<Box<Capture>>,
    /// What is left to be done on the answer.
    pub(super) fixup: Option<Fixup>,
    pub(super) trailers: Headers,
    /// When the request's headers came, in microseconds since 1970; only where answers may be held back.
    pub(super) began: u64,
    /// Whether the answer has no body but the byte that trailers need.
    pub(super) bodiless: bool,
    /// Whether the answer's body is to be cut where its given part ends.
    pub(super) cut: bool,
    /// What becomes of the stub's answer, where it was asked.
    pub(super) stubbed: Option<Box<Stubbed>>,
}

/// Where a stream stands.
#[derive(Debug, Default)]
pub(super) enum State {
    /// Nothing has happened yet.
    #[default]
    New,
    /// The filter stays out of it, but for the copy if there is one.
    Passing,
    /// A request to a mocked backend, whose body isn't whole yet, and how long it is so far.
    Held(Headers, usize),
    /// The verdict has been given, and what it says waits for its time.
    Waiting(Box<Waiting>),
    /// The answer has been given.
    Answered,
    /// It is over.
    Ended,
}

impl Stream {
    /// A stream that nothing has happened to.
    pub fn new() -> Self {
        Self::default()
    }

    /// The request's headers have come, with pseudo-headers; `ended` where there is no body.
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
            // A client's own would lead it to the stub.
            host.remove_request_header(STUB_HEADER);
        }
        let policy = match facts.method {
            b"CONNECT" => vm.policy_of_tunnel(facts.authority),
            _ => vm.policy(facts.scheme, facts.authority),
        };
        self.policy = Some(policy);
        // Asked for only where an answer may be held back.
        if policy.mode == Mode::Mock && (vm.delays || !policy.latency.is_none()) {
            self.began = host.now();
        }
        let upgrade = facts.is_upgrade();
        match policy.mode {
            Mode::Off => self.pass(),
            Mode::Tap => {
                vm.count(policy.counter, Counter::Tap);
                // What follows an upgrade is another protocol, of which this copy would make nothing.
                if vm.outbox.is_some() && !upgrade && vm.samples(&headers) {
                    let mut capture = Capture::begin(&headers, &facts, vm, host);
                    if ended {
                        capture.ended(Side::Request);
                    }
                    self.capture = Some(capture);
                }
                self.pass()
            }
            Mode::Mock if facts.control == Some(b"reset-sequences") => self.reset(vm, host),
            // An upgraded stream has no end that could be waited for.
            Mode::Mock if upgrade => self.refuse(&headers, &facts, Reason::Upgrade, (0, ended), vm, host),
            Mode::Mock if facts.declared_length() > vm.body_cap => {
                self.refuse(&headers, &facts, Reason::BodyOverCap, (0, ended), vm, host)
            }
            Mode::Mock if ended => self.decide(&headers, &facts, Vec::new(), vm, host),
            Mode::Mock => {
                self.state = State::Held(headers, 0);
                Action::Hold
            }
        }
    }

    /// More of the request's body has come. `length`: bytes at hand: all that was held so far, or the current chunk where nothing
    /// is held.
    pub fn request_body<S: Segment>(
        &mut self,
        length: usize,
        ended: bool,
        vm: &mut Vm<S>,
        host: &mut impl Host,
    ) -> Action {
        match &mut self.state {
            State::Held(_, held) => *held = length,
            State::Waiting(_) => return Action::Hold,
            _ => {
                self.copy_body(Side::Request, length, ended, vm, host);
                return Action::Continue;
            }
        }
        if length > vm.body_cap {
            let (headers, _) = self.take_held();
            return self.refuse(
                &headers,
                &Facts::of(&headers),
                Reason::BodyOverCap,
                (length, ended),
                vm,
                host,
            );
        }
        if ended { self.decide_held(vm, host) } else { Action::Hold }
    }

    /// The request's trailers have come: its end.
    pub fn request_trailers<S: Segment>(
        &mut self,
        trailers: impl FnOnce() -> Headers,
        vm: &mut Vm<S>,
        host: &mut impl Host,
    ) -> Action {
        if matches!(self.state, State::Held(..)) {
            return self.decide_held(vm, host);
        }
        if matches!(self.state, State::Waiting(_)) {
            return Action::Hold;
        }
        if let Some(capture) = &mut self.capture {
            capture.trailers(Side::Request, trailers());
        }
        Action::Continue
    }

    /// The response's headers have come, be it the backend's or an answer of ours on its way out.
    pub fn response_headers<S: Segment>(
        &mut self,
        headers: impl FnOnce() -> Headers,
        ended: bool,
        vm: &mut Vm<S>,
        host: &mut impl Host,
    ) -> Fixup {
        match (&self.state, &mut self.capture) {
            (State::Answered, _) if self.stubbed.is_some() => {
                return self.stubbed.as_mut().map_or(Fixup::None, |stubbed| stubbed.headers(&headers()));
            }
            (State::Answered, _) => return self.fixup.take().unwrap_or(Fixup::None),
            // Envoy answers by itself where it can't hold the request any longer: no verdict will come.
            (State::Held(..) | State::Waiting(_), _) => self.abort(vm),
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

    /// More of the response's body has come: `length` bytes.
    pub fn response_body<S: Segment>(
        &mut self,
        length: usize,
        ended: bool,
        vm: &mut Vm<S>,
        host: &mut impl Host,
    ) -> Fixup {
        if matches!(self.state, State::Answered) {
            if ended && std::mem::take(&mut self.cut) {
                return Fixup::Cut;
            }
            if let Some(stubbed) = &mut self.stubbed {
                return stubbed.body(ended);
            }
            let trailers = if ended { std::mem::take(&mut self.trailers) } else { Headers::new() };
            return match (trailers.is_empty(), self.bodiless) {
                (true, _) => Fixup::None,
                (false, false) => Fixup::AddTrailers(trailers),
                (false, true) => Fixup::ReplaceBody(Vec::new(), trailers),
            };
        }
        self.copy_body(Side::Response, length, ended, vm, host);
        Fixup::None
    }

    /// The response's trailers have come: its end.
    pub fn response_trailers(&mut self, trailers: impl FnOnce() -> Headers) {
        if let (State::Passing, Some(capture)) = (&self.state, &mut self.capture) {
            capture.trailers(Side::Response, trailers());
        }
    }

    /// The stream is over, whatever became of it.
    pub fn end<S: Segment>(&mut self, vm: &mut Vm<S>, host: &mut impl Host) {
        if matches!(self.state, State::Held(..) | State::Waiting(_)) {
            self.abort(vm);
        }
        self.state = State::Ended;
        if let Some(capture) = self.capture.take() {
            capture.finish(vm, host);
        }
    }

    pub(super) fn pass(&mut self) -> Action {
        self.state = State::Passing;
        Action::Continue
    }

    fn decide_held<S: Segment>(&mut self, vm: &mut Vm<S>, host: &mut impl Host) -> Action {
        let (headers, length) = self.take_held();
        let body = if length > 0 { host.body(Side::Request, 0, length) } else { Vec::new() };
        self.decide(&headers, &Facts::of(&headers), body, vm, host)
    }

    fn take_held(&mut self) -> (Headers, usize) {
        match std::mem::take(&mut self.state) {
            State::Held(headers, length) => (headers, length),
            _ => (Headers::new(), 0),
        }
    }

    /// A request that ended, or was ended, before it could be judged or answered.
    fn abort<S: Segment>(&mut self, vm: &mut Vm<S>) {
        self.state = State::Answered;
        if let Some(policy) = self.policy {
            vm.count(policy.counter, Counter::Aborted);
        }
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
