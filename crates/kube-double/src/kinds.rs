//! What the API server knows of: the built-in resources that tests use, and those that custom resource definitions add.

use serde_json::{Value, json};
use std::sync::Arc;

/// One resource in one version.
#[derive(Clone, Debug)]
pub(super) struct Kind {
    pub group: String,
    pub version: String,
    pub plural: String,
    pub kind: String,
    pub namespaced: bool,
    /// Whether `status` is a subresource: then each of the two writes leaves the other's part alone.
    pub status: bool,
    /// Whether `metadata.generation` is kept.
    pub generation: bool,
    /// Whether an update may leave the resource version out.
    pub unconditional: bool,
    /// Whether an update of what isn't there creates it.
    pub create_on_update: bool,
    /// The custom resource's schema; none for what is built in.
    pub schema: Option<Arc<Value>>,
    /// Whether a custom resource definition made it.
    pub custom: bool,
}

impl Kind {
    /// What objects are kept under, whatever the version.
    pub(super) fn collection(&self) -> String {
        qualified(&self.plural, &self.group)
    }

    pub(super) fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    /// The line of a discovery document.
    pub(super) fn discovery(&self) -> Vec<Value> {
        let verbs = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
        let line = |name: String, verbs: &[&str]| json!({"name": name, "singularName": self.kind.to_lowercase(), "namespaced": self.namespaced, "kind": self.kind, "verbs": verbs});
        let mut lines = vec![line(self.plural.clone(), &verbs)];
        if self.status {
            lines.push(line(format!("{}/status", self.plural), &["get", "patch", "update"]));
        }
        lines
    }
}

/// `deployments.apps`, or `pods` for the core group.
pub(super) fn qualified(plural: &str, group: &str) -> String {
    if group.is_empty() { plural.to_owned() } else { format!("{plural}.{group}") }
}

/// Group, version, plural, kind, and what it is: `n` namespaced, `s` with a status subresource, `g` with a generation, `c` only updated with
/// a resource version, `u` created by an update.
const BUILT_IN: [(&str, &str, &str, &str, &str); 24] = [
    ("", "v1", "configmaps", "ConfigMap", "n"),
    ("", "v1", "endpoints", "Endpoints", "n"),
    ("", "v1", "events", "Event", "nu"),
    ("", "v1", "namespaces", "Namespace", "s"),
    ("", "v1", "nodes", "Node", "s"),
    ("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", "ns"),
    ("", "v1", "pods", "Pod", "ns"),
    ("", "v1", "secrets", "Secret", "n"),
    ("", "v1", "serviceaccounts", "ServiceAccount", "n"),
    ("", "v1", "services", "Service", "ns"),
    ("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", "sgc"),
    ("apps", "v1", "daemonsets", "DaemonSet", "nsg"),
    ("apps", "v1", "deployments", "Deployment", "nsg"),
    ("apps", "v1", "replicasets", "ReplicaSet", "nsg"),
    ("apps", "v1", "statefulsets", "StatefulSet", "nsg"),
    ("batch", "v1", "cronjobs", "CronJob", "nsg"),
    ("batch", "v1", "jobs", "Job", "nsg"),
    ("coordination.k8s.io", "v1", "leases", "Lease", "ncu"),
    ("events.k8s.io", "v1", "events", "Event", "nu"),
    ("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", "ng"),
    ("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", "nsg"),
    ("rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole", ""),
    ("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding", "n"),
    ("rbac.authorization.k8s.io", "v1", "roles", "Role", "n"),
];

/// Everything that is there without a custom resource definition.
pub(super) fn built_in() -> Vec<Kind> {
    let kind = |&(group, version, plural, kind, is): &(&str, &str, &str, &str, &str)| Kind {
        group: group.into(),
        version: version.into(),
        plural: plural.into(),
        kind: kind.into(),
        namespaced: is.contains('n'),
        status: is.contains('s'),
        generation: is.contains('g'),
        unconditional: !is.contains('c'),
        create_on_update: is.contains('u'),
        schema: None,
        custom: false,
    };
    BUILT_IN.iter().map(kind).collect()
}

/// The resources that a custom resource definition makes, one for each version that is served.
pub(super) fn defined(definition: &Value) -> Vec<Kind> {
    let spec = &definition["spec"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let versions = spec["versions"].as_array().into_iter().flatten();
    let kind = |version: &Value| Kind {
        group: text(&spec["group"]),
        version: text(&version["name"]),
        plural: text(&spec["names"]["plural"]),
        kind: text(&spec["names"]["kind"]),
        namespaced: spec["scope"] == "Namespaced",
        status: version["subresources"].get("status").is_some(),
        generation: true,
        unconditional: false,
        create_on_update: false,
        schema: version["schema"].get("openAPIV3Schema").cloned().map(Arc::new),
        custom: true,
    };
    versions.filter(|version| version["served"] == true).map(kind).collect()
}

/// Istio's `EnvoyFilter` as its own definition has it, the schema aside: anything may stand in its `spec` and `status`.
pub(super) fn envoy_filters() -> Value {
    let open = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "envoyfilters.networking.istio.io"},
        "spec": {
            "group": "networking.istio.io",
            "names": {"kind": "EnvoyFilter", "listKind": "EnvoyFilterList", "plural": "envoyfilters", "singular": "envoyfilter"},
            "scope": "Namespaced",
            "versions": [{
                "name": "v1alpha3", "served": true, "storage": true, "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": open, "status": open}}},
            }],
        },
    })
}
