//! The rights in the manifests are exactly those that the controller uses.

use crate::leader::electing;
use crate::scene::{Scene, client};
use kube::api::DeleteParams;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use understudy_controller::Settings;

const ACCOUNT: &str = include_str!("../../../../envoy/istio/controller/base/account.yaml");

/// Verb and resource, with its group and subresource.
type Right = (String, String);

/// Rights of all roles in the manifest.
fn allowed() -> BTreeSet<Right> {
    let mut rights = BTreeSet::new();
    let texts = |value: &Value| -> Vec<String> {
        value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
    };
    for document in ACCOUNT.split("\n---\n") {
        let role: Value = serde_saphyr::from_str(document).unwrap();
        for rule in role["rules"].as_array().into_iter().flatten() {
            for group in texts(&rule["apiGroups"]) {
                for resource in texts(&rule["resources"]) {
                    let (plural, sub) = resource.split_once('/').unwrap_or((&resource, ""));
                    let name = if group.is_empty() { plural.to_owned() } else { format!("{plural}.{group}") };
                    let name = if sub.is_empty() { name } else { format!("{name}/{sub}") };
                    rights.extend(texts(&rule["verbs"]).into_iter().map(|verb| (verb, name.clone())));
                }
            }
        }
    }
    rights
}

#[tokio::test]
async fn roles_grant_exactly_the_rights_in_use() {
    let scene = Scene::new().await;
    let door = scene.server.door().await;
    let settings = Settings { contract_group: false, other_namespaces: true, ..electing("one") };
    let running = scene.start_with(client(&door.url()), settings);
    // Each use once: mocks in both namespaces, a replay with its cleanup, annotations set and removed.
    scene.workload("orders", "orders", json!({})).await;
    let elsewhere = json!([{ "ref": { "name": "orders", "namespace": "orders" }, "mocks": ["*"] }]);
    scene.replay("elsewhere", json!({ "workloads": elsewhere })).await;
    scene.condition_is("elsewhere", "Ready", "Responding").await;
    scene.replays().delete("elsewhere", &DeleteParams::default()).await.unwrap();
    scene.replay("full", json!({ "mode": "full-replay", "cleanup": "all" })).await;
    let job = scene.job().await;
    scene.end_job(&job, "Complete", r#"{"passed":true}"#).await;
    scene
        .until("everything is cleaned up", || scene.filters().is_empty() && scene.stored("full").is_null())
        .await;
    let annotations =
        json!({ "replay.speedscale.com/snapshot-id": "a:1", "replay.speedscale.com/mode": "responder-only" });
    scene.workload("payments", "third", annotations).await;
    scene.condition_is("deployment-third", "Ready", "Responding").await;
    let deployments = scene.api("apps", "v1", "Deployment", "payments");
    scene.merge(&deployments, "third", json!({ "metadata": { "annotations": null } })).await;
    scene.until("the annotations' resource is gone", || scene.stored("deployment-third").is_null()).await;
    for kind in ["StatefulSet", "DaemonSet"] {
        let name = kind.to_lowercase();
        let target = json!([{ "ref": { "name": "nowhere", "kind": kind }, "mocks": ["*"] }]);
        scene.replay(&name, json!({ "workloads": target })).await;
        scene.condition_is(&name, "Ready", "TargetNotFound").await;
    }
    running.stop().await;

    let ours = |asked: &understudy_testkit::Asked| asked.door == door.number();
    let name = |resource: &str, sub: &str| {
        if sub.is_empty() { resource.to_owned() } else { format!("{resource}/{sub}") }
    };
    let history = scene.server.history();
    let asked: BTreeSet<Right> = history
        .iter()
        .filter(|asked| ours(asked))
        .map(|asked| (asked.verb.to_owned(), name(&asked.resource, &asked.subresource)))
        .collect();
    let allowed = allowed();
    let missing: Vec<_> = asked.difference(&allowed).collect();
    assert!(missing.is_empty(), "the roles lack {missing:?}");
    // Server-side apply of a new object needs `create` too; a repeated event is patched.
    let implied =
        |(verb, resource): &&Right| verb == "create" || (verb == "patch" && resource.starts_with("events"));
    let unused: Vec<_> = allowed.difference(&asked).filter(|right| !implied(right)).collect();
    assert!(unused.is_empty(), "the controller never uses {unused:?}");
}
