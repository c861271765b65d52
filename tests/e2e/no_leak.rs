//! Nothing reaches a mocked backend: no connection and no byte, whatever the client does. There is
//! a way to it in all of these tests.

use crate::network::{Network, alone};
use crate::requests::{chunked, head, post};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request};
use serde_json::json;
use understudy_core::config::Mode;
use understudy_snapshot::Backend;
use understudy_testkit::{
    Connection, H2, H2_AND_HTTP1, HTTP1, Rig, RigBuilder, Upstream, eventually, recorded, tunnel,
};

const CAP: usize = 2 << 20;

fn builder(upstream: &Upstream, on_miss: &str) -> RigBuilder {
    Rig::responder()
        .with_backends()
        .map(upstream.map("api.test"))
        .config("on_miss", json!(on_miss))
        .config("body_cap_bytes", json!(CAP))
}

/// Complete requests of HTTP/1.1. `host` resolves to the upstream.
fn requests(host: &str) -> Vec<(&'static str, Vec<u8>)> {
    let large = vec![b'x'; 1 << 20];
    let over = vec![b'x'; CAP + 1];
    let upgrade = "connection: keep-alive, Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n";
    vec![
        ("GET", head("GET", host, "/a", "")),
        ("HEAD", head("HEAD", host, "/a", "")),
        ("OPTIONS", head("OPTIONS", host, "/a", "")),
        ("POST without a body", post(host, "/a", "", b"")),
        ("small POST", post(host, "/a", "content-type: application/json\r\n", b"{\"a\":1}")),
        ("POST of 1 MB", post(host, "/a", "", &large)),
        ("chunked", chunked(host, "/a", "", &[b"a=1", b"&b=2"], "")),
        ("chunked, 1 MB", chunked(host, "/a", "", &[&large], "")),
        ("chunked, with trailers", chunked(host, "/a", "", &[b"a=1"], "x-sum: 1\r\n")),
        ("over the cap", post(host, "/a", "", &over)),
        ("over the cap, chunked", chunked(host, "/a", "", &[&over], "")),
        ("Expect", post(host, "/a", "expect: 100-continue\r\n", b"a=1")),
        ("WebSocket", head("GET", host, "/a", upgrade)),
        ("gRPC", post(host, "/a.B/C", "content-type: application/grpc\r\nte: trailers\r\n", b"\0\0\0\0\0")),
        ("HTTP/1.0", format!("GET /a HTTP/1.0\r\nhost: {host}\r\n\r\n").into_bytes()),
    ]
}

#[tokio::test]
async fn mocked_http1_request_reaches_no_backend() {
    let upstream = Upstream::ok().await;
    let rig = builder(&upstream, "fail").start().await;
    // By a map, and by the name that everybody can resolve.
    for host in ["api.test".to_owned(), upstream.address().to_string()] {
        for (name, request) in requests(&host) {
            let answer = Connection::open(rig.proxy()).await.exchange(request, name == "HEAD").await;
            let expect = if name == "gRPC" { 200 } else { 404 };
            assert_eq!(answer.status, expect, "{name}: {}", answer.text());
            if name == "gRPC" {
                assert_eq!(answer.header("grpc-status").as_deref(), Some("12"));
            } else {
                assert_eq!(answer.header("x-understudy").as_deref(), Some("miss"), "{name}");
            }
            upstream.assert_untouched();
        }
    }
    for to in ["api.test:80", &upstream.address().to_string()] {
        let mut inside = Connection::on(tunnel(rig.proxy(), to).await);
        assert_eq!(inside.exchange(head("GET", to, "/a", ""), false).await.status, 404, "{to}");
        let mut raw = Connection::on(tunnel(rig.proxy(), to).await);
        raw.send(b"\x00 neither TLS nor HTTP\r\n\r\n").await;
        raw.until(b"isn't answered").await;
    }
    upstream.assert_untouched();
    rig.assert_sound().await;
}

/// The same requests reach the upstream if they may, so that the test above can fail.
#[tokio::test]
async fn permitted_request_reaches_its_backend() {
    let upstream = Upstream::ok().await;
    let rig = builder(&upstream, "passthrough").start().await;
    let host = upstream.address().to_string();
    for (name, request) in requests("api.test").into_iter().chain(requests(&host)) {
        let before = upstream.bytes();
        let answer = Connection::open(rig.proxy()).await.exchange(request, name == "HEAD").await;
        assert!(answer.status == 200 || name == "WebSocket", "{name}: {} {}", answer.status, answer.text());
        assert!(upstream.bytes() > before, "{name}");
    }
    let before = upstream.bytes();
    let mut tunnel = Connection::on(tunnel(rig.proxy(), &host).await);
    tunnel.send(head("GET", &host, "/inside", "")).await;
    tunnel.until(b"real").await;
    assert!(upstream.bytes() > before);
    rig.assert_sound().await;
}

