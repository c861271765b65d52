//! Tests of the requests that a replay sends: over HTTP/1.1 and HTTP/2, with and without TLS, gRPC;
//! at its pace; to services that close, stall or don't exist.

use crate::call::Done;
use crate::scene::Scene;
use serde_json::Value;
use std::net::SocketAddr;
use std::time::Duration;
use understudy_core::exchange::{Direction, Exchange};
use understudy_core::v1;
use understudy_testkit::{
    H2_AND_HTTP1, H2Answer, H2Upstream, Nobody, Recorded, TestAuthority, Upstream, frames, gzip_frame,
    message, metadata, recorded,
};

/// Writes a snapshot `s` with these inbound requests, a tenth of a second apart.
pub(crate) fn snapshot(scene: &Scene, protocol: &str, asked: Vec<Recorded>) {
    let mut lines = Vec::new();
    for (number, recorded) in (1..).zip(asked) {
        let exchange = recorded.exchange(number);
        let exchange = Exchange {
            direction: Direction::Inbound,
            protocol: protocol.to_owned(),
            time: number * 100_000,
            duration: 1000,
            ..exchange
        };
        v1::write_record(&exchange, None, &mut lines);
    }
    scene.file("s/exchanges.ndjson", lines);
    scene.file("s/snapshot.yaml", "version: 1\nname: s\nrecorded: 2026-11-21T08:00:00Z\nbackends: {}\n");
}

async fn generate(scene: &Scene, target: impl std::fmt::Display, args: &[&str]) -> (Done, Value) {
    let target = target.to_string();
    let before = ["replay", "s", "--mode", "generator-only", "--target", &target, "--report", "r.json"];
    let done = scene.understudy([&before, args].concat()).run().await;
    (done, serde_json::from_str(&scene.read("r.json")).expect("a report"))
}

pub(crate) fn get(path: &str) -> Recorded {
    recorded("GET", "http://shop.test", path).header("content-type", "text/plain").body("hello")
}

