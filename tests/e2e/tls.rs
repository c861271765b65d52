//! TLS taken on the way: recorded, answered, verified, refused; by clients of HTTP/1.1 and HTTP/2.

use crate::requests::{head, post};
use serde_json::json;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use understudy_core::exchange::{End, Exchange};
use understudy_envoy::{TunnelProblem, UpstreamTrust};
use understudy_testkit::{
    Connection, H2, H2_AND_HTTP1, HTTP1, Rig, TestAuthority, Upstream, distrustful, eventually, handshake,
    recorded, tunnel,
};

const VALID: Duration = Duration::ZERO;

/// A rig that taps, and accepts backends whose certificates `authority` has signed.
async fn tap(authority: &TestAuthority, maps: Vec<understudy_envoy::HostMap>) -> Rig {
    let trust = UpstreamTrust::Roots(authority.certificate());
    maps.into_iter().fold(Rig::tap().tls().upstream_trust(trust), |rig, map| rig.map(map)).start().await
}

async fn exchange_of(rig: &Rig) -> Exchange {
    rig.records(1).await.remove(0).exchange
}

#[tokio::test]
async fn requests_over_tls_are_recorded() {
    let (authority, upstream) = (TestAuthority::new(), Upstream::ok().await);
    let front = authority.serve("api.test", H2_AND_HTTP1, upstream.address(), VALID).await;
    let rig = tap(&authority, vec![front.map("api.test")]).await;
    let stream = rig.tls("api.test:443", HTTP1).await;
    let answer =
        Connection::on_tls(stream).exchange(post("api.test", "/v1/a?b=c", "", b"hello"), false).await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "real"));
    let seen = upstream.seen().remove(0);
    assert!(seen.text().starts_with("POST /v1/a?b=c HTTP/1.1\r\nhost: api.test\r\n"), "{}", seen.text());
    assert!(!seen.text().contains("x-"), "{}", seen.text());
    let exchange = exchange_of(&rig).await;
    assert_eq!((exchange.backend.as_str(), exchange.protocol.as_str()), ("https://api.test", "HTTP/1.1"));
    assert_eq!((exchange.request.body.bytes.as_slice(), exchange.end), (&b"hello"[..], End::Complete));
    rig.assert_sound().await;
}

/// The upstream speaks only HTTP/1.1. It needn't support the protocol that Envoy and the app agreed
/// on.
#[tokio::test]
async fn an_app_may_speak_http2_to_a_backend_that_does_not() {
    let (authority, upstream) = (TestAuthority::new(), Upstream::ok().await);
    let front = authority.serve("api.test", HTTP1, upstream.address(), VALID).await;
    // Over TLS, and with a map to plain HTTP.
    for map in [front.map("api.test"), upstream.map("api.test")] {
        let rig = tap(&authority, vec![map]).await;
        let stream = rig.tls("api.test:443", H2_AND_HTTP1).await;
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let client = H2::on(stream).await;
        let answer = client.request("GET", "https://api.test/a", &[], None, None).await.expect("an answer");
        assert_eq!((answer.status, answer.body.as_slice()), (200, &b"real"[..]));
        let exchange = exchange_of(&rig).await;
        assert_eq!((exchange.backend.as_str(), exchange.protocol.as_str()), ("https://api.test", "HTTP/2"));
    }
}

