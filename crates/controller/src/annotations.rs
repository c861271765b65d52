//! Annotations on a workload as a resource that says the same. Those on its pods are the filter's own (`understudy_core::workload`).

use crate::resource::{Group, KIND};
use crate::spec::Target;
use serde_json::{Map, Value, json};
use understudy_core::workload::{GROUPS, MODE, SNAPSHOT};

/// The label on a resource that was made of annotations.
pub(crate) const MADE: &str = "understudy.dev/annotated";
/// A snapshot is asked for under each of these; Istio's filter reads the first two of them too.
const OTHERS: [(&str, &str); 5] = [
    ("testconfig-id", "testConfigID"),
    ("build-tag", "buildTag"),
    ("timeout", "timeout"),
    ("cleanup", "cleanup"),
    ("sut-url", "customURL"),
];

/// What a workload asks for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Asked {
    /// Nothing.
    Nothing,
    /// This resource.
    Resource(Box<Value>),
    /// Something that can't be done: why, and what to do.
    Unclear(String),
}

/// What the workload's annotations ask for. `snapshot-id` or `mode` begin it.
pub(crate) fn asked(workload: &Value, target: &Target) -> Asked {
    let annotations = &workload["metadata"]["annotations"];
    let value = |end: &str| {
        let both = GROUPS.map(|group| {
            annotations[format!("{group}/{end}")].as_str().map(str::trim).filter(|v| !v.is_empty())
        });
        match both {
            [Some(ours), Some(theirs)] if ours != theirs => Err(format!(
                "the annotations {}/{end}: {ours:?} and {}/{end}: {theirs:?} disagree: remove one",
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
                    "the annotation {MODE}: {mode:?} has no {SNAPSHOT} beside it: add {}/{SNAPSHOT}",
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
        for (end, field) in OTHERS {
            spec.extend(value(end)?.map(|value| (field.to_owned(), json!(value))));
        }
        Ok(Some(Value::Object(spec)))
    };
    match read() {
        Ok(None) => Asked::Nothing,
        Ok(Some(spec)) => Asked::Resource(Box::new(resource(workload, target, &spec))),
        Err(why) => Asked::Unclear(why),
    }
}

/// What a resource made of annotations is called.
pub(crate) fn name(target: &Target) -> String {
    format!("{}-{}", target.kind.to_ascii_lowercase(), target.name)
}

fn resource(workload: &Value, target: &Target, spec: &Value) -> Value {
    let (group, version) = Group::Own.version();
    json!({
        "apiVersion": format!("{group}/{version}"),
        "kind": KIND,
        "metadata": {
            "name": name(target),
            "namespace": target.namespace,
            "labels": { "app.kubernetes.io/managed-by": "understudy", MADE: "true" },
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

    fn ask(annotations: &[(&str, &str)]) -> Asked {
        let annotations: Map<_, _> =
            annotations.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
        let workload = json!({ "metadata": { "uid": "1", "annotations": annotations } });
        let target =
            Target { namespace: "payments".into(), kind: "StatefulSet".into(), name: "payment".into() };
        asked(&workload, &target)
    }

    #[test]
    fn annotations_are_a_resource() {
        let Asked::Resource(made) = ask(&[
            ("replay.speedscale.com/snapshot-id", "payment:1"),
            ("replay.understudy.dev/mode", "responder-only"),
            ("replay.speedscale.com/build-tag", "v2"),
            ("replay.speedscale.com/sut-url", "http://payment:80"),
            ("other.test/mode", "x"),
        ]) else {
            panic!("nothing is made")
        };
        assert_eq!(made["metadata"]["name"], "statefulset-payment");
        assert_eq!(made["metadata"]["ownerReferences"][0]["kind"], "StatefulSet");
        assert_eq!(
            made["spec"],
            json!({ "snapshotID": "payment:1", "mode": "responder-only", "buildTag": "v2", "customURL": "http://payment:80",
                "workloads": [{ "ref": { "apiVersion": "apps/v1", "kind": "StatefulSet", "name": "payment" }, "mocks": ["*"] }] })
        );
        assert!(crate::spec::Replay::read(&made["spec"], "payments", Some("oci://registry.test")).is_ok());
    }

    #[test]
    fn what_asks_for_nothing_makes_nothing() {
        assert_eq!(ask(&[]), Asked::Nothing);
        assert_eq!(ask(&[("replay.speedscale.com/snapshot-id", " ")]), Asked::Nothing);
        assert_eq!(ask(&[("snapshot-id", "payment")]), Asked::Nothing);
    }

    #[test]
    fn what_is_unclear_makes_nothing_and_says_why() {
        let check = |annotations: &[(&str, &str)], expect: &str| match ask(annotations) {
            Asked::Unclear(why) => assert!(why.contains(expect), "{why}"),
            other => panic!("{other:?}"),
        };
        check(&[("replay.speedscale.com/mode", "responder-only")], "has no snapshot-id beside it");
        check(
            &[("replay.speedscale.com/snapshot-id", "a"), ("replay.understudy.dev/snapshot-id", "b")],
            "\"b\" and replay.speedscale.com/snapshot-id: \"a\" disagree",
        );
    }
}
