//! What a rule is about: requests that do the same, with other identifiers in their paths.

use understudy_core::canonical::Signature;
use understudy_core::facts::is_grpc;
use understudy_core::rules::{PathPattern, Rule, is_identifier, tokens};

/// Requests that do the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Endpoint {
    pub(super) backend: String,
    pub(super) method: String,
    /// With `*` in the place of identifiers.
    pub(super) path: String,
    pub(super) operation: Option<String>,
}

impl Endpoint {
    /// The endpoint of a request; `None` where it can't be told as text.
    pub(super) fn of(signature: &Signature) -> Option<Self> {
        let text = |key: &[u8]| signature.get(key).map(|value| String::from_utf8(value.to_vec()).ok());
        let path = text(b"path")??;
        // gRPC's are a service and a method, such as `google.pubsub.v1.Publisher`, which looks like one.
        let grpc = signature.get(b"content-type").is_some_and(is_grpc);
        let stands = |segment: &str| !grpc && is_like_an_identifier(segment);
        let segments: Vec<&str> =
            path.split('/').map(|segment| if stands(segment) { "*" } else { segment }).collect();
        let operation = match text(b"operation") {
            Some(operation) => Some(operation?),
            None => None,
        };
        Some(Self {
            backend: text(b"backend")??,
            method: text(b"method")??,
            path: segments.join("/"),
            operation,
        })
    }

    /// A rule about these requests, which says nothing yet.
    pub(super) fn rule(&self) -> Rule {
        Rule {
            backend: Some(self.backend.clone()),
            method: Some(self.method.clone()),
            path: PathPattern::try_from(self.path.clone()).ok(),
            operation: self.operation.clone(),
            ..Rule::default()
        }
    }
}

/// Whether a segment stands for one of many things: it holds a token that passes, or is a number, or has digits amid eight characters at
/// least. `v1` and `v2beta1` don't.
fn is_like_an_identifier(segment: &str) -> bool {
    let bytes = segment.as_bytes();
    // A star that was sent can't be told from one that stands for something.
    segment.contains('*')
        || !tokens(bytes).is_empty()
        || is_identifier(bytes) && (bytes.iter().all(u8::is_ascii_digit) || bytes.len() >= 8)
}
