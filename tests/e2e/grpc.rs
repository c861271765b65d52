//! gRPC from recording to answering: the client sees the same with the backend and without it, and
//! a mocked backend sees nothing.

use bytes::Bytes;
use http::{HeaderMap, Request};
use serde_json::{Value, json};
use understudy_core::exchange::End;
use understudy_core::rules::Rule;
use understudy_testkit::{
    Connection, H2, H2Answer, H2Seen, H2Upstream, Recorded, Rig, RigBuilder, Upstream, eventually, frames,
    gzip_frame, message, metadata, recorded,
};

const SERVICE: &str = "http://orders.test/orders.Orders";

/// The backend's answer to each method.
fn service(seen: &H2Seen) -> H2Answer {
    let method = seen.path.rsplit('/').next().unwrap_or_default();
    let grpc = [
        ("content-type", "application/grpc"),
        ("x-initial", "1"),
        ("x-initial", "2"),
        ("x-raw-bin", "AAEC/w"),
    ];
    let ok = metadata(&[
        ("grpc-status", "0"),
        ("x-trailing", "t"),
        ("x-trailing-bin", "gICA"),
        ("x-trailing", "u"),
    ]);
    let answer =
        |body: Vec<u8>| H2Answer { status: 200, headers: metadata(&grpc), body, trailers: Some(ok.clone()) };
    let details = [
        ("grpc-status", "5"),
        ("grpc-message", "no%20order%20%C3%BC"),
        ("grpc-status-details-bin", "CAUSAm5v"),
    ];
    let only = |more: &[(&'static str, &'static str)]| H2Answer {
        status: 200,
        headers: metadata(&[&[("content-type", "application/grpc")], more].concat()),
        ..H2Answer::default()
    };
    match method {
        "Get" => answer(frames([message(&[(1, "order"), (2, "7 €")])])),
        "List" => answer(frames(["one", "two", "three"].map(|name| message(&[(1, name)])))),
        "Nothing" => answer(frames([""])),
        "NoMessage" => answer(Vec::new()),
        "Large" => answer(frames([vec![7; 3 << 20]])),
        "Packed" => H2Answer {
            headers: metadata(&[("content-type", "application/grpc"), ("grpc-encoding", "gzip")]),
            ..answer([gzip_frame(&message(&[(1, "packed")])), frames([message(&[(1, "plain")])])].concat())
        },
        "Missing" => only(&details),
        "Broken" => {
            H2Answer { trailers: Some(metadata(&details)), ..answer(frames([message(&[(1, "half")])])) }
        }
        "Html" => H2Answer {
            status: 502,
            headers: metadata(&[("content-type", "text/html")]),
            body: b"<p>no".to_vec(),
            trailers: None,
        },
        _ => only(&[("grpc-status", "0")]),
    }
}

/// Methods with what is sent to them.
fn calls() -> Vec<(&'static str, Vec<u8>)> {
    let order = || frames([message(&[(1, "a"), (3, "b")])]);
    vec![
        ("Get", order()),
        ("List", order()),
        ("Nothing", frames([""])),
        ("NoMessage", order()),
        ("Large", order()),
        ("Packed", order()),
        ("Missing", order()),
        ("Broken", order()),
        ("Html", order()),
        ("Only", order()),
        // Client streaming: some messages, none, large ones.
        ("Get", frames(["x", "y", "z"].map(|name| message(&[(1, name)])))),
        ("Get", Vec::new()),
        ("List", frames([vec![9; 2 << 20], vec![8; 1 << 20]])),
    ]
}

/// Names and values, sorted.
type Metadata = Vec<(String, String)>;

