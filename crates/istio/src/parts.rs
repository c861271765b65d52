//! What the resources are made of: patches for Envoy's configuration, as Istio takes them.

use crate::module::Module;
use crate::scope::Scope;
use serde_json::{Value, json};

/// The filter's type.
const WASM: &str = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";
/// The type of what stands in for the filter while there is none.
const RBAC: &str = "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC";
/// How long a new listener waits for the filter before it begins with what stands in for it.
const WAIT_FOR_MODULE: &str = "5s";

/// Which way the traffic goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Outbound,
    Inbound,
}

impl Way {
    pub(crate) fn context(self) -> &'static str {
        match self {
            Self::Outbound => "SIDECAR_OUTBOUND",
            Self::Inbound => "SIDECAR_INBOUND",
        }
    }
}

/// An `EnvoyFilter` of these patches. Of two for one workload, the one with the higher priority comes later, so nearer to the router.
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

/// Adds something to what there is.
pub(crate) fn add(apply_to: &str, way: Way, value: &Value) -> Value {
    json!({
        "applyTo": apply_to,
        "match": { "context": way.context() },
        "patch": { "operation": "ADD", "value": value },
    })
}

/// Puts an HTTP filter before the router.
pub(crate) fn before_router(way: Way, value: &Value) -> Value {
    let filter = json!({
        "name": "envoy.filters.network.http_connection_manager",
        "subFilter": { "name": "envoy.filters.http.router" },
    });
    json!({
        "applyTo": "HTTP_FILTER",
        "match": { "context": way.context(), "listener": { "filterChain": { "filter": filter } } },
        "patch": { "operation": "INSERT_BEFORE", "value": value },
    })
}

/// What Envoy does when the filter crashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnCrash {
    /// All goes on without it, what is in flight too. Only the old field does that.
    Open,
    /// 503 for what is in flight, then a new VM.
    Reload,
}

/// The filter with its configuration, as a resource that Istio's agent fetches the module for.
pub(crate) fn plugin(name: &str, module: &Module, on_crash: OnCrash, config: &Value) -> Value {
    let mut plugin = json!({ "name": name, "root_id": "understudy" });
    match on_crash {
        OnCrash::Open => plugin["fail_open"] = json!(true),
        OnCrash::Reload => plugin["failure_policy"] = json!("FAIL_RELOAD"),
    }
    // Without it a request that is held hangs: a mocked one, and a table in a tap's module can say that.
    plugin["allow_on_headers_stop_iteration"] = json!(true);
    plugin["vm_config"] = json!({ "vm_id": name, "runtime": "envoy.wasm.runtime.v8", "code": module.code() });
    plugin["configuration"] = json!({
        "@type": "type.googleapis.com/google.protobuf.StringValue",
        "value": config.to_string(),
    });
    json!({ "name": name, "typed_config": { "@type": WASM, "config": plugin } })
}

/// The place of the filter in the chain. `otherwise` stands there while the filter can't be had.
///
/// RBAC is among the types since Istio's agent too puts one there, for a module that it can't fetch.
pub(crate) fn place(name: &str, otherwise: &Value) -> Value {
    json!({
        "name": name,
        "config_discovery": {
            "config_source": { "ads": {}, "initial_fetch_timeout": WAIT_FOR_MODULE },
            "default_config": otherwise,
            "type_urls": [WASM, RBAC],
        },
    })
}

/// Lets all pass.
pub(crate) fn nothing() -> Value {
    json!({ "@type": RBAC })
}

/// Lets nothing pass. Envoy's `response_code_details` name the policy.
pub(crate) fn deny() -> Value {
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
