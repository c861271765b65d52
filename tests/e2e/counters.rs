//! Tests of Envoy's statistics of each backend, and of the turns that all workers share.

use crate::requests::{head, post};
use std::collections::BTreeMap;
use understudy_core::config::{Mode, OnMiss};
use understudy_core::table::Sequence;
use understudy_snapshot::Backend;
use understudy_testkit::{Connection, H2, Rig, RigBuilder, Upstream, eventually, get, recorded, request};

#[tokio::test]
async fn each_backend_and_verdict_has_a_counter() {
    let upstream = Upstream::ok().await;
    let rig = Rig::responder()
        .with_backends()
        .collector()
        .map(upstream.map("tap.test"))
        .map(upstream.map("pass.test"))
        .exchange(recorded("GET", "http://a.test:8080", "/"))
        .exchange(recorded("GET", "http://b.test", "/"))
        .backend("http://tap.test", Backend { mode: Mode::Tap, ..Backend::default() })
        .backend("http://pass.test", Backend { on_miss: Some(OnMiss::Passthrough), ..Backend::default() })
        .start()
        .await;
    for (url, times) in [
        ("http://a.test:8080/", 3),
        ("http://A.TEST:8080/new", 2),
        ("http://b.test:80/", 1),
        ("http://tap.test/", 4),
        ("http://pass.test/", 1),
    ] {
        for _ in 0..times {
            get(rig.proxy(), url).await;
        }
    }
    // Names that clients make up have no counters of their own.
    for i in 0..100 {
        get(rig.proxy(), &format!("http://made-up-{i}.test/")).await;
    }
    let mut gone = Connection::open(rig.proxy()).await;
    let whole = post("b.test", "/", "", b"body");
    gone.send(&whole[..whole.len() - 1]).await;
    eventually("it is held", async || {
        let stats = rig.envoy.stats("downstream_rq_active").await.expect("statistics");
        stats.get("http.understudy.downstream_rq_active") == 1
    })
    .await;
    gone.reset();

    let expect = [
        ("http://a.test:8080", "match", 3),
        ("http://a.test:8080", "miss", 2),
        ("http://b.test", "aborted", 1),
        ("http://b.test", "match", 1),
        ("http://pass.test", "passthrough", 1),
        ("http://tap.test", "tap", 4),
        ("other", "miss", 100),
    ];
    let expect_stats: BTreeMap<_, _> = expect
        .iter()
        .map(|(backend, verdict, n)| (format!("wasmcustom.understudy.backend.{backend}.{verdict}"), *n))
        .collect();
    eventually("the counters are right", async || {
        let stats = rig.envoy.stats("understudy.backend").await.expect("statistics");
        stats.iter().map(|(name, n)| (name.to_owned(), n)).collect::<BTreeMap<_, _>>() == expect_stats
    })
    .await;
    let answer =
        rig.envoy.admin().get("/stats/prometheus?filter=understudy.backend").await.expect("statistics");
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    for (backend, verdict, n) in expect {
        let line = format!(
            "understudy_backend{{understudy_verdict=\"{verdict}\",understudy_backend=\"{backend}\"}} {n}"
        );
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    rig.assert_sound().await;
}

fn sequence(of: Sequence, answers: usize) -> RigBuilder {
    let backend = Backend { sequence: Some(of), ..Backend::default() };
    (0..answers).fold(Rig::responder().backend("http://api.test", backend), |builder, i| {
        builder.exchange(recorded("GET", "http://api.test", "/").body(format!("{i}")))
    })
}

#[tokio::test]
async fn sequence_serves_its_answers_by_its_policy() {
    for (of, expect) in [
        (Sequence::Cycle, ["0 1/3", "1 2/3", "2 3/3", "0 1/3", "1 2/3"]),
        (Sequence::StickLast, ["0 1/3", "1 2/3", "2 3/3", "2 3/3", "2 3/3"]),
        (Sequence::Fail, ["0 1/3", "1 2/3", "2 3/3", "sequence-ended", "sequence-ended"]),
    ] {
        let rig = sequence(of, 3).start().await;
        for expect in expect {
            let answer = get(rig.proxy(), "http://api.test/").await;
            let got = match answer.status {
                404 => answer.json()["reason"].as_str().unwrap_or_default().to_owned(),
                _ => {
                    let header = answer.header("x-understudy").expect("a verdict");
                    format!("{} {}", answer.text(), header.trim_start_matches("match; sequence="))
                }
            };
            assert_eq!(got, expect, "{of:?}");
        }
        rig.assert_sound().await;
    }
}

/// For tests: `x-understudy-control` resets the sequences, for all workers.
#[tokio::test]
async fn sequences_are_reset_on_demand() {
    let rig = sequence(Sequence::Cycle, 3).workers(4).start().await;
    for _ in 0..2 {
        for expect in ["0", "1"] {
            assert_eq!(get(rig.proxy(), "http://api.test/").await.text(), expect);
        }
        let control = [("x-understudy-control", "reset-sequences")];
        let answer = request(rig.proxy(), "GET", "http://api.test/any", &control, b"").await;
        assert_eq!((answer.status, answer.header("x-understudy")), (204, Some("reset".to_owned())));
    }
    rig.assert_sound().await;
}

#[tokio::test]
async fn workers_share_the_cursor_of_a_sequence() {
    const ANSWERS: usize = 50;
    const CLIENTS: usize = 50;
    let rig = sequence(Sequence::Cycle, ANSWERS).workers(8).start().await;
    for round in 1..=3 {
        let mut clients = tokio::task::JoinSet::new();
        for client in 0..CLIENTS {
            let proxy = rig.proxy();
            clients.spawn(async move {
                let mut got = Vec::new();
                if client % 2 == 0 {
                    let mut connection = Connection::open(proxy).await;
                    for _ in 0..4 {
                        connection.send(head("GET", "api.test", "/", "")).await;
                        got.push(connection.answer(false).await.text());
                    }
                } else {
                    let h2 = H2::open(proxy).await;
                    for _ in 0..4 {
                        let answer = h2.request("GET", "http://api.test/", &[], None, None).await;
                        got.push(String::from_utf8(answer.expect("an answer").body).expect("UTF-8"));
                    }
                }
                got
            });
        }
        let mut count = BTreeMap::new();
        for got in clients.join_all().await.into_iter().flatten() {
            *count.entry(got).or_insert(0) += 1;
        }
        // 200 requests a round: four whole cycles.
        let expect: BTreeMap<_, _> = (0..ANSWERS).map(|i| (i.to_string(), CLIENTS * 4 / ANSWERS)).collect();
        assert_eq!(count, expect, "round {round}");
    }
    let stats = rig.envoy.stats("worker_.*downstream_cx_total").await.expect("statistics");
    assert!(stats.iter().filter(|(_, connections)| *connections > 0).count() > 1, "several workers answered");
    rig.assert_sound().await;
}
