//! A mesh at test size: sidecars that send as the filter does, to collectors that share a bucket in moto, join its objects, and die.

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
use understudy_collector::{Collector, CollectorConfig, Reader, Selected, Selection, StoreConfig};

async fn collector(moto: &Moto) -> Collector {
    let mut store = StoreConfig::shared(moto.objects());
    store.linger = Some(Duration::from_millis(50));
    store.join_age = Some(Duration::from_millis(500));
    Collector::bind("127.0.0.1:0", CollectorConfig::of(store)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_sidecars_send_is_there_once_though_a_collector_dies() {
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
    // At once, with batches on their way: its connections are cut, and nobody hears it any more.
    drop(first);
    // Some are refused before Kubernetes has taken it off the Service.
    let until = second.stats().batches + 20;
    while second.stats().batches < until {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    collectors.lock().unwrap().remove(0);
    let played = playing.await.unwrap();
    assert_eq!((played.captured, played.dropped), (3000, 0), "{played:?}");
    assert!(played.refused > 0, "the one that died had some in its hands");

    let (puts, batches) = (moto.requests("PUT"), played.latencies.len() as u64);
    assert!(puts < batches, "batches that come together are one object: {puts} for {batches}");

    let objects = moto.objects();
    let joined = async || objects.list_with_delimiter(Some(&"joined".into())).await.unwrap().objects.len();
    while joined().await == 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // While the other one joins.
    let mut selected = Selected::new(Reader::shared(objects.clone()).await.unwrap(), Selection::default());
    let mut seen = HashSet::new();
    while let Some((exchange, _)) = selected.next().await.unwrap() {
        assert!(seen.insert(exchange.id.clone()), "{} is there twice", exchange.id);
    }
    assert_eq!(seen.len() as u64, played.delivered);
    assert!(second.gaps().is_complete());
    second.shutdown().await;
}
