//! The `EnvoyFilter`s of a resource's mocks. Each has a selector: without one it would apply to the
//! whole namespace.

use crate::resource::{Group, KIND};
use crate::spec::{MockedBackends, ValidSpec, WorkloadMocks, WorkloadRef};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use understudy_core::digest;
use understudy_istio::{Module, Respond, Scope};

/// Label of all objects of a resource. Its value is the resource's identifier (`metadata.uid`).
pub(crate) const REPLAY_LABEL: &str = "understudy.dev/replay";
/// Annotation of all objects of a resource. Its value names the resource: `GROUP/NAMESPACE/NAME`.
pub(crate) const REPLAY_ANNOTATION: &str = "understudy.dev/of";
/// Characters of the resource's name that are kept in the names of its objects. The prefix of
/// `understudy_istio` and a digest need the rest.
const STEM_MAX: usize = 32;

/// Identity of a `TrafficReplay`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ReplayId {
    pub(crate) group: Group,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) uid: String,
    pub(crate) generation: i64,
}

impl std::fmt::Display for ReplayId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}/{}", self.group.version().0, self.namespace, self.name)
    }
}

impl ReplayId {
    /// A stable name for an object of this resource. A digest of `purpose` tells objects apart.
    pub(crate) fn name_for(&self, purpose: &str) -> String {
        let stem: String = self.name.replace('.', "-").chars().take(STEM_MAX).collect();
        let sum = digest::hex(&digest::sha1(format!("{self} {} {purpose}", self.uid).as_bytes()));
        format!("{}-{}", stem.trim_end_matches('-'), sum.get(..10).unwrap_or_default())
    }

    /// Marks an object as created for this resource. In the resource's namespace, Kubernetes
    /// deletes the object together with the resource.
    pub(crate) fn mark(&self, object: &mut Value) {
        let metadata = &mut object["metadata"];
        metadata["labels"]["app.kubernetes.io/managed-by"] = json!("understudy");
        metadata["labels"][REPLAY_LABEL] = json!(self.uid);
        metadata["annotations"][REPLAY_ANNOTATION] = json!(self.to_string());
        // Owner references don't reach across namespaces.
        if metadata["namespace"] == self.namespace.as_str() {
            metadata["ownerReferences"] = json!([self.owner()]);
        }
    }

    fn owner(&self) -> Value {
        let (group, version) = self.group.version();
        json!({ "apiVersion": format!("{group}/{version}"), "kind": KIND, "name": self.name, "uid": self.uid, "controller": true })
    }
}

/// Labels by which an `EnvoyFilter` selects the pods of a workload: `spec.selector.matchLabels`.
/// The API server guarantees that every pod of the workload has them, and that they never change: a
/// roll-out changes the labels of the pod template, and both generations of pods stay selected.
pub(crate) fn selector_of(workload: &Value) -> BTreeMap<String, String> {
    labels(&workload["spec"]["selector"]["matchLabels"])
}

/// Labels of the pods that the workload creates now.
pub(crate) fn pod_labels_of(workload: &Value) -> BTreeMap<String, String> {
    labels(&workload["spec"]["template"]["metadata"]["labels"])
}

/// Labels that a selector can name. Istio's selectors take no empty values.
fn labels(labels: &Value) -> BTreeMap<String, String> {
    let labels = labels.as_object();
    let text = |(key, value): (&String, &Value)| Some((key.clone(), value.as_str()?.to_owned()));
    labels.into_iter().flatten().filter_map(text).filter(|(_, value)| !value.is_empty()).collect()
}

/// Returns whether a selector selects pods with these labels.
pub(crate) fn selects(selector: &BTreeMap<String, String>, labels: &BTreeMap<String, String>) -> bool {
    selector.iter().all(|(key, value)| labels.get(key) == Some(value))
}

