//! Small objects of a shared store are joined: ended at any point, by any number of collectors, under readers that are on their way. Whatever
//! happens, each batch is read once.

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
use understudy_collector::{Reader, Start, Store, StoreConfig};

const LONG: Duration = Duration::from_secs(30);
const SOON: Duration = Duration::from_millis(5);
/// More than are read ahead.
const BATCHES: u64 = 24;

/// A store whose user gets so many calls done; the next one waits, before or after it is done: as long as the user lives, which may be ended
/// then. Deletes one object a call.
#[derive(Clone, Debug)]
struct Ending {
    objects: Arc<InMemory>,
    calls: Arc<Semaphore>,
    /// Whether the call that waits is done.
    done: bool,
    waits: Arc<AtomicBool>,
}

impl Ending {
    fn after(objects: &Arc<InMemory>, calls: usize, done: bool) -> Ending {
        let calls = Arc::new(Semaphore::new(calls));
        Ending { objects: objects.clone(), calls, done, waits: Arc::default() }
    }

    fn waits(&self) -> bool {
        self.waits.load(SeqCst)
    }

    async fn call<T>(&self, call: impl Future<Output = T>) -> T {
        if self.calls.available_permits() > 0 {
            self.calls.acquire().await.unwrap().forget();
            return call.await;
        }
        if self.done {
            let done = call.await;
            self.permitted().await;
            return done;
        }
        self.permitted().await;
        call.await
    }

    async fn permitted(&self) {
        self.waits.store(true, SeqCst);
        self.calls.acquire().await.unwrap().forget();
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ending")
    }
}

