//! What is to be deleted to have everything as it was.

use crate::scope::Scope;
use crate::{respond, tap};
use serde_json::{Value, json};

/// The resources that a tap and a mock of this scope may have made, as far as deleting them needs.
pub fn removal(scope: &Scope) -> Vec<Value> {
    let filters =
        [respond::NAME, tap::NAME].map(|start| ("networking.istio.io/v1alpha3", "EnvoyFilter", start));
    let simple = ("extensions.istio.io/v1alpha1", "WasmPlugin", tap::NAME);
    filters
        .into_iter()
        .chain([simple])
        .map(|(version, kind, start)| {
            json!({ "apiVersion": version, "kind": kind, "metadata": scope.metadata(&scope.name(start)) })
        })
        .collect()
}
