//! A disk that is full, read-only or broken: a batch that isn't stored isn't acknowledged, a partly
//! written batch isn't read, and the store recovers with the disk.

mod common;

use std::time::Duration;

use common::*;
use tempfile::tempdir;
use understudy_collector::{Appended, Reader, Store, StoreError};

const LONG: Duration = Duration::from_secs(30);

fn not_writable(result: Result<Appended, StoreError>, reason: &str) {
    let Err(error) = result else { panic!("{result:?}") };
    assert_eq!(error.code(), "store-not-writable");
    assert!(error.to_string().contains(reason), "{error}");
}

#[tokio::test]
async fn full_disk_stores_nothing_of_a_batch() {
    let dir = tempdir().unwrap();
    let disk = FaultDisk::default();
    let store = Store::open(store_config(dir.path(), &disk)).await.unwrap();
    append(&store, 1).await.unwrap();
    // Room for nothing, part of the head, part of the batch, and all but a few bytes.
    let size = batch("vm", 2, 3).len() as u64;
    for room in [0, 1, 40, 100, size, size + 40] {
        disk.room(Some(room));
        not_writable(append(&store, 2).await, "No space left on device");
        assert_eq!(seqs(&store).await, [1], "with room for {room}");
        assert_eq!(keys(Reader::open(dir.path()).await.unwrap(), 3).await.len(), 1, "with room for {room}");
    }
    not_writable(store.ready().await.map(|()| Appended::Stored), "No space left on device");
    disk.room(None);
    assert_eq!(append(&store, 2).await.unwrap(), Appended::Stored);
    store.ready().await.unwrap();
    assert_eq!(append(&store, 2).await.unwrap(), Appended::Duplicate);
    store.close(LONG).await;
    drop(store);
    let store = Store::open(store_config(dir.path(), &disk)).await.unwrap();
    assert_eq!(seqs(&store).await, [1, 2]);
}

#[tokio::test]
async fn crash_on_a_full_disk_keeps_acknowledged_batches() {
    let dir = tempdir().unwrap();
    let disk = FaultDisk::default();
    let store = Store::open(store_config(dir.path(), &disk)).await.unwrap();
    append(&store, 1).await.unwrap();
    disk.room(Some(150));
    disk.fail_set_len(true);
    not_writable(append(&store, 2).await, "No space left");
    // The written part can't be cut off. The next attempt must not append behind it.
    disk.room(None);
    not_writable(append(&store, 3).await, "Input/output error");
    assert_eq!(seqs(&store).await, [1]);
    let mut reader = Reader::open(dir.path()).await.unwrap();
    while reader.next().await.unwrap().is_some() {}
    assert_eq!(reader.torn_tail().unwrap().bytes, 150);
    store.close(LONG).await;
    drop(store);
    disk.fail_set_len(false);
    let store = Store::open(store_config(dir.path(), &disk)).await.unwrap();
    assert_eq!(seqs(&store).await, [1]);
    append(&store, 2).await.unwrap();
}

#[tokio::test]
async fn segment_with_a_failed_fsync_is_closed() {
    let dir = tempdir().unwrap();
    let disk = FaultDisk::default();
    let store = Store::open(store_config(dir.path(), &disk)).await.unwrap();
    append(&store, 1).await.unwrap();
    disk.fail_sync(true);
    not_writable(append(&store, 2).await, "Input/output error");
    assert_eq!(seqs(&store).await, [1]);
    disk.fail_sync(false);
    append(&store, 2).await.unwrap();
    eventually("the segment whose fsync failed is sealed", || {
        files(&dir.path().join("open")) == ["0000000002.ndjson"]
    })
    .await;
    assert_eq!(seqs(&store).await, [1, 2]);
}

