//! WireMock and mountebank with the same stubs, on the same core.

use crate::Asked;
use crate::load::{self, Load, Server};
use crate::mock;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const MODULES: &str = "bench/peers/node_modules";

/// A process that is killed when this is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have exited already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) async fn run(asked: &Asked) {
    println!("\n## Peers, GET, everything on one core\n");
    load::head();
    for stubs in [1, 10_000] {
        let ours = mock::table(stubs, Load::Get).start().await;
        let folder = tempfile::tempdir().expect("a folder");
        let (wiremock, wiremock_at) = wiremock(folder.path(), stubs).await;
        let (mountebank, mountebank_at) = mountebank(folder.path(), stubs).await;
        let mut servers = [
            Server::new(&format!("understudy, {stubs} stubs"), ours.proxy(), ours.envoy.pid(), stubs),
            Server::new(&format!("WireMock, {stubs} stubs"), wiremock_at, wiremock.0.id(), stubs),
            Server::new(&format!("mountebank, {stubs} stubs"), mountebank_at, mountebank.0.id(), stubs),
        ];
        load::compare(&mut servers, Load::Get, asked.seconds, "0");
    }
}

async fn wiremock(folder: &Path, stubs: u64) -> (Running, SocketAddr) {
    let mappings: Vec<Value> = (0..stubs)
        .map(|i| {
            json!({
                "request": { "method": "GET", "urlPath": format!("/v1/charges/ch_{i}") },
                "response": { "status": 200, "headers": { "content-type": "application/json" }, "body": body(i) }
            })
        })
        .collect();
    std::fs::create_dir_all(folder.join("mappings")).expect("a folder");
    std::fs::write(folder.join("mappings/all.json"), json!({ "mappings": mappings }).to_string())
        .expect("the mappings");
    let jar = std::fs::read_dir(format!("{MODULES}/wiremock/build")).expect("npm has installed wiremock");
    let jar =
        jar.flatten().map(|entry| entry.path()).find(|path| path.extension().is_some_and(|e| e == "jar"));
    let address = free_address();
    let mut command = Command::new("java");
    command.arg("-jar").arg(jar.expect("WireMock's jar")).args([
        "--disable-banner",
        "--no-request-journal",
        "--root-dir",
    ]);
    command.arg(folder).args(["--port", &address.port().to_string()]);
    (start(command, address).await, address)
}

async fn mountebank(folder: &Path, stubs: u64) -> (Running, SocketAddr) {
    let address = free_address();
    let all: Vec<Value> = (0..stubs)
        .map(|i| {
            json!({
                "predicates": [{ "equals": { "method": "GET", "path": format!("/v1/charges/ch_{i}") } }],
                "responses": [{ "is": { "statusCode": 200, "headers": { "content-type": "application/json" }, "body": body(i) } }]
            })
        })
        .collect();
    let file = folder.join("imposters.json");
    let imposter = json!({ "protocol": "http", "port": address.port(), "stubs": all });
    std::fs::write(&file, json!({ "imposters": [imposter] }).to_string()).expect("the imposters");
    let mut command = Command::new("node");
    command.arg(format!("{MODULES}/mountebank/bin/mb")).args([
        "start",
        "--nologfile",
        "--loglevel",
        "error",
        "--port",
    ]);
    command
        .arg(free_address().port().to_string())
        .arg("--pidfile")
        .arg(folder.join("mb.pid"))
        .arg("--configfile")
        .arg(&file);
    (start(command, address).await, address)
}

fn body(i: u64) -> String {
    format!(r#"{{"id":"ch_{i}","amount":100}}"#)
}

fn free_address() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a free port")
}

async fn start(mut command: Command, address: SocketAddr) -> Running {
    let mut child =
        Running(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the peer starts"));
    while std::net::TcpStream::connect(address).is_err() {
        assert!(child.0.try_wait().expect("a child").is_none(), "the peer ended at once");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    child
}
