//! The copy of a stream while it passes. It keeps bodies up to their limits and never delays the
//! stream.

use super::decide::MockedRequest;
use super::host::{Host, Side};
use super::vm::Vm;
use crate::exchange::{Body, Direction, End, Exchange, Request, Response};
use crate::facts::Facts;
use crate::headers::Headers;
use crate::table::Segment;
use crate::v1;
use crate::verdict::Verdict;

/// A copy of a stream, until it is complete.
#[derive(Debug, Default)]
pub(super) struct Capture {
    exchange: Exchange,
    /// Bytes of body that have passed, by [`Side`].
    seen: [u64; 2],
    /// Whether the side has ended, by [`Side`].
    ended: [bool; 2],
    /// Whether the backend made the response.
    answered: bool,
    memory: usize,
}

impl Capture {
    /// A copy that begins with the request's headers.
    pub(super) fn begin<S: Segment>(facts: &Facts<'_>, vm: &mut Vm<S>, host: &mut impl Host) -> Box<Self> {
        let exchange = begin_exchange(facts, vm, host);
        Box::new(Self { exchange, memory: vm.reserve_memory(facts.headers.size()), ..Self::default() })
    }

    /// A copy of a request to a mocked backend that continues after its verdict.
    pub(super) fn of_mocked<S: Segment>(
        request: MockedRequest<'_>,
        vm: &mut Vm<S>,
        host: &mut impl Host,
    ) -> Box<Self> {
        let mut capture = Self::begin(request.facts, vm, host);
        capture.count(Side::Request, request.received);
        capture.memory = capture.memory.saturating_add(vm.reserve_memory(request.body.len()));
        capture.exchange.request.body.bytes = request.body;
        if request.ended {
            capture.ended(Side::Request);
        }
        capture
    }

    /// Copies a chunk of `length` bytes, which the host has ready.
    pub(super) fn body<S: Segment>(
        &mut self,
        side: Side,
        length: usize,
        vm: &mut Vm<S>,
        host: &mut impl Host,
    ) {
        self.count(side, length);
        let kept = self.body_of(side).map_or(0, |body| body.bytes.len());
        let want = length.min(vm.body_cap.saturating_sub(kept));
        let room = vm.reserve_memory(want);
        self.memory = self.memory.saturating_add(room);
        if room > 0 {
            let bytes = host.body(side, 0, room);
            if let Some(body) = self.body_of(side) {
                body.bytes.extend_from_slice(&bytes);
            }
        }
    }

    pub(super) fn response_headers(&mut self, headers: &Headers, host: &mut impl Host) {
        let status = headers.get(b":status").and_then(|s| std::str::from_utf8(s).ok()?.parse().ok());
        let status = status.unwrap_or(0);
        // Read now: after a later reset the proxy only reports the reset. Read only for errors,
        // which the proxy may have made: the call costs as much as reading all headers.
        self.answered = status < 400 || host.backend_answered();
        let took = host.now().saturating_sub(self.exchange.time);
        self.exchange.first_byte.get_or_insert(took);
        self.exchange.response =
            Some(Response { status, headers: without_proxy_headers(headers), ..Response::default() });
    }

    pub(super) fn trailers(&mut self, side: Side, trailers: Headers) {
        match (side, &mut self.exchange.response) {
            (Side::Request, _) => self.exchange.request.trailers = trailers,
            (Side::Response, Some(response)) => response.trailers = trailers,
            (Side::Response, None) => {}
        }
        self.ended(side);
    }

    pub(super) fn ended(&mut self, side: Side) {
        if let Some(ended) = self.ended.get_mut(side as usize) {
            *ended = true;
        }
    }

    /// Completes the copy and puts it into the outbox.
    pub(super) fn finish<S: Segment>(mut self, vm: &mut Vm<S>, host: &mut impl Host) {
        let now = host.now();
        self.exchange.duration = now.saturating_sub(self.exchange.time);
        self.exchange.end = match self.end() {
            // Read only here: it costs a call of the host.
            End::ResponseAborted if self.is_whole(Side::Request) && host.client_left() => End::ClientLeft,
            end => end,
        };
        for (side, seen) in [Side::Request, Side::Response].into_iter().zip(self.seen) {
            if let Some(body) = self.body_of(side) {
                mark_truncated(body, seen);
            }
        }
        vm.redact(&mut self.exchange);
        if let Some(outbox) = &mut vm.outbox {
            outbox.push(now / 1000, |out| v1::write_record(&self.exchange, None, out));
        }
        vm.release_memory(self.memory);
    }

