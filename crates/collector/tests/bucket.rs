//! Collectors that share a bucket: each batch is read once, however often it was sent, and batches
//! become objects.

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::*;
use understudy_collector::object_store::memory::InMemory;
use understudy_collector::object_store::{ObjectStore, ObjectStoreExt};
use understudy_collector::{Appended, BucketConfig, Reader, Start, Store, StoreError};

const LONG: Duration = Duration::from_secs(30);

async fn open(objects: &Arc<InMemory>) -> Store {
    let mut config = BucketConfig::new(objects.clone());
    config.linger = Duration::from_millis(20);
    config.max_runs = 4;
    Store::open(config).await.unwrap()
}

async fn reader(objects: &Arc<InMemory>) -> Reader {
    Reader::bucket(objects.clone()).await.unwrap()
}

/// The number of objects that hold batches.
async fn segments(objects: &Arc<InMemory>) -> usize {
    objects.list_with_delimiter(Some(&"segments".into())).await.unwrap().objects.len()
}

#[tokio::test]
async fn batch_stored_by_two_collectors_is_read_once() {
    let objects = Arc::new(InMemory::new());
    let (one, other) = (open(&objects).await, open(&objects).await);
    for (store, seq) in [(&one, 1), (&other, 2), (&one, 3), (&other, 3), (&other, 1)] {
        assert_eq!(append(store, seq).await.unwrap(), Appended::Stored);
    }
    assert_eq!(
        append(&one, 3).await.unwrap(),
        Appended::Duplicate,
        "a collector doesn't store its own batch again"
    );
    assert_eq!(segments(&objects).await, 5);
    // `keys` panics if a batch is returned twice.
    assert_eq!(keys(reader(&objects).await, 3).await.len(), 3);
    assert_eq!(seqs(&one).await, [1, 2, 3], "one collector reads batches of the other");
    assert!(
        one.gaps().is_complete() && other.gaps().is_complete(),
        "no collector misses batches of the other"
    );
    assert_eq!((one.close(LONG).await, other.close(LONG).await), (0, 0));
    assert!(matches!(append(&one, 4).await, Err(StoreError::Closed)));
    let again = open(&objects).await;
    append(&again, 4).await.unwrap();
    assert_eq!(seqs(&again).await, [1, 2, 3, 4], "a new collector overwrites nothing");
}

#[tokio::test]
async fn reader_started_after_a_position_continues_there() {
    let objects = Arc::new(InMemory::new());
    let (one, other) = (open(&objects).await, open(&objects).await);
    for (store, seq) in [(&one, 1), (&other, 2), (&one, 3)] {
        append(store, seq).await.unwrap();
    }
    let from = async |start| {
        let mut reader = Reader::bucket_from(objects.clone(), start).await.unwrap();
        let mut seqs = Vec::new();
        while let Some(batch) = reader.next_batch().await.unwrap() {
            seqs.push(batch.meta().seq);
        }
        (seqs, reader.position())
    };
    assert_eq!(from(Start::Newest(2)).await.0, [2, 3]);
    assert_eq!(from(Start::Newest(9)).await.0, [1, 2, 3]);
    let (_, position) = from(Start::Beginning).await;
    let after = Start::After(position.unwrap());
    assert_eq!(from(after).await, (vec![], position));
    append(&other, 4).await.unwrap();
    assert_eq!(from(after).await.0, [4]);
}

#[tokio::test]
async fn collector_that_receives_every_other_batch_stores_them_all() {
    let objects = Arc::new(InMemory::new());
    let store = open(&objects).await;
    // More gaps than a single collector would accept.
    for n in 1..=20 {
        assert_eq!(append(&store, 2 * n).await.unwrap(), Appended::Stored);
    }
    assert_eq!(seqs(&store).await.len(), 20, "more objects than are fetched ahead");
}

#[tokio::test]
async fn batches_that_arrive_together_are_one_object() {
    let objects = Arc::new(InMemory::new());
    let mut config = BucketConfig::new(objects.clone());
    config.linger = LONG;
    let store = Arc::new(Store::open(config).await.unwrap());
    let appends: Vec<_> = (1..=50)
        .map(|seq| {
            let store = store.clone();
            tokio::spawn(async move { store.append(parsed("vm", seq, 3)).await })
        })
        .collect();
    // On this single thread each task has queued its batch by now. None is acknowledged before the
    // object is written.
    tokio::task::yield_now().await;
    assert!(appends.iter().all(|append| !append.is_finished()));
    // Closing the store writes the queued batches.
    assert_eq!(store.close(LONG).await, 0);
    for append in appends {
        assert_eq!(append.await.unwrap().unwrap(), Appended::Stored);
    }
    assert_eq!(segments(&objects).await, 1);
    assert_eq!(keys(reader(&objects).await, 3).await.len(), 50);
}

#[tokio::test]
async fn long_object_is_read_in_pieces() {
    let objects = Arc::new(InMemory::new());
    let store = open(&objects).await;
    // Random data, which compresses badly.
    let mut state = 0x9E37_79B9_7F4A_7C15u64;
    let mut random = || {
        // xorshift64
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        format!("{state:016x}")
    };
    let noise: String = (0..200_000).map(|_| random()).collect();
    let body = format!("{}{}", batch("vm", 1, 0), record(&noise));
    store.append(understudy_collector::Batch::parse(body.into()).unwrap()).await.unwrap();
    append(&store, 2).await.unwrap();
    let sizes = objects.list_with_delimiter(Some(&"segments".into())).await.unwrap().objects;
    assert!(sizes.iter().any(|object| object.size > 1 << 20), "{sizes:?}");
    let all = batches(reader(&objects).await).await;
    assert!(all[&("vm".to_owned(), 1)] == [record(&noise).trim_end()]);
    assert_eq!(all.len(), 2);
}

#[tokio::test]
async fn foreign_object_is_ignored() {
    let objects = Arc::new(InMemory::new());
    let store = open(&objects).await;
    append(&store, 1).await.unwrap();
    objects.put(&"segments/readme.txt".into(), "hello".into()).await.unwrap();
    objects.put(&"other/0.ndjson.zst".into(), "hello".into()).await.unwrap();
    assert_eq!(seqs(&store).await, [1]);
    objects.put(&"segments/0000000001.ndjson.zst".into(), "no zstd".into()).await.unwrap();
    let damaged = reader(&objects).await.next_batch().await.unwrap_err();
    assert_eq!(damaged.code(), "segment-damaged", "{damaged}");
}

fn record(pad: &str) -> String {
    format!("{{\"type\":\"exchange\",\"v\":1,\"id\":\"vm-1-0\",\"pad\":\"{pad}\"}}\n")
}