/// The client's view of an answer, without the parts that Envoy and the filter add.
fn seen(mut answer: H2Answer) -> (u16, Metadata, Vec<u8>, Metadata) {
    let pairs = |map: &HeaderMap| {
        let mut pairs: Vec<_> = map
            .iter()
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        pairs.sort_by(|a, b| a.0.cmp(&b.0));
        pairs
    };
    for name in ["date", "x-understudy"] {
        answer.headers.remove(name);
    }
    (
        answer.status,
        pairs(&answer.headers),
        answer.body,
        answer.trailers.as_ref().map(pairs).unwrap_or_default(),
    )
}

async fn call(client: &H2, method: &str, body: Vec<u8>) -> H2Answer {
    client
        .call(&format!("{SERVICE}/{method}"), &[("grpc-accept-encoding", "identity, deflate, gzip")], body)
        .await
}

const CAP: u32 = 8 << 20;

fn capped(builder: RigBuilder) -> RigBuilder {
    builder.config("body_cap_bytes", json!(CAP))
}

/// The calls made through a tap: what the client saw, and what was recorded.
async fn tapped() -> (Vec<H2Answer>, Vec<Recorded>) {
    let backend = H2Upstream::start(service).await;
    let rig = capped(Rig::tap()).map(backend.map("orders.test")).start().await;
    let client = H2::open(rig.proxy()).await;
    let mut answers = Vec::new();
    for (method, body) in calls() {
        answers.push(call(&client, method, body).await);
    }
    let records = rig.records(calls().len()).await;
    assert!(records.iter().all(|record| record.exchange.end == End::Complete));
    rig.assert_sound().await;
    (answers, records.into_iter().map(|record| record.exchange.into()).collect())
}

fn responder(exchanges: Vec<Recorded>) -> RigBuilder {
    exchanges.into_iter().fold(capped(Rig::responder()), RigBuilder::exchange)
}

#[tokio::test]
async fn mocked_calls_equal_real_ones() {
    let (answers, exchanges) = tapped().await;
    let rig = responder(exchanges).start().await;
    let client = H2::open(rig.proxy()).await;
    // Twice: the stub's connections are used again.
    for _ in 0..2 {
        for ((method, body), expect) in calls().into_iter().zip(&answers) {
            let got = call(&client, method, body).await;
            assert_eq!(got.metadata("x-understudy").as_deref(), Some("match"), "{method}: {got:?}");
            let (got, expect) = (seen(got), seen(expect.clone()));
            assert_eq!((got.0, &got.1, &got.3), (expect.0, &expect.1, &expect.3), "{method}");
            assert!(got.2 == expect.2, "{method}: {} bytes for {}", got.2.len(), expect.2.len());
        }
    }
    let all = 2 * calls().len() as u64;
    eventually("all are counted", async || rig.counter("backend.http://orders.test.match").await == all)
        .await;
    rig.assert_sound().await;
}

/// One recorded call, answered with one message.
fn order() -> Recorded {
    recorded("POST", "http://orders.test", "/orders.Orders/Get")
        .with("content-type", "application/grpc")
        .sent(frames([message(&[(1, "a"), (3, "b")])]))
        .header("content-type", "application/grpc")
        .body(frames([message(&[(1, "order")])]))
        .trailer("grpc-status", "0")
}

fn with_backend(upstream: &Upstream, on_miss: &str) -> RigBuilder {
    let rig = Rig::responder().with_backends().map(upstream.map("orders.test")).exchange(order());
    rig.config("on_miss", json!(on_miss))
}

fn other() -> Vec<u8> {
    frames([message(&[(1, "a"), (3, "c")])])
}

#[tokio::test]
async fn miss_is_a_status_with_the_differences() {
    let upstream = Upstream::ok().await;
    let rig = with_backend(&upstream, "fail").start().await;
    let client = H2::open(rig.proxy()).await;
    let answer = call(&client, "Get", frames([message(&[(1, "a"), (3, "b")])])).await;
    assert_eq!(answer.metadata("x-understudy").as_deref(), Some("match"));
    let answer = call(&client, "Get", other()).await;
    assert_eq!((answer.status, &answer.trailers, answer.body.len()), (200, &None, 0));
    assert_eq!(
        (answer.metadata("grpc-status").as_deref(), answer.metadata("x-understudy").as_deref()),
        (Some("12"), Some("miss"))
    );
    let said = answer.headers["grpc-message"].to_str().expect("text");
    for part in
        ["no recorded request has this signature", "POST /orders.Orders/Get", "body/0/3", "s:b", "s:c"]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
    upstream.assert_untouched();
    rig.assert_sound().await;
}

