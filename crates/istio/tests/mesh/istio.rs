//! Istio's handling of an `EnvoyFilter`, as far as our resources need it, after Istio's own code
//! (`pilot/pkg/networking/core/envoyfilter`): selection of workloads, order of patches, and the
//! effect of each patch. An unknown patch panics, because no test has tried it.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use understudy_istio::ROOT_NAMESPACE;

/// Configuration of a sidecar.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sidecar {
    pub(crate) listeners: Vec<Value>,
    pub(crate) clusters: Vec<Value>,
    /// The route configurations of outbound listeners.
    pub(crate) routes: Vec<Value>,
    /// Extensions that the sidecar discovers by name.
    pub(crate) extensions: Vec<Value>,
}

/// Workload of a sidecar.
#[derive(Clone, Debug)]
pub(crate) struct Workload {
    pub(crate) namespace: String,
    pub(crate) labels: BTreeMap<String, String>,
}

impl Workload {
    fn is_selected(&self, filter: &Value) -> bool {
        let namespace = &filter["metadata"]["namespace"];
        let spec = &filter["spec"];
        let selector = if is_simple(filter) {
            &spec["selector"]["matchLabels"]
        } else {
            &spec["workloadSelector"]["labels"]
        };
        let selector = selector.as_object();
        let labels = |labels: &serde_json::Map<String, Value>| {
            labels.iter().all(|(key, value)| self.labels.get(key).map(String::as_str) == value.as_str())
        };
        (namespace == ROOT_NAMESPACE || *namespace == self.namespace) && selector.is_none_or(labels)
    }
}

impl Sidecar {
    /// The configuration with the resources that are for this workload.
    pub(crate) fn with(mut self, resources: &[Value], workload: &Workload) -> Self {
        let selected = resources.iter().filter(|filter| workload.is_selected(filter));
        let (simple, mut filters): (Vec<_>, Vec<_>) = selected.partition(|resource| is_simple(resource));
        // The simple resources are in the listeners before any patch is applied.
        simple.into_iter().for_each(|resource| self.add_simple(resource));
        // By priority, then root namespace first, then by name.
        filters.sort_by_key(|filter| {
            let priority = filter["spec"]["priority"].as_i64().unwrap_or(0);
            let text = |key: &str| filter["metadata"][key].as_str().unwrap_or_default().to_owned();
            (priority, text("namespace") != ROOT_NAMESPACE, text("name"))
        });
        let patches: Vec<_> = filters
            .iter()
            .flat_map(|filter| filter["spec"]["configPatches"].as_array().expect("patches"))
            .collect();
        // Patches inside listeners come before new listeners, and patches inside chains before new
        // chains.
        for (kind, apply) in INSIDE {
            for patch in patches.iter().filter(|patch| patch["applyTo"] == kind) {
                self.listeners.iter_mut().for_each(|listener| apply(listener, patch));
            }
        }
        let inside = |patch: &Value| INSIDE.iter().any(|(kind, _)| patch["applyTo"] == *kind);
        patches.iter().filter(|patch| !inside(patch)).for_each(|patch| self.add(patch));
        self
    }

    /// After `pilot/pkg/networking/core/extension` and `pilot/pkg/model/extensions.go`.
    fn add_simple(&mut self, resource: &Value) {
        let spec = &resource["spec"];
        assert_eq!(spec["match"], json!([{ "mode": "CLIENT" }]));
        let wasm = if resource["kind"] == "WasmPlugin" { spec } else { &spec["wasm"] };
        assert_eq!(wasm["failStrategy"], "FAIL_OPEN");
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        let name =
            format!("{}.{}", text(&resource["metadata"]["namespace"]), text(&resource["metadata"]["name"]));
        let kind = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";
        let place = json!({
            "name": name,
            "config_discovery": {
                "config_source": { "ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3" },
                "type_urls": [kind, "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC"],
            },
        });
        let filter = json!({ "name": MANAGER, "subFilter": { "name": "envoy.filters.http.router" } });
        let patch = json!({
            "match": { "context": "SIDECAR_OUTBOUND", "listener": { "filterChain": { "filter": filter } } },
            "patch": { "operation": "INSERT_BEFORE", "value": place },
        });
        self.listeners.iter_mut().for_each(|listener| insert_http_filter(listener, &patch));
        let configuration = json!({ "@type": "type.googleapis.com/google.protobuf.StringValue", "value": wasm["pluginConfig"].to_string() });
        let code =
            json!({ "remote": { "http_uri": { "uri": wasm["url"], "timeout": "30s", "cluster": "_" } } });
        let config = json!({
            "name": name,
            "failure_policy": "FAIL_OPEN",
            "configuration": configuration,
            "vm_config": { "runtime": "envoy.wasm.runtime.v8", "code": code },
        });
        self.extensions.push(json!({ "name": name, "typed_config": { "@type": kind, "config": config } }));
    }

