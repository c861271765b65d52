//! Tests of mocking that an annotation of the workload's pod turns on, and of a module with several
//! snapshots, one of which an annotation names.

use serde_json::{Value, json};
use understudy_core::table::shelf;
use understudy_testkit::{Rig, RigBuilder, Upstream, get, recorded};

fn annotated(metadata: Value, builder: RigBuilder) -> RigBuilder {
    builder.edit(move |bootstrap| bootstrap["node"]["metadata"] = metadata.clone())
}

fn rolled_out(upstream: &Upstream, annotations: Value) -> RigBuilder {
    let builder = Rig::responder()
        .with_backends()
        .map(upstream.map("api.test"))
        .config("opt_in", json!(true))
        .config("on_miss", json!("fail"))
        .exchange(recorded("GET", "http://api.test", "/known").body("recorded"));
    annotated(json!({ "ANNOTATIONS": annotations, "NAMESPACE": "payments" }), builder)
}

#[tokio::test]
async fn without_the_annotation_requests_pass_untouched() {
    let upstream = Upstream::ok().await;
    for (annotations, says) in [
        (json!({}), "nothing is mocked: this workload has no annotation"),
        (json!({ "replay.speedscale.com/snapshot-id": "rig" }), "nothing is mocked: this workload"),
        (json!({ "replay.speedscale.com/mode": "responder" }), "\"responder\" is not a known mode"),
        (json!({ "replay.speedscale.com/mode": "full-replay" }), "full-replay is for a replay"),
    ] {
        let rig = rolled_out(&upstream, annotations).start().await;
        let before = upstream.seen().len();
        for path in ["known", "new"] {
            let answer = get(rig.proxy(), &format!("http://api.test/{path}")).await;
            assert_eq!((answer.text().as_str(), answer.header("x-understudy")), ("real", None), "{says}");
        }
        assert_eq!(upstream.seen().len(), before + 2);
        assert!(rig.envoy.logs().contains(says), "{says}: {}", rig.envoy.logs());
        assert_eq!(rig.counter("backend.http://api.test.match").await, 0);
        rig.assert_sound().await;
    }
}

#[tokio::test]
async fn annotated_workload_is_mocked() {
    let upstream = Upstream::ok().await;
    for group in ["speedscale.com", "understudy.dev"] {
        let annotation = json!({ (format!("replay.{group}/mode")): "responder-only" });
        let rig = rolled_out(&upstream, annotation).start().await;
        assert_eq!(get(rig.proxy(), "http://api.test/known").await.text(), "recorded", "{group}");
        assert_eq!(get(rig.proxy(), "http://api.test/new").await.status, 404);
        assert_eq!(get(rig.proxy(), "http://other.test/").await.status, 404);
        assert_eq!(upstream.seen().len(), 0, "a mocked backend is never touched");
        rig.assert_sound().await;
    }
}

#[tokio::test]
async fn workload_without_opt_in_is_tapped() {
    let upstream = Upstream::ok().await;
    let rig = rolled_out(&upstream, json!({}))
        .map(upstream.map("tapped.test"))
        .collector()
        .config("backends", json!({ "http://tapped.test": { "mode": "tap" } }))
        .start()
        .await;
    get(rig.proxy(), "http://api.test/known").await;
    get(rig.proxy(), "http://tapped.test/x").await;
    let records = rig.records(1).await;
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].exchange.backend, "http://tapped.test");
}

#[tokio::test]
async fn missing_snapshot_never_reaches_the_backend() {
    let upstream = Upstream::ok().await;
    let annotations = json!({
        "replay.speedscale.com/mode": "responder-only",
        "replay.speedscale.com/snapshot-id": "another",
    });
    // This holds whatever the configuration sets for backends outside of the table, because the
    // names in the missing table are unknown.
    let rig = rolled_out(&upstream, annotations).config("default", json!("off")).start().await;
    for path in ["known", "new"] {
        assert_eq!(get(rig.proxy(), &format!("http://api.test/{path}")).await.status, 404);
    }
    assert_eq!(upstream.seen().len(), 0);
    let logs = rig.envoy.logs();
    assert!(logs.contains("another is requested, but this module has rig"), "{logs}");
}

fn snapshot(name: &str) -> Vec<u8> {
    let header = understudy_snapshot::Header { name: name.to_owned(), ..Default::default() };
    let mut builder = understudy_compile::table::TableBuilder::new(&header);
    let exchange = recorded("GET", "http://api.test", "/known").body(name);
    builder.push(&exchange.exchange(1)).expect("an exchange");
    builder.finish().expect("a table").bytes
}

/// A module with the snapshots `a` and `b`.
fn both() -> Vec<u8> {
    let tables = shelf(&[snapshot("a"), snapshot("b")]).expect("a shelf");
    let info = understudy_compile::bundle::BundleInfo::default();
    understudy_compile::bundle::bundle(understudy_module::RAW, &tables, &info).expect("a module")
}

#[tokio::test]
async fn each_workload_is_answered_from_its_snapshot() {
    let upstream = Upstream::ok().await;
    let ask = async |metadata: Value, config: Value| {
        let builder = Rig::responder()
            .with_backends()
            .module(both())
            .map(upstream.map("api.test"))
            .config("on_miss", json!("fail"));
        let builder = config.as_object().unwrap().iter().fold(builder, |b, (k, v)| b.config(k, v.clone()));
        let rig = annotated(metadata, builder).start().await;
        let answer = get(rig.proxy(), "http://api.test/known").await;
        rig.assert_sound().await;
        (answer.status, answer.text(), rig.envoy.logs())
    };
    let named = |name: &str| json!({ "ANNOTATIONS": { "replay.speedscale.com/snapshot-id": name } });
    for name in ["a", "b"] {
        let (status, text, _) = ask(named(name), json!({})).await;
        assert_eq!((status, text.as_str()), (200, name));
        let (status, text, _) = ask(json!({ "WORKLOAD_NAME": name }), json!({})).await;
        assert_eq!((status, text.as_str()), (200, name), "by the workload's name");
        let (status, text, _) = ask(json!({}), json!({ "snapshot": name })).await;
        assert_eq!((status, text.as_str()), (200, name), "by the configuration");
    }
    let (_, text, _) = ask(named("b"), json!({ "snapshot": "a" })).await;
    assert_eq!(text, "b", "the annotation wins");
    for (metadata, says) in
        [(named("c"), "c is requested, but this module has a, b"), (json!({}), "no snapshot is requested")]
    {
        // This holds whatever the configuration sets for backends outside of the table, because the
        // names in the missing table are unknown.
        let (status, _, logs) = ask(metadata, json!({ "default": "off" })).await;
        assert_eq!(status, 404);
        assert!(logs.contains(says), "{logs}");
    }
    assert_eq!(upstream.seen().len(), 0);
}
