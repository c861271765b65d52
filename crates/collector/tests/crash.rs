//! A collector killed by SIGKILL under load, repeatedly in the same folder: each acknowledged batch
//! is stored once. The collector runs in its own process: this test's binary, started with
//! `collect`.

mod common;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use common::*;
use understudy_collector::{Appended, Collector, CollectorConfig, FolderConfig, Reader, Store};

const CLIENTS: usize = 16;
const ROUNDS: u64 = 6;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let args: Vec<String> = std::env::args().collect();
    match &args[1..] {
        [command, folder] if command == "collect" => runtime.block_on(collect(Path::new(folder))),
        _ => {
            runtime.block_on(acknowledged_batches_survive_a_kill());
            println!("acknowledged_batches_survive_a_kill ... ok");
        }
    }
}

/// The process that is killed.
async fn collect(folder: &Path) {
    let mut store = FolderConfig::new(folder);
    // Segments are closed and sealed continuously, so that a kill also hits that.
    store.segment_bytes = 64 << 10;
    let collector = Collector::bind("127.0.0.1:0", CollectorConfig::with_store(store)).await.unwrap();
    println!("{}", collector.local_addr());
    // The test holds the other end of stdin, so that no process is left behind when it ends.
    let ended = tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink()));
    ended.await.unwrap().unwrap();
}

fn start(folder: &Path) -> (Child, String) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let mut child =
        command.arg("collect").arg(folder).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut address = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut address).unwrap();
    assert!(!address.is_empty(), "the collector did not start");
    (child, address.trim().to_owned())
}

async fn acknowledged_batches_survive_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    // The highest acknowledged seq of each VM. The next one may have been sent.
    let mut acked = BTreeMap::from_iter((0..CLIENTS).map(|n| (format!("vm{n:02}"), 0)));
    for round in 0..ROUNDS {
        let (mut child, address) = start(dir.path());
        let total = Arc::new(AtomicU64::new(0));
        let mut clients = Vec::new();
        for (vm, from) in acked.clone() {
            let (http, total) = (Http::at(&address, false), total.clone());
            clients.push(tokio::spawn(async move {
                let mut last = from;
                // Without a response the batch isn't acknowledged, and the next round sends it
                // again.
                while let Some(answer) = http.try_post(batch(&vm, last + 1, 3)).await {
                    assert_eq!(answer.status, 204, "{}", answer.text);
                    last += 1;
                    total.fetch_add(1, SeqCst);
                }
                (vm, last)
            }));
        }
        // The number differs per round, so that the kill hits another point of a segment's life.
        let enough = 300 + 177 * round;
        eventually("enough are acknowledged", || total.load(SeqCst) >= enough).await;
        child.kill().unwrap();
        child.wait().unwrap();
        for client in clients {
            let (vm, last) = client.await.unwrap();
            acked.insert(vm, last);
        }
        check(dir.path(), &acked).await;
    }
    let store = Store::open(FolderConfig::new(dir.path())).await.unwrap();
    for (vm, last) in &acked {
        for seq in 1..=*last {
            assert_eq!(store.append(parsed(vm, seq, 3)).await.unwrap(), Appended::Duplicate, "{vm} {seq}");
        }
    }
    assert!(store.gaps().is_complete());
}

/// `keys` panics if a batch is returned twice or with other content.
async fn check(folder: &Path, acked: &BTreeMap<String, u64>) {
    let stored = keys(Reader::open(folder).await.unwrap(), 3).await;
    let mut highest = BTreeMap::new();
    for (vm, seq) in stored {
        let before = highest.insert(vm.clone(), seq).unwrap_or(0);
        assert_eq!(seq, before + 1, "{vm}: a batch is missing");
    }
    for (vm, last) in acked {
        let stored = highest.get(vm).copied().unwrap_or(0);
        // The batch after the last acknowledged one may have become durable just before the kill.
        assert!(stored == *last || stored == last + 1, "{vm}: {last} acknowledged, {stored} stored");
    }
}
