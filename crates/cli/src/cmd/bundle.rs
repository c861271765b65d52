//! `understudy bundle`: one module that holds the filter and a snapshot's table.

use crate::{Outcome, output, say};
use anyhow::Context;
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;
use understudy_core::digest;
use understudy_snapshot::{Snapshot, bundle, table};

/// Make one module of the filter and a snapshot's table
///
/// The result is deterministic: the same snapshot gives the same bytes. Envoy runs it as it is.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  understudy bundle snapshots/payment -o filter.wasm    the filter with the table inside
  understudy bundle --plain -o filter.wasm              the filter without a table: taps, and misses what it mocks

Exit status: 0 written; 2 could not.")]
pub(crate) struct Args {
    /// The snapshot
    #[arg(required_unless_present = "plain")]
    snapshot: Option<PathBuf>,

    /// The module to write
    #[arg(short, long, value_name = "FILE.wasm")]
    output: PathBuf,

    /// Write the filter with an empty table
    #[arg(long, conflicts_with = "snapshot")]
    plain: bool,

    /// Take this filter instead of the one inside this command: a plain module of another version
    #[arg(long, value_name = "FILE.wasm")]
    filter: Option<PathBuf>,

    /// A machine-readable summary on stdout
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Outcome {
    let filter = match &args.filter {
        Some(path) => std::fs::read(path).with_context(|| format!("can't read {}", path.display()))?,
        None => understudy_module::RAW.to_vec(),
    };
    let (bytes, entries) = match &args.snapshot {
        Some(path) => {
            let bar = say::working("making the table");
            let built = table::build(&Snapshot::open(path)?)?;
            bar.finish_and_clear();
            for (why, count) in &built.left_out {
                say::warning(format_args!(
                    "{} left out: {why} (see `understudy lint`)",
                    say::count(*count, "exchange")
                ));
            }
            (built.bytes, built.entries)
        }
        None => (Vec::new(), 0),
    };
    let bundle = bundle::Bundle::new(&filter, &bytes, &bundle::BundleInfo::default());
    let bundle = match &args.filter {
        Some(path) => bundle.with_context(|| path.display().to_string())?,
        None => bundle?,
    };
    output::file(&args.output, |file| bundle.write_to(file))?;
    let digest = digest::hex(&bundle.digest());
    if args.json {
        let summary =
            json!({ "file": args.output, "bytes": bundle.len(), "signatures": entries, "table": digest });
        output::json(&summary)?;
    } else if args.plain {
        say::line(format_args!("{}: the plain filter, {} bytes", args.output.display(), bundle.len()));
    } else {
        let signatures = say::count(entries, "signature");
        say::line(format_args!(
            "{}: {signatures}, {} bytes, table {digest}",
            args.output.display(),
            bundle.len()
        ));
    }
    Ok(ExitCode::SUCCESS)
}
