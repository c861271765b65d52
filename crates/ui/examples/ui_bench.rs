//! Measures the time and memory that the server takes for the pages of a large snapshot. Each page
//! is requested over HTTP, on a real socket. For comparison, it measures one pass over all
//! exchanges, as the linter and the table writer make it.
//!
//! `cargo run --release -p understudy-ui --example ui_bench -- [EXCHANGES]`; the default is
//! 100,000.

use std::fmt::Write as _;
use std::fs;
use std::io::BufWriter;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use understudy_core::exchange::{Body, Exchange, Response};
use understudy_core::headers::Headers;
use understudy_core::v1;
use understudy_snapshot::Snapshot;
use understudy_ui::{Config, Source, Ui};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Number of requests for a page that is cached.
const ROUNDS: usize = 15;
const LONG_BODY: usize = 50 << 20;

fn main() -> Result<(), Failure> {
    let count = std::env::args().nth(1).map_or(Ok(100_000), |count| count.parse())?;
    let folder = tempfile::tempdir()?;
    let bytes = write(&folder.path().join("many"), count, 600)?;
    write(&folder.path().join("long"), 1, LONG_BODY)?;
    let before = peak_kib();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let pages = runtime.block_on(measure(folder.path(), count))?;
    let after = peak_kib();
    let began = Instant::now();
    let read = Snapshot::open(folder.path().join("many"))?.exchanges()?.filter(Result::is_ok).count();
    let baseline = began.elapsed();
    let mut out = format!(
        "{read} exchanges, {} MB\n\n| page | ms | of a reading |\n|---|---|---|\n",
        bytes / 1_000_000
    );
    writeln!(out, "| all exchanges read once, for comparison | {} | 1.00 |", baseline.as_millis())?;
    for (name, took) in pages {
        let ratio = took.as_secs_f64() / baseline.as_secs_f64();
        writeln!(out, "| {name} | {:.1} | {ratio:.3} |", took.as_secs_f64() * 1e3)?;
    }
    let grown = |at: Option<u64>| at.zip(before).map_or(0, |(at, before)| at.saturating_sub(before) / 1024);
    writeln!(out, "\nPeak memory above the start: {} MiB for these pages", grown(after))?;
    println!("{out}");
    Ok(())
}

async fn measure(folder: &Path, count: usize) -> Result<Vec<(&'static str, Duration)>, Failure> {
    let ui = Ui::bind("127.0.0.1:0", Config::new(Source::Folder(folder.to_owned()))).await?;
    let mut pages =
        vec![("traffic, the first page, never read before", get(&ui, "/s/many/traffic").await?.0)];
    let began = Instant::now();
    while get(&ui, "/s/many/traffic").await?.1.contains("data-refresh") {}
    pages.push(("until all are listed", began.elapsed() + pages[0].1));
    pages.push(("summary, before it is counted", get(&ui, "/s/many").await?.0));
    let began = Instant::now();
    while get(&ui, "/s/many").await?.1.contains("data-refresh") {}
    pages.push(("until the map is there", began.elapsed() + pages[2].1));
    let middle = format!("/s/many/traffic/{}", count / 2);
    for (name, path) in [
        ("traffic, the first page", "/s/many/traffic"),
        ("traffic, the last page", "/s/many/traffic?page=1000000"),
        (
            "traffic of one backend, slowest first",
            "/s/many/traffic?backend=https%3A%2F%2Fapi7.test&sort=slowest",
        ),
        ("traffic with one operation", "/s/many/traffic?operation=item%2F4711"),
        ("a text that each has", "/s/many/traffic?text=filler"),
        ("a text that none has", "/s/many/traffic?text=nowhere-to-be-found"),
        ("an exchange in the middle", middle.as_str()),
        ("summary", "/s/many"),
        ("an exchange with a body of 50 MB", "/s/long/traffic/1"),
        ("that body downloaded", "/s/long/traffic/1/response-body"),
    ] {
        let mut times = Vec::new();
        for _ in 0..ROUNDS {
            times.push(get(&ui, path).await?.0);
        }
        times.sort();
        pages.push((name, times[times.len() / 2]));
    }
    Ok(pages)
}

/// Requests a page and waits until it is complete.
async fn get(ui: &Ui, path: &str) -> Result<(Duration, String), Failure> {
    let mut stream = TcpStream::connect(ui.local_addr()).await?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", ui.local_addr());
    let began = Instant::now();
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let took = began.elapsed();
    let text = String::from_utf8_lossy(&answer[..answer.len().min(200_000)]).into_owned();
    match text.starts_with("HTTP/1.1 200") {
        true => Ok((took, text)),
        false => Err(format!("{path}: {}", text.lines().next().unwrap_or_default()).into()),
    }
}

/// Writes a snapshot. Returns the size of its exchanges.
fn write(folder: &Path, count: usize, body: usize) -> Result<u64, Failure> {
    fs::create_dir(folder)?;
    fs::write(
        folder.join("snapshot.yaml"),
        "version: 1\nname: bench\nrecorded: 2026-11-21T08:00:00Z\non_miss: fail\nbackends: {}\n",
    )?;
    let file = fs::File::create(folder.join("exchanges.ndjson"))?;
    let mut out = BufWriter::new(file);
    let mut line = Vec::new();
    for number in 0..count as u64 {
        line.clear();
        v1::write_record(&exchange(number, body), None, &mut line);
        std::io::Write::write_all(&mut out, &line)?;
    }
    std::io::Write::flush(&mut out)?;
    Ok(out.get_ref().metadata()?.len())
}

fn exchange(number: u64, body: usize) -> Exchange {
    let mut exchange = Exchange {
        id: (number + 1).to_string(),
        backend: format!("https://api{}.test", number % 20),
        protocol: "HTTP/1.1".into(),
        time: 1_795_276_119_000_000 + number * 1_000,
        duration: number * 7_919 % 100_000,
        ..Exchange::default()
    };
    let headers = || {
        Headers::from_pairs([
            ("content-type", "application/json"),
            ("user-agent", "bench/1.0 (a client)"),
            ("accept", "*/*"),
        ])
    };
    let json =
        |filler: usize| format!("{{\"number\":{number},\"filler\":\"{}\"}}", "abcdefgh ".repeat(filler / 9));
    exchange.request.method = if number.is_multiple_of(2) { b"POST".to_vec() } else { b"GET".to_vec() };
    exchange.request.path = format!("/v1/item/{number}?expand=all").into_bytes();
    exchange.request.headers = headers();
    exchange.request.body.bytes = json(200).into_bytes();
    let status = if number.is_multiple_of(50) { 503 } else { 200 };
    let body = Body { bytes: json(body).into_bytes(), truncated: None };
    exchange.response = Some(Response { status, headers: headers(), body, ..Response::default() });
    exchange
}

/// The most memory that this process has had (Linux).
fn peak_kib() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}
