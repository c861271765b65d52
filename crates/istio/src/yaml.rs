//! Resources as text that `kubectl apply -f -` takes.

use serde_json::Value;

/// The resources as one YAML text of several documents.
pub fn to_yaml(resources: &[Value]) -> String {
    // What is made of JSON values has no form that YAML lacks.
    let texts: Vec<_> =
        resources.iter().map(|resource| serde_saphyr::to_string(resource).unwrap_or_default()).collect();
    texts.join("---\n")
}
