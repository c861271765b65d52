//! Tests that a mock's answer equals the backend's, to the last byte.

use understudy_testkit::{Answer, H2, Rig, Upstream, get, recorded, request};

/// Headers that are computed for each answer, or that apply to one connection
/// (docs/reference/envoy.md).
const RECOMPUTED: [&str; 5] = ["date", "transfer-encoding", "connection", "x-understudy", "trailer"];

struct Case {
    method: &'static str,
    path: &'static str,
    raw: Vec<u8>,
}

fn case(method: &'static str, path: &'static str, head: &str, body: &[u8]) -> Case {
    let raw = [format!("HTTP/1.1 {head}\r\n\r\n").as_bytes(), body].concat();
    Case { method, path, raw }
}

/// An answer with its length.
fn sized(path: &'static str, head: &str, body: &[u8]) -> Case {
    case("GET", path, &format!("{head}\r\ncontent-length: {}", body.len()), body)
}

fn cases() -> Vec<Case> {
    let json = b" {\t\"b\" : 1.0 ,\r\n \"a\":[ 1 ,2] , \"u\":\"\\u00e9\xc3\xa9\", \"b\":1e2 }\n\n";
    let binary: Vec<u8> = (0..=255).cycle().take(1000).collect();
    let gzip = b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xcbH\xcd\xc9\xc9\x07\0\x86\xa6\x106\x05\0\0\0";
    let large: Vec<u8> = (0..1 << 20).map(|i: u32| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let date = "date: Mon, 01 Jan 2024 00:00:00 GMT";
    vec![
        sized("/json", "200 OK\r\ncontent-type: application/json; charset=utf-8", json),
        sized("/binary", "200 OK\r\ncontent-type: application/octet-stream", &binary),
        sized("/gzip", "200 OK\r\ncontent-encoding: gzip\r\ncontent-type: text/plain\r\nvary: accept-encoding", gzip),
        sized("/empty", "200 OK\r\ncontent-type: text/plain\r\nx-a: 1", b""),
        sized("/empty-untyped", "200 OK\r\nx-a: 1", b""),
        case("GET", "/204", "204 No Content\r\nx-b: 2\r\netag: \"1\"\r\nx-a: 1", b""),
        case("GET", "/304", "304 Not Modified\r\netag: \"x\"\r\ncontent-length: 77\r\ncache-control: no-cache", b""),
        case("HEAD", "/head", "200 OK\r\ncontent-type: text/x\r\ncontent-length: 12345\r\nlast-modified: x", b""),
        case("HEAD", "/head-404", "404 Not Found\r\ncontent-length: 9", b""),
        case("HEAD", "/head-bare", "200 OK\r\nx-a: 1", b""),
        sized("/large", "200 OK\r\ncontent-type: application/x-large", &large),
        sized("/untyped", "200 OK\r\nx-a: 1", b"no type"),
        sized("/odd-type", "200 OK\r\ncontent-type: what/ever; x=\"y\"", b"odd"),
        sized("/empty-type", "200 OK\r\ncontent-type: \r\nx-a: 1", b"empty"),
        case(
            "GET",
            "/trailers",
            "200 OK\r\ncontent-type: text/plain\r\ntrailer: x-sum\r\ntransfer-encoding: chunked",
            b"3\r\none\r\n3\r\ntwo\r\n0\r\nx-sum: 1\r\nx-sum: 2\r\n\r\n",
        ),
        sized("/404", "404 Not Found\r\ncontent-type: text/plain", b"gone"),
        sized("/500", "500 Oh No\r\ncontent-type: text/html\r\nx-error: yes", b"<p>oh no"),
        sized("/299", "299 Odd", b"odd"),
        sized("/418", "418 I'm a teapot", b"short and stout"),
        sized("/599", "599 Late", b"late"),
        sized("/302", "302 Found\r\nlocation: http://elsewhere.test/%7Ex?a=b#c", b""),
        sized("/date", &format!("200 OK\r\n{date}\r\nserver: Acme/1.0 (x)\r\nvia: 1.1 x"), b"dated"),
        sized(
            "/repeats",
            "200 OK\r\nset-cookie: a=1; path=/\r\nx-r: 1\r\nset-cookie: b=2\r\nx-s: 2\r\nx-r: 3\r\n\
             link: <a>\r\nset-cookie: a=1; path=/\r\nlink: <b>",
            b"repeats",
        ),
        sized("/order", "200 OK\r\nz: 1\r\nb: 2\r\ncontent-type: text/plain\r\na: 3\r\netag: \"e\"\r\nx: 4", b"o"),
        sized("/values", "200 OK\r\nx-empty: \r\nx-tab: a\tb\r\nx-long: a  b ,  c\r\nx-quote: \"\\\"\"", b"v"),
        case(
            "GET",
            "/non-utf8",
            "200 OK\r\ncontent-length: 2",
            b"",
        ),
        sized(
            "/proxy-like",
            "200 OK\r\nx-request-id: mine\r\nx-forwarded-for: 10.0.0.1\r\nstrict-transport-security: a\r\nwww-authenticate: Basic",
            b"p",
        ),
    ]
    .into_iter()
    .map(|mut case| {
        if case.path == "/non-utf8" {
            case.raw = b"HTTP/1.1 200 OK\r\nx-latin1: caf\xe9\r\nx-bytes: \x80\xff\xfe\r\ncontent-length: 2\r\n\r\nok".to_vec();
        }
        case
    })
    .collect()
}

fn url(path: &str) -> String {
    format!("http://api.test{path}")
}

/// The parts that have to be equal besides the body; `content-length` only if the body doesn't
/// determine it.
fn told(method: &str, answer: &Answer) -> String {
    let bodiless = method == "HEAD" || answer.status == 304;
    let equal = |name: &str| !RECOMPUTED.contains(&name) && (bodiless || name != "content-length");
    let mut told = format!("{}, {} bytes", answer.status, answer.body.len());
    for (what, headers) in [("headers", &answer.headers), ("trailers", &answer.trailers)] {
        let lower = headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value));
        let lines =
            lower.filter(|(name, _)| equal(name)).map(|(n, v)| format!("\n      {n}: {}", v.escape_ascii()));
        told += &format!("\n    {what}: {}", lines.collect::<String>());
    }
    told
}

