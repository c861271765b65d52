//! Tests of collectors that share a bucket: acknowledged batches are stored, whatever happens to
//! the collectors or to S3, and a snapshot has them once.

use crate::bucket::{Bucket, Gate, http};
use crate::call::Running;
use crate::scene::{PATIENCE, Scene, until};
use crate::store::exchange;
use rustix::process::Signal;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use understudy_core::v1;
use understudy_testkit::recorded;

const STORE: &str = "s3://captures/team/payment";

/// A collector on a port of its own.
pub(crate) struct Collector {
    running: Running,
    pub(crate) address: SocketAddr,
}

impl Collector {
    async fn start(scene: &Scene, bucket: &Bucket, name: &str) -> Self {
        Self::start_with(scene, bucket, name, &[]).await
    }

    pub(crate) async fn start_with(scene: &Scene, bucket: &Bucket, name: &str, args: &[&str]) -> Self {
        let (log, listen) = (scene.file(name, ""), ["--listen", "127.0.0.1:0"]);
        let file = std::fs::OpenOptions::new().append(true).open(&log).expect("a log");
        let call = scene.understudy([&["collect", "--store", STORE], &listen[..], args].concat());
        let running = bucket.tell(call).stderr(file).start();
        let address = until("the collector doesn't listen", || {
            let said = std::fs::read_to_string(&log).ok()?;
            let (_, rest) = said.split_once("collecting on ")?;
            let (address, into) = rest.split_once(" into ")?;
            into.starts_with(STORE).then(|| address.parse().expect("an address"))
        });
        Self { address: address.await, running }
    }

    pub(crate) fn pid(&self) -> i32 {
        self.running.pid().as_raw_nonzero().get()
    }

    pub(crate) async fn kill(self) {
        self.running.signal(Signal::KILL);
        assert_eq!(self.running.end().await.code, 128 + 9);
    }

    pub(crate) async fn stop(self) {
        self.running.signal(Signal::TERM);
        self.running.end().await.expect(0);
    }
}

/// A batch with one exchange, which has the batch's number.
fn body(vm: &str, seq: u64) -> Vec<u8> {
    let mut body = Vec::new();
    v1::write_batch(vm, seq, 0, Some("payment"), &mut body);
    let what = recorded("GET", "https://api.stripe.com", &format!("/{vm}/{seq}"));
    v1::write_record(&exchange(&format!("{vm}-{seq}"), seq, what), None, &mut body);
    body
}

/// The status for a batch; `None` if the connection breaks.
pub(crate) async fn post(to: SocketAddr, vm: &str, seq: u64) -> Option<u16> {
    http(to, "POST", "/v1/exchanges", &body(vm, seq)).await.ok().map(|(status, _)| status)
}

/// The paths of a snapshot of all, in order of their names.
pub(crate) async fn snapshot(scene: &Scene, bucket: &Bucket) -> Vec<String> {
    let args = ["snapshot", "create", "all", "--store", STORE, "--force", "-o", "all"];
    bucket.tell(scene.understudy(args)).run().await.expect(0);
    let exchanges = scene.read("all/exchanges.ndjson");
    let path = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
        line["request"]["path"].as_str().expect("a path").to_owned()
    };
    let mut paths: Vec<_> = exchanges.lines().map(path).collect();
    paths.sort();
    paths
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_when_a_collector_is_killed() {
    const VMS: [&str; 4] = ["aa", "bb", "cc", "dd"];
    const BATCHES: u64 = 24;
    let scene = Scene::new().await;
    let bucket = Bucket::start(&scene).await;
    let first = Collector::start(&scene, &bucket, "first.log").await;
    let second = Collector::start(&scene, &bucket, "second.log").await;
    let addresses = [first.address, second.address];
    let (acknowledged, refused) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let senders = VMS.map(|vm| {
        let (acknowledged, refused) = (acknowledged.clone(), refused.clone());
        tokio::spawn(async move {
            for seq in 1..=BATCHES {
                // Distributes requests like a Service in Kubernetes. A batch without an
                // acknowledgement is sent again, to any collector.
                let mut to = seq as usize;
                while post(addresses[to % 2], vm, seq).await != Some(204) {
                    refused.fetch_add(1, Ordering::SeqCst);
                    to += 1;
                }
                // Some senders never hear of it, and send it to the other one too.
                if seq % 5 == 0 {
                    let _ = post(addresses[(to + 1) % 2], vm, seq).await;
                }
                acknowledged.fetch_add(1, Ordering::SeqCst);
            }
        })
    });
    until("nothing is acknowledged", || (acknowledged.load(Ordering::SeqCst) >= 24).then_some(())).await;
    // Each sender has a batch in progress, which waits for others to be grouped with.
    first.kill().await;
    for sender in senders {
        tokio::time::timeout(PATIENCE, sender).await.expect("it gets through").expect("no panic");
    }
    assert!(refused.load(Ordering::SeqCst) > 0, "some were on their way to the one that was killed");

    let mut expect: Vec<String> =
        VMS.iter().flat_map(|vm| (1..=BATCHES).map(move |seq| format!("/{vm}/{seq}"))).collect();
    expect.sort();
    assert_eq!(snapshot(&scene, &bucket).await, expect, "all of them, each once, while a collector runs");
    let args = ["snapshot", "list", "--store", STORE, "--json"];
    let list = bucket.tell(scene.understudy(args)).run().await.expect(0);
    assert!(list.out.contains(&format!("\"exchanges\": {}", expect.len())), "{list}");
    let (_, metrics) = http(second.address, "GET", "/metrics", b"").await.expect("metrics");
    assert!(metrics.contains("missing_batches 0"), "the other has what isn't here: {metrics}");
    second.stop().await;
    assert_eq!(snapshot(&scene, &bucket).await, expect);
    bucket.stop().await;
}

