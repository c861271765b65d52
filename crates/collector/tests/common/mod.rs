//! Helpers of the collector's tests: batches, an HTTP client, a disk that fails on demand, and the
//! contents of a store.

#![allow(dead_code, reason = "each test file uses a part")]

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use understudy_collector::{
    Appended, Batch, Collector, CollectorConfig, Disk, FolderConfig, LocalDisk, Reader, SegmentFile, Store,
    StoreError,
};

/// A batch with `records` records, whose content is a function of `vm` and `seq`.
pub(crate) fn batch(vm: &str, seq: u64, records: usize) -> String {
    let mut text = format!("{{\"type\":\"batch\",\"v\":1,\"vm\":\"{vm}\",\"seq\":{seq},\"dropped\":0}}\n");
    for n in 0..records {
        let kind = if n % 3 == 2 { "verdict" } else { "exchange" };
        text.push_str(&format!(
            "{{\"type\":\"{kind}\",\"v\":1,\"id\":\"{vm}-{seq}-{n}\",\"pad\":\"é {}\"}}\n",
            seq * 7919
        ));
    }
    text
}

pub(crate) fn parsed(vm: &str, seq: u64, records: usize) -> Batch {
    Batch::parse(batch(vm, seq, records).into()).unwrap()
}

/// The configuration of a store in `folder` on the disk `disk`.
pub(crate) fn store_config(folder: &Path, disk: &FaultDisk) -> FolderConfig {
    let mut config = FolderConfig::new(folder);
    config.disk = Arc::new(disk.clone());
    config
}

pub(crate) fn collector_config(folder: &Path, disk: &FaultDisk) -> CollectorConfig {
    CollectorConfig::with_store(store_config(folder, disk))
}

pub(crate) async fn collector(config: CollectorConfig) -> Collector {
    Collector::bind("127.0.0.1:0", config).await.unwrap()
}

/// All batches with their records, by VM and seq. Panics if a batch is returned twice.
pub(crate) async fn batches(mut reader: Reader) -> BTreeMap<(String, u64), Vec<String>> {
    let mut all = BTreeMap::new();
    while let Some(mut batch) = reader.next_batch().await.unwrap() {
        let mut records = Vec::new();
        while let Some(record) = batch.next_record().unwrap() {
            records.push(String::from_utf8(record.line.to_vec()).unwrap());
        }
        let key = (batch.meta().vm.clone(), batch.meta().seq);
        assert!(all.insert(key.clone(), records).is_none(), "{key:?} is stored twice");
    }
    all
}

/// The keys of all batches. Each batch must be the one that [`batch`] makes for its key and
/// `records`.
pub(crate) async fn keys(reader: Reader, records: usize) -> Vec<(String, u64)> {
    let all = batches(reader).await;
    for ((vm, seq), lines) in &all {
        let expect = batch(vm, *seq, records);
        assert_eq!(*lines, expect.lines().skip(1).collect::<Vec<_>>());
    }
    all.into_keys().collect()
}

pub(crate) async fn seqs(store: &Store) -> Vec<u64> {
    keys(store.read().await.unwrap(), 3).await.into_iter().map(|(_, seq)| seq).collect()
}

pub(crate) async fn append(store: &Store, seq: u64) -> Result<Appended, StoreError> {
    store.append(parsed("vm", seq, 3)).await
}