#[tokio::test]
async fn answer_equals_the_recorded_one() {
    let upstream = Upstream::start(|seen| {
        let case = cases().into_iter().find(|case| seen.path().ends_with(case.path));
        Some(case.expect("a path of ours").raw)
    })
    .await;
    let cases = cases();
    let tap =
        // Cookies too.
        Rig::tap()
            .map(upstream.map("api.test"))
            .config("body_cap_bytes", (2 << 20).into())
            .config("redaction", serde_json::json!({ "enabled": false }))
            .start()
            .await;
    let mut direct = Vec::new();
    for case in &cases {
        request(tap.proxy(), case.method, &url(case.path), &[], b"").await;
        direct.push(request(upstream.address(), case.method, &url(case.path), &[], b"").await);
    }
    let records = tap.records(cases.len()).await;
    tap.assert_sound().await;
    drop((upstream, tap));

    let builder = Rig::responder().config("verdict_header", false.into());
    let rig = records.into_iter().fold(builder, |b, record| b.exchange(record.exchange.into())).start().await;
    let mut wrong = Vec::new();
    for (case, expect) in cases.iter().zip(direct) {
        let answer = request(rig.proxy(), case.method, &url(case.path), &[], b"").await;
        let (got, want) = (told(case.method, &answer), told(case.method, &expect));
        if got != want || answer.body != expect.body {
            wrong.push(format!("{} {}\n  got {got}\n  want {want}", case.method, case.path));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    rig.assert_sound().await;
}

#[tokio::test]
async fn answer_over_http2_equals_the_recorded_one() {
    let rig = Rig::responder()
        .exchange(
            recorded("GET", "http://api.test", "/a")
                .status(418)
                .header("Set-Cookie", "a")
                .header("x-bytes", b"\x80\xff")
                .header("set-cookie", "b")
                .body(b"\0\xff body"),
        )
        .exchange(recorded("GET", "http://api.test", "/trailers").body("b").trailer("x-sum", "1"))
        .start()
        .await;
    let client = H2::open(rig.proxy()).await;
    let answer = client.request("GET", &url("/a"), &[], None, None).await.expect("an answer");
    assert_eq!((answer.status, answer.body.as_slice()), (418, &b"\0\xff body"[..]));
    assert_eq!(answer.headers.get_all("set-cookie").iter().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(answer.headers["x-bytes"].as_bytes(), b"\x80\xff");
    assert!(!answer.headers.contains_key("content-type"), "{:?}", answer.headers);
    let answer = client.request("GET", &url("/trailers"), &[], None, None).await.expect("an answer");
    assert_eq!(answer.trailers.expect("trailers")["x-sum"], "1");
    rig.assert_sound().await;
}

#[tokio::test]
async fn trailers_without_a_body_are_served() {
    let rig = Rig::responder()
        .exchange(recorded("GET", "http://api.test", "/a").header("x-a", "1").trailer("x-sum", "1"))
        .start()
        .await;
    let answer = get(rig.proxy(), &url("/a")).await;
    assert_eq!((answer.body.len(), answer.trailers.clone()), (0, vec![("x-sum".to_owned(), b"1".to_vec())]));
    assert_eq!((answer.header("content-type"), answer.header("x-a").as_deref()), (None, Some("1")));
    rig.assert_sound().await;
}

/// The rest of docs/reference/envoy.md, "What a mock's answer differs in": what Envoy leaves no way
/// to serve.
#[tokio::test]
async fn unrepeatable_parts_of_an_answer_are_documented() {
    let rig = Rig::responder()
        .exchange(recorded("GET", "http://api.test", "/reason").status(299).header("X-Case", "1").body("b"))
        .exchange(recorded("GET", "http://api.test", "/date").header("date", "then").body("b"))
        .exchange(
            recorded("GET", "http://api.test", "/way")
                .header("x-envoy-a", "1")
                .header("alt-svc", "h3")
                .body("b"),
        )
        .start()
        .await;
    let reason = get(rig.proxy(), &url("/reason")).await;
    let head = String::from_utf8_lossy(&reason.head).into_owned();
    assert!(head.starts_with("HTTP/1.1 299 Unknown\r\nx-case: 1\r\n"), "{head}");
    let date = get(rig.proxy(), &url("/date")).await;
    assert!(date.all("date").len() == 1 && date.header("date").is_some_and(|date| date.ends_with("GMT")));
    let way = get(rig.proxy(), &url("/way")).await;
    assert_eq!((way.header("x-envoy-a"), way.header("alt-svc")), (None, None));
    rig.assert_sound().await;
}

/// Headers that Envoy joins in answers of a backend, it joins in answers from the table too
/// (docs/reference/envoy.md lists them).
#[tokio::test]
async fn repeats_that_envoy_joins() {
    let joined = "access-control-allow-credentials access-control-allow-headers access-control-allow-methods \
        access-control-allow-origin access-control-expose-headers access-control-max-age age cache-control content-encoding content-type \
        etag expires grpc-message grpc-status last-modified location server vary via x-request-id";
    let kept = "accept-ranges allow content-disposition content-language content-range content-security-policy link pragma retry-after \
        set-cookie strict-transport-security warning www-authenticate x-custom x-forwarded-for";
    let names: Vec<_> = joined.split_whitespace().chain(kept.split_whitespace()).collect();
    let upstream = Upstream::start(|seen| {
        let name = seen.path().trim_start_matches('/').to_owned();
        let head = format!("{name}: one\r\nx-between: 1\r\n{name}: two\r\ncontent-length: 2\r\n");
        Some(format!("HTTP/1.1 200 OK\r\n{head}\r\nok").into_bytes())
    })
    .await;
    let tap = Rig::tap().map(upstream.map("api.test")).start().await;
    let mock = names.iter().fold(Rig::responder(), |builder, name| {
        let exchange = recorded("GET", "http://api.test", &format!("/{name}"));
        builder.exchange(exchange.header(name, "one").header("x-between", "1").header(name, "two").body("ok"))
    });
    let mock = mock.start().await;
    for (i, name) in names.iter().enumerate() {
        let expect = if i < joined.split_whitespace().count() { vec!["one,two"] } else { vec!["one", "two"] };
        for rig in [&tap, &mock] {
            assert_eq!(get(rig.proxy(), &url(&format!("/{name}"))).await.all(name), expect, "{name}");
        }
    }
}