#[tokio::test]
async fn spelling_of_a_message_makes_no_difference() {
    let rig =
        Rig::responder().exchange(order().with("grpc-timeout", "1S").with("user-agent", "a")).start().await;
    let client = H2::open(rig.proxy()).await;
    let url = format!("{SERVICE}/Get");
    let asked = message(&[(1, "a"), (3, "b")]);
    for (headers, body) in [
        (vec![("grpc-timeout", "20m"), ("grpc-accept-encoding", "gzip")], frames([&asked])),
        (vec![("traceparent", "00-1-1-01"), ("grpc-trace-bin", "AA")], frames([&asked])),
        (vec![("grpc-encoding", "gzip")], gzip_frame(&asked)),
        (vec![("grpc-encoding", "gzip")], frames([&asked])),
        (vec![], frames([message(&[(3, "b"), (1, "a")])])),
    ] {
        let answer = client.call(&url, &headers, body).await;
        assert_eq!(answer.metadata("grpc-status").as_deref(), Some("0"), "{headers:?}: {answer:?}");
    }
    // Metadata of no published family ask for something else.
    let answer = client.call(&url, &[("x-tenant", "1")], frames([&asked])).await;
    assert_eq!(answer.metadata("grpc-status").as_deref(), Some("12"), "{answer:?}");
    rig.assert_sound().await;
}

#[tokio::test]
async fn a_rule_leaves_a_field_out() {
    let rule: Rule = serde_json::from_value(json!({ "path": "/orders.Orders/Get", "mask": ["body/*/3"] }))
        .expect("a rule");
    let rig = Rig::responder().exchange(order()).rule(rule).start().await;
    let client = H2::open(rig.proxy()).await;
    let answer = call(&client, "Get", other()).await;
    assert_eq!(answer.metadata("x-understudy").as_deref(), Some("match; normalised=body/*/3"));
    let answer = call(&client, "Get", frames([message(&[(1, "z"), (3, "b")])])).await;
    assert_eq!(answer.metadata("grpc-status").as_deref(), Some("12"));
    rig.assert_sound().await;
}

#[tokio::test]
async fn sequence_continues_over_calls() {
    let numbered = |n: &str| order().body(frames([message(&[(1, n)])]));
    let rig = Rig::responder().exchange(numbered("one")).exchange(numbered("two")).start().await;
    let client = H2::open(rig.proxy()).await;
    for expect in ["one", "two", "one"] {
        let answer = call(&client, "Get", frames([message(&[(1, "a"), (3, "b")])])).await;
        assert_eq!(answer.body, frames([message(&[(1, expect)])]));
    }
}

#[tokio::test]
async fn compressed_answer_is_decompressed_for_a_client_without_support() {
    let packed = order()
        .with("grpc-accept-encoding", "identity,gzip")
        .header("grpc-encoding", "gzip")
        .body([gzip_frame(&message(&[(1, "one")])), frames([message(&[(1, "two")])])].concat());
    let rig = Rig::responder().exchange(packed).start().await;
    let client = H2::open(rig.proxy()).await;
    let url = format!("{SERVICE}/Get");
    let asked = || frames([message(&[(1, "a"), (3, "b")])]);
    let plain = client.call(&url, &[("grpc-accept-encoding", "identity")], asked()).await;
    assert_eq!(plain.body, frames([message(&[(1, "one")]), message(&[(1, "two")])]));
    assert_eq!(
        (plain.headers.get("grpc-encoding"), plain.metadata("grpc-status").as_deref()),
        (None, Some("0"))
    );
    let compressed = client.call(&url, &[("grpc-accept-encoding", "identity, deflate, gzip")], asked()).await;
    assert_eq!(
        (compressed.body[0], &compressed.headers["grpc-encoding"]),
        (1, &"gzip".parse().expect("a value"))
    );
    rig.assert_sound().await;
}

