//! Tests of inbound traffic: it is copied, and neither changed nor delayed. A record states the
//! service's address, and whether there was an answer.

use crate::requests::{chunked, head, post};
use bytes::Bytes;
use serde_json::json;
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc;
use understudy_analyse::traces::{Context, contexts};
use understudy_core::exchange::{Direction, End, Exchange};
use understudy_core::v1::Record;
use understudy_envoy::TunnelProblem;
use understudy_testkit::{
    Answer, Connection, H2, H2Answer, H2Upstream, Nobody, Rig, Seen, Upstream, frames, message, metadata,
    recorded,
};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

fn requests() -> Vec<Vec<u8>> {
    let host = "Shop.test:1234";
    let odd = format!(
        "X-Mixed-Case: v\r\nx-repeat: a\r\nX-Forwarded-Proto: https\r\nX-Forwarded-For: 10.0.0.1\r\nx-request-id: mine\r\n\
         traceparent: 00-{TRACE}-00f067aa0ba902b7-01\r\nx-repeat: b\r\nCookie: a=b\r\nx-understudy: no\r\n"
    );
    vec![
        head("GET", host, "//a/../b%2F%2f;c?q=%7E&q=1&q", &odd),
        head("HEAD", host, "/", ""),
        post(host, "/", "content-type: application/json\r\n", b" {\"a\" : 1.0}\n"),
        post(host, "/", "", &vec![7; 1 << 20]),
        chunked(host, "/", "Trailer: x-sum\r\n", &[b"one", b"two"], "x-sum: 1\r\n"),
    ]
}

fn answer(seen: &Seen) -> Vec<u8> {
    let mut bytes = b"HTTP/1.1 299 As It Was\r\nX-Odd: 1\r\nDate: then\r\nSet-Cookie: a=b\r\nServer: mine\r\nset-cookie: c=d\r\n".to_vec();
    if seen.text().starts_with("HEAD") {
        bytes.extend_from_slice(b"Content-Length: 77\r\n\r\n");
    } else {
        bytes.extend_from_slice(format!("Content-Length: {}\r\n\r\n", seen.body.len()).as_bytes());
        bytes.extend_from_slice(&seen.body);
    }
    bytes
}

/// The requests as the app sees them, and the answers as clients see them.
async fn sides(to: std::net::SocketAddr, app: &Upstream) -> (Vec<Seen>, Vec<Answer>) {
    let (mut answers, before) = (Vec::new(), app.seen().len());
    for request in requests() {
        let mut connection = Connection::open(to).await;
        answers.push(connection.exchange(&request, request.starts_with(b"HEAD")).await);
    }
    (app.seen().split_off(before), answers)
}

fn path(record: &Record) -> String {
    String::from_utf8_lossy(&record.exchange.request.path).into_owned()
}

/// Name under which the service is recorded if it is called at this address.
fn name(rig: &Rig, number: usize) -> String {
    format!("http://{}", rig.inbound(number))
}

#[tokio::test]
async fn app_and_client_see_no_difference() {
    let app = Upstream::start(|seen| Some(answer(seen))).await;
    let rig = Rig::tap().inbound(app.address()).start().await;
    let expect = sides(app.address(), &app).await;
    let got = sides(rig.inbound(0), &app).await;
    assert_eq!(got.0.len(), requests().len());
    for (seen, expect) in got.0.iter().zip(&expect.0) {
        assert_eq!((&seen.body, &seen.trailers), (&expect.body, &expect.trailers));
        let lines = |seen: &Seen| {
            let mut lines: Vec<_> = seen.text().lines().map(|line| line.to_owned()).collect();
            // Envoy groups a name that comes twice; the order of the values is kept.
            lines[1..].sort_by_key(|line| line.split(':').next().map(str::to_ascii_lowercase));
            lines
        };
        assert_eq!(lines(seen), lines(expect));
    }
    for (answer, expect) in got.1.iter().zip(&expect.1) {
        assert_eq!((answer.status, &answer.body), (expect.status, &expect.body));
    }
    let records = rig.records(requests().len()).await;
    assert!(
        records.iter().all(|r| r.exchange.direction == Direction::Inbound && r.exchange.end == End::Complete)
    );
    let first = &records[0].exchange;
    assert_eq!(
        (first.backend.clone(), path(&records[0])),
        (name(&rig, 0), "//a/../b%2F%2f;c?q=%7E&q=1&q".to_owned())
    );
    let header =
        |name: &[u8]| first.request.headers.get(name).map(|v| String::from_utf8_lossy(v).into_owned());
    assert_eq!(header(b"host").as_deref(), Some("Shop.test:1234"), "as the caller said");
    assert_eq!(header(b"x-forwarded-proto").as_deref(), Some("https"));
    assert_eq!(header(b"x-forwarded-for").as_deref(), Some("10.0.0.1"));
    assert_eq!(header(b"x-understudy-forwarded-proto"), None);
    assert_eq!(contexts(first), [Context::Trace(TRACE.into()), Context::RequestId("mine".into())]);
    let large = &records[3].exchange.request.body;
    assert!(large.bytes == vec![7; 512 << 10] && large.truncated == Some(1 << 20), "up to the cap");
    assert_eq!(records[4].exchange.request.trailers.get(b"x-sum"), Some(&b"1"[..]));
    let counted = rig.counter(&format!("backend.{}.tap", name(&rig, 0))).await;
    assert_eq!(counted, requests().len() as u64);
    rig.assert_sound().await;
}

