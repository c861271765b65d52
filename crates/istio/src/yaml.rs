//! Resources as text for `kubectl apply -f -`.

use serde_json::Value;

/// The resources as one YAML text, a document each.
pub fn to_yaml(resources: &[Value]) -> String {
    // YAML can represent every JSON value.
    let texts: Vec<_> =
        resources.iter().map(|resource| serde_saphyr::to_string(resource).unwrap_or_default()).collect();
    texts.join("---\n")
}
