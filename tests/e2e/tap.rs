//! A tap changes nothing: the backend sees what the app sent, and the app what the backend
//! answered, byte for byte and in the same order of time.

use crate::requests::{chunked, head, post};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc;
use understudy_core::exchange::End;
use understudy_testkit::{Answer, Connection, H2, H2Answer, H2Upstream, Nobody, Rig, Seen, Upstream, map};

const DATE: &str = "Date: Mon, 01 Jan 2024 00:00:00 GMT";

fn requests() -> Vec<Vec<u8>> {
    let host = "api.test";
    let odd = "X-Mixed-Case: v\r\nx-repeat: a\r\nX-Forwarded-Proto: https\r\nx-request-id: mine\r\nX-Other: o\r\n\
        x-repeat: b\r\nAccept: a\r\nAccept: b\r\nx-envoy-attempt-count: 9\r\nx-understudy: no\r\nCookie: a=b\r\n";
    let mut raw = head("GET", host, "/", "X-Bytes: \0\r\n");
    let at = raw.iter().position(|&b| b == 0).expect("the mark");
    raw.splice(at..=at, [0x80, 0xff, b'\t', 0xe9]);
    vec![
        head("GET", host, "//a/../b%2F%2f;c?q=%7E&q=1&q", odd),
        head("HEAD", host, "/length", ""),
        head("BREW", host, "/", ""),
        raw,
        post(host, "/", "content-type: application/json\r\n", b" {\"a\" : 1.0}\n"),
        post(host, "/", "", b""),
        post(host, "/", "", &vec![7; 1 << 20]),
        chunked(host, "/trailers", "Trailer: x-sum\r\n", &[b"one", b"two"], "x-sum: 1\r\n"),
        post(host, "/", "Expect: 100-continue\r\nContent-Type: application/grpc\r\n", b"\0\0\0\0\0"),
        head("GET", host, "/204", ""),
        head("GET", host, "/304", ""),
        head("GET", host, "/large", ""),
        head("GET", host, "/500", ""),
    ]
}

