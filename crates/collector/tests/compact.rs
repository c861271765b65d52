//! Compaction of a bucket's small objects: interrupted at any point, by any number of collectors,
//! under readers on their way. In each case each batch is read once.

mod common;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use async_trait::async_trait;
use common::*;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use tokio::sync::Semaphore;
use understudy_collector::object_store::memory::InMemory;
use understudy_collector::object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, path::Path,
};
use understudy_collector::{BucketConfig, Reader, Start, Store};

const LONG: Duration = Duration::from_secs(30);
const SHORT_AGE: Duration = Duration::from_millis(5);
/// More than are fetched ahead.
const BATCHES: u64 = 24;

/// An object store that executes a number of calls. The next call blocks, before or after its
/// execution, so that its user can be aborted there. Deletes one object per call.
#[derive(Clone, Debug)]
struct BlockingStore {
    objects: Arc<InMemory>,
    calls: Arc<Semaphore>,
    /// True if the blocked call is executed before it blocks.
    executes: bool,
    is_blocked: Arc<AtomicBool>,
}

impl BlockingStore {
    fn after(objects: &Arc<InMemory>, calls: usize, executes: bool) -> BlockingStore {
        let calls = Arc::new(Semaphore::new(calls));
        BlockingStore { objects: objects.clone(), calls, executes, is_blocked: Arc::default() }
    }

    fn is_blocked(&self) -> bool {
        self.is_blocked.load(SeqCst)
    }

    async fn call<T>(&self, call: impl Future<Output = T>) -> T {
        if self.calls.available_permits() > 0 {
            self.calls.acquire().await.unwrap().forget();
            return call.await;
        }
        if self.executes {
            let result = call.await;
            self.permitted().await;
            return result;
        }
        self.permitted().await;
        call.await
    }

    async fn permitted(&self) {
        self.is_blocked.store(true, SeqCst);
        self.calls.acquire().await.unwrap().forget();
    }
}

impl fmt::Display for BlockingStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BlockingStore")
    }
}

#[async_trait]
impl ObjectStore for BlockingStore {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.call(self.objects.put_opts(path, payload, options)).await
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        unreachable!("nothing is that long")
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        self.call(self.objects.get_opts(path, options)).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let this = self.clone();
        let delete = move |path: Result<Path>| {
            let this = this.clone();
            async move {
                let one = stream::iter([Ok(path?)]).boxed();
                this.call(this.objects.delete_stream(one).next()).await.expect("a result")
            }
        };
        paths.then(delete).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.objects.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.call(self.objects.list_with_delimiter(prefix)).await
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        unreachable!("nothing is copied")
    }
}

async fn open(objects: Arc<dyn ObjectStore>, compact_age: Option<Duration>) -> Store {
    let mut config = BucketConfig::new(objects);
    config.linger = Duration::from_millis(1);
    config.compact_age = compact_age;
    Store::open(config).await.unwrap()
}

/// The names of the objects in a folder.
async fn names(objects: &Arc<InMemory>, folder: &str) -> Vec<String> {
    let list = objects.list_with_delimiter(Some(&folder.into())).await.unwrap();
    list.objects.into_iter().map(|object| object.location.to_string()).collect()
}

/// Adds each batch of `seqs` as one object, by a collector that then ends.
async fn add(objects: &Arc<InMemory>, seqs: std::ops::RangeInclusive<u64>) {
    let store = open(objects.clone(), None).await;
    for seq in seqs {
        append(&store, seq).await.unwrap();
    }
    assert_eq!(store.close(LONG).await, 0);
}

async fn not_compacted(objects: &Arc<InMemory>) -> usize {
    names(objects, "segments").await.len()
}

