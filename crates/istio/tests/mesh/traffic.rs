//! The effect of the resources on traffic when nothing is missing.

use crate::istio::Agent;
use crate::sidecar::{Endpoints, Pod, as_istio_makes_it};
use crate::{
    backend, fetches, holds, mesh, module, module_of, opted_in, payment, respond, scope, table, tap, workload,
};
use serde_json::json;
use std::path::Path;
use understudy_core::exchange::Direction;
use understudy_istio::{Collector, Simple, Tap};
use understudy_testkit::{
    H2Answer, H2Upstream, Nobody, Recorded, Sink, Upstream, eventually, frames, message, metadata, recorded,
};

/// The recorded exchange of the app's request.
fn known(host: &str) -> Recorded {
    recorded("POST", &format!("http://{host}"), "/known").sent("hi").body("recorded")
}

#[tokio::test]
async fn tap_copies_both_directions_until_removed() {
    let (upstream, app) = (Upstream::ok().await, Upstream::ok().await);
    let sink = Sink::start(Nobody::here(), "204 No Content");
    let endpoints = Endpoints { app: app.address(), ..backend(upstream.address()) };
    let (agent, _folder) = fetches(vec![]);
    let pod = Pod::start(endpoints, payment(json!({})), &[], &agent).await;
    assert_eq!(pod.call("api.test", "/before").await.text(), "real");
    assert!(pod.xds.asked().is_empty(), "nothing of ours is there");

    pod.apply(&tap(scope(), sink.address()), &agent).await;
    assert_eq!(pod.xds.asked().len(), 2);
    for host in ["api.test", "elsewhere.test"] {
        assert_eq!(pod.call(host, "/out").await.text(), "real");
    }
    assert_eq!(pod.call_app("/in").await.text(), "real");
    let records = || sink.batches().iter().flat_map(understudy_testkit::Batch::records).collect::<Vec<_>>();
    eventually("the collector has three exchanges", async || records().len() >= 3).await;
    let mut told: Vec<_> = records()
        .into_iter()
        .map(|record| (record.exchange.direction == Direction::Inbound, record.exchange.backend))
        .collect();
    told.sort();
    let expect =
        [(false, "http://api.test"), (false, "http://elsewhere.test"), (true, "http://payment.test")];
    assert_eq!(told, expect.map(|(inbound, name)| (inbound, name.to_owned())));

    pod.apply(&[], &agent).await;
    assert_eq!(pod.call("api.test", "/after").await.text(), "real");
    assert_eq!(records().len(), 3);
    assert_eq!((upstream.seen().len(), app.seen().len()), (4, 1));
    assert_eq!(pod.xds.refused(), Vec::<String>::new());
}

#[tokio::test]
async fn mock_answers_and_reaches_no_backend() {
    let upstream = Upstream::ok().await;
    let (agent, _folder) = fetches(vec![known("api.test"), known("elsewhere.test")]);
    let pod =
        Pod::start(backend(upstream.address()), payment(json!({})), &respond(scope(), false), &agent).await;
    for host in ["api.test", "elsewhere.test"] {
        let answer = pod.call(host, "/known").await;
        assert_eq!((answer.status, answer.text().as_str()), (200, "recorded"), "{}", pod.envoy.logs());
    }
    assert_eq!(pod.call("api.test", "/new").await.header("x-understudy").as_deref(), Some("miss"));
    assert_eq!(pod.call("unknown.test", "/known").await.status, 404);
    upstream.assert_untouched();
    eventually("the statistics have it", async || {
        let stats = pod.envoy.stats("wasmcustom").await.expect("statistics");
        stats.get("wasmcustom.understudy.backend.http://api.test.match") == 1
    })
    .await;
    // Without the resources, traffic is as before.
    pod.apply(&[], &agent).await;
    assert_eq!(pod.call("api.test", "/known").await.text(), "real");
}

#[tokio::test]
async fn simple_forms_tap_outbound_calls() {
    for form in [Simple::WasmPlugin, Simple::TrafficExtension] {
        let upstream = Upstream::ok().await;
        // Istio has a cluster for the collector's service.
        let sink = Sink::start(Nobody::here(), "204 No Content");
        let (agent, _folder) = fetches(vec![known("api.test")]);
        let collector =
            Collector::new(&format!("collector.test:{}", sink.address().port()), false).expect("a collector");
        let tap =
            Tap { scope: scope(), module: module(), collector, inbound: false, service: None, https: None };
        let resources = tap.simple(form).expect("a module that is elsewhere");
        let endpoints = Endpoints { collector: Some(sink.address()), ..backend(upstream.address()) };
        let pod = Pod::start(endpoints, payment(json!({})), &resources, &agent).await;
        assert_eq!(pod.call("api.test", "/known").await.text(), "real", "{form:?}: {}", pod.envoy.logs());
        eventually("the collector has it", async || !sink.batches().is_empty()).await;
        assert_eq!(pod.xds.refused(), Vec::<String>::new());
        // The sidecar of another workload stays unchanged.
        let (other, _) = workload("payments", "orders", json!({}));
        let plain = as_istio_makes_it(endpoints, Path::new("/"));
        assert_eq!(plain.clone().with(&resources, &other), plain);
    }
}