    fn add(&mut self, patch: &Value) {
        let operation = match patch["applyTo"] == "HTTP_ROUTE" {
            true => "INSERT_FIRST",
            false => "ADD",
        };
        assert_eq!(patch["patch"]["operation"], operation, "{patch}");
        let (context, value) = (&patch["match"]["context"], patch["patch"]["value"].clone());
        assert!(patch["match"].as_object().expect("a match").len() == 1, "{patch}");
        match patch["applyTo"].as_str().expect("a name") {
            // In any context.
            "EXTENSION_CONFIG" => self.extensions.push(value),
            "LISTENER" if context == "SIDECAR_OUTBOUND" => self.listeners.push(value),
            "CLUSTER" if context == "SIDECAR_OUTBOUND" => self.clusters.push(value),
            "HTTP_ROUTE" if context == "SIDECAR_OUTBOUND" => {
                let hosts = self
                    .routes
                    .iter_mut()
                    .map(|routes| routes["virtual_hosts"].as_array_mut().expect("hosts"));
                for host in hosts.flatten() {
                    host["routes"].as_array_mut().expect("routes").insert(0, value.clone());
                }
            }
            _ => panic!("no test has tried {patch}"),
        }
    }
}

const MANAGER: &str = "envoy.filters.network.http_connection_manager";

/// Returns whether Istio itself makes the filter of this resource.
fn is_simple(resource: &Value) -> bool {
    resource["apiVersion"] == "extensions.istio.io/v1alpha1"
}

type Change = fn(&mut Value, &Value);

/// Changes of a listener in Istio's order.
const INSIDE: [(&str, Change); 3] = [
    ("LISTENER_FILTER", |listener, patch| add_inside(listener, patch, "listener_filters")),
    ("HTTP_FILTER", insert_http_filter),
    ("FILTER_CHAIN", |listener, patch| add_inside(listener, patch, "filter_chains")),
];

fn context_of(listener: &Value) -> &'static str {
    match listener["traffic_direction"].as_str() {
        Some("OUTBOUND") => "SIDECAR_OUTBOUND",
        _ => "SIDECAR_INBOUND",
    }
}

/// Adds to the listeners of a port. `virtualOutbound` and `virtualInbound` are for every port.
fn add_inside(listener: &mut Value, patch: &Value, key: &str) {
    assert_eq!(patch["patch"]["operation"], "ADD", "{patch}");
    let port = &patch["match"]["listener"]["portNumber"];
    assert!(
        port.is_u64() && patch["match"]["listener"].as_object().is_some_and(|of| of.len() == 1),
        "{patch}"
    );
    let at = &listener["address"]["socket_address"]["port_value"];
    let meant = listener["name"] == "virtualOutbound" || listener["name"] == "virtualInbound" || at == port;
    if meant && patch["match"]["context"] == context_of(listener) {
        let values = listener[key].as_array_mut().expect("some are there");
        values.push(patch["patch"]["value"].clone());
    }
}

fn insert_http_filter(listener: &mut Value, patch: &Value) {
    assert_eq!(patch["patch"]["operation"], "INSERT_BEFORE", "{patch}");
    if patch["match"]["context"] != context_of(listener) {
        return;
    }
    let filter = &patch["match"]["listener"]["filterChain"]["filter"];
    let (manager, before) = (&filter["name"], &filter["subFilter"]["name"]);
    let mut chains: Vec<&mut Value> = Vec::new();
    if let Value::Object(listener) = listener {
        for (key, value) in listener {
            match key.as_str() {
                "filter_chains" => chains.extend(value.as_array_mut().expect("chains")),
                "default_filter_chain" => chains.push(value),
                _ => {}
            }
        }
    }
    for chain in chains {
        for network in chain["filters"].as_array_mut().expect("filters") {
            if network["name"] != *manager {
                continue;
            }
            let http = network["typed_config"]["http_filters"].as_array_mut().expect("HTTP filters");
            if let Some(at) = http.iter().position(|filter| filter["name"] == *before) {
                http.insert(at, patch["patch"]["value"].clone());
            }
        }
    }
}

/// Behaviour of Istio's agent with a remote module.
#[derive(Clone, Debug)]
pub(crate) enum Agent {
    /// Has fetched the module into this file.
    Fetches(std::path::PathBuf),
    /// Can't fetch the module and hands nothing on, as older agents do.
    HandsNothingOn,
    /// Can't fetch the module and hands on an RBAC filter instead: one that allows everything for a
    /// plugin that fails open, and one that denies everything for any other.
    CannotFetch,
}

impl Agent {
    /// Extensions that the agent hands on to Envoy.
    pub(crate) fn hand_on(&self, extensions: &[Value]) -> Vec<Value> {
        extensions.iter().cloned().filter_map(|extension| self.convert(extension)).collect()
    }

    fn convert(&self, mut extension: Value) -> Option<Value> {
        let code = &mut extension["typed_config"]["config"]["vm_config"]["code"];
        let uri = code["remote"]["http_uri"]["uri"].as_str().expect("a remote module");
        assert!(uri.starts_with("oci://"), "{uri}");
        match self {
            Self::Fetches(file) => *code = json!({ "local": { "filename": file } }),
            Self::HandsNothingOn => return None,
            Self::CannotFetch => {
                let fails_open = extension["typed_config"]["config"]["fail_open"] == true;
                let rbac = "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC";
                extension["typed_config"] = json!({ "@type": rbac });
                if !fails_open {
                    // Rules that allow by policy, and have no policy, deny.
                    extension["typed_config"]["rules"] = json!({});
                }
            }
        }
        Some(extension)
    }
}
