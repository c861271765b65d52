//! A share of the exchanges: whole traces, the same ones on each way through Envoy, and no more or
//! fewer than the share.

use crate::requests::head;
use serde_json::json;
use std::collections::BTreeSet;
use understudy_collector::Reader;
use understudy_core::exchange::Direction;
use understudy_core::sample::Sample;
use understudy_core::trace;
use understudy_core::v1::Record;
use understudy_testkit::{Connection, Rig, Upstream, eventually};

const TRACES: u32 = 600;

fn trace_of(number: u32) -> String {
    // Spread over all that there are, as tracers draw them.
    format!("{:016x}{number:016x}", u64::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15))
}

fn traces(records: &[Record], direction: Direction) -> BTreeSet<String> {
    let records = records.iter().filter(|record| record.exchange.direction == direction);
    records.filter_map(|record| trace::trace_id(&record.exchange.request.headers)).collect()
}

#[tokio::test]
async fn whole_traces_are_recorded_in_both_directions() {
    let sample = Sample::try_from(0.1).expect("a share");
    let (app, backend) = (Upstream::ok().await, Upstream::ok().await);
    let rig = Rig::tap().map(backend.map("api.test")).inbound(app.address());
    let rig = rig.config("sample", json!(0.1)).start().await;
    let mut ways = [Connection::open(rig.inbound(0)).await, Connection::open(rig.proxy()).await];
    for number in 0..TRACES {
        let context = format!("traceparent: 00-{}-00f067aa0ba902b7-01\r\n", trace_of(number));
        for way in &mut ways {
            way.exchange(&head("GET", "api.test", "/", &context), false).await;
        }
    }
    let expect: BTreeSet<_> =
        (0..TRACES).map(trace_of).filter(|trace| sample.takes(trace.as_bytes())).collect();
    assert!((40..80).contains(&expect.len()), "about a tenth: {}", expect.len());
    // A batch whose acknowledgement was late comes again, so that a record may be there twice.
    eventually("these traces, and no others, are recorded", async || {
        let records = rig.records(2 * expect.len()).await;
        let is_recorded = |direction| traces(&records, direction) == expect;
        is_recorded(Direction::Inbound) && is_recorded(Direction::Outbound)
    })
    .await;
    let records = rig.records(2 * expect.len()).await;
    let identifiers: BTreeSet<_> = records.iter().map(|record| &record.exchange.id).collect();
    assert_eq!(identifiers.len(), 2 * expect.len(), "no more than these");
    // The total is known nevertheless.
    eventually("all are counted", async || {
        let stats = rig.envoy.stats("understudy.backend").await.expect("statistics");
        let taps = stats.iter().filter(|(name, _)| name.ends_with(".tap")).map(|(_, count)| count);
        taps.sum::<u64>() == u64::from(2 * TRACES)
    })
    .await;
}

#[tokio::test]
async fn exchange_without_a_trace_is_sampled_by_its_number() {
    let backend = Upstream::ok().await;
    // No header of Envoy's own ties them.
    let rig = Rig::tap().map(backend.map("api.test")).config("sample", json!(0.25)).start().await;
    let mut connection = Connection::open(rig.proxy()).await;
    for _ in 0..TRACES {
        connection.exchange(&head("GET", "api.test", "/", ""), false).await;
    }
    let tenth = TRACES as usize / 10;
    eventually("all are recorded that are to be", async || {
        let totals = rig.totals().await;
        totals.captured > 0 && totals.captured == totals.delivered
    })
    .await;
    let records = rig.records(tenth).await.len();
    // A quarter of 600, plus or minus four standard deviations (10.6).
    assert!((108..=192).contains(&records), "{records} of {TRACES}");
    let mut reader = Reader::open(rig.folder().join("store")).await.expect("a store");
    while let Some(batch) = reader.next_batch().await.expect("a batch") {
        assert_eq!(batch.meta().sample, Sample::try_from(0.25).expect("a share"), "each batch says it");
    }
}
