//! The resource `TrafficReplay`: its fields as `kubectl apply` accepts them, and its definitions
//! (CRDs) for a cluster.
//!
//! The fields follow the contract that users of Speedscale know. One definition is in our group,
//! and an equal one in theirs.
#![allow(clippy::duplicated_attributes, reason = "several columns are of one type")]
#![allow(unreachable_pub, reason = "`KubeSchema` makes a type of its own of each, inside of a function")]

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::core::{ApiResource, CustomResourceExt, GroupVersionKind};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Under which group the resources are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Group {
    /// `understudy.dev/v1alpha1`.
    Own,
    /// `speedscale.com/v1`, for resources that are there already.
    Contract,
}

impl Group {
    /// Group and version.
    pub fn version(self) -> (&'static str, &'static str) {
        match self {
            Self::Own => ("understudy.dev", "v1alpha1"),
            Self::Contract => ("speedscale.com", "v1"),
        }
    }

    /// Description of the resource for the API server.
    pub fn api(self) -> ApiResource {
        let (group, version) = self.version();
        ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, KIND), "trafficreplays")
    }

    /// The definition.
    pub fn definition(self) -> CustomResourceDefinition {
        let (group, version) = self.version();
        let mut crd = TrafficReplay::crd();
        crd.metadata.name = Some(format!("trafficreplays.{group}"));
        group.clone_into(&mut crd.spec.group);
        for known in &mut crd.spec.versions {
            version.clone_into(&mut known.name);
        }
        crd
    }
}

/// The resource's kind.
pub const KIND: &str = "TrafficReplay";

/// The snapshot to mock or replay, and the workloads to do it for.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "understudy.dev",
    version = "v1alpha1",
    kind = "TrafficReplay",
    doc = "Mocks the backends of workloads from a snapshot, or sends them their recorded requests.",
    plural = "trafficreplays",
    singular = "trafficreplay",
    shortname = "replay",
    namespaced,
    status = "TrafficReplayStatus",
    printcolumn(name = "Mode", type_ = "string", json_path = ".spec.mode"),
    printcolumn(name = "Snapshot", type_ = "string", json_path = ".spec.snapshotID"),
    printcolumn(name = "Active", type_ = "boolean", json_path = ".status.active"),
    printcolumn(
        name = "Mocks",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"MocksReady\")].reason"
    ),
    printcolumn(
        name = "Status",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = ("has(self.mode) && self.mode == 'generator-only' || has(self.workloads) && size(self.workloads) > 0", "say in workloads[] whom it is for"),
    validation = ("!(has(self.mode) && self.mode == 'generator-only') || has(self.customURL) || has(self.workloads) && size(self.workloads) > 0", "generator-only needs customURL or a workload")
)]
pub struct TrafficReplaySpec {
    /// The image that `understudy push` made: oci://REGISTRY/NAME:TAG, or a name in the controller's registry.
    #[serde(rename = "snapshotID")]
    #[schemars(length(min = 1, max = 512), regex(pattern = r"^\S+$"))]
    pub snapshot_id: String,
    /// Taken for compatibility. How answers are compared is in the snapshot's `replay.yaml`.
    #[serde(rename = "testConfigID", default, skip_serializing_if = "Option::is_none")]
    pub test_config_id: Option<String>,
    /// Name of the tested build, for the report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build_tag: Option<String>,
    /// Objects to remove after the end of a replay: its job (`inventory`), also the resource
    /// (`all`), or neither (`none`). Mocks are always removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cleanup: Option<Cleanup>,
    /// URL to send requests to instead of the workload's Service.
    #[serde(rename = "customURL", default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^https?://\S+$"))]
    pub custom_url: Option<String>,
    /// Mode of the run: mock until the resource is removed (`responder-only`), mock and send the
    /// recorded requests (`full-replay`, the default), or only send (`generator-only`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// Accepted for compatibility: the result is always in `status` and in the job's log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needs_report: Option<bool>,
    /// Time limit of a replay, such as 10m; not for responder-only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$"))]
    pub timeout: Option<String>,
    /// Time after which an ended replay's resource is removed, such as 24h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$"))]
    pub ttl_after_ready: Option<String>,
    /// Secrets whose keys are variables for `${NAME}` in `replay.yaml`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secret_refs: Vec<SecretRef>,
    /// The workloads.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub workloads: Vec<WorkloadSpec>,
}

/// Mode of the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Mock, and send the recorded requests.
    #[default]
    FullReplay,
    /// Mock until the resource is removed.
    ResponderOnly,
    /// Send the recorded requests.
    GeneratorOnly,
}

/// Objects to remove after the end of a replay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Cleanup {
    /// Objects that were created for the replay.
    #[default]
    Inventory,
    /// The resource too.
    All,
    /// Nothing but the mocks.
    None,
}

/// The name of a secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SecretRef {
    /// Its name, in the namespace of the resource.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// One workload, with its mocks and requests.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadSpec {
    /// The workload.
    #[serde(rename = "ref")]
    pub target: TargetRef,
    /// URL to send its requests to instead of its Service.
    #[serde(rename = "customURI", default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^https?://\S+$"))]
    pub custom_uri: Option<String>,
    /// Recorded requests to send: only `*`, which means all of them, is supported.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tests: Vec<String>,
    /// Backends to mock: `service:host:port`, a part of it that only one of the snapshot's backends has, or `*` for all. Without any, none is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), inner(length(min = 1, max = 512)))]
    pub mocks: Vec<String>,
    /// Accepted for compatibility, and ignored: traffic isn't routed elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "anything")]
    pub routing: Option<serde_json::Value>,
}

/// A workload by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TargetRef {
    /// `apps/v1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// `Deployment` (the default), `StatefulSet` or `DaemonSet`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Its namespace; the resource's own by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// Status of the resource.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrafficReplayStatus {
    /// True while backends are mocked or requests are sent.
    #[serde(default)]
    pub active: bool,
    /// `MocksReady`, `Ready` and `Finished`.
    #[serde(default)]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// Time at which the controller first saw this generation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_time: Option<String>,
    /// Time at which the API server had the mocks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initialized_time: Option<String>,
    /// When the replay ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_time: Option<String>,
    /// The name of the job whose log has the report.
    #[serde(rename = "reportID", default, skip_serializing_if = "Option::is_none")]
    pub report_id: Option<String>,
    /// URL of the report; not set yet.
    #[serde(rename = "reportURL", default, skip_serializing_if = "Option::is_none")]
    pub report_url: Option<String>,
    /// The generation that this status applies to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Number of consecutive failed reconciliations.
    #[serde(default)]
    pub reconcile_failures: u32,
}

/// A condition that is true, false or unknown. As `metav1.Condition`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// Type of the condition.
    #[serde(rename = "type")]
    pub type_: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// The reason in one word.
    pub reason: String,
    /// The reason in words, and a remedy.
    pub message: String,
    /// Time of the last change of the status.
    pub last_transition_time: String,
    /// The generation that the condition applies to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

fn anything(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true })
}
