//! The effect of the resources when something is missing: a tap lets everything pass, a mock lets
//! nothing leave, and a workload that hasn't opted in notices nothing.

use crate::istio::Agent;
use crate::sidecar::Pod;
use crate::{backend, fetches, filter, holds, mesh, opted_in, payment, respond, scope, tap};
use serde_json::{Value, json};
use understudy_testkit::{Nobody, Sink, Upstream, eventually, recorded, trap_in};

/// Ways in which the module can be missing, each with a folder that has to outlive the agent.
fn missing() -> Vec<(&'static str, Agent, Option<tempfile::TempDir>)> {
    let (broken, one) = holds(b"\0asm and nothing that follows");
    let (none, two) = holds(b"");
    let lacking = filter(vec![]);
    let (foreign, three) = holds(&lacking[..lacking.len() / 2]);
    vec![
        ("the agent can't fetch it", Agent::CannotFetch, None),
        ("the agent hands nothing on", Agent::HandsNothingOn, None),
        ("it is no module", broken, Some(one)),
        ("it is empty", none, Some(two)),
        ("it is cut off", foreign, Some(three)),
    ]
}

#[tokio::test]
async fn tap_without_a_module_lets_traffic_pass() {
    let upstream = Upstream::ok().await;
    let sink = Sink::start(Nobody::here(), "204 No Content");
    let resources = tap(scope(), sink.address());
    for (why, agent, _folder) in missing() {
        let pod = Pod::start(backend(upstream.address()), payment(json!({})), &resources, &agent).await;
        let answer = pod.call("api.test", "/x").await;
        assert_eq!((answer.status, answer.text().as_str()), (200, "real"), "{why}");
        if matches!(agent, Agent::CannotFetch) {
            assert_eq!(pod.xds.refused(), Vec::<String>::new(), "{why}");
        }
    }
}

#[tokio::test]
async fn mock_without_a_module_lets_nothing_leave() {
    let upstream = Upstream::ok().await;
    for (why, agent, _folder) in missing() {
        let pod =
            Pod::start(backend(upstream.address()), payment(json!({})), &respond(scope(), false), &agent)
                .await;
        let answer = pod.call("api.test", "/known").await;
        assert_eq!((answer.status, answer.text().as_str()), (403, "RBAC: access denied"), "{why}");
        upstream.assert_untouched();
    }
}

#[tokio::test]
async fn missing_module_stops_only_opted_in_workloads() {
    for (annotations, status) in [
        (json!({}), 200),
        (opted_in(), 403),
        (json!({ "replay.understudy.dev/mode": "responder-only" }), 403),
        (json!({ "replay.speedscale.com/mode": "other" }), 200),
    ] {
        let upstream = Upstream::ok().await;
        let who = payment(annotations.clone());
        let pod =
            Pod::start(backend(upstream.address()), who, &respond(mesh(), true), &Agent::CannotFetch).await;
        assert_eq!(pod.call("api.test", "/x").await.status, status, "{annotations}");
        assert_eq!(upstream.seen().len(), usize::from(status == 200), "{annotations}");
    }
}

#[tokio::test]
async fn broken_module_leaves_the_old_one_working() {
    let upstream = Upstream::ok().await;
    let exchange = || recorded("POST", "http://api.test", "/known").sent("hi").body("recorded");
    let (good, _one) = fetches(vec![exchange()]);
    let (broken, _two) = holds(b"\0asm");
    let resources = respond(scope(), false);
    let pod = Pod::start(backend(upstream.address()), payment(json!({})), &resources, &good).await;
    assert_eq!(pod.call("api.test", "/known").await.text(), "recorded");
    pod.apply(&resources, &broken).await;
    eventually("Envoy refuses it", async || !pod.xds.refused().is_empty()).await;
    assert_eq!(pod.call("api.test", "/known").await.text(), "recorded");
    upstream.assert_untouched();

    let sink = Sink::start(Nobody::here(), "204 No Content");
    let taps = tap(scope(), sink.address());
    let pod = Pod::start(backend(upstream.address()), payment(json!({})), &taps, &good).await;
    pod.apply(&taps, &broken).await;
    eventually("Envoy refuses it", async || !pod.xds.refused().is_empty()).await;
    assert_eq!(pod.call("api.test", "/known").await.text(), "real");
    eventually("the tap works", async || !sink.batches().is_empty()).await;
}

