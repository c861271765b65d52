//! Annotations of workloads, set and removed.

use crate::scene::{OWN, Scene, settings};
use kube::api::DeleteParams;
use serde_json::{Value, json};
use understudy_controller::Settings;

fn annotated() -> Value {
    json!({ "replay.speedscale.com/snapshot-id": "payment:1", "replay.speedscale.com/mode": "responder-only" })
}

#[tokio::test]
async fn annotations_create_and_remove_a_resource() {
    let scene = Scene::new().await;
    let running = scene.start(settings());
    let deployments = scene.api("apps", "v1", "Deployment", "payments");
    scene.merge(&deployments, "payment", json!({ "metadata": { "annotations": annotated() } })).await;
    scene.condition_is("deployment-payment", "Ready", "Responding").await;
    assert_eq!(scene.stored("deployment-payment")["metadata"]["ownerReferences"][0]["kind"], "Deployment");
    assert_eq!(scene.filters().len(), 1);
    // Another snapshot.
    let other =
        json!({ "metadata": { "annotations": { "replay.speedscale.com/snapshot-id": "payment:2" } } });
    scene.merge(&deployments, "payment", other).await;
    scene
        .until("the mocks are of the other", || {
            scene.filters().first().is_some_and(|filter| filter.to_string().contains("payment:2"))
        })
        .await;
    // A deleted resource comes back as long as its annotations stay.
    scene.replays().delete("deployment-payment", &DeleteParams::default()).await.unwrap();
    scene.condition_is("deployment-payment", "Ready", "Responding").await;
    // Annotations that are removed while no controller runs.
    running.stop().await;
    let off = json!({ "metadata": { "annotations": null } });
    scene.merge(&deployments, "payment", off).await;
    let running = scene.start(settings());
    scene
        .until("the resource and the mocks are gone", || {
            scene.server.objects(OWN).is_empty() && scene.filters().is_empty()
        })
        .await;
    running.stop().await;
}

#[tokio::test]
async fn deleted_workload_takes_its_resource_along() {
    let scene = Scene::new().await;
    scene.workload("payments", "orders", annotated()).await;
    let running = scene.start(settings());
    scene.condition_is("deployment-orders", "Ready", "Responding").await;
    scene
        .api("apps", "v1", "Deployment", "payments")
        .delete("orders", &DeleteParams::default())
        .await
        .unwrap();
    scene
        .until("everything is gone", || scene.server.objects(OWN).is_empty() && scene.filters().is_empty())
        .await;
    running.stop().await;
}

#[tokio::test]
async fn resource_without_annotations_is_left_alone() {
    let scene = Scene::new().await;
    // A user has created a resource with the name that annotations would give it.
    scene.replay("deployment-payment", json!({ "workloads": [{ "ref": { "name": "payment" } }] })).await;
    scene.workload("payments", "orders", json!({ "replay.speedscale.com/mode": "responder-only" })).await;
    let running = scene.start(settings());
    let deployments = scene.api("apps", "v1", "Deployment", "payments");
    scene.merge(&deployments, "payment", json!({ "metadata": { "annotations": annotated() } })).await;
    let reported = |reason: &str| {
        scene.server.objects("events.events.k8s.io").iter().any(|event| event["reason"] == reason)
    };
    scene.until("both are reported", || reported("NameTaken") && reported("BadAnnotation")).await;
    assert!(scene.filters().is_empty());
    scene.merge(&deployments, "payment", json!({ "metadata": { "annotations": null } })).await;
    // By the time a later workload is served, the first one has been reconciled.
    scene.workload("payments", "third", annotated()).await;
    scene.condition_is("deployment-third", "Ready", "Responding").await;
    assert!(!scene.stored("deployment-payment").is_null());
    running.stop().await;
}

#[tokio::test]
async fn annotations_are_ignored_if_so_configured() {
    let scene = Scene::new().await;
    scene.workload("payments", "orders", annotated()).await;
    let running = scene.start(Settings { annotations: false, ..settings() });
    scene.replay("friday", json!({})).await;
    scene.condition_is("friday", "Ready", "Responding").await;
    assert_eq!(scene.server.objects(OWN).len(), 1);
    running.stop().await;
}
