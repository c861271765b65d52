//! The collector over real sockets: acknowledged and refused batches, memory limits, and the end.

mod common;

use std::io::Write;
use std::time::Duration;

use common::*;
use flate2::{Compression, write::GzEncoder};
use tempfile::tempdir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use understudy_collector::{Collector, CollectorConfig, FolderConfig, Reader};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

async fn stored(dir: &std::path::Path) -> usize {
    keys(Reader::open(dir).await.unwrap(), 3).await.len()
}

#[tokio::test]
async fn batch_over_http1_http2_and_gzip_is_stored() {
    let dir = tempdir().unwrap();
    let collector = collector(CollectorConfig::new(dir.path())).await;
    let mut observer = collector.subscribe();
    let (http1, http2) = (Http::new(&collector, false), Http::new(&collector, true));
    assert_eq!(http1.post(batch("a", 1, 3)).await.status, 204);
    assert_eq!(http2.post(batch("a", 2, 3)).await.status, 204);
    assert_eq!(http2.post_encoded(gzip(batch("a", 3, 3).as_bytes()), "gzip").await.status, 204);
    assert_eq!(http1.post_encoded(batch("a", 4, 3), "identity").await.status, 204);
    let again = http1.post(batch("a", 2, 3)).await;
    assert_eq!((again.status, again.text.as_str()), (204, ""));
    assert_eq!(observer.recv().await.unwrap().batch.seq, 1);
    let stats = collector.stats();
    assert_eq!((stats.batches, stats.exchanges, stats.verdicts, stats.duplicates), (4, 8, 4, 1));
    assert_eq!(stored(dir.path()).await, 4);
    let summary = collector.shutdown().await;
    assert!(summary.gaps.is_complete());
    assert_eq!((summary.cut_connections, summary.unsealed_segments), (0, 0));
    assert_eq!(stored(dir.path()).await, 4);
}

#[tokio::test]
async fn refused_batch_gets_the_reason() {
    let dir = tempdir().unwrap();
    let mut config = CollectorConfig::new(dir.path());
    config.ingest.max_body = 2000;
    let collector = collector(config).await;
    let http = Http::new(&collector, false);
    let good = batch("a", 1, 3);
    let version = good.replacen("\"v\":1", "\"v\":2", 1);
    let record = good.replacen("\"v\":1,\"id\":\"a-1-1\"", "\"v\":7,\"id\":\"a-1-1\"", 1);
    for (body, encoding, status, text) in [
        (b"".to_vec(), "", 400, "malformed-batch: line 1: the body is empty"),
        (b"[]\n".to_vec(), "", 400, "malformed-batch: line 1: not a JSON object"),
        (version.into_bytes(), "", 400, "unknown-version: line 1: version 2 is not known"),
        (record.into_bytes(), "", 400, "unknown-version: line 3: version 7 is not known"),
        (
            good.trim_end().as_bytes().to_vec(),
            "",
            400,
            "malformed-batch: line 4: does not end with a newline",
        ),
        (vec![b' '; 2001], "", 413, "too-large: the body has more than 2000 bytes"),
        (gzip(&vec![b' '; 50 << 20]), "gzip", 413, "too-large: the body has more than 2000 bytes"),
        (gzip(&vec![b' '; 1 << 20]), "gzip", 413, "too-large: the body has more than 2000 bytes"),
        (good.clone().into_bytes(), "gzip", 400, "bad-gzip: "),
        (gzip(good.as_bytes())[..60].to_vec(), "gzip", 400, "bad-gzip: "),
        (good.clone().into_bytes(), "br", 415, "unknown-encoding: content-encoding \"br\" is not known"),
    ] {
        let what = format!("{text} ({} bytes)", body.len());
        let answer = http.post_encoded(body, encoding).await;
        assert_eq!((answer.status, answer.retry_after), (status, None), "{what}: {}", answer.text);
        assert!(answer.text.starts_with(text), "{} should start with {text}", answer.text);
    }
    assert_eq!(http.get("/v1/exchanges").await.status, 405);
    assert_eq!(http.get("/nowhere").await.status, 404);
    let rejected = collector.stats().rejected;
    assert_eq!((rejected["malformed-batch"], rejected["unknown-version"], rejected["too-large"]), (3, 2, 3));
    assert!(http.get("/metrics").await.text.contains("\nunderstudy_collector_in_flight_bytes 0\n"));
    assert_eq!(http.post(good).await.status, 204, "a valid batch is stored after all that");
    assert_eq!(stored(dir.path()).await, 1);
}

