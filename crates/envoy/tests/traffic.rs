//! Requests through a real Envoy with the templates' settings: what the app and the backend see of
//! it.

mod common;

use common::net::{Upstream, exchange, read_until, until};
use common::{responder, start, stop, tap};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use understudy_envoy::{Bootstrap, TunnelProblem};

const REPLY: &str = "HTTP/1.1 200 Fine Then\r\nX-MixedCase: 1\r\nSet-Cookie: a=1\r\nServer: s/1\r\n\
    Date: Mon, 01 Jan 2024 00:00:00 GMT\r\nX-B: 2\r\nSet-Cookie: b=2\r\nContent-Length: 4\r\n\r\nbody";

#[tokio::test]
async fn a_tap_changes_neither_request_nor_answer() {
    let upstream = Upstream::start(REPLY).await;
    let envoy = start(&tap()).await;
    let rest = format!(
        "Host: {}\r\nX-Mixed-Case: v\r\nuser-agent: t\r\nX-Request-ID: mine\r\nX-Forwarded-For: 10.0.0.1\r\n\
         x-envoy-attempt-count: 9\r\nX-Repeat: a\r\nX-Other: o\r\nX-Repeat: b\r\n",
        upstream.addr
    );
    let path = "//a/../b%2F%2f;c?q=%7E&q=1";
    let answer = until(
        envoy.proxy_addr(),
        format!("GET http://{}{path} HTTP/1.1\r\n{rest}\r\n", upstream.addr),
        "body",
    )
    .await;
    assert_eq!(answer, REPLY);
    assert_eq!(upstream.got(), format!("GET {path} HTTP/1.1\r\n{rest}\r\n"));
    stop(envoy).await;
}

