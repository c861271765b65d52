//! What it costs to write a snapshot and to make its table: seconds, bytes, peak memory.
//!
//! `cargo run --release -p understudy-compile --example table_bench [EXCHANGES] [FOLDER]` (default
//! 1,000,000, in a temporary folder). One exchange in ten asks something that was asked before;
//! answers are JSON of some 300 bytes.

use std::error::Error;
use std::path::Path;
use std::time::Instant;
use understudy_compile::table;
use understudy_core::exchange::{Body, Exchange, Request, Response};
use understudy_core::headers::Headers;
use understudy_core::table::Table;
use understudy_snapshot::{Existing, Header, Snapshot, SnapshotWriter};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let count: u64 = args.next().map_or(Ok(1_000_000), |text| text.parse())?;
    let folder = tempfile::tempdir()?;
    let path = args.next().map_or(folder.path().join("bench"), Into::into);
    println!("{count} exchanges");
    step("snapshot written", || write(&path, count))?;
    let snapshot = Snapshot::open(&path)?;
    step("snapshot read", || Ok(snapshot.exchanges()?.try_fold(0, |sum, item| item.map(|_| sum + 1))?))?;
    let built = step("table made", || Ok(table::build(&snapshot)?))?;
    let size = built.bytes.len() as f64 / f64::from(1 << 20);
    println!("{:<18} {size:>8.1} MiB, {} signatures, {} answers", "table", built.entries, built.answers);
    step("table verified", || Ok(Table::open(&built.bytes[..])?.verify()?))?;
    step("linted", || Ok(understudy_snapshot::lint::lint(&snapshot)?))?;
    step("summarised", || Ok(understudy_analyse::summary::summary(&snapshot)?))?;
    Ok(())
}

fn step<T>(name: &str, run: impl FnOnce() -> Result<T, Box<dyn Error>>) -> Result<T, Box<dyn Error>> {
    let (start, cpu) = (Instant::now(), cpu_seconds());
    let done = run()?;
    let (elapsed, cpu) = (start.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    println!("{name:<18} {elapsed:>8.2} s, {cpu:>6.2} s of CPU, peak memory so far {} MiB", peak_mib());
    Ok(done)
}

fn write(path: &Path, count: u64) -> Result<Snapshot, Box<dyn Error>> {
    let mut writer = SnapshotWriter::create(path, Existing::Refuse)?;
    for number in 0..count {
        writer.push(&exchange(number))?;
    }
    let header = Header { name: "bench".into(), ..Header::default() };
    Ok(writer.finish(header)?)
}

fn exchange(number: u64) -> Exchange {
    let asked = if number % 10 == 9 { number / 2 } else { number };
    let request = Request {
        method: b"POST".to_vec(),
        path: format!("/v1/customers/{}/charges?expand=x", asked % 1000).into_bytes(),
        headers: Headers::from_pairs([
            ("content-type", "application/json"),
            ("accept", "*/*"),
            ("user-agent", "bench/1"),
            ("authorization", "Bearer sk_test_0000000000000000"),
        ]),
        body: body(format!(r#"{{"amount":{asked},"currency":"usd","source":"tok_visa"}}"#)),
        ..Request::default()
    };
    let answer = format!(
        r#"{{"id":"ch_{number:024}","object":"charge","amount":{asked},"paid":true,"balance_transaction":"txn_{number:024}","description":"{}"}}"#,
        "An answer of the usual length. ".repeat(5)
    );
    let response = Response {
        status: 200,
        headers: Headers::from_pairs([
            ("content-type", "application/json"),
            ("date", "Sat, 21 Nov 2026 08:00:00 GMT"),
            ("request-id", format!("req_{number:014}").as_str()),
            ("stripe-version", "2026-01-01"),
        ]),
        body: body(answer),
        ..Response::default()
    };
    Exchange {
        id: format!("9f86d081884c7d65-{number}"),
        time: 1_795_248_000_000_000 + number * 100,
        duration: 2310,
        backend: "http://api.stripe.com".to_owned(),
        protocol: "HTTP/1.1".to_owned(),
        request,
        response: Some(response),
        ..Exchange::default()
    }
}

fn body(text: String) -> Body {
    Body { bytes: text.into_bytes(), truncated: None }
}

/// What this process has computed so far, which other load on the machine changes less than the time it takes (Linux; elsewhere 0).
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // proc(5): after the name in parentheses, user and system time are the 12th and 13th, in hundredths of a second.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
    fields.filter_map(|field| field.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// The most memory that this process has had at once (Linux; elsewhere 0).
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.and_then(|text| text.trim().strip_suffix(" kB")?.parse::<u64>().ok()).unwrap_or(0) >> 10
}