fn answer(seen: &Seen) -> Vec<u8> {
    let (status, headers, body) = match seen.path().as_str() {
        "/length" => ("200 OK", "Content-Length: 77\r\n".to_owned(), Vec::new()),
        "/204" => ("204 Nothing Here", "ETag: x\r\n".to_owned(), Vec::new()),
        "/304" => ("304 Same", "Content-Length: 9\r\nETag: x\r\n".to_owned(), Vec::new()),
        "/trailers" => (
            "200 OK",
            "Transfer-Encoding: chunked\r\n".to_owned(),
            b"3\r\none\r\n0\r\nx-sum: 1\r\nx-sum: 2\r\n\r\n".to_vec(),
        ),
        "/large" => ("200 OK", "Content-Length: 1048576\r\n".to_owned(), vec![0xff; 1 << 20]),
        "/500" => ("500 Oh No", "Content-Length: 2\r\nContent-Encoding: gzip\r\n".to_owned(), b"no".to_vec()),
        _ => ("200 Fine Then", "content-length: 4\r\n".to_owned(), b"\0\xff\r\n".to_vec()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nX-MixedCase: 1\r\nSet-Cookie: a=1\r\nServer: s/1\r\n{DATE}\r\nX-B:  2 \r\nSet-Cookie: b=2\r\n\
         x-envoy-upstream-service-time: 5\r\n{headers}\r\n"
    );
    [head.as_bytes(), &body].concat()
}

/// The backend's view and the app's view.
async fn sides(rig: &Rig, upstream: &Upstream) -> (Vec<Seen>, Vec<Answer>) {
    let mut answers = Vec::new();
    let before = upstream.seen().len();
    for request in requests() {
        let mut connection = Connection::open(rig.proxy()).await;
        let answer = connection.exchange(&request, request.starts_with(b"HEAD")).await;
        answers.push(answer);
    }
    (upstream.seen().split_off(before), answers)
}

#[tokio::test]
async fn tap_changes_no_byte() {
    let upstream = Upstream::start(|seen| Some(answer(seen))).await;
    let without = Rig::tap().without_filter().map(upstream.map("api.test")).start().await;
    let with = Rig::tap().map(upstream.map("api.test")).start().await;
    let expect = sides(&without, &upstream).await;
    let got = sides(&with, &upstream).await;
    assert_eq!(expect.1.len(), requests().len());
    for ((seen, answer), (expect_seen, expect_answer)) in
        got.0.iter().zip(&got.1).zip(expect.0.iter().zip(&expect.1))
    {
        assert_eq!(seen.text(), expect_seen.text());
        assert!(seen == expect_seen, "{}", seen.text());
        assert!(answer == expect_answer, "{}\n{:?}", seen.text(), answer.headers);
    }
    assert_eq!(with.records(requests().len()).await.len(), requests().len());
    assert_eq!(without.totals().await.captured, 0);
    with.assert_sound().await;
}

#[tokio::test]
async fn http2_trailers_pass_the_tap() {
    let trailers = |name: &'static str| {
        HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_static("1"))])
    };
    let upstream = H2Upstream::start(move |seen| {
        let body = seen.body.clone();
        H2Answer { status: 299, headers: trailers("x-h"), body, trailers: Some(trailers("x-answered")) }
    })
    .await;
    let rig = Rig::tap().map(upstream.map("api.test")).start().await;
    let client = H2::open(rig.proxy()).await;
    let body = Bytes::from(vec![3; 100_000]);
    let sent = client.request(
        "POST",
        "http://api.test/a?b",
        &[("x-a", "1")],
        Some(body.clone()),
        Some(trailers("x-asked")),
    );
    let answer = sent.await.expect("an answer");
    assert_eq!(
        (answer.status, &answer.body, answer.trailers),
        (299, &body.to_vec(), Some(trailers("x-answered")))
    );
    let seen = upstream.seen().remove(0);
    assert_eq!(
        (seen.path.as_str(), &seen.body, seen.trailers),
        ("/a?b", &body.to_vec(), Some(trailers("x-asked")))
    );
    let record = rig.records(1).await.remove(0).exchange;
    let response = record.response.expect("a response");
    assert_eq!((record.protocol.as_str(), record.end), ("HTTP/2", End::Complete));
    assert_eq!(record.request.trailers.get(b"x-asked"), Some(&b"1"[..]));
    assert_eq!(response.trailers.get(b"x-answered"), Some(&b"1"[..]));
    assert!(record.request.body.bytes == body && response.body.bytes == body);
    rig.assert_sound().await;
}

#[tokio::test]
async fn a_stream_flows_while_it_is_copied() {
    let (go, gate) = mpsc::channel::<()>(1);
    let gate = Arc::new(tokio::sync::Mutex::new(gate));
    let upstream = Upstream::script(move |mut wire| {
        let gate = gate.clone();
        async move {
            // The upload's first chunk is answered before the second is sent, the answer's second
            // is sent when the first has arrived.
            wire.until(b"first up").await;
            wire.send(
                "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n",
            )
            .await;
            wire.send("c\r\ndata: first\n\r\n").await;
            gate.lock().await.recv().await;
            wire.until(b"second up").await;
            wire.send("d\r\ndata: second\n\r\n0\r\n\r\n").await;
            wire.ended().await;
        }
    })
    .await;
    let rig = Rig::tap().map(upstream.map("api.test")).start().await;
    let mut app = Connection::open(rig.proxy()).await;
    app.send(head("POST", "api.test", "/", "transfer-encoding: chunked\r\n")).await;
    app.send("8\r\nfirst up\r\n").await;
    app.until(b"data: first\n").await;
    go.send(()).await.expect("the backend waits");
    app.send("9\r\nsecond up\r\n0\r\n\r\n").await;
    assert_eq!(app.answer(false).await.text(), "data: first\ndata: second\n");
    let record = rig.records(1).await.remove(0).exchange;
    assert_eq!(record.request.body.bytes, b"first upsecond up");
    assert_eq!(record.response.expect("a response").body.bytes, b"data: first\ndata: second\n");
    assert_eq!(record.end, End::Complete);
    rig.assert_sound().await;
}