/// Sends bytes over a plain socket and returns the whole response.
async fn raw(collector: &Collector, parts: &[&[u8]]) -> String {
    let mut socket = TcpStream::connect(collector.local_addr()).await.unwrap();
    for part in parts {
        socket.write_all(part).await.unwrap();
        socket.flush().await.unwrap();
    }
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn body_without_a_length_is_limited_too() {
    let dir = tempdir().unwrap();
    let mut config = CollectorConfig::new(dir.path());
    (config.ingest.max_body, config.ingest.max_in_flight) = (50_000, 50_000);
    let collector = collector(config).await;
    let head =
        b"POST /v1/exchanges HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";
    let chunked = |body: &[u8]| {
        let mut all = Vec::new();
        for piece in body.chunks(1000) {
            all.extend(format!("{:x}\r\n", piece.len()).as_bytes());
            all.extend(piece);
            all.extend(b"\r\n");
        }
        all.extend(b"0\r\n\r\n");
        all
    };
    let answer = raw(&collector, &[head, &chunked(&[b' '; 60_000])]).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    let mut long = batch("a", 1, 3);
    long.insert_str(long.len() - 1, &" ".repeat(50_000 - long.len()));
    assert_eq!(long.len(), 50_000);
    let answer = raw(&collector, &[head, &chunked(long.as_bytes())]).await;
    assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}");
    assert_eq!(collector.stats().batches, 1);

    // The received part of a body counts while the rest is on its way.
    let mut slow = TcpStream::connect(collector.local_addr()).await.unwrap();
    slow.write_all(head).await.unwrap();
    slow.write_all(&chunked(&[b' '; 40_000])[..40_000]).await.unwrap();
    let used = || {
        let metrics = collector.ingest().metrics();
        let line =
            metrics.lines().find_map(|line| line.strip_prefix("understudy_collector_in_flight_bytes "));
        line.unwrap().parse::<usize>().unwrap()
    };
    eventually("the part is counted", || used() > 32 << 10).await;
    let answer = raw(&collector, &[head, &chunked(batch("a", 2, 300).as_bytes())]).await;
    assert!(answer.starts_with("HTTP/1.1 429 "), "{answer}");
    drop(slow);
    eventually("the memory is free", || used() == 0).await;
    let answer = raw(&collector, &[head, &chunked(batch("a", 2, 300).as_bytes())]).await;
    assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}");
}

#[tokio::test]
async fn body_that_does_not_arrive_gets_503_and_leaves_nothing() {
    let dir = tempdir().unwrap();
    let mut config = CollectorConfig::new(dir.path());
    config.ingest.body_timeout = Duration::from_millis(50);
    let collector = collector(config).await;
    let head = b"POST /v1/exchanges HTTP/1.1\r\nhost: x\r\ncontent-length: 500\r\n\r\n";
    let part = batch("a", 1, 3);
    let answer = raw(&collector, &[head, &part.as_bytes()[..200]]).await;
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("retry-after: 1"), "{answer}");
    let mut socket = TcpStream::connect(collector.local_addr()).await.unwrap();
    socket.write_all(head).await.unwrap();
    socket.write_all(&part.as_bytes()[..200]).await.unwrap();
    drop(socket);
    eventually("both are counted", || collector.stats().rejected.get("incomplete-body") == Some(&2)).await;
    assert_eq!(stored(dir.path()).await, 0);
    assert!(collector.ingest().metrics().contains("_in_flight_bytes 0\n"));
}

#[tokio::test]
async fn batch_is_acknowledged_when_durable_and_a_resend_waits_for_it() {
    let dir = tempdir().unwrap();
    let disk = FaultDisk::default();
    let collector = collector(collector_config(dir.path(), &disk)).await;
    disk.close_gate();
    let send = || {
        let http = Http::new(&collector, false);
        tokio::spawn(async move { http.post(batch("a", 1, 3)).await.status })
    };
    let first = send();
    eventually("the first is being written", || disk.has_waiter()).await;
    let mut others: Vec<_> = (0..20).map(|_| send()).collect();
    // Another batch is queued behind them.
    let http = Http::new(&collector, true);
    others.push(tokio::spawn(async move { http.post(batch("b", 1, 3)).await.status }));
    assert!(!first.is_finished() && others.iter().all(|other| !other.is_finished()));
    assert_eq!(
        keys(collector.store().read().await.unwrap(), 3).await.len(),
        0,
        "a batch that isn't durable isn't read"
    );
    disk.open_gate();
    assert_eq!(first.await.unwrap(), 204);
    for other in others {
        assert_eq!(other.await.unwrap(), 204);
    }
    let stats = collector.stats();
    assert_eq!((stats.batches, stats.duplicates), (2, 20));
    assert_eq!(stored(dir.path()).await, 2);
}

