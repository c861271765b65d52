//! Where secrets are replaced by tokens: in all that leaves for the collector, in what a miss tells, and in live requests to backends whose
//! recorded requests have tokens. Which text is a secret is decided in [`crate::redact`].

use super::{Host, Vm};
use crate::config::OnMiss;
use crate::digest::Digest;
use crate::exchange::Exchange;
use crate::facts::Facts;
use crate::headers::Headers;
use crate::redact::Redactor;
use crate::table::Segment;

impl<S: Segment> Vm<S> {
    /// Takes the secrets out of an exchange that is about to leave.
    pub(super) fn redact(&self, exchange: &mut Exchange) {
        if let Some(redactor) = &self.redactor {
            redactor.exchange(exchange);
        }
    }

    /// Makes the signature that the table knows a request by; gives its digest, and what the rules say of a miss. `redacted`: whether the
    /// recorded requests to this backend have tokens. [`Self::name`] is the backend's.
    pub(super) fn sign(
        &mut self,
        facts: &Facts<'_>,
        body: &[u8],
        time: u64,
        redacted: bool,
    ) -> (Digest, Said) {
        let redactor = redacted.then_some(&self.as_recorded);
        let without = redactor.and_then(|redactor| without_secrets(redactor, facts, body));
        let (facts, body) = match &without {
            Some(without) => (&without.facts(facts), without.body.as_deref().unwrap_or(body)),
            None => (facts, body),
        };
        let actions = self.signature.set_from(&self.name, facts, body, time, &self.rules);
        let said = Said { on_miss: actions.on_miss(), faults: actions.faults().collect() };
        (self.signature.digest(), said)
    }

    /// Makes the signature of a request that missed anew, where it shows a secret; gives its digest.
    pub(super) fn sign_for_all_to_see(&mut self, facts: &Facts<'_>, body: &[u8], time: u64) -> Digest {
        let without = self.redactor.as_ref().and_then(|redactor| without_secrets(redactor, facts, body));
        if let Some(without) = without {
            let (facts, body) = (without.facts(facts), without.body.as_deref().unwrap_or(body));
            self.signature.set_from(&self.name, &facts, body, time, &self.rules);
        }
        self.signature.digest()
    }

    /// When a request was made, as far as that matters: asking costs.
    pub(super) fn time_of_request(&self, host: &mut impl Host) -> u64 {
        if self.rules.need_time() { host.now() } else { 0 }
    }

    /// A path without its secrets, for all to see.
    pub(super) fn path_for_all_to_see<'a>(&self, path: &'a [u8]) -> std::borrow::Cow<'a, [u8]> {
        self.redactor.as_ref().and_then(|redactor| redactor.path(path)).map_or(path.into(), Into::into)
    }
}

/// What rules say of a request beside its signature.
pub(super) struct Said {
    pub(super) on_miss: Option<OnMiss>,
    /// The rules that make faults, the last one first.
    pub(super) faults: Vec<usize>,
}

/// A request without the secrets in it, as far as there are any.
struct Without {
    headers: Option<Headers>,
    path: Option<Vec<u8>>,
    body: Option<Vec<u8>>,
    /// Whether the body is without its content-encoding too.
    decoded: bool,
}

impl Without {
    fn facts<'a>(&'a self, facts: &Facts<'a>) -> Facts<'a> {
        let mut without = self.headers.as_ref().map_or_else(|| facts.clone(), Facts::of);
        without.path = self.path.as_deref().unwrap_or(facts.path);
        if self.decoded {
            (without.content_encoding, without.aws_streaming) = (None, false);
        }
        without
    }
}

/// `None`: there is no secret in it.
fn without_secrets(redactor: &Redactor, facts: &Facts<'_>, body: &[u8]) -> Option<Without> {
    let body = match facts.content_encoding {
        Some(coding) => redactor.encoded_body(coding, facts.content_type, body),
        None => redactor.body(facts.content_type, body),
    };
    let headers = redactor.headers(facts.headers);
    let decoded = facts.content_encoding.is_some() && body.is_some();
    let without = Without { headers, path: redactor.path(facts.path), body, decoded };
    (without.headers.is_some() || without.path.is_some() || without.body.is_some()).then_some(without)
}
