//! Idle connections at a low limit of open files don't stop ingest. The collector runs in its own
//! process: this test's binary, started with `collect` below the limit.

mod common;

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use common::*;
use understudy_collector::{Collector, CollectorConfig, Reader};

const FILES: u32 = 64;
const IDLE: usize = 80;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let args: Vec<String> = std::env::args().collect();
    match &args[1..] {
        [command, folder] if command == "collect" => runtime.block_on(collect(Path::new(folder))),
        _ => {
            runtime.block_on(idle_connections_at_a_low_file_limit_do_not_stop_ingest());
            println!("idle_connections_at_a_low_file_limit_do_not_stop_ingest ... ok");
        }
    }
}

/// The process below the limit.
async fn collect(folder: &Path) {
    let collector = Collector::bind("127.0.0.1:0", CollectorConfig::new(folder)).await.unwrap();
    println!("{}", collector.local_addr());
    // The test holds the other end of stdin, so that no process is left behind when it ends.
    let ended = tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink()));
    ended.await.unwrap().unwrap();
}

fn start(folder: &Path) -> (Child, String) {
    let limited = format!("ulimit -n {FILES}; exec \"$0\" collect \"$1\"");
    let mut command = Command::new("/bin/sh");
    command.args(["-c", &limited]).arg(std::env::current_exe().unwrap()).arg(folder);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut address = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut address).unwrap();
    assert!(!address.is_empty(), "the collector did not start");
    (child, address.trim().to_owned())
}

async fn idle_connections_at_a_low_file_limit_do_not_stop_ingest() {
    let dir = tempfile::tempdir().unwrap();
    let (mut child, address) = start(dir.path());
    let mut idle = Vec::new();
    for seq in 1..=IDLE as u64 {
        idle.push(TcpStream::connect(&address).unwrap());
        // A new client, so that its connection competes with the idle ones.
        let http = Http::at(&address, seq % 2 == 0);
        let response = tokio::time::timeout(Duration::from_secs(30), http.post(batch("vm", seq, 3))).await;
        assert_eq!(response.expect("a response in time").status, 204, "with {seq} idle connections");
    }
    assert_eq!(Http::at(&address, false).get("/readyz").await.status, 200);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(keys(Reader::open(dir.path()).await.unwrap(), 3).await.len(), IDLE);
}