#[tokio::test]
async fn body_over_the_cap_gets_a_status_at_once() {
    let upstream = Upstream::ok().await;
    let rig = with_backend(&upstream, "fail").config("body_cap_bytes", json!(1000)).start().await;
    let client = H2::open(rig.proxy()).await;
    let request = Request::post(format!("{SERVICE}/Get")).header("content-type", "application/grpc");
    let (answer, mut stream) =
        client.begin(request.body(()).expect("a request"), false).await.expect("a stream");
    // The client would send for ever.
    stream.send_data(Bytes::from(vec![0; 1001]), false).expect("data");
    let answer = tokio::time::timeout(std::time::Duration::from_secs(20), answer)
        .await
        .expect("no hang")
        .expect("an answer");
    assert_eq!(answer.headers()["grpc-status"], "12");
    assert!(answer.headers()["grpc-message"].to_str().expect("text").contains("body_cap_bytes"));
    upstream.assert_untouched();
    rig.assert_sound().await;
}

#[tokio::test]
async fn delayed_answer_goes_to_the_stub_in_time() {
    let rig =
        Rig::responder().exchange(order().took(300_000)).config("latency", json!("recorded")).start().await;
    let client = H2::open(rig.proxy()).await;
    let start = std::time::Instant::now();
    let answer = call(&client, "Get", frames([message(&[(1, "a"), (3, "b")])])).await;
    assert!(start.elapsed().as_millis() >= 290);
    assert_eq!(
        (answer.metadata("grpc-status").as_deref(), answer.body),
        (Some("0"), frames([message(&[(1, "order")])]))
    );
    rig.assert_sound().await;
}

#[tokio::test]
async fn passthrough_reaches_the_backend_unchanged() {
    let backend = H2Upstream::start(service).await;
    let rig = Rig::responder().with_backends().map(backend.map("orders.test")).exchange(order());
    let rig = rig.config("on_miss", json!("capture")).collector().start().await;
    let client = H2::open(rig.proxy()).await;
    let answer = client.call(&format!("{SERVICE}/List"), &[("grpc-timeout", "20S")], other()).await;
    assert_eq!(seen(answer), seen(service(&H2Seen { path: "/List".into(), ..H2Seen::default() })));
    let reached = backend.seen();
    assert_eq!(reached.len(), 1);
    assert_eq!(reached[0].headers["content-type"], "application/grpc");
    assert_eq!(reached[0].headers["te"], "trailers");
    assert_eq!(reached[0].headers["grpc-timeout"], "20S");
    assert_eq!((reached[0].path.as_str(), &reached[0].body), ("/orders.Orders/List", &other()));
    let records = rig.records(2).await;
    let captured = records.iter().find(|record| record.verdict.is_none()).expect("the exchange");
    assert_eq!(
        captured.exchange.response.as_ref().expect("one").trailers.get(b"grpc-status"),
        Some(&b"0"[..])
    );
    rig.assert_sound().await;
}

