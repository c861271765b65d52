//! Plain HTTP at its edges, through the tap and from the table: streams of events, trailers,
//! `Expect`, half-closed connections, bodies over the cap.

use crate::requests::{chunked, head};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use serde_json::json;
use std::time::{Duration, Instant};
use understudy_core::exchange::End;
use understudy_testkit::{Connection, H2, Recorded, Rig, Upstream, eventually, recorded};

const EVENTS: usize = 6;
const APART: Duration = Duration::from_millis(50);

fn event(number: usize) -> String {
    format!("id: {number}\nevent: token\ndata: {{\"text\":\"t{number}\"}}\n\n")
}

fn events() -> String {
    (0..EVENTS).map(event).collect()
}

/// A backend that sends its events some time apart, in chunks, after a first one that it sends at
/// once.
async fn event_source() -> Upstream {
    Upstream::script(|mut wire| async move {
        while wire.request().await.is_some() {
            let head =
                "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
            wire.send(head).await;
            for number in 0..EVENTS {
                if number > 0 {
                    tokio::time::sleep(APART).await;
                }
                let event = event(number);
                wire.send(format!("{:x}\r\n{event}\r\n", event.len())).await;
            }
            wire.send("0\r\n\r\n").await;
        }
    })
    .await
}

/// When each event arrived, from the request on, and all of the answer's body.
async fn arrivals(rig: &Rig) -> (Vec<Duration>, String) {
    let mut app = Connection::open(rig.proxy()).await;
    let start = Instant::now();
    app.send(head("GET", "api.test", "/events", "accept: text/event-stream\r\n")).await;
    let mut times = Vec::new();
    for number in 0..EVENTS {
        app.until(format!("\"t{number}\"").as_bytes()).await;
        times.push(start.elapsed());
    }
    (times, app.answer(false).await.text())
}

#[tokio::test]
async fn events_are_passed_one_by_one_without_delay() {
    let upstream = event_source().await;
    let without = Rig::tap().without_filter().map(upstream.map("api.test")).start().await;
    let with = Rig::tap().map(upstream.map("api.test")).start().await;
    let (mut first_without, mut first_with) = (Duration::MAX, Duration::MAX);
    for round in 0..4 {
        let (times, body) = arrivals(&without).await;
        assert_eq!(body, events());
        first_without = first_without.min(times[0]);
        let (times, body) = arrivals(&with).await;
        assert_eq!(body, events());
        first_with = first_with.min(times[0]);
        let apart = times.windows(2).filter(|pair| pair[1] - pair[0] > APART / 3).count();
        assert!(apart >= EVENTS - 2, "round {round}: they came together: {times:?}");
    }
    // The best of four: what the filter adds, not what a busy machine does.
    assert!(
        first_with < first_without + Duration::from_millis(20),
        "{first_with:?}, {first_without:?} without"
    );
    let exchange = with.records(4).await.remove(0).exchange;
    let (first, all) = (exchange.first_byte.expect("it is known"), exchange.duration);
    assert!(u128::from(all - first) > (APART * (EVENTS as u32 - 2)).as_micros(), "{first} {all}");
    let response = exchange.response.as_ref().expect("a response");
    assert_eq!((response.body.bytes.as_slice(), exchange.end), (events().as_bytes(), End::Complete));
    with.assert_sound().await;

    // As it is answered later: the first byte's time counts, not the last's.
    let mock = Rig::responder().exchange(exchange.into()).config("latency", json!("recorded")).start().await;
    let (times, body) = arrivals(&mock).await;
    assert_eq!(body, events());
    assert!(times[EVENTS - 1].as_micros() < u128::from(all), "{times:?}");
    mock.assert_sound().await;
}

fn trailers(name: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_static("1"))])
}

