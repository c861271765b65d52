//! The filter crashes, for real: a mock fails closed and lets nothing through, a tap fails open and
//! is not felt.

use crate::requests::{head, post};
use serde_json::json;
use understudy_envoy::FilterFailure;
use understudy_testkit::{
    Connection, Rig, Upstream, eventually, get, offset_of, recorded, request, trap_at, trap_in,
};

const FATAL: &str = "what is in the table, and can't be read";

#[tokio::test]
async fn crash_during_a_verdict_fails_closed() {
    let upstream = Upstream::ok().await;
    let builder = Rig::responder()
        .with_backends()
        .map(upstream.map("api.test"))
        .config("on_miss", json!("passthrough"))
        .exchange(recorded("GET", "http://api.test", "/fine").body("fine"))
        .exchange(recorded("GET", "http://api.test", "/fatal").body(FATAL));
    let module = trap_at(&builder.bundled(), offset_of(&builder.table(), FATAL.as_bytes()));
    let rig = builder.module(module).start().await;
    assert_eq!(get(rig.proxy(), "http://api.test/fine").await.text(), "fine");
    assert_eq!(rig.crashes().await, Vec::<String>::new());

    let whole = post("api.test", "/held", "", b"0123456789");
    let mut held = Connection::open(rig.proxy()).await;
    held.send(&whole[..whole.len() - 1]).await;
    eventually("the POST is held", async || {
        let stats = rig.envoy.stats("downstream_rq_active").await.expect("statistics");
        stats.get("http.understudy.downstream_rq_active") == 1
    })
    .await;
    assert_eq!(get(rig.proxy(), "http://api.test/fatal").await.status, 503);
    held.send(&whole[whole.len() - 1..]).await;
    assert_eq!(held.answer(false).await.status, 503, "what was in flight goes with the VM");
    // Served again as soon as there is a new VM; until then refused.
    eventually("a new VM serves", async || match get(rig.proxy(), "http://api.test/fine").await {
        answer if answer.status == 503 => false,
        answer => answer.text() == "fine",
    })
    .await;
    upstream.assert_untouched();
    let crashes = rig.crashes().await.join("\n");
    assert!(crashes.contains("RuntimeError") && crashes.contains("vm_reload_success"), "{crashes}");
    // And a crash is no answer of the table's: what may pass still does.
    assert_eq!(get(rig.proxy(), "http://api.test/unknown").await.text(), "real");
}

#[tokio::test]
async fn crash_at_any_callback_of_a_mock_fails_closed() {
    let upstream = Upstream::ok().await;
    for export in ["proxy_on_request_headers", "proxy_on_request_body"] {
        for failure in [FilterFailure::Reload, FilterFailure::Closed] {
            let builder = Rig::responder()
                .with_backends()
                .map(upstream.map("api.test"))
                .on_filter_failure(failure)
                .config("on_miss", json!("passthrough"));
            let module = trap_in(&builder.bundled(), export);
            let rig = builder.module(module).start().await;
            for _ in 0..3 {
                let answer = request(rig.proxy(), "POST", "http://api.test/", &[], b"body").await;
                assert_eq!(answer.status, 503, "{export}, {failure:?}");
            }
            assert!(!rig.crashes().await.is_empty());
        }
    }
    upstream.assert_untouched();
}

#[tokio::test]
async fn crash_of_a_tap_lets_traffic_pass() {
    let upstream = Upstream::ok().await;
    for export in
        ["proxy_on_request_headers", "proxy_on_request_body", "proxy_on_response_headers", "proxy_on_delete"]
    {
        let builder = Rig::tap().map(upstream.map("api.test"));
        let module = trap_in(&builder.bundled(), export);
        let rig = builder.module(module).start().await;
        let mut connection = Connection::open(rig.proxy()).await;
        for _ in 0..2 {
            connection.send(post("api.test", "/", "", b"body")).await;
            assert_eq!(connection.answer(false).await.text(), "real", "{export}");
        }
        connection.send(head("GET", "api.test", "/", "")).await;
        assert_eq!(connection.answer(false).await.text(), "real", "{export}");
        assert!(!rig.crashes().await.is_empty(), "{export}");
    }
}