/// Without the stub, nothing may go on: not even a request that matches.
#[tokio::test]
async fn missing_stub_fails_closed() {
    let upstream = Upstream::ok().await;
    let asked = || frames([message(&[(1, "a"), (3, "b")])]);
    let told = async |rig: &Rig, expect: &str| {
        let answer = call(&H2::open(rig.proxy()).await, "Get", asked()).await;
        assert_eq!(
            (answer.metadata("grpc-status").as_deref(), answer.body.len()),
            (Some("12"), 0),
            "{answer:?}"
        );
        let said = answer.metadata("grpc-message").expect("a message");
        assert!(said.contains(expect), "{said}");
        upstream.assert_untouched();
        rig.assert_sound().await;
    };
    let unsaid = with_backend(&upstream, "fail").config("grpc_stub", json!(false)).start().await;
    told(&unsaid, "grpc_stub").await;
    for builder in [with_backend(&upstream, "fail"), Rig::responder().exchange(order())] {
        told(&builder.edit(without_stub_route).start().await, "no route for it").await;
    }
}

fn without_stub_route(bootstrap: &mut Value) {
    let hosts =
        "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/route_config/virtual_hosts";
    let hosts = bootstrap.pointer_mut(hosts).and_then(Value::as_array_mut).expect("virtual hosts");
    hosts.retain(|host| host["name"] != "understudy_stub");
}

#[tokio::test]
async fn a_client_cannot_reach_the_stub() {
    let upstream = Upstream::ok().await;
    let mock = with_backend(&upstream, "fail").start().await;
    let tap = Rig::tap().map(upstream.map("orders.test")).start().await;
    for host in ["orders.test", "understudy-stub.invalid"] {
        for (rig, expect) in [(&mock, 404), (&tap, if host == "orders.test" { 200 } else { 404 })] {
            let request = crate::requests::head("GET", host, "/", "X-Understudy-Stub: 1\r\n");
            let answer = Connection::open(rig.proxy()).await.exchange(request, false).await;
            assert_eq!(answer.status, expect, "{host}: {}", answer.text());
            assert_ne!(answer.text(), "x");
        }
    }
    mock.assert_sound().await;
    tap.assert_sound().await;
}

#[tokio::test]
async fn http1_has_the_trailers_behind_its_chunks() {
    let rig = Rig::responder().exchange(order()).start().await;
    let body = frames([message(&[(1, "a"), (3, "b")])]);
    let headers = "content-type: application/grpc\r\nte: trailers\r\n";
    let request = crate::requests::post("orders.test", "/orders.Orders/Get", headers, &body);
    let answer = Connection::open(rig.proxy()).await.exchange(request, false).await;
    assert_eq!((answer.status, answer.body), (200, frames([message(&[(1, "order")])])));
    assert_eq!(answer.trailers, [("grpc-status".to_owned(), b"0".to_vec())]);
    rig.assert_sound().await;
}

/// gRPC-Web and Connect: the status is in the body, so that they are plain HTTP.
#[tokio::test]
async fn grpc_web_and_connect_are_plain_http() {
    let asked = frames([message(&[(1, "a"), (3, "b")])]);
    let web = [frames([message(&[(1, "order")])]), b"\x80\0\0\0\x0fgrpc-status: 0\r".to_vec()].concat();
    for (content_type, sent, said) in [
        ("application/grpc-web+proto", asked.clone(), web),
        ("application/grpc-web-text", b"AAAAAAA=".to_vec(), b"AAAAAAA=gAAAAA==".to_vec()),
        ("application/proto", message(&[(1, "a"), (3, "b")]), message(&[(1, "order")])),
        (
            "application/connect+proto",
            asked.clone(),
            [frames([message(&[(1, "order")])]), b"\x02\0\0\0\x02{}".to_vec()].concat(),
        ),
    ] {
        let exchange = recorded("POST", "http://orders.test", "/orders.Orders/Get")
            .with("content-type", content_type)
            .sent(&sent)
            .header("content-type", content_type)
            .body(&said);
        let rig = Rig::responder().exchange(exchange).config("grpc_stub", json!(false)).start().await;
        let client = H2::open(rig.proxy()).await;
        let ask = async |body: &[u8]| {
            let (url, body) = (format!("{SERVICE}/Get"), Some(Bytes::copy_from_slice(body)));
            client
                .request("POST", &url, &[("content-type", content_type)], body, None)
                .await
                .expect("an answer")
        };
        let answer = ask(&sent).await;
        assert_eq!((answer.status, answer.body, answer.trailers), (200, said, None), "{content_type}");
        let other = ask(b"other").await;
        assert_eq!((other.status, &other.headers["x-understudy"]), (404, &"miss".parse().expect("a value")));
        if content_type.ends_with("proto") {
            let shuffled = message(&[(3, "b"), (1, "a")]);
            let shuffled = if content_type == "application/proto" { shuffled } else { frames([shuffled]) };
            assert_eq!(ask(&shuffled).await.status, 200, "{content_type}: the order of fields means nothing");
        }
        rig.assert_sound().await;
    }
}