/// Over HTTP/2, a body before them or none. `http2_with_trailers` in `tap.rs` has how they are
/// recorded.
#[tokio::test]
async fn http2_trailers_are_answered_as_they_were_recorded() {
    let exchange =
        |path: &str| recorded("POST", "http://api.test", path).header("content-type", "text/plain");
    let rig = Rig::responder()
        .exchange(exchange("/body").sent("sent").body("body").trailer("x-sum", "1").trailer("x-more", "2"))
        .exchange(exchange("/none").sent("sent").trailer("x-sum", "1"))
        .start()
        .await;
    let client = H2::open(rig.proxy()).await;
    for (path, body) in [("/body", "body"), ("/none", "")] {
        // Trailers of the request make no difference.
        for asked in [None, Some(trailers("x-asked"))] {
            let url = format!("http://api.test{path}");
            let sent = Some(Bytes::from_static(b"sent"));
            let answer = client.request("POST", &url, &[], sent, asked).await.expect("an answer");
            assert_eq!((answer.status, answer.body.as_slice()), (200, body.as_bytes()), "{path}");
            let got = answer.trailers.unwrap_or_default();
            assert_eq!(got.get("x-sum").map(HeaderValue::as_bytes), Some(&b"1"[..]), "{path}: {got:?}");
        }
    }
    rig.assert_sound().await;
}

/// A client that waits for `100 Continue` before it sends its body.
#[tokio::test]
async fn expect_100_continue_is_answered() {
    let upstream = Upstream::script(|mut wire| async move {
        wire.until(b"\r\n\r\n").await;
        wire.send("HTTP/1.1 100 Continue\r\n\r\n").await;
        wire.until(b"body").await;
        wire.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
        wire.ended().await;
    })
    .await;
    let tap = Rig::tap().map(upstream.map("api.test")).start().await;
    let mock = Rig::responder()
        .exchange(
            recorded("POST", "http://api.test", "/")
                .sent("body")
                .header("content-type", "text/plain")
                .body("ok"),
        )
        .start()
        .await;
    for (rig, continues) in [(&tap, 1), (&mock, 1)] {
        let mut app = Connection::open(rig.proxy()).await;
        app.send(head("POST", "api.test", "/", "expect: 100-continue\r\ncontent-length: 4\r\n")).await;
        let got = app.until(b" 100 Continue\r\n").await;
        assert_eq!(got.windows(4).filter(|w| w == b" 100").count(), continues);
        app.send("body").await;
        assert_eq!(app.answer(false).await.text(), "ok");
        rig.assert_sound().await;
    }
    let record = tap.records(1).await.remove(0).exchange;
    assert_eq!((record.request.body.bytes.as_slice(), record.end), (&b"body"[..], End::Complete));
    assert_eq!(record.response.expect("a response").status, 200);
}

/// A client closes its side after its request, as `nc -N` does. Over HTTP/1.1, Envoy regards this
/// as the end of the connection, with and without the filter (docs/reference/envoy.md).
#[tokio::test]
async fn a_half_closed_connection_ends_as_it_does_without_the_filter() {
    let upstream = Upstream::script(|mut wire| async move {
        while wire.request().await.is_some() {
            tokio::time::sleep(Duration::from_millis(100)).await;
            wire.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
        }
    })
    .await;
    let exchange = |method: &str| -> Recorded {
        recorded(method, "http://api.test", "/").took(100_000).header("content-type", "text/plain").body("ok")
    };
    let responder = || Rig::responder().exchange(exchange("GET")).exchange(exchange("POST").sent("a=1"));
    let without = Rig::tap().without_filter().map(upstream.map("api.test")).start().await;
    let tap = Rig::tap().map(upstream.map("api.test")).start().await;
    let mock = responder().start().await;
    let slow = responder().config("latency", json!("recorded")).start().await;
    for (name, rig) in [("without", &without), ("tap", &tap), ("mock", &mock), ("held back", &slow)] {
        for request in [head("GET", "api.test", "/", ""), chunked("api.test", "/", "", &[b"a=1"], "")] {
            let mut app = Connection::open(rig.proxy()).await;
            app.send(request).await;
            app.finish().await;
            let got = app.skip().await;
            match name {
                // The answer leaves at once: before the end of the connection is looked at, or not
                // at all.
                "mock" => {}
                _ => assert_eq!(got, 0, "{name}: Envoy can do it now? Say so in docs/reference/envoy.md"),
            }
            app.ended().await;
        }
        rig.assert_sound().await;
    }
    let ends: Vec<_> = tap.records(2).await.into_iter().map(|record| record.exchange.end).collect();
    assert_eq!(ends, [End::NoResponse; 2]);
    // Over HTTP/2, only the stream of the request has ended.
    let client = H2::open(slow.proxy()).await;
    let answer = client.request("GET", "http://api.test/", &[], None, None).await.expect("an answer");
    assert_eq!(answer.body, b"ok");
}

