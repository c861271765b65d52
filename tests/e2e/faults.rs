//! Tests of faults by rule: the client's view over HTTP/1.1 and HTTP/2, and that no byte reaches
//! the backend.

use crate::requests::{head, post};
use bytes::Bytes;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use understudy_core::rules::Rule;
use understudy_core::verdict::Kind;
use understudy_testkit::{Connection, H2, Rig, RigBuilder, Upstream, get, recorded};

const BODY: &str = "0123456789abcdef";

fn rule(rule: Value) -> Rule {
    serde_json::from_value(rule).expect("a rule")
}

/// Answers from a recording of `/` and `/other`, with a fault for `/`.
fn rig(fault: Value) -> RigBuilder {
    let exchange = |method, path| {
        recorded(method, "http://api.test", path).header("content-type", "text/plain").body(BODY)
    };
    Rig::responder()
        .exchange(exchange("GET", "/"))
        .exchange(exchange("POST", "/").sent("sent"))
        .exchange(exchange("GET", "/other"))
        .rule(rule(json!({ "backend": "http://api.test", "path": "/", "fault": fault })))
}

const URL: &str = "http://api.test/";

#[tokio::test]
async fn status_and_delay_faults_are_served() {
    let upstream = Upstream::ok().await;
    let rig = rig(json!({ "status": 503, "body": "out of order", "delay": "300ms" }))
        .with_backends()
        .config("on_miss", json!("passthrough"))
        .map(upstream.map("api.test"))
        .collector()
        .start()
        .await;
    let start = Instant::now();
    let answer = get(rig.proxy(), URL).await;
    assert!(start.elapsed() >= Duration::from_millis(300));
    assert_eq!((answer.status, answer.text().as_str()), (503, "out of order"));
    assert_eq!(answer.header("x-understudy").as_deref(), Some("fault; status=503; delay=300ms"));
    let client = H2::open(rig.proxy()).await;
    let answer = client.request("POST", URL, &[], Some(Bytes::from_static(b"anything")), None).await;
    let answer = answer.expect("an answer");
    assert_eq!((answer.status, answer.body.as_slice()), (503, &b"out of order"[..]));
    let other = get(rig.proxy(), "http://api.test/other").await;
    assert_eq!((other.status, other.header("x-understudy").as_deref()), (200, Some("match")));
    upstream.assert_untouched();
    let verdicts: Vec<_> =
        rig.records(3).await.into_iter().map(|record| record.verdict.expect("one")).collect();
    let told: Vec<_> =
        verdicts.iter().map(|verdict| (verdict.kind, verdict.status, verdict.fault.as_deref())).collect();
    let fault = (Kind::Match, Some(503), Some("status=503; delay=300ms"));
    assert_eq!(told, [fault, fault, (Kind::Match, Some(200), None)]);
    rig.assert_sound().await;
}

/// Counted over all workers.
#[tokio::test]
async fn every_third_request_has_the_fault() {
    let rig = rig(json!({ "status": 500, "every": 3 })).workers(2).start().await;
    let mut all = JoinSet::new();
    for _ in 0..60 {
        let proxy = rig.proxy();
        all.spawn(async move { get(proxy, URL).await.status });
    }
    let statuses = all.join_all().await;
    assert_eq!(statuses.iter().filter(|status| **status == 500).count(), 20, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 40, "{statuses:?}");
    rig.assert_sound().await;
}

#[tokio::test]
async fn reset_ends_without_an_answer() {
    for fault in [json!({ "reset": true }), json!({ "reset": true, "delay": "50ms" })] {
        let rig = rig(fault).start().await;
        for request in [head("GET", "api.test", "/", ""), post("api.test", "/", "", b"anything")] {
            let mut app = Connection::open(rig.proxy()).await;
            app.send(request).await;
            assert_eq!(app.skip().await, 0, "the connection ends, and not a byte comes");
        }
        let client = H2::open(rig.proxy()).await;
        for body in [None, Some(Bytes::from_static(b"anything"))] {
            let error = client.request("POST", URL, &[], body, None).await.expect_err("no answer");
            assert!(error.is_reset(), "{error}");
        }
        // The connection and its other streams live on.
        let other = client.request("GET", "http://api.test/other", &[], None, None).await;
        assert_eq!(other.expect("an answer").status, 200);
        rig.assert_sound().await;
    }
}

/// The head says how long the body would be, and then the connection or the stream ends.
#[tokio::test]
async fn a_body_is_cut_and_the_client_can_tell() {
    for (length, delay) in [(0, None), (5, None), (5, Some("50ms"))] {
        let rig = rig(json!({ "truncate": length, "delay": delay })).start().await;
        for request in [head("GET", "api.test", "/", ""), post("api.test", "/", "", b"sent")] {
            let mut app = Connection::open(rig.proxy()).await;
            app.send(request).await;
            let text = String::from_utf8(app.until(b"\r\n\r\n").await.to_vec()).expect("text");
            assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
            assert!(text.contains(&format!("\r\ncontent-length: {}\r\n", BODY.len())), "{text}");
            assert!(text.contains(&format!("\r\nx-understudy: fault; truncate={length}")), "{text}");
            assert!(text.ends_with("\r\n\r\n"), "Envoy gives none of the body: {text}");
            app.skip().await;
            app.ended().await;
        }
        let client = H2::open(rig.proxy()).await;
        let error = client.request("GET", URL, &[], None, None).await.expect_err("a cut");
        assert!(error.is_reset(), "{error}");
        let other = client.request("GET", "http://api.test/other", &[], None, None).await;
        assert_eq!(other.expect("an answer").status, 200);
        rig.assert_sound().await;
    }
}