/// The `EnvoyFilter` for one workload, with these labels as its selector.
///
/// # Errors
/// The reason why there can be none, and what to do.
pub(crate) fn envoy_filter(
    id: &ReplayId,
    replay: &ValidSpec,
    workload: &WorkloadMocks,
    labels: &BTreeMap<String, String>,
) -> Result<Value, String> {
    let WorkloadRef { namespace, name, .. } = &workload.target;
    let scope = Scope::namespace(namespace).and_then(|scope| {
        let mut labels = labels.iter().map(|(key, value)| format!("{key}={value}"));
        labels.try_fold(scope, |scope, label| scope.with_label(&label))
    });
    let scope = scope.and_then(|scope| scope.called(&id.name_for(&workload.target.to_string())));
    let scope = scope.map_err(|error| format!("{}: {error}", workload.target))?;
    if scope.is_wide() {
        return Err(format!("{} has no selector for its pods", workload.target));
    }
    let respond = Respond {
        scope,
        module: Module::new(&replay.image, None).map_err(|error| error.to_string())?,
        opt_in: false,
        snapshot: None,
        mocks: match &workload.mocks {
            MockedBackends::Named(mocks) => mocks.clone(),
            MockedBackends::All | MockedBackends::None => Vec::new(),
        },
        on_miss: None,
        collector: None,
        service: Some(name.clone()),
        https: None,
    };
    let mut resources = respond.resources();
    let mut filter = resources.pop().ok_or("no EnvoyFilter is needed")?;
    id.mark(&mut filter);
    Ok(filter)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn id(name: &str) -> ReplayId {
        ReplayId {
            group: Group::Own,
            namespace: "payments".to_owned(),
            name: name.to_owned(),
            uid: "8a2f7f8e-9f27-4f0c-9b1a-6d3a5f7d1c11".to_owned(),
            generation: 1,
        }
    }

    fn replay(mocks: &[&str], namespace: &str) -> ValidSpec {
        let workloads = json!([{ "ref": { "name": "payment", "namespace": namespace }, "mocks": mocks }]);
        let spec = json!({ "snapshotID": "oci://registry.example/payment-mocks:1", "mode": "responder-only", "workloads": workloads });
        ValidSpec::read(&spec, "payments", None).unwrap()
    }

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn made(mocks: &[&str], namespace: &str, labels: &BTreeMap<String, String>) -> Result<Value, String> {
        let replay = replay(mocks, namespace);
        envoy_filter(&id("friday.test"), &replay, &replay.workloads[0], labels)
    }

    fn config(filter: &Value) -> Value {
        let patches = filter["spec"]["configPatches"].as_array().unwrap();
        let text = patches.iter().find_map(|patch| {
            patch["patch"]["value"]["typed_config"]["config"]["configuration"]["value"].as_str()
        });
        serde_json::from_str(text.unwrap()).unwrap()
    }

    #[test]
    fn filter_selects_the_pods_and_has_an_owner() {
        let filter = made(&["*"], "payments", &map(&[("app", "payment"), ("version", "v1")])).unwrap();
        assert_eq!(
            filter["spec"]["workloadSelector"]["labels"],
            json!({ "app": "payment", "version": "v1" })
        );
        let metadata = &filter["metadata"];
        assert_eq!(
            metadata["name"].as_str().unwrap().rsplit_once('-').unwrap().0,
            "understudy-respond-friday-test"
        );
        assert_eq!(metadata["ownerReferences"][0]["uid"], id("x").uid);
        assert_eq!(metadata["annotations"][REPLAY_ANNOTATION], "understudy.dev/payments/friday.test");
        assert_eq!(config(&filter), json!({ "default": "mock", "grpc_stub": true, "service": "payment" }));
        let elsewhere = made(&["*"], "orders", &map(&[("app", "payment")])).unwrap();
        assert_eq!(
            (&elsewhere["metadata"]["namespace"], elsewhere["metadata"].get("ownerReferences")),
            (&json!("orders"), None)
        );
    }

    #[test]
    fn chosen_backends_are_in_the_filters_configuration() {
        let filter = made(&["api.stripe.com", "db:8000"], "payments", &map(&[("app", "payment")])).unwrap();
        assert_eq!(config(&filter)["mocks"], json!(["api.stripe.com", "db:8000"]));
        let known =
            understudy_core::config::Config::from_json(config(&filter).to_string().as_bytes()).unwrap();
        assert_eq!(known.mocks, ["api.stripe.com", "db:8000"]);
    }

    #[test]
    fn workload_without_labels_gets_no_filter() {
        let error = made(&["*"], "payments", &map(&[])).unwrap_err();
        assert!(error.contains("has no selector"), "{error}");
        let workload = json!({ "spec": {
            "selector": { "matchLabels": { "a": "", "b": "c" } },
            "template": { "metadata": { "labels": { "a": "", "b": "c", "version": "v1" } } },
        } });
        assert_eq!(selector_of(&workload), map(&[("b", "c")]));
        assert_eq!(pod_labels_of(&workload), map(&[("b", "c"), ("version", "v1")]));
        assert!(selector_of(&json!({})).is_empty());
        let error = made(&["*"], "payments", &map(&[("a b", "c")])).unwrap_err();
        assert!(error.contains("is no label"), "{error}");
    }

    #[test]
    fn names_of_long_resources_are_valid_and_distinct() {
        let long = id(&format!("{}.{}", "a".repeat(120), "b".repeat(120)));
        let name = long.name_for("x");
        assert!(
            name.len() <= STEM_MAX + 11 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'),
            "{name}"
        );
        assert_ne!(name, long.name_for("y"));
        assert_eq!(name, long.name_for("x"));
        assert_ne!(name, id("other").name_for("x"));
    }
}