/// Clients that want the first message of a stream cancel it then; what they had, they get again.
#[tokio::test]
async fn cancelled_stream_is_served_again() {
    let first = frames([message(&[(1, "first")])]);
    let backend = H2Upstream::endless(first.clone()).await;
    let rig = Rig::tap().map(backend.map("orders.test")).start().await;
    let client = H2::open(rig.proxy()).await;
    watch(&client, &first).await;
    let record = rig.records(1).await.remove(0).exchange;
    assert_eq!(
        (record.end, &record.response.as_ref().expect("a response").body.bytes),
        (End::ClientLeft, &first)
    );
    rig.assert_sound().await;
    let rig = responder(vec![record.into()]).start().await;
    let client = H2::open(rig.proxy()).await;
    watch(&client, &first).await;
    // A client that reads on gets an end.
    let answer = call(&client, "Watch", frames([""])).await;
    assert_eq!(answer.trailers.expect("trailers")["grpc-status"], "0");
    rig.assert_sound().await;
}

/// Requests a stream, and cancels it after this by dropping it.
async fn watch(client: &H2, first: &[u8]) {
    let request = Request::post(format!("{SERVICE}/Watch")).header("content-type", "application/grpc");
    let (answer, mut up) = client.begin(request.body(()).expect("a request"), false).await.expect("a stream");
    up.send_data(frames([""]).into(), true).expect("data");
    let mut down = answer.await.expect("an answer").into_body();
    assert_eq!(down.data().await.expect("more").expect("data"), first);
}

#[tokio::test]
async fn both_sides_of_a_stream_flow_through_the_tap() {
    let backend = H2Upstream::echo(metadata(&[("grpc-status", "0")])).await;
    let rig = Rig::tap().map(backend.map("orders.test")).start().await;
    let client = H2::open(rig.proxy()).await;
    let request = Request::post(format!("{SERVICE}/Chat")).header("content-type", "application/grpc");
    let (answer, mut up) = client.begin(request.body(()).expect("a request"), false).await.expect("a stream");
    // Each message is sent when the echo of the one before has arrived.
    let pieces: Vec<Bytes> =
        ["one", "two", "three"].map(|text| frames([message(&[(1, text)])]).into()).into();
    up.send_data(pieces[0].clone(), false).expect("data");
    let mut down = answer.await.expect("an answer").into_body();
    for (number, piece) in pieces.iter().enumerate() {
        assert_eq!(down.data().await.expect("more").expect("data"), piece);
        match pieces.get(number + 1) {
            Some(next) => up.send_data(next.clone(), false).expect("data"),
            None => up.send_data(Bytes::new(), true).expect("the end"),
        }
    }
    assert!(down.data().await.is_none());
    assert_eq!(down.trailers().await.expect("an end").expect("trailers")["grpc-status"], "0");
    let record = rig.records(1).await.remove(0).exchange;
    let response = record.response.expect("a response");
    assert_eq!((&record.request.body.bytes, record.end), (&pieces.concat(), End::Complete));
    assert_eq!(
        (&response.body.bytes, response.trailers.get(b"grpc-status")),
        (&pieces.concat(), Some(&b"0"[..]))
    );
    rig.assert_sound().await;
}