#[async_trait]
impl ObjectStore for Ending {
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
                this.call(this.objects.delete_stream(one).next()).await.expect("an answer")
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

async fn open(objects: Arc<dyn ObjectStore>, join_age: Option<Duration>) -> Store {
    let mut config = StoreConfig::shared(objects);
    config.linger = Some(Duration::from_millis(1));
    config.join_age = join_age;
    Store::open(config).await.unwrap()
}

/// Objects in a folder, by name.
async fn names(objects: &Arc<InMemory>, folder: &str) -> Vec<String> {
    let list = objects.list_with_delimiter(Some(&folder.into())).await.unwrap();
    list.objects.into_iter().map(|object| object.location.to_string()).collect()
}

/// A store in which `seqs` are one object each, left by a collector that is gone.
async fn add(objects: &Arc<InMemory>, seqs: std::ops::RangeInclusive<u64>) {
    let store = open(objects.clone(), None).await;
    for seq in seqs {
        append(&store, seq).await.unwrap();
    }
    assert_eq!(store.close(LONG).await, 0);
}

async fn left_alone(objects: &Arc<InMemory>) -> usize {
    names(objects, "segments").await.len()
}

/// Waits until all that a collector has left is joined.
async fn all_joined(objects: &Arc<InMemory>) {
    let start = std::time::Instant::now();
    while left_alone(objects).await > 1 {
        assert!(start.elapsed() < LONG, "never joined: {:?}", names(objects, "segments").await);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// The rest of a reader, by number; fails where one comes twice.
async fn rest(reader: Reader) -> Vec<u64> {
    keys(reader, 3).await.into_iter().map(|(_, seq)| seq).collect()
}

async fn all(objects: &Arc<InMemory>) -> Vec<u64> {
    rest(Reader::shared(objects.clone()).await.unwrap()).await
}

#[tokio::test]
async fn ended_anywhere_each_batch_is_read_once() {
    let expect: Vec<u64> = (1..=BATCHES).collect();
    let mut ends = 0;
    for done in [false, true] {
        for calls in 0.. {
            let objects = Arc::new(InMemory::new());
            add(&objects, 1..=BATCHES / 2).await;
            let mut reader = Reader::shared(objects.clone()).await.unwrap();
            while reader.next_batch().await.unwrap().is_some() {}
            let position = reader.position().unwrap();
            add(&objects, BATCHES / 2 + 1..=BATCHES).await;
            let mut on_its_way = Reader::shared(objects.clone()).await.unwrap();
            let first = on_its_way.next_batch().await.unwrap().unwrap().meta().seq;

            // One more for the probe of the start.
            let ending = Ending::after(&objects, calls + 1, done);
            let store = open(Arc::new(ending.clone()), Some(SOON)).await;
            let start = std::time::Instant::now();
            while !ending.waits() && left_alone(&objects).await > 0 {
                assert!(start.elapsed() < LONG, "neither ended nor done");
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            let finished = !ending.waits();
            // As a kill: what it does is over, wherever it is.
            store.close(Duration::ZERO).await;

            let case = format!("ended after {calls} calls, the last one done: {done}");
            assert_eq!(all(&objects).await, expect, "{case}");
            assert_eq!([vec![first], rest(on_its_way).await].concat(), expect, "{case}: a reader on its way");
            let after = Reader::shared_from(objects.clone(), Start::After(position)).await.unwrap();
            assert_eq!(rest(after).await, expect[expect.len() / 2..], "{case}: who reads on");

            let other = open(objects.clone(), Some(SOON)).await;
            all_joined(&objects).await;
            assert_eq!(all(&objects).await, expect, "{case}: another goes on");
            assert_eq!(other.close(LONG).await, 0);
            if finished {
                break;
            }
            ends += 1;
        }
    }
    assert!(ends > 2 * BATCHES, "it was ended at each step: {ends}");
}

#[tokio::test]
async fn what_is_joined_while_it_is_listed_is_read() {
    let expect: Vec<u64> = (1..=BATCHES).collect();
    for calls in 0..3 {
        let objects = Arc::new(InMemory::new());
        add(&objects, 1..=BATCHES).await;
        let slow = Ending::after(&objects, calls, false);
        let reading = tokio::spawn({
            let slow = slow.clone();
            async move { rest(Reader::shared(Arc::new(slow)).await.unwrap()).await }
        });
        eventually("it waits", || slow.waits()).await;
        let store = open(objects.clone(), Some(SOON)).await;
        all_joined(&objects).await;
        slow.calls.add_permits(1000);
        assert_eq!(reading.await.unwrap(), expect, "joined before call {calls}");
        store.close(LONG).await;
    }
}

#[tokio::test]
async fn collectors_that_join_at_once_lose_and_double_nothing() {
    let objects = Arc::new(InMemory::new());
    for first in [1, 21, 41] {
        add(&objects, first..=first + 19).await;
    }
    let mut stores = Vec::new();
    for _ in 0..4 {
        stores.push(open(objects.clone(), Some(SOON)).await);
    }
    let expect: Vec<u64> = (1..=60).collect();
    while left_alone(&objects).await > 0 {
        assert_eq!(all(&objects).await, expect, "while they join");
        tokio::task::yield_now().await;
    }
    let joined = names(&objects, "joined").await;
    assert_eq!(joined.len(), 3, "one for each collector, however many have tried: {joined:?}");
    for store in stores {
        store.close(LONG).await;
    }
    assert_eq!(all(&objects).await, expect);
}

#[tokio::test]
async fn a_collector_joins_its_own_while_it_collects() {
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
async fn what_is_no_segment_of_ours_is_not_joined() {
    let objects = Arc::new(InMemory::new());
    add(&objects, 1..=3).await;
    // Put there with another name; cut off; of an older collector, which gave its segments no names.
    let one = names(&objects, "segments").await.remove(0);
    let bytes = objects.get(&Path::from(one.as_str())).await.unwrap().bytes().await.unwrap();
    let strange = [
        format!("segments/{:020}-0123456789abcdef-0000000001.ndjson.zst", 7),
        format!("segments/{:020}-0123456789abcdef-0000000002.ndjson.zst", 8),
    ];
    objects.put(&Path::from(strange[0].as_str()), bytes.clone().into()).await.unwrap();
    objects.put(&Path::from(strange[1].as_str()), bytes.slice(..bytes.len() - 9).into()).await.unwrap();
    let store = open(objects.clone(), Some(SOON)).await;
    let start = std::time::Instant::now();
    while left_alone(&objects).await > 2 {
        assert!(start.elapsed() < LONG, "the others are joined all the same");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert_eq!(names(&objects, "segments").await, strange);
    assert_eq!(names(&objects, "joined").await.len(), 1);
    store.close(LONG).await;
}

#[tokio::test]
async fn an_object_that_nothing_has_is_said_to_be_gone() {
    let objects = Arc::new(InMemory::new());
    add(&objects, 1..=BATCHES).await;
    let mut reader = Reader::shared(objects.clone()).await.unwrap();
    reader.next_batch().await.unwrap().unwrap();
    let last = names(&objects, "segments").await.pop().unwrap();
    objects.delete(&Path::from(last.as_str())).await.unwrap();
    let error = loop {
        match reader.next_batch().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("a batch is missing, and nobody is told"),
            Err(error) => break error,
        }
    };
    assert!(error.to_string().contains(&last), "{error}");
    assert!(matches!(
        std::error::Error::source(&error).and_then(|source| source.downcast_ref::<Error>()),
        Some(Error::NotFound { .. })
    ));
}
