//! Mocks: applied, repaired and removed, and the reasons why there are none.

use crate::scene::{FILTERS, OWN, Scene, condition, resource, settings};
use kube::api::DeleteParams;
use serde_json::{Value, json};
use understudy_controller::Settings;

#[tokio::test]
async fn resource_mocks_its_workload_until_removed() {
    let scene = Scene::new().await;
    let running = scene.start(settings());
    scene
        .replay(
            "friday",
            json!({ "workloads": [{ "ref": { "name": "payment" }, "mocks": ["api.stripe.com"] }] }),
        )
        .await;
    scene.condition_is("friday", "Ready", "Responding").await;
    let filters = scene.filters();
    assert_eq!(filters.len(), 1, "{filters:?}");
    let filter = &filters[0];
    assert_eq!(filter["spec"]["workloadSelector"]["labels"], json!({ "app": "payment" }));
    assert_eq!(filter["metadata"]["ownerReferences"][0]["name"], "friday");
    let text = filter.to_string();
    assert!(text.contains("oci://registry.test/team/payment:1") && text.contains("api.stripe.com"), "{text}");
    let stored = scene.stored("friday");
    let status = &stored["status"];
    assert_eq!((&status["active"], &status["observedGeneration"]), (&json!(true), &json!(1)));
    assert!(
        status["startedTime"].is_string()
            && status["initializedTime"].is_string()
            && status["finishedTime"].is_null()
    );
    // No sidecar has said that it runs the mocks.
    let mocks = condition(&stored, "MocksReady").unwrap();
    assert_eq!((&mocks["status"], &mocks["reason"]), (&json!("Unknown"), &json!("Applied")));
    assert!(mocks["message"].as_str().unwrap().contains("isn't known"), "{mocks}");

    scene.replays().delete("friday", &DeleteParams::default()).await.unwrap();
    scene.until("the EnvoyFilter is gone", || scene.filters().is_empty()).await;
    running.stop().await;
}

#[tokio::test]
async fn unchanged_resource_is_not_written() {
    let scene = Scene::new().await;
    let running = scene.start(settings());
    scene.replay("friday", json!({})).await;
    scene.condition_is("friday", "Ready", "Responding").await;
    // By the time a later resource is served, the first one is finished.
    scene.workload("payments", "orders", json!({})).await;
    scene.replay("second", json!({ "workloads": [{ "ref": { "name": "orders" }, "mocks": ["*"] }] })).await;
    scene.condition_is("second", "Ready", "Responding").await;
    let history = scene.server.history();
    let statuses =
        history.iter().filter(|asked| asked.subresource == "status" && asked.name == "friday").count();
    assert_eq!(statuses, 1, "{history:#?}");
    let version = |name: &str| scene.stored(name)["metadata"]["resourceVersion"].clone();
    let before = version("friday");
    // A label of the resource means nothing to the controller.
    scene.merge(&scene.replays(), "friday", json!({ "metadata": { "labels": { "a": "b" } } })).await;
    let touched = version("friday");
    assert_ne!(before, touched);
    scene.replays().delete("second", &DeleteParams::default()).await.unwrap();
    scene.until("the EnvoyFilter of the second is gone", || scene.filters().len() == 1).await;
    assert_eq!(version("friday"), touched);
    running.stop().await;
}

#[tokio::test]
async fn changed_and_deleted_filters_are_repaired() {
    let scene = Scene::new().await;
    let running = scene.start(settings());
    scene.replay("friday", json!({})).await;
    scene.condition_is("friday", "Ready", "Responding").await;
    let name = scene.filters()[0]["metadata"]["name"].as_str().unwrap().to_owned();
    let api = scene.api("networking.istio.io", "v1alpha3", "EnvoyFilter", "payments");
    // The worst edit: an empty selector selects the whole namespace.
    scene.merge(&api, &name, json!({ "spec": { "workloadSelector": null } })).await;
    let selects = |filter: &Value| filter["spec"]["workloadSelector"]["labels"]["app"] == "payment";
    scene.until("the selector is back", || scene.filters().first().is_some_and(selects)).await;
    api.delete(&name, &DeleteParams::default()).await.unwrap();
    scene.until("the EnvoyFilter exists again", || scene.filters().first().is_some_and(selects)).await;
    running.stop().await;
}

