//! The `TrafficReplay` that the annotations of a workload ask for. Annotations of its pods are read
//! by the filter instead (`understudy_core::workload`).

use crate::resource::{Group, KIND};
use crate::spec::WorkloadRef;
use serde_json::{Map, Value, json};
use understudy_core::workload::{GROUPS, MODE, SNAPSHOT};

/// Label of a resource that annotations created.
pub(crate) const ANNOTATED: &str = "understudy.dev/annotated";
/// Annotations that are optional beside `snapshot-id`, each with the field of the resource that it
/// sets.
const OPTIONAL: [(&str, &str); 5] = [
    ("testconfig-id", "testConfigID"),
    ("build-tag", "buildTag"),
    ("timeout", "timeout"),
    ("cleanup", "cleanup"),
    ("sut-url", "customURL"),
];

/// Request of a workload's annotations.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum AnnotationRequest {
    /// No resource.
    None,
    /// This resource.
    Resource(Box<Value>),
    /// A request that can't be met: the reason, and what to do.
    Unclear(String),
}

/// Reads the annotations of a workload. Either `snapshot-id` or `mode` makes them a request.
pub(crate) fn requested(workload: &Value, target: &WorkloadRef) -> AnnotationRequest {
    let annotations = &workload["metadata"]["annotations"];
    let value = |name: &str| {
        let both = GROUPS.map(|group| {
            annotations[format!("{group}/{name}")].as_str().map(str::trim).filter(|v| !v.is_empty())
        });
        match both {
            [Some(ours), Some(theirs)] if ours != theirs => Err(format!(
                "the annotations {}/{name}: {ours:?} and {}/{name}: {theirs:?} disagree: remove one",
                GROUPS[0], GROUPS[1]
            )),
            [ours, theirs] => Ok(ours.or(theirs)),
        }
    };
    let read = || -> Result<Option<Value>, String> {
        let (snapshot, mode) = (value(SNAPSHOT)?, value(MODE)?);
        let Some(snapshot) = snapshot else {
            return mode.map_or(Ok(None), |mode| {
                Err(format!(
                    "the annotation {MODE}: {mode:?} needs {SNAPSHOT} too: add {}/{SNAPSHOT}",
                    GROUPS[1]
                ))
            });
        };
        let target = json!({ "apiVersion": "apps/v1", "kind": target.kind, "name": target.name });
        let mut spec = Map::from_iter([
            ("snapshotID".to_owned(), json!(snapshot)),
            ("workloads".to_owned(), json!([{ "ref": target, "mocks": ["*"] }])),
        ]);
        spec.extend(mode.map(|mode| (MODE.to_owned(), json!(mode))));
        for (name, field) in OPTIONAL {
            spec.extend(value(name)?.map(|value| (field.to_owned(), json!(value))));
        }
        Ok(Some(Value::Object(spec)))
    };
    match read() {
        Ok(None) => AnnotationRequest::None,
        Ok(Some(spec)) => AnnotationRequest::Resource(Box::new(resource(workload, target, &spec))),
        Err(why) => AnnotationRequest::Unclear(why),
    }
}

/// Name of the resource for a workload's annotations.
pub(crate) fn name(target: &WorkloadRef) -> String {
    format!("{}-{}", target.kind.to_ascii_lowercase(), target.name)
}

fn resource(workload: &Value, target: &WorkloadRef, spec: &Value) -> Value {
    let (group, version) = Group::Own.version();
    json!({
        "apiVersion": format!("{group}/{version}"),
        "kind": KIND,
        "metadata": {
            "name": name(target),
            "namespace": target.namespace,
            "labels": { "app.kubernetes.io/managed-by": "understudy", ANNOTATED: "true" },
            "ownerReferences": [{
                "apiVersion": "apps/v1", "kind": target.kind, "name": target.name,
                "uid": workload["metadata"]["uid"], "controller": true,
            }],
        },
        "spec": spec,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(annotations: &[(&str, &str)]) -> AnnotationRequest {
        let annotations: Map<_, _> =
            annotations.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
        let workload = json!({ "metadata": { "uid": "1", "annotations": annotations } });
        let target =
            WorkloadRef { namespace: "payments".into(), kind: "StatefulSet".into(), name: "payment".into() };
        requested(&workload, &target)
    }

    #[test]
    fn annotations_with_a_snapshot_ask_for_a_resource() {
        let AnnotationRequest::Resource(made) = read(&[
            ("replay.speedscale.com/snapshot-id", "payment:1"),
            ("replay.understudy.dev/mode", "responder-only"),
            ("replay.speedscale.com/build-tag", "v2"),
            ("replay.speedscale.com/sut-url", "http://payment:80"),
            ("other.test/mode", "x"),
        ]) else {
            panic!("no resource")
        };
        assert_eq!(made["metadata"]["name"], "statefulset-payment");
        assert_eq!(made["metadata"]["ownerReferences"][0]["kind"], "StatefulSet");
        assert_eq!(
            made["spec"],
            json!({ "snapshotID": "payment:1", "mode": "responder-only", "buildTag": "v2", "customURL": "http://payment:80",
                "workloads": [{ "ref": { "apiVersion": "apps/v1", "kind": "StatefulSet", "name": "payment" }, "mocks": ["*"] }] })
        );
        assert!(crate::spec::ValidSpec::read(&made["spec"], "payments", Some("oci://registry.test")).is_ok());
    }

    #[test]
    fn annotations_without_a_snapshot_ask_for_nothing() {
        assert_eq!(read(&[]), AnnotationRequest::None);
        assert_eq!(read(&[("replay.speedscale.com/snapshot-id", " ")]), AnnotationRequest::None);
        assert_eq!(read(&[("snapshot-id", "payment")]), AnnotationRequest::None);
    }

    #[test]
    fn contradictory_annotations_say_why() {
        let check = |annotations: &[(&str, &str)], expect: &str| match read(annotations) {
            AnnotationRequest::Unclear(why) => assert!(why.contains(expect), "{why}"),
            other => panic!("{other:?}"),
        };
        check(&[("replay.speedscale.com/mode", "responder-only")], "needs snapshot-id too");
        check(
            &[("replay.speedscale.com/snapshot-id", "a"), ("replay.understudy.dev/snapshot-id", "b")],
            "\"b\" and replay.speedscale.com/snapshot-id: \"a\" disagree",
        );
    }
}
