//! A selection from a store holds each exchange acknowledged before, once, while a collector
//! writes, closes and seals segments.

mod common;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use common::FaultDisk;
use understudy_collector::{Batch, Reader, Selected, Selection, Store, StoreUrl};
use understudy_core::exchange::{Direction, Exchange};
use understudy_core::v1;

/// A batch of one of two services in turn: `even` and `odd`.
fn batch(seq: u64) -> Batch {
    let mut body = Vec::new();
    let service = if seq.is_multiple_of(2) { "even" } else { "odd" };
    v1::write_batch(service, seq, 0, Some(service), &mut body);
    for number in [2 * seq, 2 * seq + 1] {
        let direction = if number.is_multiple_of(2) { Direction::Outbound } else { Direction::Inbound };
        let backend = "http://api.test".to_owned();
        let exchange = Exchange {
            id: format!("{service}-{number}"),
            direction,
            time: seq,
            backend,
            ..Exchange::default()
        };
        v1::write_record(&exchange, None, &mut body);
    }
    Batch::parse(body.into()).unwrap()
}

async fn ids(folder: &Path, selection: Selection) -> BTreeSet<String> {
    let reader = Reader::at(&StoreUrl::Folder(folder.into())).await.unwrap();
    let (mut selected, mut ids) = (Selected::new(reader, selection), BTreeSet::new());
    while let Some((exchange, service)) = selected.next().await.unwrap() {
        assert!(exchange.id.starts_with(service.as_deref().unwrap()));
        assert!(ids.insert(exchange.id), "twice");
    }
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn selection_during_writes_holds_all_acknowledged_exchanges() {
    const LAST: u64 = 400;
    let folder = tempfile::tempdir().unwrap();
    let mut config = common::store_config(folder.path(), &FaultDisk::fast());
    // A segment fits several batches, so that many segments are closed and sealed meanwhile.
    config.segment_bytes = 2000;
    let store = Arc::new(Store::open(config).await.unwrap());
    let stored = Arc::new(AtomicU64::new(0));
    let (writer, progress) = (store.clone(), stored.clone());
    let writing = tokio::spawn(async move {
        for seq in 1..=LAST {
            writer.append(batch(seq)).await.unwrap();
            progress.store(seq, SeqCst);
        }
    });
    let mut reads = 0;
    while !writing.is_finished() || reads < 3 {
        let acknowledged = stored.load(SeqCst);
        let found =
            ids(folder.path(), Selection { service: Some("even".into()), ..Selection::default() }).await;
        let missing: Vec<_> = (1..=acknowledged)
            .filter(|seq| seq % 2 == 0 && !found.contains(&format!("even-{}", 2 * seq)))
            .collect();
        assert!(missing.is_empty(), "{missing:?} of {acknowledged}");
        reads += 1;
    }
    writing.await.unwrap();
    assert_eq!(ids(folder.path(), Selection::default()).await.len() as u64, 2 * LAST);
    assert!(common::files(&folder.path().join("segments")).len() > 10, "segments were sealed");
    assert_eq!(store.close(Duration::from_secs(30)).await, 0);
}

#[tokio::test]
async fn selection_by_service_time_and_backend_holds_only_these() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(common::store_config(folder.path(), &FaultDisk::fast())).await.unwrap();
    for seq in 1..=6 {
        store.append(batch(seq)).await.unwrap();
    }
    let check = async |selection: Selection, expect: &[&str]| {
        let found = ids(folder.path(), selection).await;
        assert_eq!(found, expect.iter().map(|id| (*id).to_owned()).collect());
    };
    let even = || Selection { service: Some("even".into()), ..Selection::default() };
    check(Selection { from: Some(4), ..even() }, &["even-8", "even-9", "even-12", "even-13"]).await;
    check(Selection { from: Some(2), to: Some(4), ..even() }, &["even-4", "even-5"]).await;
    // Inbound exchanges have no backend.
    let other = vec!["other.test".parse().unwrap()];
    check(Selection { backends: other, ..even() }, &["even-5", "even-9", "even-13"]).await;
    let both = vec!["other.test".parse().unwrap(), "api.*".parse().unwrap()];
    check(Selection { backends: both, to: Some(3), ..even() }, &["even-4", "even-5"]).await;
    check(Selection { service: Some("nobody".into()), ..Selection::default() }, &[]).await;

    let services = Reader::open(folder.path()).await.unwrap().survey(|| ()).await.unwrap();
    let told: Vec<_> = services
        .iter()
        .map(|service| (service.service.as_deref(), service.exchanges, service.backends["http://api.test"]))
        .collect();
    assert_eq!(told, [(Some("even"), 6, 3), (Some("odd"), 6, 3)]);
    assert_eq!(services[0].from.as_deref(), Some("1970-01-01T00:00:00.000002Z"));
    assert_eq!(services[0].to.as_deref(), Some("1970-01-01T00:00:00.000006Z"));
}
