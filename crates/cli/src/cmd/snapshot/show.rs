//! `understudy snapshot show`: shows a snapshot's `snapshot.yaml`.

use super::place::PlaceArgs;
use crate::outcome::Outcome;
use crate::output;
use serde_json::{Value, json};
use std::fmt::Write;
use std::process::ExitCode;
use understudy_core::time;
use understudy_snapshot::Snapshot;

/// Show a snapshot's time, service and backends
///
/// `understudy inspect` shows more: it reads the exchanges too.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  understudy snapshot show payment
  understudy snapshot show payment --json

Exit status: 0 shown; 2 failed.")]
pub(super) struct Args {
    /// The snapshot's name: that of its folder
    name: String,

    /// Machine-readable, on stdout
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    place: PlaceArgs,
}

pub(super) fn run(args: &Args) -> Outcome {
    let snapshot = Snapshot::open(args.place.of(&args.name)?)?;
    if args.json {
        output::json(&in_json(&args.name, &snapshot))?;
    } else {
        output::text(&told(&snapshot))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Fields of `--json`, also for `list`.
pub(super) fn in_json(name: &str, snapshot: &Snapshot) -> Value {
    let header = snapshot.header();
    json!({
        "snapshot": name,
        "path": snapshot.path(),
        "name": header.name,
        "service": header.service,
        "recorded": time::to_rfc3339(header.recorded),
        "exchanges": header.outbound(),
        "backends": header.backends,
        "inbound": header.inbound,
        "rules": header.rules.len(),
    })
}

fn told(snapshot: &Snapshot) -> String {
    let header = snapshot.header();
    let mut text = format!("{} in {}\n", header.name.escape_debug(), snapshot.path().display());
    if let Some(service) = &header.service {
        let _ = writeln!(text, "  service   {}", service.escape_debug());
    }
    let _ = writeln!(text, "  recorded  {}", time::to_rfc3339(header.recorded));
    let _ = writeln!(text, "  rules     {}", header.rules.len());
    for (name, inbound) in &header.inbound {
        let _ = writeln!(
            text,
            "  {:>8}  {name} (inbound, the service on {})",
            inbound.exchanges,
            inbound.app.escape_debug()
        );
    }
    for (name, backend) in &header.backends {
        let mode = format!("{:?}", backend.mode).to_ascii_lowercase();
        let _ = writeln!(text, "  {:>8}  {name} ({mode})", backend.exchanges);
    }
    let _ = writeln!(text, "`understudy inspect {}` shows more", snapshot.path().display());
    text
}