#[tokio::test]
async fn batch_that_s3_refuses_is_not_acknowledged() {
    let scene = Scene::new().await;
    let bucket = Bucket::start(&scene).await;
    let collector = Collector::start(&scene, &bucket, "collector.log").await;
    let other = Collector::start(&scene, &bucket, "other.log").await;
    let at = collector.address;
    let ready = async || http(at, "GET", "/readyz", b"").await.expect("an answer").0;
    let comes_back = async || {
        let start = Instant::now();
        while ready().await != 200 {
            assert!(start.elapsed() < PATIENCE, "it never is ready again");
        }
    };
    assert_eq!((post(at, "aa", 1).await, ready().await), (Some(204), 200));

    bucket.set(Gate::Refuse);
    let (status, said) = http(at, "POST", "/v1/exchanges", &body("aa", 2)).await.expect("an answer");
    assert!(status == 503 && said.contains("store-not-writable"), "{status}: {said}");
    assert_eq!(ready().await, 503);
    bucket.set(Gate::Open);
    comes_back().await;
    assert_eq!(snapshot(&scene, &bucket).await, ["/aa/1"]);
    assert_eq!(post(at, "aa", 2).await, Some(204), "it may come again");

    // The batch is stored but wasn't acknowledged, so it is sent to the other collector too.
    bucket.set(Gate::Lose);
    assert_eq!(post(at, "aa", 3).await, Some(503));
    bucket.set(Gate::Open);
    assert_eq!(snapshot(&scene, &bucket).await, ["/aa/1", "/aa/2", "/aa/3"]);
    assert_eq!(post(other.address, "aa", 3).await, Some(204));
    comes_back().await;

    // Slow: who sends waits, and the collector lives.
    bucket.set(Gate::Hold);
    let held = tokio::spawn(post(at, "aa", 4));
    assert_eq!(http(at, "GET", "/healthz", b"").await.expect("an answer").0, 200);
    assert!(!held.is_finished(), "not before it is there");
    bucket.set(Gate::Open);
    assert_eq!(held.await.expect("no panic"), Some(204));

    let paths = snapshot(&scene, &bucket).await;
    assert_eq!(paths, ["/aa/1", "/aa/2", "/aa/3", "/aa/4"]);
    assert_eq!(paths.iter().collect::<BTreeSet<_>>().len(), paths.len());
    collector.stop().await;
    other.stop().await;
    bucket.stop().await;
}

#[tokio::test]
async fn unusable_bucket_is_reported_at_the_start() {
    let scene = Scene::new().await;
    let bucket = Bucket::start(&scene).await;
    let collect =
        |store| bucket.tell(scene.understudy(["collect", "--store", store, "--listen", "127.0.0.1:0"]));
    collect("s3://nobodys").run().await.expect(2).says(&["cannot write to the object store", "NoSuchBucket"]);
    collect("s3:///x").run().await.expect(2).says(&["write s3://bucket/prefix"]);
    let call = collect("s3://captures").env("AWS_ALLOW_HTTP", "false");
    call.run().await.expect(2).says(&["AWS_ALLOW_HTTP=true"]);
    let args = ["collect", "--store", "here", "--s3-endpoint", "http://127.0.0.1:1"];
    scene.understudy(args).run().await.expect(2).says(&["of no use with the folder here"]);
    assert!(!scene.path("here").exists());
    let args = ["snapshot", "create", "s", "--store", "s3://captures/nothing"];
    bucket.tell(scene.understudy(args)).run().await.expect(2).says(&["s3://captures/nothing"]);
    bucket.stop().await;
}
