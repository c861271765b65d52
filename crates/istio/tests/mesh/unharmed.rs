//! A mock of the whole mesh with opt-in by annotation, and its failures: a workload that hasn't
//! opted in notices nothing, and a workload that has reaches no backend. Applying and removing
//! resources fails no request.

use crate::istio::Agent;
use crate::sidecar::Pod;
use crate::{
    backend, fetches, filter, holds, mesh, module, module_of, opted_in, payment, respond, scope, table_of,
    tap,
};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use understudy_core::latency::Latency;
use understudy_istio::{Collector, Respond};
use understudy_snapshot::Header;
use understudy_testkit::{Connection, Nobody, Recorded, Sink, Upstream, eventually, recorded, trap_in};

fn known() -> Recorded {
    recorded("POST", "http://api.test", "/known").sent("hi").body("recorded")
}

/// A workload that has opted in and one that hasn't, with the same resources and a backend each.
struct Two {
    out: (Pod, Upstream),
    opted_in: (Pod, Upstream),
}

impl Two {
    async fn start(resources: &[Value], agent: &Agent) -> Self {
        let start = async |annotations| {
            let upstream = Upstream::ok().await;
            let pod = Pod::start(backend(upstream.address()), payment(annotations), resources, agent).await;
            (pod, upstream)
        };
        Self { out: start(json!({})).await, opted_in: start(opted_in()).await }
    }

    /// Makes recorded and unrecorded calls from both workloads.
    async fn check(&self, why: &str, expect: impl Fn(&str, u16, &str) -> bool) {
        let (pod, upstream) = &self.out;
        let before = upstream.seen().len();
        for path in ["/known", "/new", "/known"] {
            let begun = Instant::now();
            let answer = pod.call("api.test", path).await;
            assert_eq!((answer.status, answer.text().as_str()), (200, "real"), "{why}: {}", pod.envoy.logs());
            assert_eq!(answer.header("x-understudy"), None, "{why}");
            assert!(begun.elapsed() < Duration::from_secs(5), "{why}: {path} took {:?}", begun.elapsed());
        }
        assert_eq!(upstream.seen().len(), before + 3, "{why}");
        let (pod, upstream) = &self.opted_in;
        for path in ["/known", "/new", "/known"] {
            let answer = pod.call("api.test", path).await;
            let text = answer.text();
            assert!(expect(path, answer.status, &text), "{why}: {path}: {} {text}", answer.status);
        }
        upstream.assert_untouched();
    }
}

/// Expects recorded calls to be answered and all others to be refused.
fn mocked(path: &str, status: u16, text: &str) -> bool {
    if path == "/known" { (status, text) == (200, "recorded") } else { status == 404 }
}

#[tokio::test]
async fn missing_or_broken_module_harms_only_opted_in() {
    let (broken, _one) = holds(b"\0asm and nothing that follows");
    for (why, agent) in [("the module is missing", Agent::CannotFetch), ("it is broken", broken)] {
        let two = Two::start(&respond(mesh(), true), &agent).await;
        two.check(why, |_, status, text| (status, text) == (403, "RBAC: access denied")).await;
    }
}

#[tokio::test]
async fn crashing_module_harms_only_opted_in() {
    let module = filter(vec![known()]);
    for (crash, refused) in [("proxy_on_request_headers", 503), ("proxy_on_configure", 403)] {
        let (agent, _folder) = holds(&trap_in(&module, crash));
        let two = Two::start(&respond(mesh(), true), &agent).await;
        two.check(crash, |_, status, _| status == refused).await;
    }
    // A call between two crashes gets an answer.
    let (agent, _folder) = holds(&trap_in(&module, "proxy_on_tick"));
    let two = Two::start(&respond(mesh(), true), &agent).await;
    two.check("proxy_on_tick", |path, status, text| status == 503 || mocked(path, status, text)).await;
}

