//! TLS and gRPC: handshakes with certificates made on demand beside one from a file, a mock over
//! TLS beside Envoy's own answer, a gRPC mock beside a server that echoes, and what a tap adds to
//! the first byte of a stream.

use crate::Asked;
use crate::load::{self, HOST, Load, Server};
use bytes::Bytes;
use serde_json::{Value, json};
use std::process::Command;
use std::time::{Duration, Instant};
use understudy_testkit::{
    Connection, H2Upstream, HTTP1, Rig, RigBuilder, TestAuthority, Upstream, handshake, recorded, tunnel,
};

const NAMES: usize = 50;

pub(crate) async fn run(asked: &Asked) {
    handshakes().await;
    throughput(asked).await;
    grpc(asked).await;
    first_byte().await;
}

async fn handshakes() {
    println!(
        "\n## TLS handshakes inside of a tunnel, one after the other\n\n| certificate | median ms | slowest ms |\n|---|---|---|"
    );
    let rig = Rig::responder().tls().start().await;
    let names: Vec<String> = (0..NAMES).map(|n| format!("host-{n}.test")).collect();
    let client = rig.client(HTTP1);
    for what in ["made for a name that is new", "made before"] {
        let mut times = Vec::new();
        for name in &names {
            times.push(one(&rig, &client, name).await);
        }
        row(what, times);
    }
    let authority = TestAuthority::new();
    let rig = Rig::responder().edit(file_certificate(&authority)).start().await;
    let client = authority.client(HTTP1);
    let mut times = Vec::new();
    for _ in 0..NAMES {
        times.push(one(&rig, &client, HOST).await);
    }
    row("from a file", times[1..].to_vec());
}

async fn one(rig: &Rig, client: &tokio_rustls::TlsConnector, name: &str) -> Duration {
    let open = tunnel(rig.proxy(), &format!("{name}:443")).await;
    let start = Instant::now();
    drop(handshake(client, open, name).await.expect("a handshake"));
    start.elapsed()
}

fn row(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    println!("| {what} | {:.2} | {:.2} |", ms(times[times.len() / 2]), ms(times[times.len() - 1]));
}

/// Replaces the certificates on demand by one certificate for [`HOST`] from this authority.
fn file_certificate(authority: &TestAuthority) -> impl Fn(&mut Value) + Send + Sync + 'static {
    let leaf = authority.leaf(HOST);
    move |config| {
        let context = config
            .pointer_mut("/static_resources/listeners/1/filter_chains/0/transport_socket/typed_config/common_tls_context")
            .and_then(Value::as_object_mut)
            .expect("the tunnel's TLS");
        context.remove("custom_tls_certificate_selector");
        let inline = |text: &str| json!({ "inline_string": text });
        let certificate =
            json!({ "certificate_chain": inline(&leaf.chain), "private_key": inline(&leaf.key) });
        context.insert("tls_certificates".into(), json!([certificate]));
    }
}

/// The inside of a tunnel on a port of its own, since load generators know no tunnels. `wrk` names
/// the server `localhost`.
fn on_a_port(builder: RigBuilder, port: u16) -> RigBuilder {
    builder.edit(move |config| {
        let listeners = config["static_resources"]["listeners"].as_array_mut().expect("listeners");
        let mut listener = listeners[1].clone();
        listener["name"] = "tls_port".into();
        listener.as_object_mut().expect("a listener").remove("internal_listener");
        listener["address"] = json!({ "socket_address": { "address": "127.0.0.1", "port_value": port } });
        listeners.push(listener);
    })
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port()
}

