//! Where secrets are replaced by tokens: in all that leaves for the collector, in what a miss tells, and in live requests to backends whose
//! recorded requests have tokens. Which text is a secret is decided in [`crate::redact`].

use super::Vm;
use crate::canonical::Signature;
use crate::digest::Digest;
use crate::exchange::Exchange;
use crate::facts::Facts;
use crate::redact::Redactor;
use crate::table::Segment;

impl<S: Segment> Vm<S> {
    /// Takes the secrets out of an exchange that is about to leave.
    pub(super) fn redact(&self, exchange: &mut Exchange) {
        if let Some(redactor) = &self.redactor {
            redactor.exchange(exchange);
        }
    }

    /// Makes the signature that the table knows a request by. `redacted`: whether the recorded requests to this backend have tokens.
    /// [`Self::name`] is the backend's.
    pub(super) fn sign(&mut self, facts: &Facts<'_>, body: &[u8], redacted: bool) -> Digest {
        let redactor = redacted.then_some(&self.as_recorded);
        if !redacted || !set_redacted(&mut self.signature, redactor, &self.name, facts, body) {
            self.signature.set_from(&self.name, facts, body);
        }
        self.signature.digest()
    }

    /// Makes the signature of a request that missed anew, where it shows a secret; gives its digest.
    pub(super) fn sign_for_all_to_see(&mut self, facts: &Facts<'_>, body: &[u8]) -> Digest {
        set_redacted(&mut self.signature, self.redactor.as_ref(), &self.name, facts, body);
        self.signature.digest()
    }

    /// A path without its secrets, for all to see.
    pub(super) fn path_for_all_to_see<'a>(&self, path: &'a [u8]) -> std::borrow::Cow<'a, [u8]> {
        self.redactor.as_ref().and_then(|redactor| redactor.path(path)).map_or(path.into(), Into::into)
    }
}

/// Makes this the signature of a request without its secrets. `false`: it has none, and nothing was made.
fn set_redacted(
    signature: &mut Signature,
    redactor: Option<&Redactor>,
    backend: &[u8],
    facts: &Facts<'_>,
    body: &[u8],
) -> bool {
    let Some(redactor) = redactor else { return false };
    let (path, new_body) = (redactor.path(facts.path), redactor.body(facts.content_type, body));
    if path.is_none() && new_body.is_none() {
        return false;
    }
    let mut facts = facts.clone();
    facts.path = path.as_deref().unwrap_or(facts.path);
    signature.set_from(backend, &facts, new_body.as_deref().unwrap_or(body));
    true
}
