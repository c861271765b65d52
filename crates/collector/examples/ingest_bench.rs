//! Measures how many exchanges a second the collector makes durable over HTTP with N clients, and
//! compares with the disk alone: the same bytes appended and fsynced, once with an fsync for each
//! batch, once in groups of the size that the collector formed.
//!
//! `cargo run --release -p understudy-collector --example ingest_bench -- [--clients 64] [--seconds
//! 5] [--records 50] [--bytes 1000] [--folder DIR] [--json]`: `--records` in a batch, `--bytes` in
//! a record. The folder's disk is what is measured; the default is the system's temporary folder.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use understudy_collector::{Collector, CollectorConfig};

type Failure = Box<dyn std::error::Error + Send + Sync>;

struct Args {
    clients: usize,
    seconds: u64,
    records: usize,
    bytes: usize,
    folder: PathBuf,
    json: bool,
}

/// Durable exchanges of a run, and its duration.
struct Run {
    batches: u64,
    took: Duration,
    fsyncs: u64,
    /// From the first byte sent to the acknowledgement, sorted.
    latencies: Vec<Duration>,
}

fn main() -> Result<(), Failure> {
    let args = args()?;
    let dir = tempfile::tempdir_in(&args.folder)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let collected = runtime.block_on(collect(&args, &dir.path().join("captures")))?;
    let group = collected.batches.div_ceil(collected.fsyncs.max(1));
    let single = append(&args, dir.path(), collected.batches, 1)?;
    let grouped = append(&args, dir.path(), collected.batches, group)?;
    report(&args, &collected, &single, &grouped);
    Ok(())
}

fn args() -> Result<Args, Failure> {
    let folder = std::env::temp_dir();
    let mut args = Args { clients: 64, seconds: 5, records: 50, bytes: 1000, folder, json: false };
    let mut given = std::env::args().skip(1);
    while let Some(name) = given.next() {
        if name == "--json" {
            args.json = true;
            continue;
        }
        let value = given.next().ok_or_else(|| format!("{name} needs a value"))?;
        match name.as_str() {
            "--clients" => args.clients = value.parse()?,
            "--seconds" => args.seconds = value.parse()?,
            "--records" => args.records = value.parse()?,
            "--bytes" => args.bytes = value.parse()?,
            "--folder" => args.folder = value.into(),
            _ => return Err(format!("unknown option {name}").into()),
        }
    }
    Ok(args)
}

fn batch(args: &Args, vm: usize, seq: u64) -> Bytes {
    let mut body =
        format!("{{\"type\":\"batch\",\"v\":1,\"vm\":\"vm{vm:04}\",\"seq\":{seq},\"dropped\":0}}\n");
    for n in 0..args.records {
        let head = format!("{{\"type\":\"exchange\",\"v\":1,\"id\":\"vm{vm:04}-{seq}-{n}\",\"body\":\"");
        let pad = args.bytes.saturating_sub(head.len() + 3);
        body.push_str(&head);
        body.extend((0..pad).map(|i| char::from(b'a' + (i * 7 % 26) as u8)));
        body.push_str("\"}\n");
    }
    body.into()
}

