//! A large store takes no large memory.

use crate::scene::{PATIENCE, Scene};
use crate::store::exchange;
use std::path::Path;
use std::time::{Duration, Instant};
use understudy_collector::{Batch, Store, StoreConfig};
use understudy_core::v1;
use understudy_testkit::recorded;

const EXCHANGES: u64 = 192;
/// Length of each body, in bytes.
const BODY: usize = 1 << 20;
/// Maximum memory of the process, in bytes: a quarter of the data that it reads. Measured: 27 MiB.
const MOST: u64 = 48 << 20;

/// The most that a process has held, in bytes, from its start to its end.
async fn peak(pid: i32) -> u64 {
    let status = format!("/proc/{pid}/status");
    let (start, mut peak) = (Instant::now(), 0);
    // Gone, or a zombie, which has no memory.
    while let Some(now) = held(Path::new(&status)) {
        peak = peak.max(now);
        assert!(start.elapsed() < 5 * PATIENCE, "still running");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    peak
}

fn held(status: &Path) -> Option<u64> {
    let text = std::fs::read_to_string(status).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_store_is_read_in_a_fraction_of_its_size() {
    let scene = Scene::new().await;
    let store = Store::open(StoreConfig::folder(scene.path("store"))).await.expect("a store");
    let mut line = Vec::new();
    let mut one = exchange("aa-0", 0, recorded("POST", "http://h", "/").sent("x".repeat(BODY)));
    // Cut, and so nothing to learn from: that takes no memory, but without optimisation its time.
    one.request.body.truncated = Some(2 * BODY as u64);
    v1::write_record(&one, None, &mut line);
    let line = String::from_utf8(line).expect("text");
    for number in 1..=EXCHANGES {
        let mut lines = Vec::new();
        v1::write_batch("aa", number, 0, Some("large"), &mut lines);
        lines.extend(line.replacen("aa-0", &format!("aa-{number}"), 1).into_bytes());
        store.append(Batch::parse(lines.into()).expect("a batch")).await.expect("to store");
    }
    assert_eq!(store.close(Duration::from_secs(60)).await, 0);
    for args in [&["create", "s", "--service", "large"][..], &["list"]] {
        let all = ["snapshot"].iter().chain(args).chain(&["--store", "store"]);
        let running = scene.understudy(all).start();
        let peak = peak(running.pid().as_raw_nonzero().get()).await;
        running.end().await.expect(0);
        assert!(peak > 0 && peak < MOST, "{args:?} held {} MiB", peak >> 20);
    }
    let written = std::fs::metadata(scene.path("snapshots/s/exchanges.ndjson")).expect("a file").len();
    assert!(written > EXCHANGES * BODY as u64, "{written}");
}