#[tokio::test]
async fn restart_midway_loses_and_doubles_nothing() {
    let scene = Scene::new().await;
    // The controller dies before it can write a status.
    scene.server.refuse_where(|asked| (asked.subresource == "status").then_some(503));
    let first = scene.start(settings());
    scene.replay("friday", json!({})).await;
    scene.until("the EnvoyFilter exists", || scene.filters().len() == 1).await;
    first.kill().await;
    assert_eq!(scene.stored("friday")["status"], Value::Null);
    // Resources come and go while no controller runs.
    scene.replay("gone", json!({})).await;
    scene.replays().delete("gone", &DeleteParams::default()).await.unwrap();
    scene.server.relent();
    let second = scene.start(settings());
    scene.condition_is("friday", "Ready", "Responding").await;
    assert_eq!(scene.filters().len(), 1);
    // A change while no controller runs is handled by the next one.
    second.stop().await;
    scene
        .merge(
            &scene.replays(),
            "friday",
            json!({ "spec": { "workloads": [{ "ref": { "name": "payment" } }] } }),
        )
        .await;
    let third = scene.start(settings());
    scene.condition_is("friday", "MocksReady", "NothingToMock").await;
    scene.until("the EnvoyFilter is gone", || scene.filters().is_empty()).await;
    third.stop().await;
}

#[tokio::test]
async fn missing_target_is_reported_until_it_exists() {
    let scene = Scene::new().await;
    let running = scene.start(settings());
    scene.replay("friday", json!({ "workloads": [{ "ref": { "name": "orders" }, "mocks": ["*"] }] })).await;
    let why = scene.condition_is("friday", "MocksReady", "TargetNotFound").await;
    assert!(why.contains("there is no Deployment payments/orders"), "{why}");
    assert!(scene.filters().is_empty());
    scene
        .until("an event reports it", || {
            scene
                .server
                .objects("events.events.k8s.io")
                .iter()
                .any(|event| event["reason"] == "TargetNotFound" && event["type"] == "Warning")
        })
        .await;
    scene.workload("payments", "orders", json!({})).await;
    scene.condition_is("friday", "Ready", "Responding").await;
    assert_eq!(scene.filters().len(), 1);
    scene
        .api("apps", "v1", "Deployment", "payments")
        .delete("orders", &DeleteParams::default())
        .await
        .unwrap();
    scene.condition_is("friday", "Ready", "TargetNotFound").await;
    scene.until("the EnvoyFilter is gone", || scene.filters().is_empty()).await;
    running.stop().await;
}

#[tokio::test]
async fn invalid_specification_says_why_and_keeps_the_mocks() {
    let scene = Scene::new().await;
    let running = scene.start(settings());
    scene.replay("friday", json!({})).await;
    scene.condition_is("friday", "Ready", "Responding").await;
    scene
        .merge(&scene.replays(), "friday", json!({ "spec": { "snapshotID": "https://registry.test/a" } }))
        .await;
    let why = scene.condition_is("friday", "Ready", "InvalidSpec").await;
    assert!(why.contains("isn't in a registry: write oci://"), "{why}");
    assert_eq!(scene.stored("friday")["status"]["observedGeneration"], 2);
    // Requests must not reach backends that were mocked.
    assert_eq!(scene.filters().len(), 1);
    scene.merge(&scene.replays(), "friday", json!({ "spec": { "snapshotID": "payment:2" } })).await;
    scene.condition_is("friday", "Ready", "Responding").await;
    assert!(scene.filters()[0].to_string().contains("team/payment:2"));
    running.stop().await;
}

#[tokio::test]
async fn schema_refuses_invalid_specifications() {
    let scene = Scene::new().await;
    let check = async |more: Value| {
        let mut object = resource("bad", more.clone());
        object["apiVersion"] = json!("understudy.dev/v1alpha1");
        object["kind"] = json!("TrafficReplay");
        let object = serde_json::from_value(object).unwrap();
        let refused = scene.replays().create(&Default::default(), &object).await;
        assert!(refused.is_err(), "{more}");
    };
    check(json!({ "mode": "respond" })).await;
    check(json!({ "snapshotID": "" })).await;
    check(json!({ "timeout": "soon" })).await;
    check(json!({ "workloads": [{ "mocks": ["*"] }] })).await;
    check(json!({ "workloads": [{ "ref": { "name": "a" }, "mocks": [""] }] })).await;
}