async fn throughput(asked: &Asked) {
    println!("\n## Mock over TLS, one worker, connections kept\n");
    load::head();
    let (own, mock) = (free_port(), free_port());
    let envoys = on_a_port(Rig::responder().without_filter().tls(), own).edit(|config| {
        let text = config.to_string();
        let body = r#"{\"id\":\"ch_1\",\"amount\":100}"#;
        let text = text
            .replace(r#""status":503"#, r#""status":200"#)
            .replace(r"understudy: the filter gave no answer\n", body);
        *config = serde_json::from_str(&text).expect("JSON");
    });
    let envoys = envoys.start().await;
    let mocks = on_a_port(crate::mock::table_by("https", 1000, Load::Get).tls(), mock).start().await;
    let server = |name: &str, rig: &Rig, port: u16| {
        Server::new(name, ([127, 0, 0, 1], port).into(), rig.envoy.pid(), 1000).over_tls()
    };
    let mut servers = [
        server("Envoy's own answer, TLS", &envoys, own),
        server("mock, 1,000 signatures, TLS", &mocks, mock),
    ];
    tokio::task::block_in_place(|| load::compare(&mut servers, Load::Get, asked.seconds, "0"));
}

/// `h2load` with a unary call of 100 bytes.
async fn grpc(asked: &Asked) {
    println!(
        "\n## gRPC, one worker, a unary call of 100 bytes, HTTP/2 in plain text\n\n| server | calls/s |\n|---|---|"
    );
    let message = [&[0, 0, 0, 0, 100, 10, 98][..], &[b'x'; 98]].concat();
    let trailers = http::HeaderMap::from_iter([(
        "grpc-status".parse::<http::HeaderName>().expect("a name"),
        "0".parse().expect("a value"),
    )]);
    let echo = H2Upstream::echo(trailers).await;
    let through = Rig::tap().config("default", "off".into()).map(echo.map(HOST)).start().await;
    let rig = Rig::responder()
        .exchange(
            recorded("POST", &format!("http://{HOST}"), "/a.B/C")
                .with("content-type", "application/grpc")
                .sent(&message)
                .header("content-type", "application/grpc")
                .body(&message)
                .trailer("grpc-status", "0"),
        )
        .start()
        .await;
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), Bytes::from(message)).expect("the message");
    for (name, address) in [
        ("a server that echoes (h2, the library below tonic)", echo.address()),
        ("the same behind Envoy, filter off", through.proxy()),
        ("mock, by the stub", rig.proxy()),
    ] {
        let rate = tokio::task::block_in_place(|| h2load(address, file.path(), asked.seconds));
        println!("| {name} | {rate} |");
    }
}

fn h2load(address: std::net::SocketAddr, body: &std::path::Path, seconds: u32) -> String {
    let output = Command::new("h2load")
        .args(["-c8", "-m16", "-t1", &format!("-D{seconds}"), "--warm-up-time=1", "-d"])
        .arg(body)
        .args([
            "-H",
            "content-type: application/grpc",
            "-H",
            "te: trailers",
            "-H",
            &format!(":authority: {HOST}"),
        ])
        .arg(format!("http://{address}/a.B/C"))
        .output()
        .expect("h2load is installed");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().find(|line| line.starts_with("finished in")).unwrap_or_else(|| panic!("{text}"));
    let failed = text.lines().find(|line| line.starts_with("status codes:")).unwrap_or_default();
    assert!(failed.contains("0 4xx, 0 5xx"), "{text}");
    line.split(", ").nth(1).unwrap_or_default().trim_end_matches(" req/s").to_owned()
}

/// A stream whose first event is sent at once, and the second 20 ms later.
async fn first_byte() {
    println!(
        "\n## The first byte of a stream, over plain HTTP, one request after the other\n\n| Envoy | median ms | slowest ms |\n|---|---|---|"
    );
    let backend = Upstream::script(|mut wire| async move {
        while wire.request().await.is_some() {
            wire.send(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n8\r\ndata: 1\n\r\n").await;
            tokio::time::sleep(Duration::from_millis(20)).await;
            wire.send(b"8\r\ndata: 2\n\r\n0\r\n\r\n").await;
        }
    })
    .await;
    let without = Rig::tap().without_filter().map(backend.map(HOST)).start().await;
    let with = Rig::tap().map(backend.map(HOST)).start().await;
    for (name, rig) in [("without the filter", &without), ("tap", &with)] {
        let mut times = Vec::new();
        for _ in 0..200 {
            let mut client = Connection::open(rig.proxy()).await;
            let start = Instant::now();
            client.send(format!("GET /events HTTP/1.1\r\nhost: {HOST}\r\n\r\n")).await;
            client.until(b"data: 1").await;
            times.push(start.elapsed());
            client.until(b"data: 2").await;
        }
        row(name, times);
    }
}
