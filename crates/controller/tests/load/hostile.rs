//! Texts that try to break out of their fields, and workloads that can't be selected.

use crate::cluster::{Cluster, FILTERS, HOME, REPLAYS, deployment, is_ready, replay, until};
use serde_json::{Value, json};
use understudy_controller::Settings;

fn with(name: &str, change: impl FnOnce(&mut Value)) -> Value {
    let mut replay = replay(name);
    change(&mut replay["spec"]);
    replay
}

/// The definition's schema refuses a hostile resource, or its status says why it has no effect.
/// Other resources are served.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_resources_are_refused_or_explained() {
    let cluster = Cluster::new().await;
    let controller = cluster.run(Settings::default());
    cluster.create(deployment("victim")).await.expect("it is created");
    let long = "x".repeat(300_000);
    let hostile = [
        with("victim", |spec| spec["snapshotID"] = json!("oci://registry.test/a:1\nkind: ClusterRole")),
        with("victim", |spec| spec["snapshotID"] = json!("oci://registry.test/a\": {\"x\": \"")),
        with("victim", |spec| spec["snapshotID"] = json!("oci://registry.test/../../a:1 --- b")),
        with("victim", |spec| spec["snapshotID"] = json!(format!("oci://registry.test/{long}:1"))),
        with("victim", |spec| spec["workloads"][0]["ref"]["name"] = json!("../../secrets")),
        with("victim", |spec| spec["workloads"][0]["ref"]["name"] = json!("a\nb")),
        with("victim", |spec| spec["workloads"][0]["ref"]["name"] = json!(long)),
        with("victim", |spec| spec["workloads"][0]["ref"]["namespace"] = json!("kube-system/pods")),
        with("victim", |spec| spec["workloads"][0]["ref"]["namespace"] = json!("kube-system")),
        with("victim", |spec| spec["workloads"][0]["ref"]["kind"] = json!("Secret")),
        with("victim", |spec| spec["mode"] = json!("*")),
        with("victim", |spec| spec["timeout"] = json!("99999999999999999999h")),
        with("victim", |spec| spec["workloads"] = json!([])),
    ];
    for (number, mut attack) in hostile.into_iter().enumerate() {
        let name = format!("attack-{number}");
        attack["metadata"]["name"] = json!(name);
        let text = attack["spec"].to_string().chars().take(200).collect::<String>();
        if cluster.create(attack).await.is_err() {
            continue;
        }
        let explained = || {
            let replay = cluster.server.object(REPLAYS, HOME, &name).unwrap_or_default();
            ["InvalidSpec", "TargetNotFound", "ForeignNamespace", "Failed"]
                .iter()
                .any(|reason| is_ready(&replay, reason))
        };
        until(&format!("{name} is explained: {text}"), explained).await;
    }
    assert_eq!(cluster.server.objects(FILTERS), Vec::<Value>::new());
    cluster.create(replay("victim")).await.expect("it is created");
    until("another resource is served", || cluster.ready("Responding") == 1).await;
    controller.stop().await;
}

/// The texts of `mocks` appear in the filter's configuration and nowhere else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_mocks_stay_texts() {
    let cluster = Cluster::new().await;
    let controller = cluster.run(Settings::default());
    cluster.create(deployment("victim")).await.expect("it is created");
    let texts = [
        "\"}, \"backends\": {\"*\": \"off\"",
        "a\n  mode: off",
        "${jndi:x}",
        "%ENV(x)%",
        "'; --",
        "\u{202e}\u{0}x",
    ];
    let attack = with("victim", |spec| spec["workloads"][0]["mocks"] = json!(texts));
    if cluster.create(attack).await.is_ok() {
        let explained = || cluster.ready("Responding") + cluster.ready("InvalidSpec") == 1;
        until("it is served or explained", explained).await;
        for filter in cluster.server.objects(FILTERS) {
            assert_eq!(filter["spec"]["workloadSelector"]["labels"], json!({"app": "victim"}));
            let names: Vec<_> = filter.as_object().expect("an object").keys().collect();
            assert_eq!(names.len(), 4, "{names:?}");
        }
    }
    controller.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workload_without_distinct_labels_is_not_mocked() {
    let cluster = Cluster::new().await;
    let controller = cluster.run(Settings::default());
    let mut bare = deployment("bare");
    bare["spec"]["selector"] = json!({"matchExpressions": [{"key": "app", "operator": "Exists"}]});
    let mut empty = deployment("empty");
    empty["spec"]["selector"]["matchLabels"] = json!({"app": ""});
    empty["spec"]["template"]["metadata"]["labels"] = json!({"app": ""});
    let mut twin = deployment("twin");
    let labels = json!({"app": "one", "more": "labels"});
    twin["spec"]["selector"]["matchLabels"] = labels.clone();
    twin["spec"]["template"]["metadata"]["labels"] = labels;
    cluster.create_all([bare, empty, twin, deployment("one")]).await;
    cluster.create_all(["bare", "empty", "one"].map(replay)).await;
    let says = |name: &str, reason: &str| {
        is_ready(&cluster.server.object(REPLAYS, HOME, name).unwrap_or_default(), reason)
    };
    until("no labels", || says("bare", "NoLabels") && says("empty", "NoLabels")).await;
    until("another's too", || says("one", "SelectorShared")).await;
    assert_eq!(cluster.server.objects(FILTERS), Vec::<Value>::new());
    controller.stop().await;
}
