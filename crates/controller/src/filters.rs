//! The Istio resources that a replay's mocks are made of. Never one without a selector: that would be for a whole namespace.

use crate::resource::{Group, KIND};
use crate::spec::{Mocks, Replay, Target, Workload};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use understudy_core::digest;
use understudy_istio::{Module, Respond, Scope};

/// The label on all that was made for a replay: its identifier (`metadata.uid`).
pub(crate) const REPLAY: &str = "understudy.dev/replay";
/// The annotation on all that was made for a replay, which says which one: `GROUP/NAMESPACE/NAME`.
pub(crate) const OF: &str = "understudy.dev/of";
/// The longest name that still leaves room for the start of `understudy_istio`'s names and a digest.
const STEM_MAX: usize = 32;

/// Which resource.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Id {
    pub(crate) group: Group,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) uid: String,
    pub(crate) generation: i64,
}

impl std::fmt::Display for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}/{}", self.group.version().0, self.namespace, self.name)
    }
}

impl Id {
    /// A name for something that is made for it, always the same: what it's for is told from others by a digest.
    pub(crate) fn name_for(&self, what: &str) -> String {
        let stem: String = self.name.replace('.', "-").chars().take(STEM_MAX).collect();
        let sum = digest::hex(&digest::sha1(format!("{self} {} {what}", self.uid).as_bytes()));
        format!("{}-{}", stem.trim_end_matches('-'), sum.get(..10).unwrap_or_default())
    }

    /// Says of a resource that it was made for this, and lets it go with this where Kubernetes can see to it.
    pub(crate) fn mark(&self, resource: &mut Value) {
        let metadata = &mut resource["metadata"];
        metadata["labels"]["app.kubernetes.io/managed-by"] = json!("understudy");
        metadata["labels"][REPLAY] = json!(self.uid);
        metadata["annotations"][OF] = json!(self.to_string());
        // An owner in another namespace is none.
        if metadata["namespace"] == self.namespace.as_str() {
            metadata["ownerReferences"] = json!([self.owner()]);
        }
    }

    fn owner(&self) -> Value {
        let (group, version) = self.group.version();
        json!({ "apiVersion": format!("{group}/{version}"), "kind": KIND, "name": self.name, "uid": self.uid, "controller": true })
    }
}

/// The labels of a pod template that a selector can have. An empty value is no label for Istio's selectors.
pub(crate) fn labels_of(workload: &Value) -> BTreeMap<String, String> {
    let labels = workload["spec"]["template"]["metadata"]["labels"].as_object();
    let text = |(key, value): (&String, &Value)| Some((key.clone(), value.as_str()?.to_owned()));
    labels.into_iter().flatten().filter_map(text).filter(|(_, value)| !value.is_empty()).collect()
}

/// Whether pods with these labels are selected by those.
pub(crate) fn selects(selector: &BTreeMap<String, String>, labels: &BTreeMap<String, String>) -> bool {
    selector.iter().all(|(key, value)| labels.get(key) == Some(value))
}

/// The `EnvoyFilter` for one workload, whose pods have these labels.
///
/// The error says what is wrong and what to do.
pub(crate) fn envoy_filter(
    id: &Id,
    replay: &Replay,
    workload: &Workload,
    labels: &BTreeMap<String, String>,
) -> Result<Value, String> {
    let Target { namespace, name, .. } = &workload.target;
    let scope = Scope::namespace(namespace).and_then(|scope| {
        let mut labels = labels.iter().map(|(key, value)| format!("{key}={value}"));
        labels.try_fold(scope, |scope, label| scope.with_label(&label))
    });
    let scope = scope.and_then(|scope| scope.called(&id.name_for(&workload.target.to_string())));
    let scope = scope.map_err(|error| format!("{}: {error}", workload.target))?;
    if scope.is_wide() {
        return Err(format!(
            "the pod template of {} has no labels to select its pods by: add one",
            workload.target
        ));
    }
    let respond = Respond {
        scope,
        module: Module::new(&replay.image, None).map_err(|error| error.to_string())?,
        opt_in: false,
        snapshot: None,
        mocks: match &workload.mocks {
            Mocks::Some(mocks) => mocks.clone(),
            Mocks::All | Mocks::Nothing => Vec::new(),
        },
        on_miss: None,
        collector: None,
        service: Some(name.clone()),
        https: None,
    };
    let mut resources = respond.resources();
    let mut filter = resources.pop().ok_or("there is no resource")?;
    id.mark(&mut filter);
    Ok(filter)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn id(name: &str) -> Id {
        Id {
            group: Group::Own,
            namespace: "payments".to_owned(),
            name: name.to_owned(),
            uid: "8a2f7f8e-9f27-4f0c-9b1a-6d3a5f7d1c11".to_owned(),
            generation: 1,
        }
    }

    fn replay(mocks: &[&str], namespace: &str) -> Replay {
        let workloads = json!([{ "ref": { "name": "payment", "namespace": namespace }, "mocks": mocks }]);
        let spec = json!({ "snapshotID": "oci://registry.example/payment-mocks:1", "mode": "responder-only", "workloads": workloads });
        Replay::read(&spec, "payments", None).unwrap()
    }

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
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
    fn a_filter_selects_the_pods_and_is_owned() {
        let filter = made(&["*"], "payments", &labels(&[("app", "payment"), ("version", "v1")])).unwrap();
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
        assert_eq!(metadata["annotations"][OF], "understudy.dev/payments/friday.test");
        assert_eq!(config(&filter), json!({ "default": "mock", "grpc_stub": true, "service": "payment" }));
        let elsewhere = made(&["*"], "orders", &labels(&[("app", "payment")])).unwrap();
        assert_eq!(
            (&elsewhere["metadata"]["namespace"], elsewhere["metadata"].get("ownerReferences")),
            (&json!("orders"), None)
        );
    }

    #[test]
    fn what_is_chosen_is_in_the_filters_configuration() {
        let filter =
            made(&["api.stripe.com", "db:8000"], "payments", &labels(&[("app", "payment")])).unwrap();
        assert_eq!(config(&filter)["mocks"], json!(["api.stripe.com", "db:8000"]));
        let known =
            understudy_core::config::Config::from_json(config(&filter).to_string().as_bytes()).unwrap();
        assert_eq!(known.mocks, ["api.stripe.com", "db:8000"]);
    }

    #[test]
    fn without_labels_there_is_no_filter() {
        let error = made(&["*"], "payments", &labels(&[])).unwrap_err();
        assert!(error.contains("has no labels"), "{error}");
        let template = json!({ "spec": { "template": { "metadata": { "labels": { "a": "", "b": "c" } } } } });
        assert_eq!(labels_of(&template), labels(&[("b", "c")]));
        assert!(labels_of(&json!({})).is_empty());
        let error = made(&["*"], "payments", &labels(&[("a b", "c")])).unwrap_err();
        assert!(error.contains("is no label"), "{error}");
    }

    #[test]
    fn names_are_names_however_long_and_are_told_apart() {
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