pub(crate) fn files(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Waits for a condition. Panics after a long time.
pub(crate) async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(30), "never: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

pub(crate) struct HttpResponse {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<u64>,
    pub(crate) text: String,
}

#[derive(Clone)]
pub(crate) struct Http {
    client: Client<HttpConnector, Full<Bytes>>,
    address: String,
}

impl Http {
    pub(crate) fn new(collector: &Collector, http2: bool) -> Http {
        Http::at(&collector.local_addr().to_string(), http2)
    }

    pub(crate) fn at(address: &str, http2: bool) -> Http {
        let client = Client::builder(TokioExecutor::new()).http2_only(http2).build_http();
        Http { client, address: address.to_owned() }
    }

    pub(crate) async fn post(&self, body: impl Into<Bytes>) -> HttpResponse {
        self.try_send("POST", "/v1/exchanges", body, None).await.unwrap()
    }

    pub(crate) async fn post_encoded(&self, body: impl Into<Bytes>, encoding: &str) -> HttpResponse {
        self.try_send("POST", "/v1/exchanges", body, Some(encoding)).await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> HttpResponse {
        self.try_send("GET", path, Bytes::new(), None).await.unwrap()
    }

    pub(crate) async fn try_post(&self, body: impl Into<Bytes>) -> Option<HttpResponse> {
        self.try_send("POST", "/v1/exchanges", body, None).await
    }

    /// `None` without a response.
    async fn try_send(
        &self,
        method: &str,
        path: &str,
        body: impl Into<Bytes>,
        encoding: Option<&str>,
    ) -> Option<HttpResponse> {
        let mut request =
            axum::http::Request::builder().method(method).uri(format!("http://{}{path}", self.address));
        if let Some(encoding) = encoding {
            request = request.header("content-encoding", encoding);
        }
        let response = self.client.request(request.body(Full::new(body.into())).unwrap()).await.ok()?;
        let retry_after = response.headers().get("retry-after").map(|v| v.to_str().unwrap().parse().unwrap());
        let status = response.status().as_u16();
        let text = response.into_body().collect().await.ok()?.to_bytes();
        Some(HttpResponse { status, retry_after, text: String::from_utf8(text.to_vec()).unwrap() })
    }
}

/// A disk, each of whose operations fails on demand.
#[derive(Clone, Debug, Default)]
pub(crate) struct FaultDisk(Arc<Faults>);

#[derive(Debug, Default)]
struct Faults {
    /// The free space in bytes; `None` is unlimited. Bytes cut off a file are free again.
    room: Mutex<Option<u64>>,
    sync: AtomicBool,
    set_len: AtomicBool,
    create: AtomicBool,
    sync_dir: AtomicBool,
    /// While the gate is closed, an fsync waits.
    gate: Mutex<bool>,
    opened: Condvar,
    waiting: AtomicI64,
    /// True if fsync is skipped.
    fast: AtomicBool,
}

fn failing(switch: &AtomicBool, code: i32) -> io::Result<()> {
    if switch.load(SeqCst) { Err(io::Error::from_raw_os_error(code)) } else { Ok(()) }
}

const EIO: i32 = 5;
const EROFS: i32 = 30;
const ENOSPC: i32 = 28;

impl FaultDisk {
    /// A disk that skips fsync, for tests that open many stores.
    pub(crate) fn fast() -> FaultDisk {
        let disk = FaultDisk::default();
        disk.0.fast.store(true, SeqCst);
        disk
    }

    pub(crate) fn room(&self, bytes: Option<u64>) {
        *self.0.room.lock().unwrap() = bytes;
    }

    pub(crate) fn fail_sync(&self, fail: bool) {
        self.0.sync.store(fail, SeqCst);
    }

    pub(crate) fn fail_set_len(&self, fail: bool) {
        self.0.set_len.store(fail, SeqCst);
    }

    /// Behaves like a file system that was mounted read-only.
    pub(crate) fn read_only(&self, fail: bool) {
        for switch in [&self.0.create, &self.0.sync, &self.0.set_len, &self.0.sync_dir] {
            switch.store(fail, SeqCst);
        }
    }

    pub(crate) fn fail_create(&self, fail: bool) {
        self.0.create.store(fail, SeqCst);
    }

    pub(crate) fn fail_sync_dir(&self, fail: bool) {
        self.0.sync_dir.store(fail, SeqCst);
    }

    pub(crate) fn close_gate(&self) {
        *self.0.gate.lock().unwrap() = true;
    }

    pub(crate) fn open_gate(&self) {
        *self.0.gate.lock().unwrap() = false;
        self.0.opened.notify_all();
    }

    /// Returns whether an fsync waits at the gate.
    pub(crate) fn has_waiter(&self) -> bool {
        self.0.waiting.load(SeqCst) > 0
    }
}

impl Disk for FaultDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        failing(&self.0.create, EROFS)?;
        let file = LocalDisk.create(path)?;
        Ok(Box::new(FaultFile { file, path: path.into(), faults: self.0.clone() }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        let file = LocalDisk.open(path)?;
        Ok(Box::new(FaultFile { file, path: path.into(), faults: self.0.clone() }))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        LocalDisk.remove(path)
    }

    fn sync_dir(&self, folder: &Path) -> io::Result<()> {
        failing(&self.0.sync_dir, EIO)?;
        if self.0.fast.load(SeqCst) { Ok(()) } else { LocalDisk.sync_dir(folder) }
    }
}

struct FaultFile {
    file: Box<dyn SegmentFile>,
    path: PathBuf,
    faults: Arc<Faults>,
}

impl SegmentFile for FaultFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut room = self.faults.room.lock().unwrap();
        let Some(left) = &mut *room else { return self.file.append(bytes) };
        let fits = bytes.len().min(*left as usize);
        *left -= fits as u64;
        // Like a real disk, writes the part that fits.
        self.file.append(&bytes[..fits])?;
        if fits < bytes.len() { Err(io::Error::from_raw_os_error(ENOSPC)) } else { Ok(()) }
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut closed = self.faults.gate.lock().unwrap();
        self.faults.waiting.fetch_add(1, SeqCst);
        while *closed {
            closed = self.faults.opened.wait(closed).unwrap();
        }
        drop(closed);
        self.faults.waiting.fetch_sub(1, SeqCst);
        failing(&self.faults.sync, EIO)?;
        if self.faults.fast.load(SeqCst) { Ok(()) } else { self.file.sync() }
    }

    fn is_at(&self, path: &Path) -> io::Result<bool> {
        self.file.is_at(path)
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        failing(&self.faults.set_len, EIO)?;
        let before = std::fs::metadata(&self.path)?.len();
        self.file.set_len(len)?;
        if let Some(left) = &mut *self.faults.room.lock().unwrap() {
            *left += before.saturating_sub(len);
        }
        Ok(())
    }
}