#[tokio::test]
async fn batch_of_a_sender_that_left_is_stored_once() {
    let dir = tempdir().unwrap();
    let disk = FaultDisk::default();
    let collector = collector(collector_config(dir.path(), &disk)).await;
    disk.close_gate();
    let http = Http::new(&collector, false);
    let first = tokio::spawn(async move { http.post(batch("a", 1, 3)).await.status });
    eventually("it is being written", || disk.has_waiter()).await;
    first.abort();
    let http = Http::new(&collector, false);
    let again = tokio::spawn(async move { http.post(batch("a", 1, 3)).await.status });
    disk.open_gate();
    assert_eq!(again.await.unwrap(), 204);
    assert_eq!(stored(dir.path()).await, 1);
}

#[tokio::test]
async fn bodies_above_the_memory_limit_get_429() {
    let dir = tempdir().unwrap();
    let disk = FaultDisk::default();
    let mut config = collector_config(dir.path(), &disk);
    // Memory for four bodies, because each takes at least 16 KiB.
    (config.ingest.max_body, config.ingest.max_in_flight) = (16 << 10, 64 << 10);
    config.ingest.retry_after = Duration::from_millis(1500);
    let collector = collector(config).await;
    disk.close_gate();
    let http = Http::new(&collector, false);
    let mut first = Vec::new();
    for seq in 1..=4 {
        let http = http.clone();
        first.push(tokio::spawn(async move { http.post(batch("a", seq, 3)).await.status }));
    }
    eventually("four are in flight", || collector.ingest().metrics().contains("_in_flight_bytes 65536\n"))
        .await;
    let put_off = http.post(batch("a", 5, 3)).await;
    assert_eq!((put_off.status, put_off.retry_after), (429, Some(2)));
    assert!(put_off.text.starts_with("busy: "), "{}", put_off.text);
    disk.open_gate();
    for first in first {
        assert_eq!(first.await.unwrap(), 204);
    }
    assert_eq!(http.post(batch("a", 5, 3)).await.status, 204);
    assert_eq!(stored(dir.path()).await, 5);
    assert!(collector.gaps().is_complete());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_of_64_clients_with_resends_are_stored_once() {
    let dir = tempdir().unwrap();
    let mut store = FolderConfig::new(dir.path());
    store.segment_bytes = 100 << 10;
    let collector = collector(CollectorConfig::with_store(store)).await;
    let mut clients = Vec::new();
    for client in 0..64 {
        let http = Http::new(&collector, client % 2 == 0);
        clients.push(tokio::spawn(async move {
            for seq in 1..=20 {
                assert_eq!(http.post(batch(&format!("vm{client}"), seq, 3)).await.status, 204);
                if seq % 5 == 0 {
                    assert_eq!(http.post(batch(&format!("vm{client}"), seq - 2, 3)).await.status, 204);
                }
            }
        }));
    }
    for client in clients {
        client.await.unwrap();
    }
    let summary = collector.shutdown().await;
    assert_eq!((summary.stats.batches, summary.stats.duplicates), (64 * 20, 64 * 4));
    assert!(summary.gaps.is_complete());
    assert_eq!(summary.gaps.vms.len(), 64);
    assert_eq!(stored(dir.path()).await, 64 * 20);
    assert!(files(&dir.path().join("segments")).len() > 1);
}

#[tokio::test]
async fn gaps_and_drops_are_reported() {
    let dir = tempdir().unwrap();
    let collector = collector(CollectorConfig::new(dir.path())).await;
    let http = Http::new(&collector, false);
    http.post(batch("a", 1, 3)).await;
    http.post(batch("a", 4, 3)).await;
    let dropped =
        "{\"type\":\"batch\",\"v\":1,\"vm\":\"b\",\"seq\":1,\"dropped\":12,\"service\":\"payment\"}\n";
    assert_eq!(http.post(dropped).await.status, 204);
    let metrics = http.get("/metrics").await.text;
    for line in
        ["missing_batches 2", "filter_dropped_total 12", "batches_total 3", "exchanges_total 4", "vms 2"]
    {
        assert!(metrics.contains(&format!("\nunderstudy_collector_{line}\n")), "{line} in {metrics}");
    }
    assert!(metrics.contains("understudy_collector_fsync_seconds_count 3\n"), "{metrics}");
    let gaps = collector.gaps();
    assert_eq!((gaps.missing_batches(), gaps.dropped_records(), gaps.is_complete()), (2, 12, false));
    assert_eq!(gaps.vms[0].missing, [2..=3]);
    assert_eq!(gaps.vms[1].service.as_deref(), Some("payment"));
    http.post(batch("a", 3, 3)).await;
    http.post(batch("a", 2, 3)).await;
    assert_eq!(collector.gaps().missing_batches(), 0);
}

#[tokio::test]
async fn shutdown_finishes_requests_in_flight() {
    let dir = tempdir().unwrap();
    let disk = FaultDisk::default();
    let collector = collector(collector_config(dir.path(), &disk)).await;
    let address = collector.local_addr();
    let idle = TcpStream::connect(address).await.unwrap();
    disk.close_gate();
    let mut sent = Vec::new();
    for seq in 1..=8 {
        let http = Http::new(&collector, seq % 2 == 0);
        sent.push(tokio::spawn(async move { http.post(batch("a", seq, 3)).await.status }));
    }
    let used = format!("_in_flight_bytes {}\n", 8 * (16 << 10));
    eventually("all are in flight", || collector.ingest().metrics().contains(&used)).await;
    let ended = tokio::spawn(collector.shutdown());
    eventually("the listener is closed", || std::net::TcpStream::connect(address).is_err()).await;
    disk.open_gate();
    for sent in sent {
        assert_eq!(sent.await.unwrap(), 204);
    }
    let summary = ended.await.unwrap();
    assert_eq!((summary.cut_connections, summary.unsealed_segments, summary.stats.batches), (0, 0, 8));
    assert_eq!(files(&dir.path().join("open")), [""; 0]);
    assert_eq!(stored(dir.path()).await, 8);
    drop(idle);
}

#[tokio::test]
async fn connection_without_a_request_is_closed() {
    let dir = tempdir().unwrap();
    let mut config = CollectorConfig::new(dir.path());
    config.idle_timeout = Duration::from_millis(50);
    let collector = collector(config).await;
    for sent in [&b""[..], b"POST /v1/exchanges HTTP/1.1\r\n"] {
        let response = raw(&collector, &[sent]).await;
        assert_eq!(response, "", "closed without a response");
    }
}

#[tokio::test]
async fn shutdown_cuts_a_request_that_does_not_end() {
    let dir = tempdir().unwrap();
    let mut config = CollectorConfig::new(dir.path());
    config.shutdown_deadline = Duration::from_millis(200);
    let collector = collector(config).await;
    let http = Http::new(&collector, false);
    assert_eq!(http.post(batch("a", 1, 3)).await.status, 204);
    let mut socket = TcpStream::connect(collector.local_addr()).await.unwrap();
    socket
        .write_all(b"POST /v1/exchanges HTTP/1.1\r\nhost: x\r\ncontent-length: 500\r\n\r\n{")
        .await
        .unwrap();
    let used = format!("_in_flight_bytes {}\n", 16 << 10);
    eventually("its request has begun", || collector.ingest().metrics().contains(&used)).await;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let ended = tokio::spawn(collector.run_until(async move { stopped.await.unwrap() }));
    stop.send(()).unwrap();
    let summary = ended.await.unwrap();
    assert_eq!((summary.cut_connections, summary.unsealed_segments), (1, 0));
    assert_eq!(stored(dir.path()).await, 1);
}

#[tokio::test]
async fn collector_that_cannot_start_gives_the_reason() {
    let dir = tempdir().unwrap();
    let first = collector(CollectorConfig::new(dir.path())).await;
    let code = async |address: &str, config| match Collector::bind(address, config).await {
        Ok(_) => panic!("started"),
        Err(error) => (error.code(), error.to_string()),
    };
    let (name, _) = code("127.0.0.1:0", CollectorConfig::new(dir.path())).await;
    assert_eq!(name, "folder-in-use");
    let other = tempdir().unwrap();
    let address = first.local_addr().to_string();
    let (name, text) = code(&address, CollectorConfig::new(other.path())).await;
    assert_eq!((name, text.contains(&address)), ("cannot-listen", true), "{text}");
    let mut config = CollectorConfig::new(other.path());
    config.ingest.max_in_flight = 1;
    let (name, text) = code("127.0.0.1:0", config).await;
    assert_eq!(
        (name, text.starts_with("max_in_flight must be from max_body")),
        ("bad-setting", true),
        "{text}"
    );
    assert_eq!(files(other.path()), [""; 0], "a failed start creates nothing");
}
