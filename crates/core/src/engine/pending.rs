//! The work left on an answer after its decision. Envoy sends the filter's answers through the
//! filter again, and this is what changes there.

use super::fault;
use super::host::{Action, Fixup, Reply};
use super::stub::{StubbedAnswer, with_status};
use crate::facts::Facts;
use crate::headers::Headers;
use crate::rules::Fault;

/// The work left on an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PendingAnswer {
    source: AnswerSource,
    /// Whether a fault cuts the body: the stream is reset at its end.
    cut: bool,
}

/// The origin of the answer that Envoy sends.
#[derive(Debug, PartialEq, Eq)]
enum AnswerSource {
    /// Envoy made the answer of a [`Reply`].
    Reply {
        /// The change to the headers.
        headers: Fixup,
        /// The trailers to add.
        trailers: Headers,
        /// Whether the answer has no body except the byte that Envoy needs to send trailers.
        placeholder_body: bool,
    },
    /// The recorded answer replaces the stub's.
    Stub(StubbedAnswer),
}

impl PendingAnswer {
    /// No work.
    pub(super) fn none() -> Self {
        Self::reply_with(Fixup::None)
    }

    /// The work on a reply without trailers.
    pub(super) fn of_reply(reply: &Reply) -> Self {
        Self::reply_with(header_fixup(reply, false, false))
    }

    fn reply_with(headers: Fixup) -> Self {
        let source = AnswerSource::Reply { headers, trailers: Headers::new(), placeholder_body: false };
        Self { source, cut: false }
    }

    /// The work on a recorded HTTP answer, and the action that sends it. `untyped`: the recorded
    /// answer had no `content-type`.
    pub(super) fn http(
        mut reply: Reply,
        trailers: Headers,
        untyped: bool,
        facts: &Facts<'_>,
        fault: Option<&Fault>,
    ) -> (Self, Action) {
        // Envoy only takes trailers after a body. Answers to HEAD have none (RFC 9110, 6.5).
        let may_have_body = facts.method != b"HEAD" && !matches!(reply.status, 204 | 304);
        let placeholder_body = reply.body.is_empty() && !trailers.is_empty() && may_have_body;
        if !placeholder_body && let Some(whole) = fault.and_then(|fault| fault::cut(&mut reply, fault)) {
            let pending = Self { cut: true, ..Self::reply_with(Fixup::Replace(with_length(&reply, whole))) };
            return (pending, Action::Reply(reply));
        }
        let untyped = untyped || placeholder_body && reply.headers.get(b"content-type").is_none();
        if placeholder_body {
            reply.body.push(b' ');
        }
        let headers = header_fixup(&reply, untyped, !trailers.is_empty());
        let source = AnswerSource::Reply { headers, trailers, placeholder_body };
        (Self { source, cut: false }, Action::Reply(reply))
    }

    /// The work on a recorded gRPC answer, and the action that sends it: through the stub, unless
    /// the answer consists of headers alone.
    pub(super) fn grpc(mut reply: Reply, trailers: Headers, fault: Option<&Fault>) -> (Self, Action) {
        if reply.body.is_empty() && trailers.is_empty() {
            let headers = Fixup::Replace(with_status(reply.status, &reply.headers));
            return (Self::reply_with(headers), Action::Reply(reply));
        }
        let cut = fault.is_some_and(|fault| fault::cut(&mut reply, fault).is_some());
        let (stubbed, action) = StubbedAnswer::new(reply, trailers);
        (Self { source: AnswerSource::Stub(stubbed), cut }, action)
    }

    /// The answer's headers pass. They are only read if needed.
    pub(super) fn headers(&mut self, headers: impl FnOnce() -> Headers) -> Fixup {
        match &mut self.source {
            AnswerSource::Reply { headers, .. } => std::mem::replace(headers, Fixup::None),
            AnswerSource::Stub(stubbed) => stubbed.headers(&headers()),
        }
    }

    /// A chunk of the answer's body passes. `ended`: it is the last one.
    pub(super) fn body(&mut self, ended: bool) -> Fixup {
        if ended && std::mem::take(&mut self.cut) {
            return Fixup::Cut;
        }
        match &mut self.source {
            AnswerSource::Stub(stubbed) => stubbed.body(ended),
            AnswerSource::Reply { trailers, placeholder_body, .. } => {
                let trailers = if ended { std::mem::take(trailers) } else { Headers::new() };
                match (trailers.is_empty(), placeholder_body) {
                    (true, _) => Fixup::None,
                    (false, false) => Fixup::AddTrailers(trailers),
                    (false, true) => Fixup::ReplaceBody(Vec::new(), trailers),
                }
            }
        }
    }
}

/// All headers of an answer whose body is cut, with the length that the whole body has.
fn with_length(reply: &Reply, whole: usize) -> Headers {
    let whole = whole.to_string();
    let length = (&b"content-length"[..], whole.as_bytes());
    with_status(reply.status, &Headers::from_pairs([length].into_iter().chain(reply.headers.iter())))
}

/// The change to the headers that Envoy makes of a reply.
fn header_fixup(reply: &Reply, untyped: bool, trailers: bool) -> Fixup {
    if reply.body.is_empty() {
        // Envoy removes headers about a body if there is none. Answers to HEAD and 304 have them.
        let has = |name: &[u8]| reply.headers.get(name).is_some();
        if has(b"content-type") || has(b"content-length") {
            return Fixup::Replace(with_status(reply.status, &reply.headers));
        }
        return Fixup::None;
    }
    // HTTP/1.1 has trailers only after a chunked body.
    match (untyped, trailers) {
        (true, true) => Fixup::Remove(&["content-type", "content-length"]),
        (true, false) => Fixup::Remove(&["content-type"]),
        (false, true) => Fixup::Remove(&["content-length"]),
        (false, false) => Fixup::None,
    }
}