#[tokio::test]
async fn tap_with_a_table_never_mocks() {
    let one = vec![table("payment", vec![known("api.test")])];
    let several = vec![table("orders", vec![known("api.test")]), table("refunds", vec![known("api.test")])];
    for (tables, annotations) in [
        (one.clone(), json!({})),
        (
            one,
            json!({ "replay.speedscale.com/mode": "responder-only", "replay.speedscale.com/snapshot-id": "none" }),
        ),
        // No snapshot has the workload's name.
        (several, opted_in()),
    ] {
        let upstream = Upstream::ok().await;
        let sink = Sink::start(Nobody::here(), "204 No Content");
        let (agent, _folder) = holds(&module_of(&tables));
        let resources = tap(scope(), sink.address());
        let who = payment(annotations.clone());
        let pod = Pod::start(backend(upstream.address()), who, &resources, &agent).await;
        for path in ["/known", "/new"] {
            assert_eq!(
                pod.call("api.test", path).await.text(),
                "real",
                "{annotations}: {}",
                pod.envoy.logs()
            );
        }
        eventually("the collector has both", async || {
            sink.batches().iter().flat_map(understudy_testkit::Batch::records).count() == 2
        })
        .await;
    }
}

#[tokio::test]
async fn mocked_calls_are_not_tapped() {
    let upstream = Upstream::ok().await;
    let sink = Sink::start(Nobody::here(), "204 No Content");
    let (agent, _folder) = fetches(vec![known("api.test")]);
    // In either order of the resources.
    let both = [tap(scope(), sink.address()), respond(scope(), false)].concat();
    let pod = Pod::start(backend(upstream.address()), payment(json!({})), &both, &agent).await;
    assert_eq!(pod.call("api.test", "/known").await.text(), "recorded");
    eventually("the mock counts", async || {
        let stats = pod.envoy.stats("wasmcustom").await.expect("statistics");
        stats.get("wasmcustom.understudy.backend.http://api.test.match") == 1
    })
    .await;
    assert!(sink.batches().is_empty(), "a mocked exchange never took place");
    upstream.assert_untouched();
}

#[tokio::test]
async fn overlapping_resources_work_together() {
    let sink = Sink::start(Nobody::here(), "204 No Content");
    let taps = [mesh(), scope()].map(|scope| tap(scope, sink.address())).concat();
    let mocks = [respond(mesh(), true), respond(scope(), false)].concat();
    for (resources, exchanges, text, real) in
        [(taps, vec![], "real", 1), (mocks, vec![known("api.test")], "recorded", 0)]
    {
        let upstream = Upstream::ok().await;
        let (agent, _folder) = fetches(exchanges);
        let pod = Pod::start(backend(upstream.address()), payment(json!({})), &resources, &agent).await;
        assert_eq!(pod.call("api.test", "/known").await.text(), text);
        assert_eq!(upstream.seen().len(), real);
        assert_eq!(pod.xds.refused(), Vec::<String>::new());
        let refused = pod.envoy.stats("update_rejected").await.expect("statistics");
        assert!(refused.iter().all(|(_, count)| count == 0), "{}", pod.envoy.problems());
        assert!(refused.iter().any(|(name, _)| name.contains("rds")), "routes are among them");
    }
}

