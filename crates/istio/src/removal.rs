//! Removal of the resources.

use crate::scope::Scope;
use crate::tap::Simple;
use crate::{https, respond, tap};
use serde_json::{Value, json};

/// All resources that a tap and a mock of this scope may have created, with the fields that
/// deleting needs. Without the certificates: pods that mount them couldn't start any more.
pub fn removal(scope: &Scope) -> Vec<Value> {
    // The chains first, since they use the filters.
    let prefixes =
        [https::name(respond::NAME), https::name(tap::NAME), respond::NAME.to_owned(), tap::NAME.to_owned()];
    let filters = prefixes.map(|prefix| ("networking.istio.io/v1alpha3", "EnvoyFilter", prefix));
    let simple = [Simple::WasmPlugin, Simple::TrafficExtension]
        .map(|form| ("extensions.istio.io/v1alpha1", form.kind(), tap::NAME.to_owned()));
    filters
        .into_iter()
        .chain(simple)
        .map(|(version, kind, prefix)| {
            json!({ "apiVersion": version, "kind": kind, "metadata": scope.metadata(&scope.name(&prefix)) })
        })
        .collect()
}
