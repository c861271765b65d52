//! Requests that nobody sends in good faith. The filter survives them, and answers right those that
//! have an answer.

use crate::requests::{head, post};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request};
use serde_json::json;
use understudy_testkit::{Answer, Connection, H2, Rig, Upstream, recorded};

const HOST: &str = "api.test";

/// A tap and a mock that have the same requests to go through.
async fn both() -> (Upstream, [Rig; 2]) {
    let upstream = Upstream::ok().await;
    let tap = Rig::tap().map(upstream.map(HOST)).start().await;
    let mock = Rig::responder()
        .config("body_cap_bytes", json!(2 << 20))
        .exchange(recorded("GET", "http://api.test", "/").body("real"))
        .exchange(recorded("POST", "http://api.test", "/").body("real"))
        .collector()
        .start()
        .await;
    (upstream, [tap, mock])
}

async fn exchange(rig: &Rig, bytes: impl AsRef<[u8]>) -> Answer {
    Connection::open(rig.proxy()).await.exchange(bytes, false).await
}

/// Both rigs still answer.
async fn assert_alive(rigs: &[Rig; 2]) {
    for rig in rigs {
        assert_eq!(exchange(rig, head("GET", HOST, "/", "")).await.text(), "real");
        rig.assert_sound().await;
    }
}

#[tokio::test]
async fn hostile_headers_are_harmless() {
    let (_upstream, rigs) = both().await;
    let many: String = (0..1000).map(|i| format!("x-header-{i}: {i}\r\n")).collect();
    let large = format!("x-large: {}\r\n", "v".repeat(64 << 10));
    let same = "x-same: again\r\n".repeat(1000);
    let most = "a:b\r\n".repeat(4090);
    for headers in [&many, &large, &large.repeat(8), &same, &most, "x-empty:\r\nx-space:  \r\n"] {
        // Headers that no recorded request has ask for something else.
        for (rig, expect) in rigs.iter().zip([200, 404]) {
            let answer = exchange(rig, head("GET", HOST, "/", headers)).await;
            assert_eq!(answer.status, expect, "{headers:.40}: {}", answer.text());
        }
    }
    // A header's value may be any bytes but NUL, CR and LF; its name is a token (RFC 9110, 5.1 and
    // 5.5).
    let with = |line: &[u8]| {
        [&format!("GET / HTTP/1.1\r\nhost: {HOST}\r\n").into_bytes()[..], line, b"\r\n\r\n"].concat()
    };
    let high: Vec<u8> = (0x80..=0xff).collect();
    for (line, tap, mock) in [
        ([&b"user-agent: "[..], &high].concat(), 200, 200),
        ([&b"x-bytes: "[..], &high].concat(), 200, 404),
        // These identify a request, so that none that was recorded matches.
        (b"content-type: \xff\xfe\x80".to_vec(), 200, 404),
        (b"x-amz-target: \xc3\x28".to_vec(), 200, 404),
        (b"content-encoding: \xff".to_vec(), 200, 200),
        (b"x-\xff\xfe: name".to_vec(), 400, 400),
        (b"\xff: name".to_vec(), 400, 400),
        (b"x-nul: a\0b".to_vec(), 400, 400),
        (b": no name".to_vec(), 400, 400),
    ] {
        for (rig, expect) in rigs.iter().zip([tap, mock]) {
            let answer = exchange(rig, with(&line)).await;
            assert_eq!(answer.status, expect, "{}: {}", line.escape_ascii(), answer.text());
        }
    }
    assert_alive(&rigs).await;
}