#[tokio::test]
async fn a_request_flows_while_it_is_copied() {
    let (go, gate) = mpsc::channel::<()>(1);
    let gate = Arc::new(tokio::sync::Mutex::new(gate));
    let app = Upstream::script(move |mut wire| {
        let gate = gate.clone();
        async move {
            wire.until(b"first up").await;
            wire.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n").await;
            gate.lock().await.recv().await;
            wire.until(b"second up").await;
            wire.send("6\r\nsecond\r\n0\r\n\r\n").await;
            wire.ended().await;
        }
    })
    .await;
    let rig = Rig::tap().inbound(app.address()).start().await;
    let mut caller = Connection::open(rig.inbound(0)).await;
    caller.send(&head("POST", "h", "/", "transfer-encoding: chunked\r\n")).await;
    caller.send(b"8\r\nfirst up\r\n").await;
    caller.until(b"first").await;
    go.send(()).await.expect("the app waits");
    caller.send(b"9\r\nsecond up\r\n0\r\n\r\n").await;
    caller.until(b"second").await;
    drop(caller);
    let exchange = rig.records(1).await.remove(0).exchange;
    assert_eq!(exchange.response.expect("a response").body.bytes, b"firstsecond");
    rig.assert_sound().await;
}

#[tokio::test]
async fn missing_app_is_503_with_the_reason() {
    let nobody = Nobody::here();
    let rig = Rig::tap().inbound(nobody.address()).start().await;
    let mut caller = Connection::open(rig.inbound(0)).await;
    let answer = caller.exchange(&head("GET", "h", "/down", ""), false).await;
    assert_eq!(answer.status, 503);
    let record = rig.records(1).await.remove(0).exchange;
    assert_eq!(
        (record.end, record.response.map(|r| r.status)),
        (End::NoResponse, Some(503)),
        "and none of the app's"
    );
    // The app listens again.
    let _app = nobody.listen(|mut wire| async move {
        while wire.request().await.is_some() {
            wire.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        }
    });
    let answer = caller.exchange(&head("GET", "h", "/up", ""), false).await;
    assert_eq!(answer.status, 200);
    assert_eq!(rig.records(2).await[1].exchange.end, End::Complete);
    rig.assert_sound().await;
}