/// Waits until the objects of ended collectors are compacted.
async fn all_compacted(objects: &Arc<InMemory>) {
    let start = std::time::Instant::now();
    while not_compacted(objects).await > 1 {
        assert!(start.elapsed() < LONG, "never compacted: {:?}", names(objects, "segments").await);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// The numbers of the batches that a reader has yet to return. Panics if a batch is returned twice.
async fn rest(reader: Reader) -> Vec<u64> {
    keys(reader, 3).await.into_iter().map(|(_, seq)| seq).collect()
}

async fn all(objects: &Arc<InMemory>) -> Vec<u64> {
    rest(Reader::bucket(objects.clone()).await.unwrap()).await
}

#[tokio::test]
async fn compaction_aborted_at_any_call_keeps_each_batch_once() {
    let expect: Vec<u64> = (1..=BATCHES).collect();
    let mut aborts = 0;
    for executes in [false, true] {
        for calls in 0.. {
            let objects = Arc::new(InMemory::new());
            add(&objects, 1..=BATCHES / 2).await;
            let mut reader = Reader::bucket(objects.clone()).await.unwrap();
            while reader.next_batch().await.unwrap().is_some() {}
            let position = reader.position().unwrap();
            add(&objects, BATCHES / 2 + 1..=BATCHES).await;
            let mut on_its_way = Reader::bucket(objects.clone()).await.unwrap();
            let first = on_its_way.next_batch().await.unwrap().unwrap().meta().seq;

            // The start needs one more call for its probe.
            let blocking = BlockingStore::after(&objects, calls + 1, executes);
            let store = open(Arc::new(blocking.clone()), Some(SHORT_AGE)).await;
            let start = std::time::Instant::now();
            while !blocking.is_blocked() && not_compacted(&objects).await > 0 {
                assert!(start.elapsed() < LONG, "neither blocked nor finished");
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            let finished = !blocking.is_blocked();
            // Like a kill: the compaction ends at this call.
            store.close(Duration::ZERO).await;

            let case = format!("aborted after {calls} calls, the last one executed: {executes}");
            assert_eq!(all(&objects).await, expect, "{case}");
            assert_eq!([vec![first], rest(on_its_way).await].concat(), expect, "{case}: a reader on its way");
            let after = Reader::bucket_from(objects.clone(), Start::After(position)).await.unwrap();
            assert_eq!(rest(after).await, expect[expect.len() / 2..], "{case}: a reader that continues");

            let other = open(objects.clone(), Some(SHORT_AGE)).await;
            all_compacted(&objects).await;
            assert_eq!(all(&objects).await, expect, "{case}: another collector continues");
            assert_eq!(other.close(LONG).await, 0);
            if finished {
                break;
            }
            aborts += 1;
        }
    }
    assert!(aborts > 2 * BATCHES, "it was aborted at each step: {aborts}");
}

#[tokio::test]
async fn object_compacted_during_a_listing_is_read() {
    let expect: Vec<u64> = (1..=BATCHES).collect();
    for calls in 0..3 {
        let objects = Arc::new(InMemory::new());
        add(&objects, 1..=BATCHES).await;
        let slow = BlockingStore::after(&objects, calls, false);
        let reading = tokio::spawn({
            let slow = slow.clone();
            async move { rest(Reader::bucket(Arc::new(slow)).await.unwrap()).await }
        });
        eventually("the reader is blocked", || slow.is_blocked()).await;
        let store = open(objects.clone(), Some(SHORT_AGE)).await;
        all_compacted(&objects).await;
        slow.calls.add_permits(1000);
        assert_eq!(reading.await.unwrap(), expect, "compacted before call {calls}");
        store.close(LONG).await;
    }
}

#[tokio::test]
async fn collectors_compacting_at_once_neither_lose_nor_repeat_batches() {
    let objects = Arc::new(InMemory::new());
    for first in [1, 21, 41] {
        add(&objects, first..=first + 19).await;
    }
    let mut stores = Vec::new();
    for _ in 0..4 {
        stores.push(open(objects.clone(), Some(SHORT_AGE)).await);
    }
    let expect: Vec<u64> = (1..=60).collect();
    while not_compacted(&objects).await > 0 {
        assert_eq!(all(&objects).await, expect, "while they compact");
        tokio::task::yield_now().await;
    }
    let compacted = names(&objects, "joined").await;
    assert_eq!(compacted.len(), 3, "one for each collector, however many have tried: {compacted:?}");
    for store in stores {
        store.close(LONG).await;
    }
    assert_eq!(all(&objects).await, expect);
}

#[tokio::test]
async fn collector_compacts_its_own_objects_while_it_collects() {
    let objects = Arc::new(InMemory::new());
    let store = open(objects.clone(), Some(Duration::from_millis(20))).await;
    let mut seq = 0;
    while names(&objects, "joined").await.len() < 3 {
        seq += 1;
        append(&store, seq).await.unwrap();
    }
    assert_eq!(seqs(&store).await, (1..=seq).collect::<Vec<_>>());
    store.close(LONG).await;
}

#[tokio::test]
async fn foreign_or_damaged_object_is_not_compacted() {
    let objects = Arc::new(InMemory::new());
    add(&objects, 1..=3).await;
    // One object under another name, and one that is cut off.
    let one = names(&objects, "segments").await.remove(0);
    let bytes = objects.get(&Path::from(one.as_str())).await.unwrap().bytes().await.unwrap();
    let strange = [
        format!("segments/{:020}-0123456789abcdef-0000000001.ndjson.zst", 7),
        format!("segments/{:020}-0123456789abcdef-0000000002.ndjson.zst", 8),
    ];
    objects.put(&Path::from(strange[0].as_str()), bytes.clone().into()).await.unwrap();
    objects.put(&Path::from(strange[1].as_str()), bytes.slice(..bytes.len() - 9).into()).await.unwrap();
    let store = open(objects.clone(), Some(SHORT_AGE)).await;
    let start = std::time::Instant::now();
    while not_compacted(&objects).await > 2 {
        assert!(start.elapsed() < LONG, "the others are compacted all the same");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert_eq!(names(&objects, "segments").await, strange);
    assert_eq!(names(&objects, "joined").await.len(), 1);
    store.close(LONG).await;
}

#[tokio::test]
async fn object_deleted_without_compaction_is_an_error() {
    let objects = Arc::new(InMemory::new());
    add(&objects, 1..=BATCHES).await;
    let mut reader = Reader::bucket(objects.clone()).await.unwrap();
    reader.next_batch().await.unwrap().unwrap();
    let last = names(&objects, "segments").await.pop().unwrap();
    objects.delete(&Path::from(last.as_str())).await.unwrap();
    let error = loop {
        match reader.next_batch().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("a batch is missing without an error"),
            Err(error) => break error,
        }
    };
    assert!(error.to_string().contains(&last), "{error}");
    assert!(matches!(
        std::error::Error::source(&error).and_then(|source| source.downcast_ref::<Error>()),
        Some(Error::NotFound { .. })
    ));
}
