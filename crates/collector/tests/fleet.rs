//! A small mesh: sidecars that send like the filter, to collectors that share a bucket in moto,
//! compact its objects, and are killed.

#[path = "common/fleet.rs"]
mod fleet;
#[path = "common/moto.rs"]
mod moto;

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fleet::Fleet;
use moto::Moto;
use understudy_collector::object_store::ObjectStore;
use understudy_collector::{BucketConfig, Collector, CollectorConfig, Reader, Selected, Selection};

async fn collector(moto: &Moto) -> Collector {
    let mut store = BucketConfig::new(moto.objects());
    store.linger = Duration::from_millis(50);
    store.compact_age = Some(Duration::from_millis(500));
    Collector::bind("127.0.0.1:0", CollectorConfig::with_store(store)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exchanges_of_sidecars_are_read_once_after_a_collector_dies() {
    let dir = tempfile::tempdir().unwrap();
    let moto = Moto::start(dir.path());
    let (first, second) = (collector(&moto).await, collector(&moto).await);
    let sidecars = 20;
    let collectors = Arc::new(Mutex::new(vec![first.local_addr(), second.local_addr()]));
    let (lasts, service) = (Duration::from_secs(3), collectors.clone());
    let fleet = Fleet { sidecars, rate: 50.0, body: 600, lasts, flush_ms: 100, collectors: service };
    let playing = tokio::spawn(fleet.play());
    while first.stats().batches < 50 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // The collector stops at once, with batches on their way: its connections are cut.
    drop(first);
    // Some requests fail before Kubernetes removes the collector from the Service.
    let until = second.stats().batches + 20;
    while second.stats().batches < until {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    collectors.lock().unwrap().remove(0);
    let played = playing.await.unwrap();
    assert_eq!((played.captured, played.dropped), (3000, 0), "{played:?}");
    assert!(played.refused > 0, "the killed collector held some batches");

    let (puts, batches) = (moto.requests("PUT"), played.latencies.len() as u64);
    assert!(puts < batches, "batches that arrive together are one object: {puts} for {batches}");

    let objects = moto.objects();
    let compacted = async || objects.list_with_delimiter(Some(&"joined".into())).await.unwrap().objects.len();
    while compacted().await == 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Reads while the other collector compacts.
    let mut selected = Selected::new(Reader::bucket(objects.clone()).await.unwrap(), Selection::default());
    let mut seen = HashSet::new();
    while let Some((exchange, _)) = selected.next().await.unwrap() {
        assert!(seen.insert(exchange.id.clone()), "{} is read twice", exchange.id);
    }
    assert_eq!(seen.len() as u64, played.delivered);
    assert!(second.gaps().is_complete());
    second.shutdown().await;
}