#[tokio::test]
async fn hostile_request_lines_are_harmless() {
    let (_upstream, rigs) = both().await;
    let long = "M".repeat(1000);
    let lines: [(&[u8], &[u16]); 14] = [
        (b"PURGE / HTTP/1.1\r\nhost: api.test", &[200, 404]),
        (b"!#$%&'*+-.^_`|~ / HTTP/1.1\r\nhost: api.test", &[200, 404]),
        (b"get / HTTP/1.1\r\nhost: api.test", &[200, 404]),
        (&[long.as_bytes(), b" / HTTP/1.1\r\nhost: api.test"].concat(), &[200, 404]),
        (b"GET /\xff\xfe\x80 HTTP/1.1\r\nhost: api.test", &[200, 400, 404]),
        (b"GET /?\xff=\xfe&%=%zz&%f HTTP/1.1\r\nhost: api.test", &[200, 400, 404]),
        (b"GET /%00%ff%2e%2E/..//. HTTP/1.1\r\nhost: api.test", &[200, 404]),
        (b"GET http://api.test HTTP/1.1\r\nhost: other.test", &[200, 404]),
        (b"OPTIONS * HTTP/1.1\r\nhost: api.test", &[404]),
        (b"GET / HTTP/1.1\r\nhost:", &[400, 404, 503]),
        (b"GET / HTTP/1.1", &[400]),
        (b"GET / HTTP/1.1\r\nhost: a@b@:99999:x]", &[400, 404, 503]),
        (b"GET / HTTP/1.1\r\nhost: \xff\xfe.test", &[400, 404, 503]),
        (b"GET nonsense HTTP/1.1\r\nhost: api.test", &[200, 400, 404]),
    ];
    for (line, expect) in lines {
        for rig in &rigs {
            let answer = exchange(rig, [line, b"\r\n\r\n"].concat()).await;
            assert!(expect.contains(&answer.status), "{}: {}", line.escape_ascii(), answer.status);
        }
    }
    let long = format!("/{}", "p".repeat(60_000));
    for rig in &rigs {
        assert!(matches!(exchange(rig, head("GET", HOST, &long, "")).await.status, 200 | 404));
    }
    assert_alive(&rigs).await;
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let (_upstream, rigs) = both().await;
    let requests: Vec<u8> = (0..50)
        .flat_map(|i| {
            if i % 2 == 0 { head("GET", HOST, "/", "") } else { post(HOST, &format!("/{i}"), "", b"a=1") }
        })
        .collect();
    let [tap, mock] = &rigs;
    for (rig, expect) in [(tap, 200), (mock, 404)] {
        let mut connection = Connection::open(rig.proxy()).await;
        connection.send(&requests).await;
        for i in 0..50 {
            let answer = connection.answer(false).await;
            assert_eq!(answer.status, if i % 2 == 0 { 200 } else { expect }, "{i}");
            assert!(expect == 200 || i % 2 == 0 || answer.json()["path"] == format!("/{i}"), "in order");
        }
    }
    assert_alive(&rigs).await;
}

#[tokio::test]
async fn deep_large_or_broken_json_is_harmless() {
    let deep = "[".repeat(10_000) + &"]".repeat(10_000);
    let objects = "{\"a\":".repeat(10_000) + "1" + &"}".repeat(10_000);
    let large = format!("[{}1]", "{\"k\":[1,2.50,\"\\u00e9\"],\"j\":null},".repeat(40_000));
    let keys = format!(
        "{{{}\"z\":1}}",
        (0..40_000).map(|i| format!("\"k{}\":{i},", i * 7919 % 40_000)).collect::<String>()
    );
    let broken = "[".repeat(500_000);
    let numbers = "[1e999999999999999999999,-0.0e-0,123456789012345678901234567890]";
    let lone = "{\"\\ud800\":\"\\udfff\\ud800\\u0000\"}";
    let bodies = [&deep, &objects, &large, &keys, &broken, numbers, lone, "", "\u{feff}{}", "nul", "\"\\x\""];
    let kind = ("content-type", "application/json");
    let builder = bodies.iter().enumerate().fold(Rig::responder(), |builder, (i, body)| {
        let exchange = recorded("POST", "http://api.test", &format!("/{i}")).with(kind.0, kind.1).sent(body);
        builder.exchange(exchange.body(format!("answer {i}")))
    });
    let rig = builder.config("body_cap_bytes", json!(4 << 20)).start().await;
    let header = format!("{}: {}\r\n", kind.0, kind.1);
    for (i, body) in bodies.iter().enumerate() {
        let mut bytes = body.as_bytes().to_vec();
        assert_eq!(
            exchange(&rig, post(HOST, &format!("/{i}"), &header, &bytes)).await.text(),
            format!("answer {i}")
        );
        // One more significant byte makes it another request.
        bytes.push(b'1');
        assert_eq!(exchange(&rig, post(HOST, &format!("/{i}"), &header, &bytes)).await.status, 404, "{i}");
    }
    rig.assert_sound().await;
}

