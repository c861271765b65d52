//! The rights in the manifests are exactly those that the controller uses.

use crate::leader::electing;
use crate::scene::{Scene, client};
use kube::api::DeleteParams;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use understudy_controller::Settings;

const CONTRACT: &str = include_str!("../../../../envoy/istio/controller/contract/kustomization.yaml");
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

/// The right that a request needs.
fn right(asked: &understudy_kube_double::Asked) -> Right {
    let (verb, resource) = (asked.verb.to_owned(), asked.resource.clone());
    if asked.subresource.is_empty() {
        (verb, resource)
    } else {
        (verb, format!("{resource}/{}", asked.subresource))
    }
}

/// The kustomization for the contract's group grants what the base grants for our own group, except
/// for `create`: annotations create resources of our own group alone.
#[test]
fn contract_group_has_the_rights_of_our_own() {
    let kustomization: Value = serde_saphyr::from_str(CONTRACT).unwrap();
    let patches = kustomization["patches"].as_array().unwrap();
    let role = patches.iter().find(|patch| patch["target"]["kind"] == "ClusterRole").unwrap();
    let operations: Value = serde_saphyr::from_str(role["patch"].as_str().unwrap()).unwrap();
    let mut granted = BTreeSet::new();
    for operation in operations.as_array().unwrap() {
        assert_eq!((&operation["op"], &operation["path"]), (&json!("add"), &json!("/rules/-")));
        let rule = &operation["value"];
        assert_eq!(rule["apiGroups"], json!(["speedscale.com"]));
        let resource = rule["resources"][0].as_str().unwrap();
        let own = resource.replacen("trafficreplays", "trafficreplays.understudy.dev", 1);
        let verbs = rule["verbs"].as_array().unwrap();
        granted.extend(verbs.iter().map(|verb| (verb.as_str().unwrap().to_owned(), own.clone())));
    }
    let own: BTreeSet<Right> = allowed()
        .into_iter()
        .filter(|(verb, resource)| resource.starts_with("trafficreplays.") && verb != "create")
        .collect();
    assert_eq!(granted, own);
}

#[tokio::test]
async fn roles_grant_exactly_the_rights_in_use() {
    let scene = Scene::new().await;
    let door = scene.server.door().await;
    let settings = Settings { contract_group: false, other_namespaces: true, ..electing("one") };
    // The API server refuses the controller whatever the roles don't grant.
    let (allowed, number) = (allowed(), door.number());
    let rights = allowed.clone();
    scene.server.refuse_where(move |asked| {
        (asked.door == number && asked.verb != "discover" && !rights.contains(&right(asked))).then_some(403)
    });
    let running = scene.start_with(client(&door.url()), settings);
    // Each use once: mocks in both namespaces, the repair of a deleted EnvoyFilter, a replay with
    // its cleanup, annotations set and removed.
    scene.workload("orders", "orders", json!({})).await;
    let elsewhere = json!([{ "ref": { "name": "orders", "namespace": "orders" }, "mocks": ["*"] }]);
    scene.replay("elsewhere", json!({ "workloads": elsewhere })).await;
    scene.condition_is("elsewhere", "Ready", "Responding").await;
    scene.replays().delete("elsewhere", &DeleteParams::default()).await.unwrap();
    scene.until("the EnvoyFilter in the other namespace is gone", || scene.filters().is_empty()).await;
    scene.replay("friday", json!({})).await;
    scene.condition_is("friday", "Ready", "Responding").await;
    let deleted = scene.filters()[0]["metadata"].clone();
    let filters = scene.api("networking.istio.io", "v1alpha3", "EnvoyFilter", "payments");
    filters.delete(deleted["name"].as_str().unwrap(), &DeleteParams::default()).await.unwrap();
    let repaired = |filter: &Value| filter["metadata"]["uid"] != deleted["uid"];
    scene.until("the EnvoyFilter is repaired", || scene.filters().first().is_some_and(repaired)).await;
    scene.replays().delete("friday", &DeleteParams::default()).await.unwrap();
    scene.until("the EnvoyFilter is gone", || scene.filters().is_empty()).await;
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

    let ours = |asked: &understudy_kube_double::Asked| asked.door == door.number();
    let history = scene.server.history();
    let asked: BTreeSet<Right> = history
        .iter()
        .filter(|asked| ours(asked))
        .filter(|asked| asked.verb != "discover")
        .map(right)
        .collect();
    let missing: Vec<_> = asked.difference(&allowed).collect();
    assert!(missing.is_empty(), "the roles lack {missing:?}");
    // Server-side apply of a new object needs `create` too; a repeated event is patched.
    let implied =
        |(verb, resource): &&Right| verb == "create" || (verb == "patch" && resource.starts_with("events"));
    let unused: Vec<_> = allowed.difference(&asked).filter(|right| !implied(right)).collect();
    assert!(unused.is_empty(), "the controller never uses {unused:?}");
}