#[tokio::test]
async fn grpc_is_mocked_with_its_messages_and_trailers() {
    let answer = |_: &_| H2Answer {
        status: 200,
        headers: metadata(&[("content-type", "application/grpc")]),
        body: frames([message(&[(1, "real")])]),
        trailers: Some(metadata(&[("grpc-status", "0")])),
    };
    let upstream = H2Upstream::start(answer).await;
    let sent = frames([message(&[(1, "order")])]);
    let recorded = recorded("POST", "http://api.test", "/orders.Orders/Get")
        .with("content-type", "application/grpc")
        .sent(&sent)
        .header("content-type", "application/grpc")
        .body(frames([message(&[(1, "recorded")]), message(&[(1, "twice")])]))
        .trailer("grpc-status", "0")
        .trailer("x-more", "yes");
    let (agent, _folder) = fetches(vec![recorded]);
    let endpoints = Endpoints { h2: true, ..backend(upstream.address()) };
    for (annotations, resources) in
        [(json!({}), respond(scope(), false)), (opted_in(), respond(mesh(), true))]
    {
        let before = upstream.seen().len();
        let pod = Pod::start(endpoints, payment(annotations), &[], &agent).await;
        let call = async || pod.h2().await.call("http://api.test/orders.Orders/Get", &[], sent.clone()).await;
        assert_eq!(call().await.body, frames([message(&[(1, "real")])]));
        assert_eq!(upstream.seen().len(), before + 1);

        pod.apply(&resources, &agent).await;
        eventually("the mock works", async || call().await.metadata("x-more").is_some()).await;
        let seen = upstream.seen().len();
        let answer = call().await;
        assert_eq!(answer.body, frames([message(&[(1, "recorded")]), message(&[(1, "twice")])]));
        assert_eq!(answer.metadata("grpc-status").as_deref(), Some("0"));
        let miss = pod.h2().await.call("http://api.test/orders.Orders/Other", &[], sent.clone()).await;
        assert_eq!(miss.metadata("grpc-status").as_deref(), Some("12"));
        assert_eq!(upstream.seen().len(), seen, "nothing reaches the backend");
    }
}

#[tokio::test]
async fn mesh_wide_mock_needs_the_annotation() {
    let upstream = Upstream::ok().await;
    let (agent, _folder) = fetches(vec![known("api.test")]);
    let resources = respond(mesh(), true);
    for (namespace, annotations, mocked) in [
        ("payments", opted_in(), true),
        // A YAML block ends with a line break.
        ("orders", json!({ "replay.understudy.dev/mode": " responder-only\n" }), true),
        ("payments", json!({}), false),
        ("orders", json!({ "replay.speedscale.com/mode": "on" }), false),
    ] {
        let who = workload(namespace, "any", annotations.clone());
        let pod = Pod::start(backend(upstream.address()), who, &resources, &agent).await;
        let before = upstream.seen().len();
        let answers = [pod.call("api.test", "/known").await, pod.call("api.test", "/new").await];
        match mocked {
            true => {
                assert_eq!(answers.map(|answer| answer.status), [200, 404], "{annotations}");
                assert_eq!(upstream.seen().len(), before, "{annotations}");
            }
            false => {
                assert!(answers.iter().all(|answer| answer.text() == "real"), "{annotations}");
                assert!(answers.iter().all(|answer| answer.header("x-understudy").is_none()));
            }
        }
    }
}

#[tokio::test]
async fn annotation_chooses_the_snapshot() {
    let upstream = Upstream::ok().await;
    let answer = |text: &str| recorded("POST", "http://api.test", "/known").sent("hi").body(text);
    let tables = [table("orders", vec![answer("orders")]), table("payment", vec![answer("payment")])];
    let (agent, _folder) = holds(&module_of(&tables));
    for (snapshot, status, text) in [
        (Some("orders"), 200, "orders"),
        (Some("payment"), 200, "payment"),
        // Chosen by the workload's name, payment.
        (None, 200, "payment"),
        (Some("another"), 404, ""),
    ] {
        let mut annotations = opted_in();
        if let Some(snapshot) = snapshot {
            annotations["replay.speedscale.com/snapshot-id"] = json!(snapshot);
        }
        let who = payment(annotations);
        let pod = Pod::start(backend(upstream.address()), who, &respond(mesh(), true), &agent).await;
        let answer = pod.call("api.test", "/known").await;
        assert_eq!(answer.status, status, "{snapshot:?}");
        assert!(status != 200 || answer.text() == text, "{snapshot:?}: {}", answer.text());
    }
    upstream.assert_untouched();
}

#[test]
fn unselected_workload_keeps_its_configuration() {
    let endpoints = backend(([127, 0, 0, 1], 80).into());
    let plain = || as_istio_makes_it(endpoints, Path::new("/"));
    let https = Some(understudy_istio::Https::new(["api.test"], 443, None).expect("settings"));
    let collector = Collector::new("c.test:1", false).expect("a collector");
    let all = Tap { scope: scope(), module: module(), collector, inbound: true, service: None, https };
    let resources = [all.resources(), respond(scope(), false)].concat();
    for (namespace, app) in [("payments", "orders"), ("orders", "payment")] {
        let (who, _) = workload(namespace, app, json!({}));
        assert_eq!(plain().with(&resources, &who), plain(), "{namespace}/{app}");
    }
    let (meant, _) = payment(json!({}));
    let with = plain().with(&resources, &meant);
    assert_ne!(with, plain());
    assert_eq!(with.extensions.len(), 3);
    assert_eq!(Agent::HandsNothingOn.hand_on(&with.extensions), Vec::<serde_json::Value>::new());
}