#[tokio::test]
async fn workload_without_labels_of_its_own_is_not_mocked() {
    let scene = Scene::new().await;
    let running = scene.start(settings());
    let bare = json!({ "metadata": { "name": "bare", "namespace": "payments" }, "spec": {
        "selector": { "matchExpressions": [{ "key": "app", "operator": "Exists" }] },
        "template": { "metadata": { "labels": { "app": "bare" } } },
    } });
    scene.create("apps", "v1", "StatefulSet", &bare).await;
    let target = json!([{ "ref": { "name": "bare", "kind": "StatefulSet" }, "mocks": ["*"] }]);
    scene.replay("bare", json!({ "workloads": target })).await;
    scene.condition_is("bare", "MocksReady", "NoLabels").await;
    // Another workload has all labels of the first, and more.
    let labels = json!({ "app": "payment", "track": "canary" });
    let canary = json!({ "metadata": { "name": "canary", "namespace": "payments" }, "spec": {
        "selector": { "matchLabels": labels }, "template": { "metadata": { "labels": labels } },
    } });
    scene.replay("friday", json!({})).await;
    scene.condition_is("friday", "Ready", "Responding").await;
    scene.create("apps", "v1", "Deployment", &canary).await;
    let why = scene.condition_is("friday", "MocksReady", "SelectorShared").await;
    assert!(why.contains("Deployment canary"), "{why}");
    scene.until("no workload is mocked", || scene.filters().is_empty()).await;
    running.stop().await;
}

#[tokio::test]
async fn rollout_with_new_template_labels_keeps_both_generations_mocked() {
    let scene = Scene::new().await;
    let running = scene.start(settings());
    let spec = |version: &str| {
        json!({ "selector": { "matchLabels": { "app": "orders" } },
            "template": { "metadata": { "labels": { "app": "orders", "version": version } } } })
    };
    let orders = json!({ "metadata": { "name": "orders", "namespace": "payments" }, "spec": spec("v1") });
    scene.create("apps", "v1", "Deployment", &orders).await;
    scene.replay("friday", json!({ "workloads": [{ "ref": { "name": "orders" }, "mocks": ["*"] }] })).await;
    scene.condition_is("friday", "Ready", "Responding").await;
    let before = scene.filters();
    assert_eq!(before[0]["spec"]["workloadSelector"]["labels"], json!({ "app": "orders" }));
    let deployments = scene.api("apps", "v1", "Deployment", "payments");
    scene.merge(&deployments, "orders", json!({ "spec": spec("v2") })).await;
    // By the time a later resource is served, the roll-out has been seen.
    scene.replay("second", json!({})).await;
    scene.condition_is("second", "Ready", "Responding").await;
    let name = before[0]["metadata"]["name"].as_str().unwrap();
    assert_eq!(scene.server.object(FILTERS, "payments", name).as_ref(), before.first());
    running.stop().await;
}

#[tokio::test]
async fn older_of_two_resources_mocks_the_workload() {
    let scene = Scene::new().await;
    let running = scene.start(settings());
    scene.replay("first", json!({})).await;
    scene.condition_is("first", "Ready", "Responding").await;
    // Creation times are to the second, and names play no part.
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    scene.replay("a-second", json!({ "snapshotID": "other:1" })).await;
    let why = scene.condition_is("a-second", "MocksReady", "AlreadyMocked").await;
    assert!(why.contains("payments/first"), "{why}");
    assert_eq!(scene.filters().len(), 1);
    scene.replays().delete("first", &DeleteParams::default()).await.unwrap();
    scene.condition_is("a-second", "Ready", "Responding").await;
    scene
        .until("there is one filter, of the second", || {
            let filters = scene.filters();
            filters.len() == 1 && filters[0].to_string().contains("team/other:1")
        })
        .await;
    running.stop().await;
}

