//! `understudy snapshot list`: lists snapshots, or the services in a capture store.

use super::place::PlaceArgs;
use crate::outcome::Outcome;
use crate::{output, say};
use anyhow::Context;
use serde_json::{Value, json};
use std::fmt::Write;
use std::io::ErrorKind;
use std::path::Path;
use std::process::ExitCode;
use understudy_collector::{Reader, ServiceSurvey, StoreUrl};
use understudy_core::time;
use understudy_snapshot::{EXCHANGES_FILE, HEADER_FILE, Snapshot, SnapshotError};

/// List snapshots, or the contents of a capture store
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  understudy snapshot list
  understudy snapshot list --snapshots tests/snapshots --json
  understudy snapshot list --store /var/lib/understudy    services, their times and backends

Exit status: 0 listed; 2 failed.")]
pub(super) struct Args {
    /// List the contents of this capture store instead
    #[arg(long, value_name = "URL", conflicts_with = "snapshots")]
    store: Option<StoreUrl>,

    /// Machine-readable, on stdout
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    place: PlaceArgs,
}

pub(super) async fn run(args: Args) -> Outcome {
    match &args.store {
        Some(store) => survey(store, args.json).await?,
        None => snapshots(&args.place.snapshots, args.json)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// A folder that looks like a snapshot, with its content or its problem.
type Entry = (String, Result<Snapshot, SnapshotError>);

fn snapshots(folder: &Path, as_json: bool) -> anyhow::Result<()> {
    let entries = entries(folder)?;
    if as_json {
        return output::json(&entries.iter().map(in_json).collect::<Vec<_>>());
    }
    if entries.is_empty() {
        say::line(format_args!(
            "no snapshots in {}: `understudy record -o {}` makes one",
            folder.display(),
            folder.join("NAME").display()
        ));
        return Ok(());
    }
    let width = entries.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0).max("snapshot".len());
    let mut text = format!("{:<width$}  recorded              exchanges  backends  service\n", "snapshot");
    for (name, snapshot) in &entries {
        match snapshot {
            Ok(snapshot) => {
                let header = snapshot.header();
                let exchanges = header.outbound();
                let recorded = time::to_rfc3339(header.recorded);
                let recorded = recorded.split('.').next().unwrap_or_default();
                let (backends, service) = (header.backends.len(), header.service.as_deref().unwrap_or("-"));
                let _ = writeln!(
                    text,
                    "{name:<width$}  {recorded}Z  {exchanges:>9}  {backends:>8}  {}",
                    service.escape_debug()
                );
            }
            Err(error) => {
                let _ = writeln!(text, "{name:<width$}  {error}");
            }
        }
    }
    output::text(&text)
}

fn entries(folder: &Path) -> anyhow::Result<Vec<Entry>> {
    let names = match std::fs::read_dir(folder) {
        Ok(names) => names,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("can't read {}", folder.display())),
    };
    let mut entries = Vec::new();
    for entry in names {
        let path = entry.with_context(|| format!("can't read {}", folder.display()))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let holds = |file: &str| path.join(file).exists();
        if !name.starts_with('.') && (holds(HEADER_FILE) || holds(EXCHANGES_FILE)) {
            entries.push((name.escape_debug().to_string(), Snapshot::open(&path)));
        }
    }
    entries.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(entries)
}

fn in_json((name, snapshot): &Entry) -> Value {
    match snapshot {
        Ok(snapshot) => super::show::in_json(name, snapshot),
        Err(error) => json!({ "snapshot": name, "error": error.to_string(), "code": error.code() }),
    }
}

async fn survey(store: &StoreUrl, as_json: bool) -> anyhow::Result<()> {
    let bar = say::progress("exchanges read:");
    let services = Reader::at(store).await?.survey(|| bar.inc(1)).await?;
    bar.finish_and_clear();
    if as_json {
        return output::json(&services);
    }
    if services.is_empty() {
        say::line(format_args!("{store} holds nothing yet"));
        return Ok(());
    }
    let mut text = String::new();
    for service in &services {
        tell_service(service, &mut text);
    }
    output::text(&text)
}

fn tell_service(service: &ServiceSurvey, text: &mut String) {
    let name = service.service.as_deref().map(|name| name.escape_debug().to_string());
    let exchanges = say::count(service.exchanges, "exchange");
    let _ = writeln!(text, "{}: {exchanges}", name.as_deref().unwrap_or("(a service without a name)"));
    if let (Some(from), Some(to)) = (&service.from, &service.to) {
        let _ = writeln!(text, "  from {from}\n  to   {to}");
    }
    if !service.sample.is_whole() {
        let _ = writeln!(text, "  {} of the exchanges were recorded", service.sample);
    }
    let inbound = service.inbound.iter().map(|(name, count)| (count, name, "  inbound"));
    let outbound = service.backends.iter().map(|(name, count)| (count, name, ""));
    let mut rows: Vec<_> = inbound.chain(outbound).collect();
    rows.sort_by(|a, b| b.0.cmp(a.0).then_with(|| a.1.cmp(b.1)));
    for (count, name, way) in rows {
        let _ = writeln!(text, "  {count:>8}  {}{way}", name.escape_debug());
    }
    if service.others > 0 {
        let _ = writeln!(text, "  {:>8}  under further names", service.others);
    }
}
