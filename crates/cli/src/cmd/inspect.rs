//! `understudy inspect`: what is in a snapshot, or in a module.

use crate::{Outcome, output, say};
use anyhow::Context;
use serde::Serialize;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use understudy_core::config::{Mode, OnMiss};
use understudy_snapshot::Snapshot;
use understudy_snapshot::bundle::{self, ModuleInfo, Record};
use understudy_snapshot::summary::{BackendSummary, Summary, Way, summary};

/// Say what is in a snapshot, or in a module
///
/// For a snapshot: its backends, how many exchanges and different requests, how they were answered and how fast. For a module: which
/// table it carries, and whether it is as it was made.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  understudy inspect snapshots/payment
  understudy inspect snapshots/payment --verbose    the most frequent requests to each backend too
  understudy inspect filter.wasm

Exit status: 0 read; 2 could not, or the module is damaged.")]
pub(crate) struct Args {
    /// A snapshot, or a module that `understudy bundle` has written
    #[arg(value_name = "SNAPSHOT|FILE.wasm")]
    path: PathBuf,

    /// List the most frequent requests to each backend
    #[arg(short, long)]
    verbose: bool,

    /// All of it on stdout, for a machine
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Outcome {
    if args.path.is_file() || args.path.extension().is_some_and(|extension| extension == "wasm") {
        module(args)?;
    } else {
        let bar = say::working("reading the exchanges");
        let summary = summary(&Snapshot::open(&args.path)?)?;
        bar.finish_and_clear();
        if args.json {
            output::json(&Typed { kind: "snapshot", content: &summary })?;
        } else {
            output::text(&describe(&args.path, &summary, args.verbose))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// So that a machine sees which of the two it has.
#[derive(Serialize)]
struct Typed<T> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(flatten)]
    content: T,
}

/// A module for a machine. One that can't be verified is an error.
#[derive(Serialize)]
struct Module<'a> {
    plain: bool,
    verified: bool,
    bytes: usize,
    #[serde(flatten)]
    record: &'a Record,
}

fn module(args: &Args) -> anyhow::Result<()> {
    let name = args.path.display();
    let bytes = std::fs::read(&args.path).with_context(|| format!("can't read {name}"))?;
    let info = bundle::inspect(&bytes).with_context(|| name.to_string())?;
    if args.json {
        let module =
            Module { plain: info.is_plain(), verified: true, bytes: bytes.len(), record: &info.record };
        return output::json(&Typed { kind: "module", content: module });
    }
    output::text(&describe_module(&args.path, bytes.len(), &info))
}

fn describe_module(path: &Path, bytes: usize, info: &ModuleInfo<'_>) -> String {
    let (record, name) = (&info.record, path.display());
    if info.is_plain() {
        return format!(
            "{name}: the plain filter, without a table, by understudy {}, {bytes} bytes, verified\n",
            record.understudy
        );
    }
    let table = &record.table;
    let mut out = format!(
        "{name}: the filter with the snapshot {}, by understudy {}, {bytes} bytes\n",
        record.snapshot, record.understudy
    );
    let _ = writeln!(
        out,
        "table {}, verified: {} from {}, {} bytes",
        table.digest,
        say::count(table.entries, "signature"),
        say::count(table.exchanges, "exchange"),
        table.length
    );
    for backend in &record.backends {
        let _ = writeln!(out, "  {:<4}  {}", mode(backend.mode), backend.name);
    }
    out
}

fn describe(path: &Path, summary: &Summary, verbose: bool) -> String {
    let number = summary.backends.iter().filter(|backend| backend.direction == Way::Outbound).count() as u64;
    let mut out = format!(
        "{}: {}, {} with {}, recorded {}, on a miss: {}\n",
        path.display(),
        summary.name,
        say::count(summary.exchanges, "exchange"),
        say::count(number, "backend"),
        summary.recorded,
        match summary.on_miss {
            OnMiss::Fail => "fail",
            OnMiss::Passthrough => "passthrough",
            OnMiss::Capture => "capture",
        }
    );
    if summary.exchanges > summary.backends.iter().map(|backend| backend.answerable).sum() {
        out.push_str("some exchanges can't be answered from: `understudy lint` says which and why\n");
    }
    let _ = writeln!(
        out,
        "{:<7} {:>9} {:>10} {:>10} {:>9} {:>9} {:>9} {:>9}  backend (statuses)",
        "mode", "exchanges", "answerable", "signatures", "p50", "p95", "sent", "received"
    );
    for backend in &summary.backends {
        describe_backend(backend, verbose, &mut out);
    }
    out
}

fn describe_backend(backend: &BackendSummary, verbose: bool, out: &mut String) {
    let mut statuses: Vec<_> =
        backend.statuses.iter().map(|(status, count)| format!("{status}×{count}")).collect();
    statuses.extend(
        backend.grpc_statuses.iter().map(|(status, count)| format!("grpc {}×{count}", status.escape_debug())),
    );
    let _ = writeln!(
        out,
        "{:<7} {:>9} {:>10} {:>10} {:>9} {:>9} {:>9} {:>9}  {} ({})",
        backend.mode.map_or("inbound", mode),
        backend.exchanges,
        backend.answerable,
        backend.signatures,
        duration(backend.p50_us),
        duration(backend.p95_us),
        size(backend.request_bytes),
        size(backend.response_bytes),
        backend.name.escape_debug(),
        statuses.join(" ")
    );
    for top in backend.top.iter().filter(|_| verbose) {
        let _ = writeln!(out, "        {:>9} {}", top.exchanges, top.request.escape_debug());
    }
}

fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Mock => "mock",
        Mode::Tap => "tap",
        Mode::Off => "off",
    }
}

fn duration(us: u64) -> String {
    if us < 10_000_000 {
        format!("{}.{} ms", us / 1000, us % 1000 / 100)
    } else {
        format!("{} s", us / 1_000_000)
    }
}

fn size(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{bytes} B"),
        10_000..10_000_000 => format!("{} kB", bytes / 1000),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}
