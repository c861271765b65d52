//! Building blocks of the resources: patches of Envoy's configuration, in Istio's format.

use crate::module::Module;
use crate::scope::Scope;
use serde_json::{Value, json};

/// Type of the filter's configuration.
const WASM: &str = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";
/// Type of the filter that stands in while the module is missing.
const RBAC: &str = "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC";
/// Time that a new listener waits for the module before it starts with the stand-in.
const WAIT_FOR_MODULE: &str = "5s";

/// Direction of the traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Outbound,
    Inbound,
}

impl Direction {
    pub(crate) fn context(self) -> &'static str {
        match self {
            Self::Outbound => "SIDECAR_OUTBOUND",
            Self::Inbound => "SIDECAR_INBOUND",
        }
    }
}

/// An `EnvoyFilter` with these patches. Of two for one workload, the one with the higher priority
/// is applied later, and its filter is nearer to the router.
pub(crate) fn envoy_filter(scope: &Scope, name: &str, priority: i32, patches: &[Value]) -> Value {
    let mut spec = json!({});
    if let Some(selector) = scope.selector("labels") {
        spec["workloadSelector"] = selector;
    }
    spec["priority"] = json!(priority);
    spec["configPatches"] = json!(patches);
    json!({
        "apiVersion": "networking.istio.io/v1alpha3",
        "kind": "EnvoyFilter",
        "metadata": scope.metadata(name),
        "spec": spec,
    })
}

/// A patch that adds a listener, cluster or extension.
pub(crate) fn add(apply_to: &str, direction: Direction, value: &Value) -> Value {
    json!({
        "applyTo": apply_to,
        "match": { "context": direction.context() },
        "patch": { "operation": "ADD", "value": value },
    })
}

/// A patch that inserts an HTTP filter in front of the router.
pub(crate) fn before_router(direction: Direction, value: &Value) -> Value {
    let filter = json!({
        "name": "envoy.filters.network.http_connection_manager",
        "subFilter": { "name": "envoy.filters.http.router" },
    });
    json!({
        "applyTo": "HTTP_FILTER",
        "match": { "context": direction.context(), "listener": { "filterChain": { "filter": filter } } },
        "patch": { "operation": "INSERT_BEFORE", "value": value },
    })
}

/// Reaction of Envoy to a crash of the filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnCrash {
    /// Traffic passes without the filter, also requests in flight. Only the deprecated `fail_open`
    /// does that.
    Open,
    /// Requests in flight get 503, then a new VM starts.
    Reload,
}

/// The filter with its configuration, as an extension whose module Istio's agent fetches.
pub(crate) fn plugin(name: &str, module: &Module, on_crash: OnCrash, config: &Value) -> Value {
    let mut plugin = json!({ "name": name, "root_id": "understudy" });
    match on_crash {
        OnCrash::Open => plugin["fail_open"] = json!(true),
        OnCrash::Reload => plugin["failure_policy"] = json!("FAIL_RELOAD"),
    }
    // Without this field a held request hangs. A tap needs it too: its module may have a table.
    plugin["allow_on_headers_stop_iteration"] = json!(true);
    plugin["vm_config"] = json!({ "vm_id": name, "runtime": "envoy.wasm.runtime.v8", "code": module.code() });
    plugin["configuration"] = json!({
        "@type": "type.googleapis.com/google.protobuf.StringValue",
        "value": config.to_string(),
    });
    json!({ "name": name, "typed_config": { "@type": WASM, "config": plugin } })
}

/// The filter in the chain, whose configuration Envoy gets by discovery (ECDS). `stand_in` works
/// while the module is missing.
///
/// RBAC is among the types because Istio's agent sends an RBAC filter for a module that it can't
/// fetch.
pub(crate) fn discovered_filter(name: &str, stand_in: &Value) -> Value {
    json!({
        "name": name,
        "config_discovery": {
            "config_source": { "ads": {}, "initial_fetch_timeout": WAIT_FOR_MODULE },
            "default_config": stand_in,
            "type_urls": [WASM, RBAC],
        },
    })
}

/// Stand-in that lets everything pass.
pub(crate) fn allow_all() -> Value {
    json!({ "@type": RBAC })
}

/// Stand-in that lets nothing pass. Envoy's `response_code_details` name the policy.
pub(crate) fn deny_all() -> Value {
    json!({
        "@type": RBAC,
        "rules": {
            "action": "DENY",
            "policies": {
                "understudy_module_missing": { "permissions": [{ "any": true }], "principals": [{ "any": true }] },
            },
        },
    })
}