#[tokio::test]
async fn an_upgrade_passes_and_is_not_copied() {
    let upstream = Upstream::script(|mut wire| async move {
        wire.until(b"\r\n\r\n").await;
        wire.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
            .await;
        wire.until(b"\x81\x00ping").await;
        wire.send(b"\x81\x00pong").await;
        wire.ended().await;
    })
    .await;
    let rig = Rig::tap().map(upstream.map("api.test")).start().await;
    let mut app = Connection::open(rig.proxy()).await;
    app.send(head("GET", "api.test", "/", "Connection: Upgrade\r\nUpgrade: websocket\r\n")).await;
    app.until(b" 101 Switching Protocols\r\n").await;
    app.send(b"\x81\x00ping").await;
    app.until(b"\x81\x00pong").await;
    drop(app);
    understudy_testkit::eventually("it is counted", async || rig.counter("backend.other.tap").await == 1)
        .await;
    assert_eq!(rig.totals().await.captured, 0);
    rig.assert_sound().await;
}

#[tokio::test]
async fn end_of_each_stream_is_recorded() {
    let (tell, mut told) = mpsc::unbounded_channel::<&'static str>();
    let tell = Arc::new(Mutex::new(tell));
    let upstream = Upstream::script(move |mut wire| {
        let tell = tell.lock().expect("no panic while it was held").clone();
        async move {
            let Some(bytes) = wire.until(b"\r\n\r\n").await else { return };
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let half = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf";
            let events =
                "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
            match text.split(' ').nth(1).unwrap_or_default() {
                "/cut" => {
                    wire.send(half).await;
                    return wire.reset();
                }
                "/hung-up" => return wire.reset(),
                "/early" => drop(wire.send("HTTP/1.1 413 No\r\ncontent-length: 2\r\n\r\nno").await),
                "/slow" => drop(wire.send(half).await),
                "/events" => drop(wire.send([events, "a\r\ndata: {}\n\n\r\n"].concat()).await),
                _ => {}
            }
            let _ = tell.send("there");
            wire.ended().await;
        }
    })
    .await;
    let nobody = Nobody::here();
    let maps = [upstream.map("api.test"), map("nobody.test", nobody.address())];
    let rig = maps.into_iter().fold(Rig::tap(), |builder, map| builder.map(map)).start().await;

    let whole = |path: &str| head("GET", "api.test", path, "");
    let half = |path: &str| post("api.test", path, "", b"body").split_at(60).0.to_vec();
    let mut expect = Vec::new();
    for (path, bytes, waits_for, end, status) in [
        ("/upload", half("/upload"), None, End::RequestAborted, None),
        ("/silent", whole("/silent"), None, End::NoResponse, None),
        ("/slow", whole("/slow"), Some("half"), End::ClientLeft, Some(200)),
        ("/cut", whole("/cut"), Some("half"), End::ResponseAborted, Some(200)),
        ("/events", whole("/events"), Some("{}"), End::ClientLeft, Some(200)),
        ("/hung-up", whole("/hung-up"), Some(" 503 "), End::NoResponse, Some(503)),
        ("/early", half("/early"), Some(" 413 "), End::RequestAborted, Some(413)),
        ("/refused", head("GET", "nobody.test", "/refused", ""), Some(" 503 "), End::NoResponse, Some(503)),
    ] {
        let mut app = Connection::open(rig.proxy()).await;
        app.send(bytes).await;
        match waits_for {
            Some(sign) => drop(app.until(sign.as_bytes()).await.to_vec()),
            None => drop(told.recv().await),
        }
        match path {
            "/upload" | "/silent" | "/slow" => app.reset(),
            _ => drop(app),
        }
        rig.records(expect.len() + 1).await;
        expect.push((path.to_owned(), end, status));
    }
    let got: Vec<_> = rig
        .records(expect.len())
        .await
        .into_iter()
        .map(|r| {
            (
                String::from_utf8(r.exchange.request.path).expect("UTF-8"),
                r.exchange.end,
                r.exchange.response.map(|r| r.status),
            )
        })
        .collect();
    assert_eq!(got, expect);
    rig.assert_sound().await;
}