#[tokio::test]
async fn invalid_certificate_is_refused_with_the_reason() {
    let (trusted, other, upstream) = (TestAuthority::new(), TestAuthority::new(), Upstream::ok().await);
    let address = upstream.address();
    let day = Duration::from_secs(86_400);
    let fronts = [
        ("expired.test", trusted.serve("expired.test", HTTP1, address, day).await, "expired"),
        (
            "unknown.test",
            other.serve("unknown.test", HTTP1, address, VALID).await,
            "unable_to_get_local_issuer",
        ),
        ("wrong.test", trusted.serve("another.test", HTTP1, address, VALID).await, "verify_SAN_list"),
    ];
    let rig = tap(&trusted, fronts.iter().map(|(host, front, _)| front.map(host)).collect()).await;
    for (host, front, why) in &fronts {
        for alpn in [HTTP1, H2_AND_HTTP1] {
            let stream = rig.tls(&format!("{host}:443"), alpn).await;
            let (status, body) = if alpn == HTTP1 {
                let answer = Connection::on_tls(stream).exchange(head("GET", host, "/", ""), false).await;
                (answer.status, answer.text())
            } else {
                let url = format!("https://{host}/");
                let answer =
                    H2::on(stream).await.request("GET", &url, &[], None, None).await.expect("an answer");
                (answer.status, String::from_utf8_lossy(&answer.body).into_owned())
            };
            assert_eq!(status, 503, "{host}: {body}");
            assert!(body.contains(why) && body.contains(host), "{host}: {body}");
        }
        assert!(front.connections() > 0);
    }
    upstream.assert_untouched();
    let records = rig.records(6).await;
    assert!(records.iter().all(|record| record.exchange.end == End::NoResponse), "{records:?}");
    // The same backends are accepted with the setting for it.
    let trust = UpstreamTrust::Anyone;
    let rig = fronts
        .iter()
        .fold(Rig::tap().tls().upstream_trust(trust), |rig, (host, front, _)| rig.map(front.map(host)));
    let rig = rig.start().await;
    for (host, ..) in &fronts {
        let stream = rig.tls(&format!("{host}:443"), HTTP1).await;
        let answer = Connection::on_tls(stream).exchange(head("GET", host, "/", ""), false).await;
        assert_eq!(answer.status, 200, "{host}: {}", answer.text());
    }
}

#[tokio::test]
async fn client_without_trust_is_reported() {
    let rig = Rig::responder().tls().start().await;
    for alpn in [HTTP1, H2_AND_HTTP1] {
        let failed =
            handshake(&distrustful(alpn), tunnel(rig.proxy(), "api.test:443").await, "api.test").await;
        assert!(failed.is_err());
    }
    // A client that trusts us isn't listed, whether it sends a request or not.
    drop(rig.tls("other.test:443", HTTP1).await);
    let mut client = Connection::on_tls(rig.tls("other.test:443", HTTP1).await);
    assert_eq!(client.exchange(head("GET", "other.test", "/", ""), false).await.status, 404);
    drop(client);
    rig.envoy.stop(Duration::from_secs(5)).await;
    let told = rig.envoy.tunnels();
    let not_trusted: Vec<_> =
        told.iter().filter(|tunnel| tunnel.problem == TunnelProblem::NotTrusted).collect();
    assert_eq!(not_trusted.len(), 1, "{told:?}");
    assert_eq!((not_trusted[0].to.as_str(), not_trusted[0].count), ("api.test", 2));
}

#[tokio::test]
async fn mocked_https_reaches_no_backend() {
    let (authority, upstream) = (TestAuthority::new(), Upstream::ok().await);
    let front = authority.serve("api.test", H2_AND_HTTP1, upstream.address(), VALID).await;
    let rig = Rig::responder()
        .with_backends()
        .tls()
        .map(front.map("api.test"))
        .config("on_miss", json!("fail"))
        .exchange(recorded("POST", "https://api.test", "/a").sent("x=1").body("from the table"))
        .start()
        .await;
    for to in ["api.test:443".to_owned(), format!("localhost:{}", front.address().port())] {
        let host = to.strip_suffix(":443").unwrap_or(&to);
        let mut client = Connection::on_tls(rig.tls(&to, HTTP1).await);
        let answer = client.exchange(post(host, "/a", "", b"x=1"), false).await;
        let expect = if host == "api.test" { 200 } else { 404 };
        assert_eq!(answer.status, expect, "{}", answer.text());
        assert_eq!(client.exchange(post(host, "/a", "", b"x=2"), false).await.status, 404);
        let client = H2::on(rig.tls(&to, H2_AND_HTTP1).await).await;
        let url = format!("https://{host}/a");
        let answer = client.request("POST", &url, &[], Some("x=1".into()), None).await.expect("an answer");
        assert_eq!(answer.status, expect);
        // Plain HTTP inside of a tunnel is another backend, and no way past the filter.
        let mut plain = Connection::on(tunnel(rig.proxy(), &to).await);
        assert_eq!(plain.exchange(post(host, "/a", "", b"x=1"), false).await.status, 404);
        // Other content is no way past the filter either.
        let mut raw = Connection::on(tunnel(rig.proxy(), &to).await);
        raw.send(b"\x00\x01\x02\x03 what is this\r\n\r\n").await;
        raw.until(b"neither TLS nor HTTP").await;
        raw.ended().await;
    }
    assert_eq!(front.connections(), 0);
    upstream.assert_untouched();
    rig.assert_sound().await;
}