/// 100 MB to a mocked backend: refused as soon as it is known to be too much, and nothing is
/// gathered past the cap.
#[tokio::test]
async fn an_upload_over_the_cap_gets_its_verdict_at_once() {
    const PIECE: usize = 1 << 20;
    const ALL: usize = 100 * PIECE;
    let rig = Rig::responder().config("body_cap_bytes", json!(PIECE)).start().await;
    let before = allocated(&rig).await;
    // Its length is known from the head, so the head suffices.
    let start = Instant::now();
    let mut app = Connection::open(rig.proxy()).await;
    app.send(head("POST", "api.test", "/", &format!("content-length: {ALL}\r\n"))).await;
    let answer = app.answer(false).await;
    assert_eq!((answer.status, answer.json()["reason"].as_str()), (404, Some("body-over-cap")));
    // Chunked: the client sends more until it gets the answer.
    let request =
        [head("POST", "api.test", "/", "transfer-encoding: chunked\r\n"), chunks(ALL, PIECE)].concat();
    let mut app = Connection::open(rig.proxy()).await;
    let answer = app.exchange(request, false).await;
    assert_eq!((answer.status, answer.json()["reason"].as_str()), (404, Some("body-over-cap")));
    // The same over HTTP/2, where the connection continues.
    let client = H2::open(rig.proxy()).await;
    let request = Request::post("http://api.test/").body(()).expect("a request");
    let (answer, mut stream) = client.begin(request, false).await.expect("a stream");
    stream.send_data(Bytes::from(vec![b'x'; 2 * PIECE]), false).expect("data");
    assert_eq!(answer.await.expect("an answer").status(), 404);
    drop(stream);
    assert_eq!(client.request("GET", "http://api.test/", &[], None, None).await.expect("one").status, 404);
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    eventually("Envoy has given the memory back", async || allocated(&rig).await < before + (16 << 20)).await;
    rig.assert_sound().await;
}

fn chunks(all: usize, piece: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(all + all / piece * 16);
    for _ in 0..all / piece {
        bytes.extend_from_slice(format!("{piece:x}\r\n").as_bytes());
        bytes.resize(bytes.len() + piece, b'x');
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    bytes
}

/// Envoy's live memory, in bytes.
async fn allocated(rig: &Rig) -> u64 {
    let answer = rig.envoy.admin().get("/memory").await.expect("the admin interface");
    let memory: serde_json::Value = serde_json::from_slice(answer.body.as_ref()).expect("JSON");
    memory["allocated"].as_str().and_then(|number| number.parse().ok()).expect("a number")
}

/// Beside WebSocket (`an_upgrade_passes_and_is_not_copied` in `tap.rs`): what Docker and Kubernetes
/// upgrade to.
#[tokio::test]
async fn other_upgrades_pass_and_are_counted() {
    for protocol in ["tcp", "SPDY/3.1", "WebSocket"] {
        let upstream = Upstream::script(move |mut wire| async move {
            wire.until(b"\r\n\r\n").await;
            let head = format!("HTTP/1.1 101 Over\r\nconnection: Upgrade\r\nupgrade: {protocol}\r\n\r\n");
            wire.send(head).await;
            wire.until(b"\x00ping").await;
            wire.send(b"\x00pong").await;
            wire.ended().await;
        })
        .await;
        let rig = Rig::tap().map(upstream.map("api.test")).start().await;
        let mut app = Connection::open(rig.proxy()).await;
        let headers = format!("connection: Upgrade\r\nupgrade: {protocol}\r\n");
        app.send(head("POST", "api.test", "/attach", &headers)).await;
        app.until(b" 101 ").await;
        app.send(b"\x00ping").await;
        app.until(b"\x00pong").await;
        let stats = rig.envoy.stats("downstream_cx_upgrades_total").await.expect("statistics");
        assert_eq!(stats.get("http.understudy.downstream_cx_upgrades_total"), 1, "{protocol}");
        assert_eq!(rig.totals().await.captured, 0);
        rig.assert_sound().await;
        // A mocked backend has no answer to this request, and reports that.
        let mock = Rig::responder().start().await;
        let mut app = Connection::open(mock.proxy()).await;
        app.send(head("POST", "api.test", "/attach", &headers)).await;
        let answer = app.answer(false).await;
        assert_eq!((answer.status, answer.json()["reason"].as_str()), (404, Some("upgrade")), "{protocol}");
    }
}
