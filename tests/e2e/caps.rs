//! Tests that the cost of copies is bounded: for a body, for all bodies of a VM, and in Envoy's
//! memory.

use crate::requests::{chunked, head, post};
use serde_json::json;
use std::sync::Arc;
use tokio::sync::Barrier;
use understudy_testkit::{Connection, Rig, Upstream};

#[tokio::test]
async fn body_over_the_cap_is_cut_with_its_full_length() {
    let upstream = Upstream::start(|seen| {
        let body = if seen.path() == "/exact" { vec![b'r'; 1000] } else { vec![b'r'; 70_000] };
        Some(
            [format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len()).as_bytes(), &body].concat(),
        )
    })
    .await;
    let rig = Rig::tap().map(upstream.map("api.test")).config("body_cap_bytes", json!(1000)).start().await;
    let large = vec![b'q'; 50_000];
    let requests = [
        post("api.test", "/exact", "", &large[..1000]),
        post("api.test", "/over", "", &large),
        chunked("api.test", "/chunked", "", &[&large[..999], b"q", b"q"], ""),
    ];
    for request in requests {
        let answer = Connection::open(rig.proxy()).await.exchange(&request, false).await;
        assert!(answer.body.len() >= 1000);
    }
    let lengths: Vec<_> = upstream.seen().iter().map(|seen| seen.body.len()).collect();
    assert_eq!(lengths, [1000, 50_000, 1001], "the backend gets all of it");
    let records = rig.records(3).await;
    for (record, sent, answered) in records
        .iter()
        .zip([None, Some(50_000), Some(1001)])
        .zip([None, Some(70_000), Some(70_000)])
        .map(|((r, s), a)| (r, s, a))
    {
        let (request, response) =
            (&record.exchange.request.body, &record.exchange.response.as_ref().expect("one").body);
        assert_eq!((request.truncated, response.truncated), (sent, answered));
        assert_eq!(
            (request.bytes.as_slice(), response.bytes.as_slice()),
            (&[b'q'; 1000][..], &[b'r'; 1000][..])
        );
    }
    rig.assert_sound().await;
}

#[tokio::test]
async fn all_copies_of_a_vm_share_its_memory() {
    const SIZE: usize = 64 << 10;
    // Nobody gets an answer before all requests have arrived whole: they are copied at the same
    // time.
    let barrier = Arc::new(Barrier::new(6));
    let upstream = Upstream::script(move |mut wire| {
        let barrier = barrier.clone();
        async move {
            while wire.request().await.is_some() {
                barrier.wait().await;
                wire.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
            }
        }
    })
    .await;
    let rig = Rig::tap()
        .map(upstream.map("api.test"))
        .config("body_cap_bytes", json!(SIZE))
        .config("memory_max_bytes", json!(2 * SIZE))
        .start()
        .await;
    for _ in 0..2 {
        let mut apps = tokio::task::JoinSet::new();
        for _ in 0..6 {
            let proxy = rig.proxy();
            apps.spawn(async move {
                let request = post("api.test", "/", "", &vec![b'x'; SIZE]);
                Connection::open(proxy).await.exchange(request, false).await.status
            });
        }
        assert_eq!(apps.join_all().await, [200; 6]);
    }
    let records = rig.records(12).await;
    for round in records.chunks(6) {
        let bodies: Vec<_> = round.iter().map(|record| &record.exchange.request.body).collect();
        let kept: usize = bodies.iter().map(|body| body.bytes.len()).sum();
        assert!((SIZE..=2 * SIZE).contains(&kept), "{kept}: bounded, and given back for the next round");
        assert!(bodies.iter().all(|body| body.truncated == (body.bytes.len() < SIZE).then_some(SIZE as u64)));
    }
    rig.assert_sound().await;
}

#[tokio::test]
async fn a_hundred_megabytes_each_way_pass_through_little_memory() {
    const PIECE: usize = 1 << 20;
    const PIECES: usize = 100;
    let upstream = Upstream::script(|mut wire| async move {
        wire.until(b"\r\n\r\n").await;
        wire.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", PIECE * PIECES)).await;
        // As much as came goes back: what is on its way is one piece at most.
        loop {
            let bytes = wire.some().await;
            if bytes.is_empty() || !wire.send(&bytes).await {
                return;
            }
        }
    })
    .await;
    let rig = Rig::tap().map(upstream.map("api.test")).start().await;
    let mut app = Connection::open(rig.proxy()).await;
    app.send(head("POST", "api.test", "/", &format!("content-length: {}\r\n", PIECE * PIECES))).await;
    app.until(b"\r\n\r\n").await;
    app.skip().await;
    let (piece, before) = (vec![b'x'; PIECE], resident(&rig));
    for _ in 0..PIECES {
        app.send(&piece).await;
        let mut left = PIECE;
        while left > 0 {
            let got = app.skip().await;
            assert!(got > 0 && got <= left);
            left -= got;
        }
    }
    let grown = resident(&rig).saturating_sub(before);
    assert!(grown < 24 << 20, "Envoy has grown by {grown} bytes");
    let record = rig.records(1).await.remove(0).exchange;
    let all = Some((PIECE * PIECES) as u64);
    assert_eq!((record.request.body.truncated, record.response.expect("one").body.truncated), (all, all));
    rig.assert_sound().await;
}

/// The most memory that Envoy has had so far, the memory of its VMs included.
fn resident(rig: &Rig) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", rig.envoy.pid())).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a line");
    line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number") << 10
}
