//! Collectors that compact the small objects of a bucket and are killed meanwhile; and a slow S3.

use crate::bucket::{Bucket, Gate, http};
use crate::s3::{Collector, post, snapshot};
use crate::scene::{PATIENCE, Scene};
use crate::store::exchange;
use std::time::Instant;
use understudy_core::v1;
use understudy_testkit::recorded;

/// The number of objects in a folder of the bucket.
async fn objects(bucket: &Bucket, folder: &str) -> usize {
    let path = format!("/captures?list-type=2&prefix=team/payment/{folder}/");
    let (status, list) = http(bucket.moto(), "GET", &path, b"").await.expect("moto answers");
    assert_eq!(status, 200, "{list}");
    list.matches("<Key>").count()
}

/// The paths in a snapshot of the whole bucket after batches up to `last` were acknowledged.
fn paths(last: u64) -> Vec<String> {
    let mut paths: Vec<_> = (1..=last).map(|seq| format!("/aa/{seq}")).collect();
    paths.sort();
    paths
}

#[tokio::test]
async fn objects_compacted_by_killed_collectors_are_read_once() {
    let scene = Scene::new().await;
    let bucket = Bucket::start(&scene).await;
    let mut seq = 0;
    // Each collector is killed at another point: at its first compacted object, and a few batches
    // later. The next one compacts what it has left.
    for (round, more) in [0, 1, 3].into_iter().enumerate() {
        let name = format!("collector-{round}.log");
        let collector = Collector::start_with(&scene, &bucket, &name, &["--compact", "1s"]).await;
        let before = objects(&bucket, "joined").await;
        let start = Instant::now();
        while objects(&bucket, "joined").await == before {
            seq += 1;
            assert_eq!(post(collector.address, "aa", seq).await, Some(204));
            assert!(start.elapsed() < PATIENCE, "nothing is ever compacted");
        }
        for _ in 0..more {
            seq += 1;
            assert_eq!(post(collector.address, "aa", seq).await, Some(204));
        }
        collector.kill().await;
        assert_eq!(snapshot(&scene, &bucket).await, paths(seq), "killed in round {round}");
    }
    let last = Collector::start_with(&scene, &bucket, "last.log", &["--compact", "1s"]).await;
    let start = Instant::now();
    // A single object stays as it is: three collectors may have left one each.
    while objects(&bucket, "segments").await > 3 {
        assert_eq!(snapshot(&scene, &bucket).await, paths(seq), "while it is compacted");
        assert!(start.elapsed() < PATIENCE, "the objects left are never compacted");
    }
    assert_eq!(snapshot(&scene, &bucket).await, paths(seq));
    last.stop().await;
    bucket.stop().await;
}

#[tokio::test]
async fn batches_above_the_speed_of_s3_get_429() {
    const MIB: usize = 1 << 20;
    let scene = Scene::new().await;
    let bucket = Bucket::start(&scene).await;
    // `--join` is the earlier name of `--compact`.
    let collector = Collector::start_with(&scene, &bucket, "collector.log", &["--join", "never"]).await;
    let at = collector.address;
    bucket.set(Gate::Hold);
    let mut large = exchange("bb-1", 0, recorded("POST", "https://api.stripe.com", "/large"));
    large.request.body.bytes = vec![b'x'; 12 * MIB];
    let mut record = Vec::new();
    v1::write_record(&large, None, &mut record);
    // 20 times 12 MiB, while 128 MiB may be in memory.
    let sent: Vec<_> = (1..=20)
        .map(|seq| {
            let mut body = Vec::new();
            v1::write_batch("bb", seq, 0, Some("payment"), &mut body);
            body.extend_from_slice(&record);
            tokio::spawn(async move { http(at, "POST", "/v1/exchanges", &body).await })
        })
        .collect();
    let mut statuses = Vec::new();
    for sent in sent {
        let answer = sent.await.expect("no panic");
        statuses.push(answer.expect("an answer").0);
    }
    // Batches within the limit wait, and get 503 when S3 doesn't answer. The others get 429 at
    // once.
    assert!(statuses.iter().all(|status| [429, 503].contains(status)), "{statuses:?}");
    assert!(statuses.iter().filter(|status| **status == 429).count() >= 9, "{statuses:?}");
    let status = std::fs::read_to_string(format!("/proc/{}/status", collector.pid())).expect("its status");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("its peak");
    let peak: usize = peak.trim().trim_end_matches(" kB").parse().expect("a number");
    assert!(peak < 400 * 1024, "{peak} KiB, of which bodies may be 131072");
    bucket.set(Gate::Open);
    let start = Instant::now();
    while post(at, "aa", 1).await != Some(204) {
        assert!(start.elapsed() < PATIENCE, "the collector never takes a batch again");
    }
    collector.stop().await;
    bucket.stop().await;
}
