//! What is to be deleted to have everything as it was.

use crate::scope::Scope;
use crate::tap::Simple;
use crate::{https, respond, tap};
use serde_json::{Value, json};

/// The resources that a tap and a mock of this scope may have made, as far as deleting them needs. Not the certificates: pods that mount them
/// couldn't start any more.
pub fn removal(scope: &Scope) -> Vec<Value> {
    // The chains first: they have need of the filters.
    let starts =
        [https::name(respond::NAME), https::name(tap::NAME), respond::NAME.to_owned(), tap::NAME.to_owned()];
    let filters = starts.map(|start| ("networking.istio.io/v1alpha3", "EnvoyFilter", start));
    let simple = [Simple::WasmPlugin, Simple::TrafficExtension]
        .map(|form| ("extensions.istio.io/v1alpha1", form.kind(), tap::NAME.to_owned()));
    filters
        .into_iter()
        .chain(simple)
        .map(|(version, kind, start)| {
            json!({ "apiVersion": version, "kind": kind, "metadata": scope.metadata(&scope.name(&start)) })
        })
        .collect()
}
