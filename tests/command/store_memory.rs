//! A large store takes no large memory.

use crate::scene::{PATIENCE, Scene};
use crate::store::{batch, exchange};
use std::path::Path;
use std::time::{Duration, Instant};
use understudy_collector::{Store, StoreConfig};
use understudy_testkit::recorded;

const EXCHANGES: u64 = 512;
/// Of each request.
const BODY: usize = 1 << 20;
/// What the process may hold, in bytes: a fifth of what it reads.
const MOST: u64 = 100 << 20;

/// The most that a process has held, in bytes, from its start to its end.
async fn peak(pid: i32) -> u64 {
    let status = format!("/proc/{pid}/status");
    let (start, mut peak) = (Instant::now(), 0);
    // Gone, or a zombie, which has no memory.
    while let Some(now) = held(Path::new(&status)) {
        peak = peak.max(now);
        assert!(start.elapsed() < PATIENCE, "still running");
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
async fn half_a_gigabyte_is_read_in_a_tenth_of_that() {
    let scene = Scene::new().await;
    let store = Store::open(StoreConfig::new(scene.path("store"))).await.expect("a store");
    let body = "x".repeat(BODY);
    for number in 1..=EXCHANGES {
        let what = recorded("POST", "http://h", &format!("/{number}")).sent(&body);
        let mut one = exchange(&format!("aa-{number}"), number, what);
        // Cut, and so nothing to learn from: that takes no memory, but without optimisation its time.
        one.request.body.truncated = Some(2 * BODY as u64);
        store.append(batch("aa", number, Some("large"), &[one])).await.expect("to store");
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
