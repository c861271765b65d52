//! What a mock answers is what the backend answered, to the last byte.

use understudy_testkit::{Answer, H2, Rig, Upstream, recorded, request};

/// Headers that are made anew for each answer, or are about one connection (docs/reference/envoy.md).
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

/// The headers that have to be equal; `content-length` only where it says what the body doesn't.
fn told(answer: &Answer, bodiless: bool) -> Vec<(String, Vec<u8>)> {
    let kept = answer.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone()));
    kept.filter(|(name, _)| !RECOMPUTED.contains(&name.as_str()) && (bodiless || name != "content-length"))
        .collect()
}

#[tokio::test]
async fn an_answer_is_what_was_recorded() {
    let upstream = Upstream::start(|seen| {
        let case = cases().into_iter().find(|case| seen.path().ends_with(case.path));
        Some(case.expect("a path of ours").raw)
    })
    .await;
    let cases = cases();
    let tap =
        Rig::tap().map(upstream.map("api.test")).config("body_cap_bytes", (2 << 20).into()).start().await;
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
        let bodiless = case.method == "HEAD" || expect.status == 304;
        let got = (answer.status, told(&answer, bodiless), &answer.body, &answer.trailers);
        let want = (expect.status, told(&expect, bodiless), &expect.body, &expect.trailers);
        if got != want {
            let text = |(status, headers, body, trailers): (
                u16,
                Vec<(String, Vec<u8>)>,
                &Vec<u8>,
                &Vec<(String, Vec<u8>)>,
            )| {
                let show = |headers: &[(String, Vec<u8>)]| {
                    headers.iter().map(|(n, v)| format!("{n}: {}", v.escape_ascii())).collect::<Vec<_>>()
                };
                format!("{status} {:?} {} bytes {:?}", show(&headers), body.len(), show(trailers))
            };
            wrong.push(format!(
                "{} {}:\n   got {}\n  want {}",
                case.method,
                case.path,
                text(got),
                text(want)
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    rig.assert_sound().await;
}

#[tokio::test]
async fn the_same_over_http2() {
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