#[tokio::test]
async fn methods_trailers_and_expectations_pass() {
    let reply = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nDate: now\r\nTransfer-Encoding: chunked\r\n\r\n\
        4\r\nbody\r\n0\r\nx-sum: 1\r\n\r\n";
    let upstream = Upstream::start(reply).await;
    let envoy = start(&tap()).await;
    let addr = upstream.addr;
    let head =
        format!("BREW /pot HTTP/1.1\r\nHost: {addr}\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    let answer = until(envoy.proxy_addr(), &head, "x-sum: 1\r\n\r\n").await;
    // The backend answers before it has the body, so Envoy can't use the connection again.
    assert_eq!(answer.replace("connection: close\r\n", ""), reply);
    assert_eq!(upstream.got(), head, "the body waits for the backend's word");
    stop(envoy).await;
}

#[tokio::test]
async fn responder_that_buffers_bodies_sends_100_continue() {
    let upstream = Upstream::start(REPLY).await;
    for bootstrap in [responder(), Bootstrap::responder_with_backends().listen(([127, 0, 0, 1], 0).into())] {
        let envoy = start(&bootstrap.filter(common::tap_filter())).await;
        let head = format!(
            "POST / HTTP/1.1\r\nHost: {}\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n",
            upstream.addr
        );
        exchange(envoy.proxy_addr(), head, |answer| answer.starts_with("HTTP/1.1 100 Continue\r\n\r\n"))
            .await;
        stop(envoy).await;
    }
}

#[tokio::test]
async fn forwarded_proto_of_the_app_is_kept() {
    let upstream = Upstream::start(REPLY).await;
    let envoy = start(&tap()).await;
    let request = format!("GET / HTTP/1.1\r\nHost: {}\r\nX-Forwarded-Proto: https\r\n\r\n", upstream.addr);
    until(envoy.proxy_addr(), &request, "body").await;
    assert_eq!(upstream.got(), request);
    stop(envoy).await;
}

#[tokio::test]
async fn mapped_backend_is_called_under_its_own_name() {
    let (mapped, other) = (Upstream::start(REPLY).await, Upstream::start(REPLY).await);
    let envoy = start(
        &tap()
            .map(format!("api.example.com=http://{}", mapped.addr).parse().unwrap())
            .map(format!("db.example.com:8000=http://localhost:{}", other.addr.port()).parse().unwrap()),
    )
    .await;
    for authority in ["api.example.com", "API.example.com:80", "api.example.com:9999"] {
        let request = format!("GET http://{authority}/x HTTP/1.1\r\nHost: {authority}\r\n\r\n");
        assert_eq!(until(envoy.proxy_addr(), request, "body").await, REPLY);
        assert!(mapped.got().ends_with(&format!("GET /x HTTP/1.1\r\nHost: {authority}\r\n\r\n")));
    }
    assert_eq!(other.got(), "");
    let request = "GET / HTTP/1.1\r\nHost: db.example.com:8000\r\n\r\n";
    assert_eq!(until(envoy.proxy_addr(), request, "body").await, REPLY);
    assert_eq!(other.got(), request);

    let tunnel = "CONNECT api.example.com:443 HTTP/1.1\r\nHost: api.example.com:443\r\n\r\n";
    let inside = "GET /inside HTTP/1.1\r\nHost: api.example.com\r\n\r\n";
    let answer = until(envoy.proxy_addr(), [tunnel, inside].concat(), "body").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(mapped.got().ends_with(inside));
    stop(envoy).await;
}

#[tokio::test]
async fn a_tunnel_passes_untouched_and_unseen_by_the_filter() {
    let upstream = Upstream::start("\x16\x03\x01 not HTTP\r\n\r\n").await;
    let envoy = start(&tap()).await;
    let request = format!("CONNECT {0} HTTP/1.1\r\nHost: {0}\r\n\r\nraw bytes\r\n\r\n", upstream.addr);
    let answer = until(envoy.proxy_addr(), request, "not HTTP\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(upstream.got(), "raw bytes\r\n\r\n");
    assert_eq!(envoy.stats("captured").await.unwrap().get("wasmcustom.understudy.records.captured"), 0);
    stop(envoy).await;
}

#[tokio::test]
async fn an_upgrade_passes() {
    let switching =
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nframes";
    let upstream = Upstream::start(switching).await;
    let envoy = start(&tap()).await;
    let request = format!(
        "GET / HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        upstream.addr
    );
    let answer = until(envoy.proxy_addr(), request, "frames").await;
    assert!(answer.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{answer}");
    stop(envoy).await;
}

#[tokio::test]
async fn large_and_many_headers_pass() {
    let reply =
        format!("HTTP/1.1 200 OK\r\nX-Large: {}\r\nContent-Length: 4\r\n\r\nbody", "r".repeat(1 << 20));
    let upstream = Upstream::start(reply).await;
    let envoy = start(&tap()).await;
    let many: String = (0..2000).map(|number| format!("x-{number}: {number}\r\n")).collect();
    let large = "v".repeat(1 << 20);
    let request = format!("GET / HTTP/1.1\r\nHost: {}\r\n{many}X-Large: {large}\r\n\r\n", upstream.addr);
    let answer = until(envoy.proxy_addr(), &request, "body").await;
    assert!(
        answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains(&"r".repeat(1 << 20)),
        "{answer:.200}"
    );
    assert_eq!(upstream.got(), request);
    stop(envoy).await;
}

#[tokio::test]
async fn request_to_the_proxy_itself_is_answered_with_advice() {
    let envoy = start(&tap()).await;
    for host in ["127.0.0.1", "localhost"] {
        let request = format!("GET / HTTP/1.1\r\nHost: {host}:{}\r\n\r\n", envoy.proxy_addr().port());
        let answer = until(envoy.proxy_addr(), request, "own URL\n").await;
        assert!(answer.starts_with("HTTP/1.1 421 "), "{answer}");
    }
    stop(envoy).await;
}

#[tokio::test]
async fn counters_have_a_tag_for_backend_and_verdict() {
    let upstream = Upstream::start(REPLY).await;
    let envoy = start(&tap()).await;
    until(envoy.proxy_addr(), format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", upstream.addr), "body").await;
    let stats = envoy.stats(r"^wasmcustom\.").await.unwrap();
    let expect = [
        ("wasmcustom.understudy.backend.http://api.example.com:8420.tap", 1),
        ("wasmcustom.understudy.records.captured", 1),
    ];
    assert_eq!(stats.iter().collect::<Vec<_>>(), expect);
    let prometheus = envoy.admin().get("/stats/prometheus?filter=understudy").await.unwrap();
    let text = String::from_utf8_lossy(&prometheus.body);
    let line =
        r#"understudy_backend{understudy_verdict="tap",understudy_backend="http://api.example.com:8420"} 1"#;
    assert!(text.lines().any(|found| found == line), "{text}");
    stop(envoy).await;
}

#[tokio::test]
async fn the_responder_answers_and_refuses_tunnels() {
    let envoy = start(&responder()).await;
    let request = "GET http://api.example.com/ HTTP/1.1\r\nHost: api.example.com\r\n\r\n";
    let answer = until(envoy.proxy_addr(), request, "from the table\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    let tunnel = "CONNECT api.example.com:443 HTTP/1.1\r\nHost: api.example.com:443\r\n\r\n";
    let inside = "GET / HTTP/1.1\r\nHost: api.example.com\r\n\r\n";
    until(envoy.proxy_addr(), [tunnel, inside].concat(), "from the table\n").await;
    let answer =
        until(envoy.proxy_addr(), [tunnel, "raw bytes\r\n\r\n"].concat(), "and isn't answered\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    stop(envoy).await;
}

#[tokio::test]
async fn each_tunnel_reaches_its_own_target() {
    let envoy = start(&tap()).await;
    let mut tunnels = Vec::new();
    // All are open at the same time: state of one must not be used for another.
    for reply in ["\x01one\r\n", "\x02two\r\n", "\x03three\r\n"] {
        let upstream = Upstream::start(reply).await;
        let mut tunnel = TcpStream::connect(envoy.proxy_addr()).await.unwrap();
        let request = format!("CONNECT {0} HTTP/1.1\r\nHost: {0}\r\n\r\n", upstream.addr);
        tunnel.write_all(request.as_bytes()).await.unwrap();
        assert!(read_until(&mut tunnel, "\r\n\r\n").await.starts_with("HTTP/1.1 200 "));
        tunnels.push((tunnel, reply, upstream));
    }
    for (tunnel, reply, _upstream) in &mut tunnels {
        tunnel.write_all(b"\x00\x01raw\r\n\r\n").await.unwrap();
        assert_eq!(read_until(tunnel, reply).await, *reply);
    }
    drop(tunnels);
    envoy.stop(common::SOON).await;
    let told = envoy.tunnels();
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told.iter().all(|tunnel| tunnel.problem == TunnelProblem::NotHttp), "{told:?}");
}

#[tokio::test]
async fn responder_without_routes_answers_503_to_a_request_let_through() {
    let upstream = Upstream::start(REPLY).await;
    let map = format!("api.example.com=http://{}", upstream.addr).parse().unwrap();
    let envoy = start(&responder().filter(common::tap_filter()).map(map)).await;
    for host in [upstream.addr.to_string(), "api.example.com".into()] {
        let request = format!("POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: 2\r\n\r\nhi");
        let answer = until(envoy.proxy_addr(), request, "the filter gave no answer\n").await;
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    }
    assert_eq!(upstream.got(), "");
    stop(envoy).await;
}

#[tokio::test]
async fn responder_with_routes_forwards_a_request_let_through() {
    let upstream = Upstream::start(REPLY).await;
    let bootstrap = Bootstrap::responder_with_backends().listen(([127, 0, 0, 1], 0).into());
    let envoy = start(&bootstrap.filter(common::tap_filter())).await;
    let request = format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", upstream.addr);
    assert_eq!(until(envoy.proxy_addr(), request, "body").await, REPLY);
    stop(envoy).await;
}

#[tokio::test]
async fn envoy_answers_some_requests_itself() {
    let envoy = start(&tap()).await;
    let proxy = envoy.proxy_addr();
    for (request, end, expect) in [
        (
            "GET http://127.0.0.1:1/ HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\r\n",
            "remote connection failure",
            "HTTP/1.1 503 ",
        ),
        (
            "GET http://nowhere.invalid/ HTTP/1.1\r\nHost: nowhere.invalid\r\n\r\n",
            "DNS resolution failure",
            "HTTP/1.1 503 ",
        ),
        ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "\r\n\r\n", "HTTP/1.1 404 "),
        ("nonsense\r\n\r\n", "\r\n\r\n", "HTTP/1.1 400 "),
    ] {
        let answer = exchange(proxy, request, |answer| answer.contains(end)).await;
        assert!(answer.starts_with(expect) && answer.contains(end), "{request:?}: {answer}");
    }
    let many: String = (0..5000).map(|number| format!("x-{number}: 1\r\n")).collect();
    let request = format!("GET http://127.0.0.1:1/ HTTP/1.1\r\nHost: 127.0.0.1:1\r\n{many}\r\n");
    let answer = until(proxy, request, "\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    stop(envoy).await;
}

#[tokio::test]
async fn http_1_0_is_served() {
    let upstream = Upstream::start("HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\nbody").await;
    let envoy = start(&tap()).await;
    let request = format!("GET http://{0}/ HTTP/1.0\r\nHost: {0}\r\n\r\n", upstream.addr);
    let answer = exchange(envoy.proxy_addr(), request, |_| false).await;
    assert!(answer.starts_with("HTTP/1.0 200 OK\r\n") && answer.ends_with("\r\n\r\nbody"), "{answer}");
    stop(envoy).await;
}

/// Changes that Envoy makes without a setting to prevent them: docs/reference/envoy.md lists them
/// for users.
#[tokio::test]
async fn tap_has_the_documented_changes() {
    let upstream =
        Upstream::start("HTTP/1.1 200 OK\r\nX-A: 1\r\nx-a: 2\r\nContent-Length: 4\r\n\r\nbody").await;
    let envoy = start(&tap()).await;
    let request = format!(
        "GET / HTTP/1.1\r\nX-Forwarded-Proto: https\r\nHost: {}\r\nAccept: a\r\nX-B: 1\r\nAccept: b\r\n\
         Proxy-Connection: keep-alive\r\n\r\n",
        upstream.addr
    );
    let answer = until(envoy.proxy_addr(), request, "body").await;
    let date = answer.lines().find_map(|line| line.strip_prefix("date: ")).expect("a missing date is added");
    let expect =
        format!("HTTP/1.1 200 OK\r\nX-A: 1\r\nX-A: 2\r\nContent-Length: 4\r\ndate: {date}\r\n\r\nbody");
    assert_eq!(answer, expect, "repeats are written as the first was");
    let expect = format!(
        "GET / HTTP/1.1\r\nHost: {}\r\nAccept: a,b\r\nX-B: 1\r\nX-Forwarded-Proto: https\r\n\r\n",
        upstream.addr
    );
    assert_eq!(
        upstream.got(),
        expect,
        "Host goes first, well-known repeats are joined, x-forwarded-proto goes last"
    );
    stop(envoy).await;
}