#[tokio::test]
async fn thousand_streams_at_once_are_answered() {
    let builder = (0..1000).fold(Rig::responder(), |builder, i| {
        builder
            .exchange(recorded("GET", "http://api.test", &format!("/{i}")).body(format!("answer {i}")))
            .exchange(
                recorded("POST", "http://api.test", &format!("/{i}"))
                    .sent(format!("n={i}"))
                    .body(format!("post {i}")),
            )
    });
    let rig = builder.start().await;
    let client = H2::open(rig.proxy()).await;
    // All streams are open before the first one ends.
    let mut streams = Vec::new();
    for i in 0..1000 {
        let request = Request::post(format!("http://api.test/{i}")).body(()).expect("a request");
        streams.push(client.begin(request, false).await.expect("a stream"));
    }
    for (i, (_, body)) in streams.iter_mut().enumerate() {
        body.send_data(Bytes::from(format!("n={i}")), true).expect("data");
    }
    for (i, (answer, _)) in streams.into_iter().enumerate() {
        let mut body = answer.await.expect("an answer").into_body();
        assert_eq!(body.data().await.expect("a body").expect("a body"), format!("post {i}"));
    }
    let mut gets = tokio::task::JoinSet::new();
    for i in 0..1000 {
        let client = client.clone();
        gets.spawn(async move {
            let answer = client.request("GET", &format!("http://api.test/{i}"), &[], None, None).await;
            (String::from_utf8(answer.expect("an answer").body), format!("answer {i}"))
        });
    }
    for (got, expect) in gets.join_all().await {
        assert_eq!(got.expect("UTF-8"), expect);
    }
    rig.assert_sound().await;
}

#[tokio::test]
async fn http2_oddities_are_harmless() {
    let rig = Rig::responder()
        .exchange(recorded("POST", "http://api.test", "/").sent("a=1").body("real"))
        .collector()
        .start()
        .await;
    let client = H2::open(rig.proxy()).await;
    let trailers: HeaderMap = (0..1000)
        .map(|i| {
            (
                format!("x-{i}").parse().expect("a name"),
                HeaderValue::from_bytes(b"\x80\xff").expect("a value"),
            )
        })
        .collect();
    let body = || Some(Bytes::from_static(b"a=1"));
    let answer =
        client.request("POST", "http://api.test/", &[], body(), Some(trailers)).await.expect("an answer");
    assert_eq!(answer.body, b"real");
    let mut request = Request::post("http://api.test/");
    for i in 0..1000 {
        request = request.header(format!("x-{i}"), HeaderValue::from_bytes(&[0xff; 100]).expect("a value"));
    }
    let (answer, mut stream) =
        client.begin(request.body(()).expect("a request"), false).await.expect("a stream");
    stream.send_data(body().expect("a body"), true).expect("data");
    assert_eq!(answer.await.expect("an answer").status(), 404, "no recorded request has these headers");
    let records = rig.records(2).await;
    assert_eq!(records[1].exchange.request.headers.get(b"x-999"), Some(&[0xff; 100][..]));
    rig.assert_sound().await;
}
