//! Collectors that join the small objects of a bucket, and are killed while they do; and S3 too slow for what comes.

use crate::bucket::{Bucket, Gate, http};
use crate::s3::{Collector, post, snapshot};
use crate::scene::{PATIENCE, Scene};
use crate::store::exchange;
use std::time::Instant;
use understudy_core::v1;
use understudy_testkit::recorded;

/// So many objects lie in a folder of the bucket.
async fn objects(bucket: &Bucket, folder: &str) -> usize {
    let path = format!("/captures?list-type=2&prefix=team/payment/{folder}/");
    let (status, list) = http(bucket.moto(), "GET", &path, b"").await.expect("moto answers");
    assert_eq!(status, 200, "{list}");
    list.matches("<Key>").count()
}

/// What a snapshot of all has when batches up to `last` were acknowledged.
fn paths(last: u64) -> Vec<String> {
    let mut paths: Vec<_> = (1..=last).map(|seq| format!("/aa/{seq}")).collect();
    paths.sort();
    paths
}

#[tokio::test]
async fn objects_are_joined_by_collectors_that_are_killed_meanwhile() {
    let scene = Scene::new().await;
    let bucket = Bucket::start(&scene).await;
    let mut seq = 0;
    // Killed at another point each time: when the first is joined, and a few batches later. Another one then joins what it has left.
    for (round, more) in [0, 1, 3].into_iter().enumerate() {
        let name = format!("collector-{round}.log");
        let collector = Collector::start_with(&scene, &bucket, &name, &["--join", "1s"]).await;
        let before = objects(&bucket, "joined").await;
        let start = Instant::now();
        while objects(&bucket, "joined").await == before {
            seq += 1;
            assert_eq!(post(collector.address, "aa", seq).await, Some(204));
            assert!(start.elapsed() < PATIENCE, "nothing is ever joined");
        }
        for _ in 0..more {
            seq += 1;
            assert_eq!(post(collector.address, "aa", seq).await, Some(204));
        }
        collector.kill().await;
        assert_eq!(snapshot(&scene, &bucket).await, paths(seq), "killed in round {round}");
    }
    let last = Collector::start_with(&scene, &bucket, "last.log", &["--join", "1s"]).await;
    let start = Instant::now();
    // One that is alone stays as it is: three collectors may have left one each.
    while objects(&bucket, "segments").await > 3 {
        assert_eq!(snapshot(&scene, &bucket).await, paths(seq), "while it is joined");
        assert!(start.elapsed() < PATIENCE, "what was left is never joined");
    }
    assert_eq!(snapshot(&scene, &bucket).await, paths(seq));
    last.stop().await;
    bucket.stop().await;
}

#[tokio::test]
async fn more_than_a_slow_s3_takes_is_put_off() {
    const MIB: usize = 1 << 20;
    let scene = Scene::new().await;
    let bucket = Bucket::start(&scene).await;
    let collector = Collector::start_with(&scene, &bucket, "collector.log", &["--join", "never"]).await;
    let at = collector.address;
    bucket.set(Gate::Hold);
    let mut large = exchange("bb-1", 0, recorded("POST", "https://api.stripe.com", "/large"));
    large.request.body.bytes = vec![b'x'; 12 * MIB];
    let mut record = Vec::new();
    v1::write_record(&large, None, &mut record);
    // 20 times 12 MiB, of which 128 MiB may be in memory.
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
    // Who was taken waits, and is told that it isn't there when S3 doesn't answer; the others at once.
    assert!(statuses.iter().all(|status| [429, 503].contains(status)), "{statuses:?}");
    assert!(statuses.iter().filter(|status| **status == 429).count() >= 9, "{statuses:?}");
    let status = std::fs::read_to_string(format!("/proc/{}/status", collector.pid())).expect("its status");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("its peak");
    let peak: usize = peak.trim().trim_end_matches(" kB").parse().expect("a number");
    assert!(peak < 400 * 1024, "{peak} KiB, of which bodies may be 131072");
    bucket.set(Gate::Open);
    let start = Instant::now();
    while post(at, "aa", 1).await != Some(204) {
        assert!(start.elapsed() < PATIENCE, "it never takes a batch again");
    }
    collector.stop().await;
    bucket.stop().await;
}