#[tokio::test]
async fn other_namespaces_are_mocked_only_if_allowed() {
    let scene = Scene::new().await;
    scene.workload("orders", "orders", json!({})).await;
    let elsewhere =
        json!({ "workloads": [{ "ref": { "name": "orders", "namespace": "orders" }, "mocks": ["*"] }] });
    scene.replay("friday", elsewhere).await;
    let running = scene.start(settings());
    scene.condition_is("friday", "MocksReady", "ForeignNamespace").await;
    assert!(scene.filters().is_empty());
    running.stop().await;
    let running = scene.start(Settings { other_namespaces: true, ..settings() });
    scene.condition_is("friday", "Ready", "Responding").await;
    assert_eq!(scene.filters()[0]["metadata"]["namespace"], "orders");
    assert_eq!(scene.filters()[0]["metadata"]["ownerReferences"], Value::Null);
    // No owner reference reaches there: the finalizer keeps the resource until a controller removes
    // the mocks.
    running.stop().await;
    scene.replays().delete("friday", &DeleteParams::default()).await.unwrap();
    assert!(scene.stored("friday")["metadata"]["deletionTimestamp"].is_string());
    let running = scene.start(Settings { other_namespaces: true, ..settings() });
    scene
        .until("both are gone", || scene.filters().is_empty() && scene.stored("friday") == Value::Null)
        .await;
    running.stop().await;
}

#[tokio::test]
async fn conflict_on_the_status_is_retried() {
    let scene = Scene::new().await;
    let (times, seen) = (std::sync::atomic::AtomicUsize::new(0), std::sync::atomic::Ordering::SeqCst);
    scene.server.refuse_where(move |asked| {
        let first = asked.subresource == "status" && times.fetch_add(1, seen) < 2;
        first.then_some(409)
    });
    let running = scene.start(settings());
    scene.replay("friday", json!({})).await;
    scene.condition_is("friday", "Ready", "Responding").await;
    assert_eq!(scene.stored("friday")["status"]["reconcileFailures"], 0);
    running.stop().await;
}

#[tokio::test]
async fn refused_write_is_reported_and_retried() {
    let scene = Scene::new().await;
    scene.server.refuse_where(|asked| (asked.verb == "patch" && asked.resource == FILTERS).then_some(403));
    let running = scene.start(settings());
    scene.replay("friday", json!({})).await;
    let why = scene.condition_is("friday", "Ready", "Failed").await;
    assert!(
        why.contains("applying EnvoyFilter payments/") && why.contains("ClusterRole doesn't allow"),
        "{why}"
    );
    scene
        .until("failures are counted", || {
            scene.stored("friday")["status"]["reconcileFailures"].as_u64() >= Some(2)
        })
        .await;
    scene.server.relent();
    scene.condition_is("friday", "Ready", "Responding").await;
    assert_eq!(scene.stored("friday")["status"]["reconcileFailures"], 0);
    running.stop().await;
}

#[tokio::test]
async fn resources_of_the_contract_group_are_served() {
    let scene = Scene::new().await;
    let running = scene.start(settings());
    let mut spec = resource("friday", json!({ "testConfigID": "regression" }));
    spec["spec"]["workloads"][0]["ref"]["apiVersion"] = json!("apps/v1");
    scene.create("speedscale.com", "v1", "TrafficReplay", &spec).await;
    let theirs = || scene.server.object("trafficreplays.speedscale.com", "payments", "friday").unwrap();
    scene
        .until("it responds", || condition(&theirs(), "Ready").is_some_and(|c| c["reason"] == "Responding"))
        .await;
    assert_eq!(scene.filters()[0]["metadata"]["ownerReferences"][0]["apiVersion"], "speedscale.com/v1");
    scene
        .until("an event reports the ignored field", || {
            let events = scene.server.objects("events.events.k8s.io");
            events
                .iter()
                .any(|event| event["note"].as_str().is_some_and(|note| note.contains("testConfigID")))
        })
        .await;
    running.stop().await;
}

#[tokio::test]
async fn restarted_server_is_watched_again() {
    let mut scene = Scene::new().await;
    let running = scene.start(settings());
    scene.replay("friday", json!({})).await;
    scene.condition_is("friday", "Ready", "Responding").await;
    scene.server.stop().await;
    scene.server.start_again().await;
    scene.server.compact();
    let name = scene.filters()[0]["metadata"]["name"].as_str().unwrap().to_owned();
    scene
        .api("networking.istio.io", "v1alpha3", "EnvoyFilter", "payments")
        .delete(&name, &DeleteParams::default())
        .await
        .unwrap();
    scene.until("the EnvoyFilter exists again", || scene.filters().len() == 1).await;
    assert_eq!(scene.server.objects(OWN).len(), 1);
    running.stop().await;
}
