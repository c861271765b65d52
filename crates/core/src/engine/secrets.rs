//! Redaction in the engine: in everything that leaves for the collector, in the answer to a miss,
//! and in live requests to backends whose recorded requests contain tokens. [`crate::redact`]
//! decides which text is a secret.

use super::vm::Vm;
use crate::backend;
use crate::canonical::Signature;
use crate::exchange::Exchange;
use crate::facts::Facts;
use crate::headers::Headers;
use crate::redact::Redactor;
use crate::rules::Actions;
use crate::table::Segment;
use std::borrow::Cow;

/// A request's signature, as the table knows it.
#[derive(Debug)]
pub(super) struct Signed<'v> {
    pub(super) signature: Signature,
    /// The instructions of the rules for this request.
    pub(super) actions: Actions<'v>,
    backend: Vec<u8>,
    /// The request's time in microseconds since 1970. 0 if no rule needs it.
    time: u64,
}

impl<S: Segment> Vm<S> {
    /// Replaces the secrets of an exchange that is about to leave.
    pub(super) fn redact(&self, exchange: &mut Exchange) {
        if let Some(redactor) = &self.redactor {
            redactor.exchange(exchange);
        }
    }

    /// The signature of a request. `redacted`: the recorded requests to this backend contain
    /// tokens, so that secrets in the live request are replaced before it is compared.
    pub(super) fn sign(&self, facts: &Facts<'_>, body: &[u8], time: u64, redacted: bool) -> Signed<'_> {
        let mut name = Vec::new();
        backend::write_name(facts.scheme, facts.authority, &mut name);
        let redactor = redacted.then_some(&self.as_recorded);
        let without = redactor.and_then(|redactor| RedactedRequest::of(redactor, facts, body));
        let mut signature = Signature::default();
        let actions = match &without {
            Some(without) => {
                let body = without.body.as_deref().unwrap_or(body);
                signature.set_from(&name, &without.facts(facts), body, time, &self.rules)
            }
            None => signature.set_from(&name, facts, body, time, &self.rules),
        };
        Signed { signature, actions, backend: name, time }
    }

    /// The signature of a request that missed, without its secrets: the answer to a miss shows it.
    /// `None`: the request has none, and its signature can be shown as it is.
    pub(super) fn redacted_signature(
        &self,
        facts: &Facts<'_>,
        body: &[u8],
        signed: &Signed<'_>,
    ) -> Option<Signature> {
        let redactor = self.redactor.as_ref()?;
        let without = RedactedRequest::of(redactor, facts, body)?;
        let body = without.body.as_deref().unwrap_or(body);
        let mut signature = Signature::default();
        signature.set_from(&signed.backend, &without.facts(facts), body, signed.time, &self.rules);
        Some(signature)
    }

    /// A path without its secrets.
    pub(super) fn redacted_path<'a>(&self, path: &'a [u8]) -> Cow<'a, [u8]> {
        self.redactor.as_ref().and_then(|redactor| redactor.path(path)).map_or(path.into(), Into::into)
    }
}

/// The parts of a request that contained secrets, with tokens instead.
struct RedactedRequest {
    headers: Option<Headers>,
    path: Option<Vec<u8>>,
    body: Option<Vec<u8>>,
    /// Whether the body's content-encoding was removed too.
    decoded: bool,
}

impl RedactedRequest {
    /// `None`: the request contains no secret.
    fn of(redactor: &Redactor, facts: &Facts<'_>, body: &[u8]) -> Option<Self> {
        let body = match facts.content_encoding {
            Some(coding) => redactor.encoded_body(coding, facts.content_type, body),
            None => redactor.body(facts.content_type, body),
        };
        let headers = redactor.headers(facts.headers);
        let decoded = facts.content_encoding.is_some() && body.is_some();
        let path = redactor.path(facts.path);
        (headers.is_some() || path.is_some() || body.is_some()).then_some(Self {
            headers,
            path,
            body,
            decoded,
        })
    }

    /// The facts of the request without its secrets.
    fn facts<'a>(&'a self, facts: &Facts<'a>) -> Facts<'a> {
        let mut without = self.headers.as_ref().map_or_else(|| facts.clone(), Facts::of);
        without.path = self.path.as_deref().unwrap_or(facts.path);
        if self.decoded {
            (without.content_encoding, without.aws_streaming) = (None, false);
        }
        without
    }
}
