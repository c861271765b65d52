//! The collector is slow, dead, full or wrong: the app's requests never fail, and every record is
//! delivered once, or counted as dropped.

use crate::requests::head;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use understudy_testkit::{Connection, Nobody, Rig, RigBuilder, Sink, Totals, Upstream, eventually};

const TAKEN: &str = "204 Taken";

fn builder(upstream: &Upstream, collector: std::net::SocketAddr) -> RigBuilder {
    Rig::tap().map(upstream.map("api.test")).collector_at(collector)
}

async fn ask(rig: &Rig, times: usize) {
    let mut app = Connection::open(rig.proxy()).await;
    for _ in 0..times {
        app.send(head("GET", "api.test", "/", "")).await;
        assert_eq!(app.answer(false).await.text(), "real");
    }
}

async fn at_rest(rig: &Rig, captured: u64) -> Totals {
    eventually("all records are delivered or dropped", async || {
        let totals = rig.totals().await;
        totals.captured == captured && totals.captured == totals.delivered + totals.dropped
    })
    .await;
    rig.totals().await
}

/// No record twice, and a batch that was sent again is the same, byte for byte.
fn check_batches(sink: &Sink) -> BTreeSet<String> {
    let mut by_number = BTreeMap::new();
    for batch in sink.batches() {
        let first = by_number
            .entry((batch.header()["vm"].to_string(), batch.number("seq")))
            .or_insert(batch.bytes.clone());
        assert_eq!(String::from_utf8_lossy(first), String::from_utf8_lossy(&batch.bytes));
    }
    let taken = sink.taken();
    let unique: BTreeSet<_> = taken.iter().cloned().collect();
    assert_eq!(unique.len(), taken.len(), "a record was delivered twice");
    unique
}

#[tokio::test]
async fn a_collector_that_recovers_gets_every_record_once() {
    for refusal in ["503 Full\r\nretry-after: 1", "500 Oh No", "429 Slow Down\r\nretry-after: 0"] {
        let upstream = Upstream::ok().await;
        let sink = Sink::start(Nobody::here(), refusal);
        let rig = builder(&upstream, sink.address()).start().await;
        ask(&rig, 3).await;
        eventually("a batch is refused", async || !sink.batches().is_empty()).await;
        ask(&rig, 3).await;
        assert_eq!(rig.totals().await.delivered, 0);
        sink.answer(TAKEN);
        ask(&rig, 3).await;
        assert_eq!(at_rest(&rig, 9).await, Totals { captured: 9, delivered: 9, dropped: 0 });
        assert_eq!(check_batches(&sink).len(), 9);
        assert!(sink.batches().iter().all(|batch| batch.number("dropped") == 0));
        rig.assert_sound().await;
    }
}

#[tokio::test]
async fn a_collector_that_comes_up_late_gets_every_record_once() {
    let upstream = Upstream::ok().await;
    let nobody = Nobody::here();
    let rig = builder(&upstream, nobody.address()).start().await;
    ask(&rig, 20).await;
    eventually("the collector was called", async || {
        let stats = rig.envoy.stats("cluster.collector").await.expect("statistics");
        stats.get("cluster.collector.upstream_cx_connect_fail") > 0
    })
    .await;
    assert_eq!(rig.totals().await, Totals { captured: 20, delivered: 0, dropped: 0 });
    let sink = Sink::start(nobody, TAKEN);
    assert_eq!(at_rest(&rig, 20).await, Totals { captured: 20, delivered: 20, dropped: 0 });
    assert_eq!(check_batches(&sink).len(), 20);
    rig.assert_sound().await;
}

#[tokio::test]
async fn collector_that_never_answers_delays_no_request() {
    let upstream = Upstream::ok().await;
    let collector = Upstream::script(|mut wire| async move { wire.ended().await }).await;
    let rig = builder(&upstream, collector.address()).start().await;
    ask(&rig, 20).await;
    eventually("a batch is on its way", async || collector.bytes() > 0).await;
    ask(&rig, 20).await;
    assert_eq!(rig.totals().await, Totals { captured: 40, delivered: 0, dropped: 0 });
    rig.assert_sound().await;
}

#[tokio::test]
async fn lost_acknowledgement_repeats_no_record() {
    let upstream = Upstream::ok().await;
    let store = tempfile::tempdir().expect("a folder");
    let config = understudy_collector::CollectorConfig::new(store.path());
    let collector = understudy_collector::Collector::bind("127.0.0.1:0", config).await.expect("a collector");
    // Takes what the collector answers, and keeps the first answer to itself.
    let address = collector.local_addr();
    let lost = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
    let count = lost.clone();
    let between = Upstream::script(move |mut wire| {
        let count = count.clone();
        async move {
            while let Some(seen) = wire.request().await {
                let request = [&seen.head, &b"\r\n\r\n"[..], &seen.body].concat();
                let answer = Connection::open(address).await.exchange(request, false).await;
                if count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0 {
                    return;
                }
                wire.send(format!("HTTP/1.1 {} x\r\ncontent-length: 0\r\n\r\n", answer.status)).await;
            }
        }
    })
    .await;
    let rig = builder(&upstream, between.address()).start().await;
    ask(&rig, 5).await;
    assert_eq!(at_rest(&rig, 5).await, Totals { captured: 5, delivered: 5, dropped: 0 });
    assert!(lost.load(std::sync::atomic::Ordering::SeqCst) > 1, "a batch was sent again");
    let mut reader = understudy_collector::Reader::open(store.path()).await.expect("a store");
    let mut count = 0;
    while reader.next().await.expect("a record").is_some() {
        count += 1;
    }
    assert_eq!(count, 5);
}

#[tokio::test]
async fn batch_refused_for_good_is_counted_and_logged() {
    let upstream = Upstream::ok().await;
    let sink = Sink::start(Nobody::here(), "400 Malformed");
    let rig = builder(&upstream, sink.address()).start().await;
    ask(&rig, 3).await;
    assert_eq!(at_rest(&rig, 3).await, Totals { captured: 3, delivered: 0, dropped: 3 });
    let refused = sink.batches().len();
    sink.answer(TAKEN);
    ask(&rig, 1).await;
    assert_eq!(at_rest(&rig, 4).await, Totals { captured: 4, delivered: 1, dropped: 3 });
    let batches = sink.batches();
    assert_eq!(batches.len(), refused + 1, "what was refused for good isn't sent again");
    assert_eq!(batches[refused].number("dropped"), 3);
    rig.assert_sound().await;
}

#[tokio::test]
async fn a_full_queue_drops_and_counts() {
    let upstream = Upstream::ok().await;
    let nobody = Nobody::here();
    let collector = json!({
        "cluster": "collector", "flush_interval_ms": 20, "batch_max_bytes": 1024, "queue_max_bytes": 8192
    });
    let rig = builder(&upstream, nobody.address()).config("collector", collector).start().await;
    ask(&rig, 60).await;
    let full = rig.totals().await;
    assert!(full.captured == 60 && full.dropped > 0 && full.delivered == 0, "{full:?}");
    let sink = Sink::start(nobody, TAKEN);
    let totals = at_rest(&rig, 60).await;
    assert_eq!(totals.dropped, full.dropped, "what had room is delivered");
    assert_eq!(check_batches(&sink).len() as u64, totals.delivered);
    ask(&rig, 1).await;
    at_rest(&rig, 61).await;
    let last = sink.batches().pop().expect("a batch");
    assert_eq!(last.number("dropped"), full.dropped);
    rig.assert_sound().await;
}