async fn collect(args: &Args, folder: &Path) -> Result<Run, Failure> {
    let collector = Collector::bind("127.0.0.1:0", CollectorConfig::new(folder)).await?;
    let url = format!("http://{}/v1/exchanges", collector.local_addr());
    let start = Instant::now();
    let until = start + Duration::from_secs(args.seconds);
    let mut clients = tokio::task::JoinSet::new();
    for vm in 0..args.clients {
        let url = url.clone();
        // The records are the same each time: making them isn't what is measured.
        let records = batch(args, vm, 0);
        let records = records.slice(records.iter().position(|b| *b == b'\n').unwrap_or(0) + 1..);
        clients.spawn(async move {
            let client = Client::builder(TokioExecutor::new()).build_http();
            let mut latencies = Vec::new();
            while Instant::now() < until {
                let seq = latencies.len() + 1;
                let head = format!(
                    "{{\"type\":\"batch\",\"v\":1,\"vm\":\"vm{vm:04}\",\"seq\":{seq},\"dropped\":0}}\n"
                );
                let body = [head.as_bytes(), &records].concat();
                let request = axum::http::Request::post(&url).body(Full::new(Bytes::from(body)))?;
                let sent = Instant::now();
                let answer = client.request(request).await?;
                latencies.push(sent.elapsed());
                if answer.status() != 204 {
                    let text = answer.into_body().collect().await?.to_bytes();
                    return Err(Failure::from(String::from_utf8_lossy(&text).into_owned()));
                }
            }
            Ok(latencies)
        });
    }
    let mut latencies = Vec::new();
    while let Some(client) = clients.join_next().await {
        latencies.extend(client??);
    }
    let took = start.elapsed();
    let metrics = collector.ingest().metrics();
    let fsyncs =
        metrics.lines().find_map(|line| line.strip_prefix("understudy_collector_fsync_seconds_count "));
    let fsyncs = fsyncs.ok_or("no count of fsyncs in the metrics")?.parse()?;
    let summary = collector.shutdown().await;
    latencies.sort_unstable();
    if summary.stats.batches != latencies.len() as u64 || !summary.gaps.is_complete() {
        return Err("the collector has lost something".into());
    }
    Ok(Run { batches: summary.stats.batches, took, fsyncs, latencies })
}

/// Appends the same bytes to a file, with an fsync after each `group` batches. Not for longer than
/// the collector.
fn append(args: &Args, folder: &Path, batches: u64, group: u64) -> Result<Run, Failure> {
    let body = batch(args, 0, 1);
    let mut file = File::create(folder.join("plain"))?;
    let start = Instant::now();
    let (mut written, mut fsyncs) = (0, 0);
    while written < batches && start.elapsed() < Duration::from_secs(args.seconds) {
        for _ in 0..group {
            file.write_all(&body)?;
        }
        file.sync_data()?;
        written += group;
        fsyncs += 1;
    }
    Ok(Run { batches: written, took: start.elapsed(), fsyncs, latencies: Vec::new() })
}

fn report(args: &Args, collected: &Run, single: &Run, grouped: &Run) {
    let rate = |run: &Run| run.batches as f64 * args.records as f64 / run.took.as_secs_f64();
    let megabytes = |run: &Run| rate(run) * args.bytes as f64 / 1e6;
    let group = |run: &Run| run.batches as f64 / run.fsyncs.max(1) as f64;
    let at = |share: f64| {
        let index = ((collected.latencies.len() as f64 * share) as usize).min(collected.latencies.len() - 1);
        collected.latencies[index].as_secs_f64() * 1e3
    };
    let (one, groups) = (rate(collected) / rate(single), rate(collected) / rate(grouped));
    if args.json {
        println!(
            "{{\"clients\":{},\"records\":{},\"bytes\":{},\"exchanges_per_s\":{:.0},\"append_fsync_each\":{:.0},\
             \"append_fsync_grouped\":{:.0},\"ratio_each\":{one:.3},\"ratio_grouped\":{groups:.3},\
             \"p50_ms\":{:.2},\"p99_ms\":{:.2}}}",
            args.clients,
            args.records,
            args.bytes,
            rate(collected),
            rate(single),
            rate(grouped),
            at(0.5),
            at(0.99)
        );
        return;
    }
    println!("{} clients, {} exchanges of {} bytes in a batch", args.clients, args.records, args.bytes);
    println!("{:<34}{:>14}{:>9}{:>16}{:>8}", "durable", "exchanges/s", "MB/s", "batches/fsync", "ratio");
    for (name, run, ratio) in [
        ("collector over HTTP", collected, None),
        ("plain append, fsync each batch", single, Some(one)),
        ("plain append, fsync same groups", grouped, Some(groups)),
    ] {
        let ratio = ratio.map_or(String::new(), |ratio| format!("{ratio:.2}"));
        println!("{name:<34}{:>14.0}{:>9.1}{:>16.1}{ratio:>8}", rate(run), megabytes(run), group(run));
    }
    println!(
        "ratio: the collector's rate by that of the line. Acknowledged: p50 {:.1} ms, p99 {:.1} ms",
        at(0.5),
        at(0.99)
    );
}