pub(crate) fn hello() -> Option<Vec<u8>> {
    Some(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 5\r\n\r\nhello".to_vec())
}

fn http(address: SocketAddr) -> String {
    format!("http://{address}")
}

#[tokio::test]
async fn requests_are_sent_as_recorded_over_kept_connections() {
    let scene = Scene::new().await;
    let service = Upstream::start(|_| hello()).await;
    let asked =
        |n: u32| get(&format!("/a?n={n}")).with("x-own", "1").with("connection", "close").sent("body");
    snapshot(&scene, "HTTP/1.1", (0..50).map(asked).collect());
    let (done, _) = generate(&scene, http(service.address()), &["--speed", "max"]).await;
    done.expect(0).says(&["PASSED: 50 of 50 requests answered as recorded"]);
    let seen = service.seen();
    let paths: Vec<_> = seen.iter().map(understudy_testkit::Seen::path).collect();
    assert_eq!(paths, (0..50).map(|n| format!("/a?n={n}")).collect::<Vec<_>>(), "in their order");
    let text = seen[0].text().to_lowercase();
    assert!(text.contains("host: shop.test\r\n") && text.contains("x-own: 1\r\n"), "{text}");
    assert!(!text.contains("connection: close"), "{text}");
    assert_eq!(seen[0].body, b"body");
    // One connection tests whether the service listens.
    assert_eq!(service.connections(), 2);
}

#[tokio::test]
async fn http2_is_spoken_in_plain_text_and_over_tls() {
    let scene = Scene::new().await;
    let service = H2Upstream::start(|_| H2Answer {
        status: 200,
        headers: metadata(&[("content-type", "text/plain")]),
        body: b"hello".to_vec(),
        trailers: None,
    })
    .await;
    snapshot(&scene, "HTTP/2", (0..10).map(|n| get(&format!("/{n}"))).collect());
    let (done, _) = generate(&scene, http(service.address()), &["--speed", "max"]).await;
    done.expect(0);
    let authority = TestAuthority::new();
    let front = authority.serve("localhost", H2_AND_HTTP1, service.address(), Duration::ZERO).await;
    let target = format!("https://localhost:{}", front.address().port());
    let ca = authority.certificate();
    let trusting = ["--speed", "max", "--target-ca", ca.to_str().expect("text")];
    let (done, _) = generate(&scene, &target, &trusting).await;
    done.expect(0).says(&["10 of 10"]);
    let (done, _) = generate(&scene, &target, &["--speed", "max", "--insecure-target"]).await;
    done.expect(0);
    assert_eq!(service.seen().len(), 30);
    let (done, _) = generate(&scene, &target, &["--speed", "max"]).await;
    done.expect(1).says(&["TLS: ", "0 of 10"]);
    assert_eq!(service.seen().len(), 30, "nobody is asked who isn't believed");
}

#[tokio::test]
async fn grpc_is_compared_by_message_and_status() {
    let scene = Scene::new().await;
    let answer = |text: &'static str, status: &'static str| {
        move |_: &understudy_testkit::H2Seen| H2Answer {
            status: 200,
            headers: metadata(&[("content-type", "application/grpc")]),
            body: frames([message(&[(1, text)])]),
            trailers: Some(metadata(&[("grpc-status", status)])),
        }
    };
    let call = recorded("POST", "http://shop.test", "/shop.Orders/Get")
        .with("content-type", "application/grpc")
        .sent(frames([message(&[(1, "o-1")])]))
        .header("content-type", "application/grpc")
        .body(frames([message(&[(1, "a hat")])]))
        .trailer("grpc-status", "0");
    snapshot(&scene, "HTTP/2", vec![call]);
    let good = H2Upstream::start(answer("a hat", "0")).await;
    generate(&scene, http(good.address()), &[]).await.0.expect(0);
    assert_eq!(good.seen()[0].headers.get("te").map(|te| te.as_bytes()), Some(&b"trailers"[..]));
    let other = H2Upstream::start(answer("a cap", "0")).await;
    generate(&scene, http(other.address()), &[]).await.0.expect(1).says(&["a hat", "a cap"]);
    let bad = H2Upstream::start(answer("a hat", "5")).await;
    let (done, _) = generate(&scene, http(bad.address()), &[]).await;
    done.expect(1).says(&["trailer.grpc-status: recorded 0, now 5"]);
}

#[tokio::test]
async fn values_issued_by_grpc_are_carried_into_later_messages() {
    const RECORDED: &str = "ord_8f3kq2LmZ7";
    const LIVE: &str = "ord_5tYpW0aXc9Qe4";
    let scene = Scene::new().await;
    let service = H2Upstream::start(|seen| {
        // The service accepts only the order that it has created.
        let known = seen.body.windows(LIVE.len()).any(|part| part == LIVE.as_bytes());
        let (body, status) = match seen.path.as_str() {
            "/shop.Orders/Create" => (frames([message(&[(1, LIVE), (2, "new")])]), "0"),
            _ if known => (frames([message(&[(1, "a hat")])]), "0"),
            _ => (Vec::new(), "5"),
        };
        H2Answer {
            status: 200,
            headers: metadata(&[("content-type", "application/grpc")]),
            body,
            trailers: Some(metadata(&[("grpc-status", status)])),
        }
    })
    .await;
    let call = |path: &str, sent: Vec<u8>, got: &[(u8, &str)]| {
        recorded("POST", "http://shop.test", path)
            .with("content-type", "application/grpc")
            .with("grpc-encoding", "gzip")
            .sent(sent)
            .header("content-type", "application/grpc")
            .body(frames([message(got)]))
            .trailer("grpc-status", "0")
    };
    let inner = |id: &str| String::from_utf8(message(&[(1, id)])).expect("text");
    let asked = vec![
        call("/shop.Orders/Create", frames([message(&[(1, "hat")])]), &[(1, RECORDED), (2, "new")]),
        call("/shop.Orders/Get", gzip_frame(&message(&[(1, RECORDED)])), &[(1, "a hat")]),
        call("/shop.Orders/Pay", frames([message(&[(2, &inner(RECORDED)), (3, "USD")])]), &[(1, "a hat")]),
    ];
    snapshot(&scene, "HTTP/2", asked);
    let (done, report) = generate(&scene, http(service.address()), &["--speed", "max"]).await;
    done.expect(0).says(&["3 of 3"]);
    let sent: Vec<_> = service.seen().into_iter().skip(1).map(|seen| seen.body).collect();
    assert_eq!(sent, [frames([message(&[(1, LIVE)])]), frames([message(&[(2, &inner(LIVE)), (3, "USD")])])]);
    let carried = report["carried"].to_string();
    assert!(carried.contains("body/0/1") && carried.contains("body/0/2/1"), "{carried}");
}

#[tokio::test]
async fn the_pace_is_that_of_the_recording_or_of_the_rate() {
    let scene = Scene::new().await;
    let service = Upstream::start(|_| hello()).await;
    snapshot(&scene, "HTTP/1.1", (0..11).map(|n| get(&format!("/{n}"))).collect());
    let took = async |args: &[&str]| {
        let (done, report) = generate(&scene, http(service.address()), args).await;
        done.expect(0);
        (
            report["duration_us"].as_u64().expect("a number") / 1000,
            report["success"]["sent"].as_u64().expect("a number"),
        )
    };
    let (recorded, _) = took(&[]).await;
    assert!(recorded >= 1000, "ten gaps of 100 ms took {recorded} ms");
    let (faster, _) = took(&["--speed", "4x"]).await;
    assert!((250..recorded).contains(&faster), "{faster}");
    let (rate, sent) = took(&["--rps", "100", "--for", "500ms"]).await;
    assert!(rate >= 450 && (45..=51).contains(&sent), "{sent} in {rate} ms");
}

#[tokio::test]
async fn stall_counts_in_the_latency_of_all_delayed_requests() {
    let scene = Scene::new().await;
    // One answer of ten takes 300 ms; at 100 a second the others wait for it.
    let service = Upstream::start(|seen| {
        if seen.path() == "/3" {
            std::thread::sleep(Duration::from_millis(300));
        }
        hello()
    })
    .await;
    snapshot(&scene, "HTTP/1.1", (0..10).map(|n| get(&format!("/{n}"))).collect());
    let (done, report) = generate(&scene, http(service.address()), &["--rps", "100"]).await;
    done.expect(0);
    let figure = |which: &str| report["performance"][which]["p50_us"].as_u64().expect("a number");
    assert!(figure("replayed") > 200_000, "from the planned time: {report}");
    assert!(figure("service") < 100_000, "from sending on: {report}");
}

#[tokio::test]
async fn goal_for_some_requests_ignores_others() {
    let scene = Scene::new().await;
    let service = Upstream::start(|seen| {
        if seen.path().starts_with("/slow") {
            std::thread::sleep(Duration::from_millis(300));
        }
        hello()
    })
    .await;
    let asked = (0..10).map(|n| get(&format!("/{}/{n}", if n % 5 == 4 { "slow" } else { "fast" })));
    snapshot(&scene, "HTTP/1.1", asked.collect());
    let settings = |goals: &str| scene.file("s/replay.yaml", format!("version: 1\ngoals: [{goals}]\n"));
    settings(r#""GET /fast/*: p95 < 250ms", "GET /slow/*: p50 >= 250ms", "* /**: success >= 100%""#);
    let args = ["--speed", "max", "--verbose"];
    let (done, report) = generate(&scene, http(service.address()), &args).await;
    done.expect(0).says(&["reached  GET /fast/*: p95 < 250ms", "GET /fast/*\n", "GET /slow/*\n"]);
    let counts: Vec<_> = report["endpoints"].as_array().expect("a list").iter().map(|e| &e["sent"]).collect();
    assert_eq!(counts, [8, 2, 8, 2, 10], "two endpoints, then those of the goals");
    settings(r#""GET /slow/*: p95 < 250ms""#);
    let (done, _) = generate(&scene, http(service.address()), &args).await;
    done.expect(1).says(&["MISSED   GET /slow/*: p95 < 250ms: 3"]);
    let unmet =
        [&args[..], &["--fail-if", "GET /fast/*: errors > 0", "--fail-if", "GET /slow/*: mean > 250ms"]];
    settings("");
    let (done, _) = generate(&scene, http(service.address()), &unmet.concat()).await;
    done.expect(1).says(&["reached  fail if GET /fast/*: errors > 0", "MISSED   fail if GET /slow/*: mean"]);
    settings(r#""GET /none: success >= 0%""#);
    let (done, _) = generate(&scene, http(service.address()), &args).await;
    done.expect(1).says(&["MISSED   GET /none: success >= 0%: nothing measured"]);
}

#[tokio::test]
async fn a_service_that_never_answers_is_given_up() {
    let scene = Scene::new().await;
    let service = Upstream::script(async |wire| {
        let _wire = wire;
        std::future::pending::<()>().await;
    })
    .await;
    snapshot(&scene, "HTTP/1.1", (0..20).map(|n| get(&format!("/{n}"))).collect());
    let args = ["--speed", "max", "--request-timeout", "200ms"];
    let (done, report) = generate(&scene, http(service.address()), &args).await;
    done.expect(1).says(&["the service hangs: 3 requests in a row got no answer within 0.2 s each"]);
    assert_eq!((&report["success"]["sent"], &report["success"]["not_sent"]), (&3.into(), &17.into()));
}

#[tokio::test]
async fn connection_closed_while_idle_is_no_failure() {
    let scene = Scene::new().await;
    // Each connection takes one request, and doesn't announce that before.
    let service = Upstream::script(async |mut wire| {
        if wire.request().await.is_some() {
            wire.send(hello().expect("an answer")).await;
        }
    })
    .await;
    snapshot(&scene, "HTTP/1.1", (0..10).map(|n| get(&format!("/{n}"))).collect());
    let (done, _) = generate(&scene, http(service.address()), &["--speed", "max"]).await;
    done.expect(0).says(&["10 of 10"]);
}

#[tokio::test]
async fn target_without_a_server_is_never_ready() {
    let scene = Scene::new().await;
    snapshot(&scene, "HTTP/1.1", vec![get("/")]);
    let nobody = Nobody::here();
    let (done, report) = generate(&scene, http(nobody.address()), &["--ready-timeout", "300ms"]).await;
    done.expect(1).says(&["the service never was ready: within 0.3 s", "refused", "--target"]);
    assert_eq!(report["success"]["not_sent"], 1);
}