#[tokio::test]
async fn unusual_names_work() {
    let authority = TestAuthority::new();
    let upstream = Upstream::ok().await;
    let long = format!("{}.{}.test", "a".repeat(63), "b".repeat(63));
    for host in ["xn--bcher-kva.test", "bucket.with.dots.s3.test", long.as_str()] {
        let rig = tap(&authority, vec![upstream.map(host)]).await;
        for port in [443, 8443] {
            let stream = rig.tls(&format!("{host}:{port}"), HTTP1).await;
            let name = if port == 443 { host.to_owned() } else { format!("{host}:{port}") };
            let answer = Connection::on_tls(stream).exchange(head("GET", &name, "/", ""), false).await;
            assert_eq!(answer.status, 200, "{name}: {}", answer.text());
        }
        let names: Vec<String> =
            rig.records(2).await.into_iter().map(|record| record.exchange.backend).collect();
        assert_eq!(names, [format!("https://{host}"), format!("https://{host}:8443")]);
    }
}

/// A client that calls an address sends no server name: only the tunnel states the address.
#[tokio::test]
async fn each_address_has_a_certificate() {
    let authority = TestAuthority::new();
    let upstream = Upstream::ok().await;
    let addresses = || (1..=20).map(|last| format!("10.1.2.{last}")).chain(["[2001:db8::1]".to_owned()]);
    let rig = Arc::new(tap(&authority, addresses().map(|host| upstream.map(&host)).collect()).await);
    let mut clients = JoinSet::new();
    // All at once, and twice: a certificate may be on its way already.
    for host in addresses().chain(addresses()) {
        let rig = Arc::clone(&rig);
        clients.spawn(async move {
            let stream = rig.tls(&format!("{host}:443"), HTTP1).await;
            let answer = Connection::on_tls(stream).exchange(head("GET", &host, "/", ""), false).await;
            assert_eq!(answer.status, 200, "{host}: {}", answer.text());
        });
    }
    clients.join_all().await;
    let names: HashSet<_> = rig.records(42).await.into_iter().map(|record| record.exchange.backend).collect();
    assert_eq!(names, addresses().map(|host| format!("https://{host}")).collect());
    let nobody = recorded("GET", "https://192.0.2.1:8443", "/").body("from the table");
    let rig = Rig::responder().tls().exchange(nobody).start().await;
    let stream = rig.tls("192.0.2.1:8443", HTTP1).await;
    let answer = Connection::on_tls(stream).exchange(head("GET", "192.0.2.1:8443", "/", ""), false).await;
    assert_eq!(answer.text(), "from the table");
}

#[tokio::test]
async fn unreachable_backend_is_reported() {
    let authority = TestAuthority::new();
    let nobody = understudy_testkit::Nobody::here();
    let map = understudy_testkit::map("api.test", nobody.address());
    let rig = tap(&authority, vec![map]).await;
    let stream = rig.tls("api.test:443", HTTP1).await;
    let answer = Connection::on_tls(stream).exchange(head("GET", "api.test", "/", ""), false).await;
    assert_eq!(answer.status, 503);
    eventually("a record", async || !rig.records(1).await.is_empty()).await;
    assert_eq!(exchange_of(&rig).await.end, End::NoResponse);
}

#[tokio::test]
async fn a_websocket_passes_over_tls_and_is_listed() {
    let (authority, upstream) = (
        TestAuthority::new(),
        Upstream::script(|mut wire| async move {
            if wire.request().await.is_some() {
                wire.send(b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nhello").await;
                // Open until the client goes.
                while wire.request().await.is_some() {}
            }
        })
        .await,
    );
    let front = authority.serve("ws.test", HTTP1, upstream.address(), VALID).await;
    let rig = tap(&authority, vec![front.map("ws.test")]).await;
    let mut client = Connection::on_tls(rig.tls("ws.test:443", HTTP1).await);
    let upgrade = "connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n";
    client.send(head("GET", "ws.test", "/socket", upgrade)).await;
    client.until(b"\r\n\r\nhello").await;
    drop(client);
    eventually("the connection ends", async || {
        let stats = rig.envoy.stats("downstream_rq_active").await.expect("statistics");
        stats.get("http.understudy.downstream_rq_active") == 0
    })
    .await;
    rig.envoy.stop(Duration::from_secs(5)).await;
    let told = rig.envoy.tunnels();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((told[0].to.as_str(), told[0].problem), ("ws.test", TunnelProblem::Upgraded));
}