/// With a wrong tag, or a registry that is down, the agent hands on an RBAC filter instead of the
/// working filter.
#[tokio::test]
async fn module_that_cannot_be_fetched_replaces_one_that_works() {
    let upstream = Upstream::ok().await;
    let exchange = || recorded("POST", "http://api.test", "/known").sent("hi").body("recorded");
    let (good, _folder) = fetches(vec![exchange()]);
    let resources = respond(scope(), false);
    let pod = Pod::start(backend(upstream.address()), payment(json!({})), &resources, &good).await;
    assert_eq!(pod.call("api.test", "/known").await.text(), "recorded");
    pod.apply(&resources, &Agent::CannotFetch).await;
    eventually("the mock refuses calls", async || pod.call("api.test", "/known").await.status == 403).await;
    upstream.assert_untouched();

    let sink = Sink::start(Nobody::here(), "204 No Content");
    let taps = tap(scope(), sink.address());
    let pod = Pod::start(backend(upstream.address()), payment(json!({})), &taps, &good).await;
    assert_eq!(pod.call("api.test", "/known").await.text(), "real");
    eventually("the tap works", async || !sink.batches().is_empty()).await;
    pod.apply(&taps, &Agent::CannotFetch).await;
    for _ in 0..20 {
        assert_eq!(pod.call("api.test", "/known").await.text(), "real");
    }
    assert_eq!(pod.xds.refused(), Vec::<String>::new());
}

#[tokio::test]
async fn crashing_filter_stops_a_mock_and_not_a_tap() {
    let crashes = trap_in(&filter(vec![]), "proxy_on_request_headers");
    let (agent, _folder) = holds(&crashes);
    let upstream = Upstream::ok().await;
    let pod = Pod::start(
        backend(upstream.address()),
        payment(json!({})),
        &tap(scope(), upstream.address()),
        &agent,
    )
    .await;
    for _ in 0..3 {
        assert_eq!(pod.call("api.test", "/x").await.text(), "real");
    }
    let untouched = Upstream::ok().await;
    let pod =
        Pod::start(backend(untouched.address()), payment(json!({})), &respond(scope(), false), &agent).await;
    for _ in 0..3 {
        assert_eq!(pod.call("api.test", "/x").await.status, 503);
    }
    untouched.assert_untouched();
}

#[tokio::test]
async fn lost_collector_harms_no_call() {
    let upstream = Upstream::ok().await;
    let (agent, _folder) = fetches(vec![]);
    let gone = Nobody::here().address();
    let resources = tap(scope(), gone);
    let pod = Pod::start(backend(upstream.address()), payment(json!({})), &resources, &agent).await;
    for _ in 0..20 {
        assert_eq!(pod.call("api.test", "/x").await.text(), "real");
    }
    eventually("the log has it", async || pod.envoy.logs().contains("the collector answered")).await;
    assert_eq!(pod.call("api.test", "/x").await.text(), "real");
}

#[tokio::test]
async fn lost_control_plane_changes_nothing() {
    let upstream = Upstream::ok().await;
    let exchange = recorded("POST", "http://api.test", "/known").sent("hi").body("recorded");
    let (agent, _folder) = fetches(vec![exchange]);
    let mut pod =
        Pod::start(backend(upstream.address()), payment(json!({})), &respond(scope(), false), &agent).await;
    pod.xds = understudy_xds_double::Xds::start().await;
    eventually("Envoy has noticed", async || {
        let stats = pod.envoy.stats("control_plane").await.expect("statistics");
        stats.get("control_plane.connected_state") == 0
    })
    .await;
    assert_eq!(pod.call("api.test", "/known").await.text(), "recorded");
    upstream.assert_untouched();
}

#[tokio::test]
async fn refused_configuration_is_a_missing_module() {
    let (agent, _folder) = fetches(vec![]);
    let wrong = |mut resources: Vec<Value>| {
        for patch in resources[0]["spec"]["configPatches"].as_array_mut().expect("patches") {
            if patch["applyTo"] == "EXTENSION_CONFIG" {
                patch["patch"]["value"]["typed_config"]["config"]["configuration"]["value"] =
                    json!("{\"defualt\":1}");
            }
        }
        resources
    };
    let taps = tap(scope(), Nobody::here().address());
    for (resources, status) in [(taps, 200), (respond(scope(), false), 403)] {
        let upstream = Upstream::ok().await;
        let resources = wrong(resources);
        let pod = Pod::start(backend(upstream.address()), payment(json!({})), &resources, &agent).await;
        assert_eq!(pod.call("api.test", "/x").await.status, status);
        assert_eq!(upstream.seen().len(), usize::from(status == 200));
        assert!(pod.envoy.logs().contains("unknown field `defualt`"), "{}", pod.envoy.logs());
    }
}
