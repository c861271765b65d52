//! `understudy inspect`: shows the content of a snapshot or a module.

mod table;

use crate::outcome::Outcome;
use crate::{output, say};
use anyhow::{Context, bail};
use serde::Serialize;
use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use understudy_analyse::service_map::ServiceMap;
use understudy_analyse::summary::summary;
use understudy_compile::bundle::{self, ModuleInfo, Record};
use understudy_core::config::Mode;
use understudy_snapshot::Snapshot;

/// Width of the map if the terminal's width is unknown.
const MAP_WIDTH: usize = 110;

/// Show the content of a snapshot or a module
///
/// For a snapshot: the service map, and for each backend its mode, its technologies, the numbers of
/// exchanges and of different requests, the latencies and the errors. For a module: its table, and
/// whether it is unchanged.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  understudy inspect snapshots/payment
  understudy inspect snapshots/payment --verbose    statuses, sizes, the most frequent requests, and the
                                                    evidence for technologies
  understudy inspect snapshots/payment --svg map.svg
  understudy inspect filter.wasm

Exit status: 0 read; 2 could not, or the module is damaged.")]
pub(crate) struct Args {
    /// A snapshot, or a module that `understudy bundle` has written
    #[arg(value_name = "SNAPSHOT|FILE.wasm")]
    path: PathBuf,

    /// Add statuses, sizes, the most frequent requests to each backend, and the evidence for its
    /// technologies
    #[arg(short, long)]
    verbose: bool,

    /// Write the service map (SVG) here
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,

    /// Print all of it on stdout, machine-readable
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Outcome {
    if args.path.is_file() || args.path.extension().is_some_and(|extension| extension == "wasm") {
        if args.svg.is_some() {
            bail!("a module has no service map: name the snapshot that it was made of");
        }
        module(args)?;
    } else {
        snapshot(args)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn snapshot(args: &Args) -> anyhow::Result<()> {
    if let Some(svg) = &args.svg {
        output::check(svg)?;
    }
    let bar = say::working("reading the exchanges");
    let summary = summary(&Snapshot::open(&args.path)?)?;
    bar.finish_and_clear();
    let map = ServiceMap::new(&summary);
    if let Some(svg) = &args.svg {
        output::file(svg, |out| out.write_all(map.to_svg().as_bytes()))?;
        say::line(format_args!("service map written to {}", svg.display()));
    }
    if args.json {
        return output::json(&Typed { kind: "snapshot", content: &summary });
    }
    let width = width();
    let mut out = table::head(&args.path, &summary);
    let _ = write!(out, "\n{}\n", map.to_text(width.unwrap_or(MAP_WIDTH)));
    out.push_str(&table::write(&summary, width, args.verbose));
    output::text(&out)
}

/// Width of the terminal. `None` without one: lines may have any length.
fn width() -> Option<usize> {
    let out = stdout();
    let size = rustix::termios::tcgetwinsize(&out).ok().filter(|_| out.is_terminal())?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}

/// Tells a machine which of the two it has.
#[derive(Serialize)]
struct Typed<T> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(flatten)]
    content: T,
}

/// A module for a machine. A module that can't be verified is an error.
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

fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Mock => "mock",
        Mode::Tap => "tap",
        Mode::Off => "off",
    }
}