#[tokio::test]
async fn folder_turned_read_only_fails_readiness_and_recovers_automatically() {
    let dir = tempdir().unwrap();
    let disk = FaultDisk::default();
    let store = Store::open(store_config(dir.path(), &disk)).await.unwrap();
    disk.read_only(true);
    // Nobody sends a batch: readiness detects the failure, and later its end.
    not_writable(store.ready().await.map(|()| Appended::Stored), "Read-only file system");
    not_writable(append(&store, 1).await, "Input/output error");
    disk.read_only(false);
    let start = std::time::Instant::now();
    while store.ready().await.is_err() {
        assert!(start.elapsed() < LONG, "never ready again");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    append(&store, 1).await.unwrap();
    assert_eq!(seqs(&store).await, [1]);
}

#[tokio::test]
async fn failed_rotation_is_repeated() {
    for fault in [FaultDisk::fail_create, FaultDisk::fail_sync_dir] {
        let dir = tempdir().unwrap();
        let disk = FaultDisk::default();
        let mut config = store_config(dir.path(), &disk);
        config.segment_bytes = 500;
        let store = Store::open(config).await.unwrap();
        fault(&disk, true);
        let mut stored = 0;
        while append(&store, stored + 1).await.is_ok() {
            stored += 1;
            assert!(stored < 10, "the segment isn't closed");
        }
        assert!(stored > 0);
        assert_eq!(seqs(&store).await, (1..=stored).collect::<Vec<_>>());
        fault(&disk, false);
        append(&store, stored + 1).await.unwrap();
        store.close(LONG).await;
        drop(store);
        let store = Store::open(store_config(dir.path(), &disk)).await.unwrap();
        assert_eq!(seqs(&store).await, (1..=stored + 1).collect::<Vec<_>>());
        assert_eq!(append(&store, stored + 1).await.unwrap(), Appended::Duplicate);
    }
}

#[tokio::test]
async fn store_on_a_full_disk_does_not_open() {
    let dir = tempdir().unwrap();
    let disk = FaultDisk::default();
    disk.room(Some(10));
    let Err(error) = Store::open(store_config(dir.path(), &disk)).await else { panic!("opened") };
    assert_eq!(error.code(), "folder-unusable");
    disk.room(None);
    let store = Store::open(store_config(dir.path(), &disk)).await.unwrap();
    append(&store, 1).await.unwrap();
}

#[tokio::test]
async fn segments_that_cannot_be_sealed_are_sealed_later() {
    let dir = tempdir().unwrap();
    // A file has the name of the folder of objects.
    std::fs::create_dir(dir.path().join("elsewhere")).unwrap();
    let disk = FaultDisk::default();
    let mut config = store_config(dir.path(), &disk);
    config.segment_bytes = 500;
    let store = Store::open(config).await.unwrap();
    std::fs::write(dir.path().join("segments"), "").unwrap();
    for seq in 1..=6 {
        append(&store, seq).await.unwrap();
    }
    assert!(store.close(LONG).await > 0);
    drop(store);
    std::fs::remove_file(dir.path().join("segments")).unwrap();
    assert_eq!(keys(Reader::open(dir.path()).await.unwrap(), 3).await.len(), 6);
    let store = Store::open(store_config(dir.path(), &disk)).await.unwrap();
    assert_eq!(append(&store, 6).await.unwrap(), Appended::Duplicate);
    assert_eq!(store.close(LONG).await, 0);
    assert_eq!(files(&dir.path().join("open")), [""; 0]);
    assert_eq!(keys(Reader::open(dir.path()).await.unwrap(), 3).await.len(), 6);
}

#[tokio::test]
async fn full_disk_over_http_is_503_with_the_reason_in_readiness_and_metrics() {
    let dir = tempdir().unwrap();
    let disk = FaultDisk::default();
    let collector = collector(collector_config(dir.path(), &disk)).await;
    let http = Http::new(&collector, false);
    assert_eq!(http.get("/readyz").await.status, 200);
    disk.room(Some(0));
    let answer = http.post(batch("vm", 1, 3)).await;
    assert_eq!((answer.status, answer.retry_after), (503, Some(1)));
    assert!(
        answer.text.contains("store-not-writable") && answer.text.contains("No space left"),
        "{}",
        answer.text
    );
    let ready = http.get("/readyz").await;
    assert_eq!(ready.status, 503);
    assert!(ready.text.contains("No space left on device"), "{}", ready.text);
    assert_eq!(http.get("/healthz").await.status, 200, "alive: a restart wouldn't help");
    let metrics = http.get("/metrics").await.text;
    for line in ["store_writable 0", "rejected_total{reason=\"store-not-writable\"} 1", "batches_total 0"] {
        assert!(metrics.contains(&format!("\nunderstudy_collector_{line}\n")), "{line} in {metrics}");
    }
    assert!(collector.stats().store_errors > 0);
    disk.room(None);
    assert_eq!(http.post(batch("vm", 1, 3)).await.status, 204);
    assert_eq!(http.get("/readyz").await.status, 200);
    collector.shutdown().await;
}

#[tokio::test]
async fn open_segment_removed_is_not_acknowledged_and_a_new_one_takes_over() {
    for only_probed in [false, true] {
        let dir = tempdir().unwrap();
        let store = Store::open(store_config(dir.path(), &FaultDisk::default())).await.unwrap();
        append(&store, 1).await.unwrap();
        std::fs::remove_file(dir.path().join("open/0000000001.ndjson")).unwrap();
        if only_probed {
            not_writable(store.ready().await.map(|()| Appended::Stored), "was removed or replaced");
        } else {
            not_writable(append(&store, 2).await, "was removed or replaced");
        }
        let start = std::time::Instant::now();
        while store.ready().await.is_err() {
            assert!(start.elapsed() < LONG, "never ready again");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // Batch 1 is gone with the segment, so it is stored when it is sent again.
        for seq in 1..=2 {
            assert_eq!(append(&store, seq).await.unwrap(), Appended::Stored, "seq {seq}");
        }
        assert_eq!(seqs(&store).await, [1, 2]);
        assert_eq!(store.close(LONG).await, 0);
        assert_eq!(keys(Reader::open(dir.path()).await.unwrap(), 3).await.len(), 2);
    }
}

#[tokio::test]
async fn capture_folder_removed_or_replaced_refuses_batches_until_a_restart() {
    let dir = tempdir().unwrap();
    let folder = dir.path().join("captures");
    let collector = collector(collector_config(&folder, &FaultDisk::default())).await;
    let http = Http::new(&collector, false);
    assert_eq!(http.post(batch("vm", 1, 3)).await.status, 204);
    std::fs::remove_dir_all(&folder).unwrap();
    for seq in 2..=50 {
        let response = http.post(batch("vm", seq, 3)).await;
        assert_eq!(response.status, 503, "{}", response.text);
    }
    assert_eq!(http.get("/readyz").await.status, 503);
    assert!(collector.stats().store_errors > 0);
    // A folder of the same name isn't the locked one: another collector may use it.
    let other = Store::open(store_config(&folder, &FaultDisk::default())).await.unwrap();
    let response = http.post(batch("vm", 51, 3)).await;
    assert_eq!(response.status, 503, "{}", response.text);
    assert!(response.text.contains("restart the collector"), "{}", response.text);
    assert_eq!(seqs(&other).await, [0; 0]);
    other.close(LONG).await;
    collector.shutdown().await;
    assert_eq!(keys(Reader::open(&folder).await.unwrap(), 3).await.len(), 0);
}