#[tokio::test]
async fn mocked_http2_request_reaches_no_backend() {
    let upstream = Upstream::ok().await;
    let rig = builder(&upstream, "fail").start().await;
    let host = upstream.address().to_string();
    let client = H2::open(rig.proxy()).await;
    let trailers = || Some(HeaderMap::from_iter([(http::header::ETAG, HeaderValue::from_static("1"))]));
    for host in ["api.test", &host] {
        let url = format!("http://{host}/a");
        for (body, trailers) in [
            (None, None),
            (None, trailers()),
            (Some(0), trailers()),
            (Some(100), None),
            (Some(1 << 20), None),
            (Some(1 << 20), trailers()),
            (Some(CAP + 1), trailers()),
        ] {
            let body = body.map(|length| Bytes::from(vec![b'x'; length]));
            let answer = client.request("POST", &url, &[], body, trailers).await.expect("an answer");
            assert_eq!(answer.status, 404);
        }
        let grpc = [("content-type", "application/grpc+proto"), ("te", "trailers")];
        let body = Some(Bytes::from_static(b"\0\0\0\0\0"));
        let answer = client.request("POST", &url, &grpc, body, None).await.expect("an answer");
        assert_eq!(answer.headers["grpc-status"], "12");
        let authority = if host == "api.test" { "api.test:80" } else { host };
        let tunnel = Request::connect(authority.to_owned()).body(()).expect("a request");
        let (answer, mut stream) = client.begin(tunnel, false).await.expect("a stream");
        assert_eq!(answer.await.expect("an answer").status(), 200);
        stream.send_data(head("GET", host, "/a", "").into(), false).expect("data");
    }
    upstream.assert_untouched();
    rig.assert_sound().await;
}

#[test]
fn mocked_backend_causes_no_dns_query() {
    alone("no_leak::mocked_backend_causes_no_dns_query", || async {
        let folder = tempfile::tempdir().expect("a folder");
        let network = Network::new(folder.path(), false);
        let rig = Rig::responder()
            .with_backends()
            .tls()
            .exchange(recorded("GET", "http://api.test", "/a").body("recorded"))
            .exchange(recorded("GET", "https://api.test", "/a").body("recorded"))
            .backend("https://free.test", Backend { mode: Mode::Off, ..Backend::default() })
            .start()
            .await;
        // One that was recorded, one that wasn't, one that is an address.
        for host in ["api.test", "other.test", "10.99.0.2"] {
            let expect = if host == "api.test" { 200 } else { 404 };
            let tls = format!("{host}:443");
            let mut plain = Connection::open(rig.proxy()).await;
            assert_eq!(plain.exchange(head("GET", host, "/a", ""), false).await.status, expect);
            let mut client = Connection::on_tls(rig.tls(&tls, HTTP1).await);
            assert_eq!(client.exchange(head("GET", host, "/a", ""), false).await.status, expect);
            let client = H2::on(rig.tls(&tls, H2_AND_HTTP1).await).await;
            let url = format!("https://{host}/a");
            assert_eq!(client.request("GET", &url, &[], None, None).await.expect("an answer").status, expect);
            let grpc = [("content-type", "application/grpc"), ("te", "trailers")];
            let body = Some(Bytes::from_static(b"\0\0\0\0\0"));
            let answer = client.request("POST", &url, &grpc, body, None).await.expect("an answer");
            assert_eq!(answer.headers["grpc-status"], "12");
        }
        assert_eq!((network.packets("tcp"), network.packets("udp")), (0, 0));
        let mut client = Connection::on_tls(rig.tls("free.test:443", HTTP1).await);
        assert_eq!(client.exchange(head("GET", "free.test", "/a", ""), false).await.status, 503);
        assert!(network.packets("udp") > 0, "the name of a backend that isn't mocked is asked for");
        rig.assert_sound().await;
    });
}

#[tokio::test]
async fn client_that_leaves_early_causes_no_connection() {
    let upstream = Upstream::ok().await;
    let rig = builder(&upstream, "fail").start().await;
    let whole = post("api.test", "/a", "", &vec![b'x'; 1 << 20]);
    let body_at = whole.len() - (1 << 20);
    let chunks = chunked("api.test", "/a", "", &[&vec![b'x'; 1 << 20]], "");
    for reset in [false, true] {
        for bytes in
            [&whole[..body_at - 9], &whole[..body_at], &whole[..body_at + 500_000], &chunks[..500_000]]
        {
            let mut connection = Connection::open(rig.proxy()).await;
            connection.send(bytes).await;
            if reset {
                connection.reset();
            }
        }
    }
    let client = H2::open(rig.proxy()).await;
    let request = || Request::post("http://api.test/a").body(()).expect("a request");
    let (answer, mut stream) = client.begin(request(), false).await.expect("a stream");
    stream.send_data(Bytes::from_static(b"half"), false).expect("data");
    // Both dropped, the stream is reset.
    drop((answer, stream));
    // All but those that ended in their headers, which aren't requests yet.
    eventually("7 aborted requests", async || rig.counter("backend.other.aborted").await == 7).await;
    drop(client);
    eventually("no connection is left", async || {
        let stats = rig.envoy.stats("downstream_cx_active").await.expect("statistics");
        stats.get("http.understudy.downstream_cx_active") == 0
    })
    .await;
    upstream.assert_untouched();
    rig.assert_sound().await;
}