    fn end(&self) -> End {
        match (&self.exchange.response, [Side::Request, Side::Response].map(|side| self.is_whole(side))) {
            (None, [false, _]) => End::RequestAborted,
            (None, _) => End::NoResponse,
            // The proxy made this answer, such as "upstream connect error".
            (Some(_), _) if !self.answered => End::NoResponse,
            (Some(_), [_, false]) => End::ResponseAborted,
            (Some(_), [false, true]) => End::RequestAborted,
            (Some(_), [true, true]) => End::Complete,
        }
    }

    /// Whether a side is complete: it has ended, or all announced bytes have arrived. Over HTTP/2
    /// the end of a request may arrive after the whole answer, or never (RFC 9113, 8.1).
    fn is_whole(&self, side: Side) -> bool {
        let headers = match (side, &self.exchange.response) {
            (Side::Request, _) => &self.exchange.request.headers,
            (Side::Response, Some(response)) => &response.headers,
            (Side::Response, None) => return false,
        };
        let announced =
            || headers.get(b"content-length").and_then(|v| std::str::from_utf8(v).ok()?.parse::<u64>().ok());
        let index = side as usize;
        self.ended.get(index) == Some(&true)
            || announced().is_some_and(|all| self.seen.get(index) == Some(&all))
    }

    fn count(&mut self, side: Side, length: usize) {
        if let Some(seen) = self.seen.get_mut(side as usize) {
            *seen = seen.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
        }
    }

    fn body_of(&mut self, side: Side) -> Option<&mut Body> {
        match side {
            Side::Request => Some(&mut self.exchange.request.body),
            Side::Response => self.exchange.response.as_mut().map(|response| &mut response.body),
        }
    }
}

/// Puts the verdict on a request into the outbox, if there is one.
pub(super) fn report_verdict<S: Segment>(
    request: &MockedRequest<'_>,
    verdict: &Verdict,
    vm: &mut Vm<S>,
    host: &mut impl Host,
) {
    if vm.outbox.is_none() {
        return;
    }
    let mut exchange = begin_exchange(request.facts, vm, host);
    exchange.request.body.bytes.clone_from(&request.body);
    mark_truncated(&mut exchange.request.body, u64::try_from(request.received).unwrap_or(u64::MAX));
    exchange.end = if request.ended { End::Complete } else { End::RequestAborted };
    vm.redact(&mut exchange);
    let now = exchange.time / 1000;
    if let Some(outbox) = &mut vm.outbox {
        outbox.push(now, |out| v1::write_record(&exchange, Some(verdict), out));
    }
}

/// An exchange with the request's headers.
fn begin_exchange<S: Segment>(facts: &Facts<'_>, vm: &mut Vm<S>, host: &mut impl Host) -> Exchange {
    let mut backend = Vec::new();
    vm.write_name(facts.scheme, facts.authority, &mut backend);
    let request = Request {
        method: facts.method.to_vec(),
        path: facts.path.to_vec(),
        headers: match vm.direction {
            Direction::Outbound => without_proxy_headers(facts.headers),
            Direction::Inbound => as_called(facts.headers, facts.authority),
        },
        ..Request::default()
    };
    Exchange {
        id: vm.new_id(),
        direction: vm.direction,
        time: host.now(),
        backend: String::from_utf8_lossy(&backend).into_owned(),
        protocol: host.protocol(),
        request,
        ..Exchange::default()
    }
}

/// Records the full length of a body that was cut.
fn mark_truncated(body: &mut Body, seen: u64) {
    let kept = u64::try_from(body.bytes.len()).unwrap_or(u64::MAX);
    body.truncated = (kept < seen).then_some(seen);
}

/// The headers of an inbound request. `host` comes first: the backend's name is the listener's
/// here.
fn as_called(headers: &Headers, authority: &[u8]) -> Headers {
    // The client's own header. The listener stores it under this name, because the proxy overwrites
    // the original; see `envoy/envoy.yaml`.
    let proto = headers.get(b"x-understudy-forwarded-proto").map(|value| (&b"x-forwarded-proto"[..], value));
    let host = (!authority.is_empty()).then_some((&b"host"[..], authority));
    let sent = without_proxy_headers(headers);
    Headers::from_pairs(host.into_iter().chain(sent.iter()).chain(proto))
}

/// The headers that the peer sent, without pseudo-headers and headers that the proxy added.
fn without_proxy_headers(headers: &Headers) -> Headers {
    let own = |name: &[u8]| {
        name.first() == Some(&b':')
            || name.starts_with(b"x-envoy-")
            || [&b"x-forwarded-proto"[..], b"x-understudy-forwarded-proto"].contains(&name)
    };
    Headers::from_pairs(headers.iter().filter(|(name, _)| !own(name)))
}