#[tokio::test]
async fn refused_configuration_harms_only_opted_in() {
    let (agent, _folder) = fetches(vec![known()]);
    for (wrong, said) in [
        (r#"{"defualt":"mock"}"#, "unknown field `defualt`"),
        (r#"{"default":1}"#, "isn't valid"),
        (r#"{"body_cap_bytes":0}"#, "`body_cap_bytes`"),
        ("no JSON", "isn't valid"),
    ] {
        let mut resources = respond(mesh(), true);
        for patch in resources[0]["spec"]["configPatches"].as_array_mut().expect("patches") {
            if patch["applyTo"] == "EXTENSION_CONFIG" {
                patch["patch"]["value"]["typed_config"]["config"]["configuration"]["value"] = json!(wrong);
            }
        }
        let two = Two::start(&resources, &agent).await;
        two.check(wrong, |_, status, _| status == 403).await;
        let logs = two.opted_in.0.envoy.logs();
        assert!(logs.contains(said), "{logs}");
    }
}

#[tokio::test]
async fn broken_module_leaves_the_old_one_working() {
    let (good, _one) = fetches(vec![known()]);
    let (broken, _two) = holds(b"\0asm");
    let (crashes, _three) = holds(&trap_in(&filter(vec![known()]), "proxy_on_configure"));
    let resources = respond(mesh(), true);
    let two = Two::start(&resources, &good).await;
    two.check("before", mocked).await;
    for (why, agent) in [("it is broken", &broken), ("it crashes", &crashes)] {
        for (pod, _) in [&two.out, &two.opted_in] {
            pod.apply(&resources, agent).await;
        }
        eventually("Envoy refuses it", async || !two.opted_in.0.xds.refused().is_empty()).await;
        two.check(why, mocked).await;
    }
}

#[tokio::test]
async fn lost_control_plane_changes_nothing() {
    let (agent, _folder) = fetches(vec![known()]);
    let mut two = Two::start(&respond(mesh(), true), &agent).await;
    for (pod, _) in [&mut two.out, &mut two.opted_in] {
        pod.xds = understudy_xds_double::Xds::start().await;
        eventually("Envoy has noticed", async || {
            let stats = pod.envoy.stats("control_plane").await.expect("statistics");
            stats.get("control_plane.connected_state") == 0
        })
        .await;
    }
    two.check("it is gone", mocked).await;
}

/// A tap and a mock with this collector.
fn with_collector(at: SocketAddr) -> [Vec<Value>; 2] {
    let collector = Some(Collector::new(&at.to_string(), false).expect("a collector"));
    let (snapshot, on_miss, service) = (None, None, None);
    let mock = Respond {
        scope: mesh(),
        module: module(),
        opt_in: true,
        snapshot,
        on_miss,
        collector,
        service,
        mocks: Vec::new(),
        https: None,
    };
    [tap(mesh(), at), mock.resources()]
}

#[tokio::test]
async fn verdicts_are_counted_for_opted_in_workloads_alone() {
    let (agent, _folder) = fetches(vec![known()]);
    let sink = Sink::start(Nobody::here(), "204 No Content");
    let [_, mock] = with_collector(sink.address());
    let two = Two::start(&mock, &agent).await;
    two.check("all is there", mocked).await;
    let counts = async |pod: &Pod| {
        let stats = pod.envoy.stats("wasmcustom").await.expect("statistics");
        ["match", "miss"].map(|what| {
            let named = format!("wasmcustom.understudy.backend.http://api.test.{what}");
            stats.get(&named)
        })
    };
    eventually("the statistics have it", async || counts(&two.opted_in.0).await == [2, 1]).await;
    let told = || sink.batches().iter().flat_map(understudy_testkit::Batch::records).count();
    eventually("the collector has it", async || told() == 3).await;
    assert_eq!(counts(&two.out.0).await, [0, 0]);
}

#[tokio::test]
async fn delayed_answers_are_those_of_opted_in_workloads_alone() {
    let took = Duration::from_millis(300);
    let held = known().took(300_000);
    let header = Header { latency: Latency::RECORDED, name: "payment".to_owned(), ..Header::default() };
    let (agent, _folder) = holds(&module_of(&[table_of(&header, vec![held])]));
    let two = Two::start(&respond(mesh(), true), &agent).await;
    let begun = Instant::now();
    two.check("it is held back", mocked).await;
    assert!(begun.elapsed() >= took * 2, "two of them take so long: {:?}", begun.elapsed());
}

#[tokio::test]
async fn failing_collector_harms_no_workload() {
    let (agent, _folder) = fetches(vec![known()]);
    let gone = Nobody::here().address();
    let silent = Upstream::script(async |wire| {
        let _open = wire;
        std::future::pending().await
    })
    .await;
    let closes = Upstream::script(|_wire| std::future::ready(())).await;
    let refuses = Sink::start(Nobody::here(), "500 Internal Server Error");
    let is_full = Sink::start(Nobody::here(), "429 Too Many Requests");
    let asked: [(&str, SocketAddr, &dyn Fn() -> bool); 5] = [
        ("it is gone", gone, &|| true),
        ("it says nothing", silent.address(), &|| silent.connections() > 0),
        ("it hangs up", closes.address(), &|| closes.connections() > 0),
        ("it refuses", refuses.address(), &|| !refuses.batches().is_empty()),
        ("it is full", is_full.address(), &|| !is_full.batches().is_empty()),
    ];
    for (why, at, is_asked) in asked {
        let two = Two::start(&with_collector(at).concat(), &agent).await;
        two.check(why, mocked).await;
        eventually("the collector is called", async || is_asked()).await;
        for _ in 0..5 {
            two.check(why, mocked).await;
        }
    }
}

#[tokio::test]
async fn changing_resources_fails_no_request() {
    let upstream = Upstream::ok().await;
    let sink = Sink::start(Nobody::here(), "204 No Content");
    let (agent, _one) = fetches(vec![known()]);
    let (newer, _two) = fetches(vec![known(), known()]);
    let pod = Pod::start(backend(upstream.address()), payment(json!({})), &[], &agent).await;
    let (taps, mocks) = (tap(scope(), sink.address()), respond(scope(), false));
    let ended = AtomicBool::new(false);
    let change = async {
        let both = [taps.clone(), mocks.clone()].concat();
        for (resources, agent) in
            [(&taps, &agent), (&both, &agent), (&mocks, &newer), (&taps, &newer), (&Vec::new(), &agent)]
        {
            pod.apply(resources, agent).await;
            assert_eq!(pod.xds.refused(), Vec::<String>::new());
        }
        ended.store(true, Ordering::SeqCst);
    };
    let goes_on = |answer: understudy_testkit::Answer| {
        let text = answer.text();
        assert_eq!(answer.status, 200, "{text}");
        assert!(["real", "recorded"].contains(&&*text), "{text}");
        text
    };
    // One connection per request.
    let often = async {
        let mut told = Vec::new();
        while !ended.load(Ordering::SeqCst) {
            told.push(goes_on(pod.call("api.test", "/known").await));
        }
        told
    };
    // As many requests per connection as the sidecar allows.
    let long = async {
        let mut connection = Connection::on(pod.dial().await);
        while !ended.load(Ordering::SeqCst) {
            let head = "POST /known HTTP/1.1\r\nhost: api.test\r\ncontent-length: 2\r\n\r\nhi";
            let answer = connection.exchange(head, false).await;
            if answer.header("connection").as_deref() == Some("close") {
                connection = Connection::on(pod.dial().await);
            }
            goes_on(answer);
        }
    };
    let ((), told, ()) = tokio::join!(change, often, long);
    for text in ["real", "recorded"] {
        assert!(told.iter().any(|answer| answer == text), "{text} is among {} answers", told.len());
    }
    assert_eq!(pod.call("api.test", "/known").await.text(), "real");
}