#[tokio::test]
async fn inbound_listeners_and_outbound_calls_are_distinguished() {
    let first =
        Upstream::start(|_| Some(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nfirst".to_vec())).await;
    let second =
        Upstream::start(|_| Some(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsecond".to_vec())).await;
    let backend = Upstream::ok().await;
    let rig = Rig::tap()
        .workers(2)
        .inbound(first.address())
        .inbound(second.address())
        .map(backend.map("api.test"))
        .start()
        .await;
    // Called by one name at both.
    let ask = async |to, body: &[u8]| {
        let answer = Connection::open(to).await.exchange(&head("GET", "api.test", "/", ""), false).await;
        assert_eq!(answer.body, body);
    };
    ask(rig.inbound(0), b"first").await;
    ask(rig.inbound(1), b"second").await;
    ask(rig.proxy(), b"real").await;
    let records = rig.records(3).await;
    let of = |exchange: &Exchange| (exchange.direction, exchange.backend.clone());
    let expect = [
        (Direction::Inbound, name(&rig, 0)),
        (Direction::Inbound, name(&rig, 1)),
        (Direction::Outbound, "http://api.test".to_owned()),
    ];
    assert_eq!(records.iter().map(|record| of(&record.exchange)).collect::<Vec<_>>(), expect);
    let mut ids: Vec<_> = records.iter().map(|record| record.exchange.id.clone()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 3, "no two have one identifier");
    assert_eq!((first.seen().len(), second.seen().len(), backend.seen().len()), (1, 1, 1));
    rig.assert_sound().await;
}

#[tokio::test]
async fn inbound_grpc_over_plain_http2_is_recorded() {
    let app = H2Upstream::start(|seen| H2Answer {
        status: 200,
        headers: metadata(&[("content-type", "application/grpc"), ("x-initial", "1")]),
        body: seen.body.clone(),
        trailers: Some(metadata(&[("grpc-status", "0"), ("x-trailing", "t")])),
    })
    .await;
    let rig = Rig::tap().inbound(app.address()).start().await;
    let client = H2::open(rig.inbound(0)).await;
    let order = frames([message(&[(1, "order"), (2, "7 €")])]);
    let headers = [
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        ("b3", "a3ce929d0e0e4736-00f067aa0ba902b7-1"),
    ];
    let body = Some(Bytes::from(order.clone()));
    let answer = client.request("POST", "http://orders.test/orders.Orders/Get", &headers, body, None).await;
    let answer = answer.expect("an answer");
    assert_eq!((answer.status, &answer.body), (200, &order));
    assert_eq!(answer.trailers.expect("trailers")["x-trailing"], "t");
    let seen = app.seen().remove(0);
    assert_eq!(
        (seen.path.as_str(), &seen.body, &seen.headers["te"]),
        ("/orders.Orders/Get", &order, &"trailers".parse().expect("a value"))
    );
    let exchange = rig.records(1).await.remove(0).exchange;
    assert_eq!((exchange.protocol.as_str(), exchange.end), ("HTTP/2", End::Complete));
    assert_eq!(
        (exchange.backend.clone(), exchange.request.headers.get(b"host")),
        (name(&rig, 0), Some(&b"orders.test"[..]))
    );
    assert_eq!(exchange.request.body.bytes, order);
    assert_eq!(exchange.response.as_ref().expect("a response").trailers.get(b"grpc-status"), Some(&b"0"[..]));
    assert_eq!(contexts(&exchange), [Context::Trace("0000000000000000a3ce929d0e0e4736".into())]);
    rig.assert_sound().await;
}

#[tokio::test]
async fn recorded_answers_of_backends_never_answer_inbound_requests() {
    let seen = Arc::new(Mutex::new(0));
    let count = seen.clone();
    let app = Upstream::start(move |_| {
        *count.lock().expect("no panic") += 1;
        Some(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\napp".to_vec())
    })
    .await;
    let backend = "http://api.test";
    // The filter of the responder, with its table, where backends are reached too: both directions
    // in one module.
    let rig = Rig::responder()
        .with_backends()
        .exchange(recorded("GET", backend, "/").body("recorded"))
        .config("default", json!("mock"))
        .collector()
        .inbound(app.address())
        .start()
        .await;
    let request = head("GET", "api.test", "/", "");
    assert_eq!(Connection::open(rig.proxy()).await.exchange(&request, false).await.body, b"recorded");
    let answer = Connection::open(rig.inbound(0)).await.exchange(&request, false).await;
    assert_eq!((answer.status, answer.body.as_slice()), (200, &b"app"[..]));
    assert_eq!(*seen.lock().expect("no panic"), 1);
    let records = rig.records(2).await;
    assert!(records[0].verdict.is_some());
    assert_eq!((records[1].exchange.direction, records[1].verdict.is_none()), (Direction::Inbound, true));
    rig.assert_sound().await;
}

#[tokio::test]
async fn caps_and_redaction_apply_to_inbound_traffic() {
    let app = Upstream::ok().await;
    let rig = Rig::tap().inbound(app.address()).config("body_cap_bytes", json!(1000)).start().await;
    let body = [b"card[number]=4242424242424242&rest=".as_slice(), &[b'x'; 2000]].concat();
    let headers =
        "content-type: application/x-www-form-urlencoded\r\nauthorization: Bearer very-secret-indeed\r\n";
    let mut caller = Connection::open(rig.inbound(0)).await;
    assert_eq!(caller.exchange(&post("h", "/", headers, &body), false).await.status, 200);
    assert_eq!(app.seen()[0].body, body, "the app gets all of it");
    let request = rig.records(1).await.remove(0).exchange.request;
    assert_eq!(request.body.truncated, Some(body.len() as u64));
    let text = String::from_utf8_lossy(&request.body.bytes).into_owned();
    assert!(text.contains("redacted-") && !text.contains("4242424242424242"), "{text}");
    let authorization = request.headers.get(b"authorization").expect("a header");
    assert!(authorization.starts_with(b"Bearer redacted-"));
    rig.assert_sound().await;
}

#[tokio::test]
async fn upgraded_connection_passes_and_is_listed() {
    let app = Upstream::script(|mut wire| async move {
        wire.until(b"\r\n\r\n").await;
        wire.send("HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n")
            .await;
        wire.until(b"ping").await;
        wire.send("pong").await;
        wire.ended().await;
    })
    .await;
    let rig = Rig::tap().inbound(app.address()).start().await;
    let mut caller = Connection::open(rig.inbound(0)).await;
    let upgrade =
        "upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\nsec-websocket-key: x\r\n";
    caller.send(&head("GET", "shop.test", "/live", upgrade)).await;
    caller.until(b"101 Switching").await;
    caller.send("ping").await;
    caller.until(b"pong").await;
    drop(caller);
    rig.assert_sound().await;
    assert_eq!(rig.totals().await.captured, 0);
    rig.envoy.stop(std::time::Duration::from_secs(5)).await;
    let listed: Vec<_> = rig.envoy.tunnels().into_iter().map(|tunnel| (tunnel.to, tunnel.problem)).collect();
    assert_eq!(listed, [("shop.test".to_owned(), TunnelProblem::Upgraded)]);
}
