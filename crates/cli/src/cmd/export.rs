//! `understudy export`: a snapshot in the format of another tool.

use crate::cmd::import::notes;
use crate::outcome::Outcome;
use crate::{output, say};
use clap::ValueEnum;
use serde_json::json;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use understudy_convert::{self as convert, Exported, FileFormat, FolderFormat};
use understudy_snapshot::Snapshot;

/// Write a snapshot in another tool's format
///
/// Exchanges that the format can't represent are reported. RRPairs in Markdown and WireMock
/// mappings are folders, the other formats are files.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  understudy export snapshots/shop -o shop.har --format har
  understudy export snapshots/shop -o wiremock --format wiremock    a folder for each backend: mappings and __files

Exit status: 0 exported, also with omissions; 2 failed.")]
pub(crate) struct Args {
    /// The snapshot
    snapshot: PathBuf,

    /// Target. A file is replaced; a folder must be new
    #[arg(short, long, value_name = "FILE|FOLDER")]
    output: PathBuf,

    /// The format
    #[arg(long)]
    format: Format,

    /// A machine-readable summary on stdout
    #[arg(long)]
    json: bool,
}

/// Formats that can be exported.
#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// RRPairs of Speedscale and proxymock, one a line
    RrpairJsonl,
    /// The same, one Markdown file each
    RrpairMd,
    /// HTTP Archive 1.2
    Har,
    /// WireMock stub mappings
    Wiremock,
    /// A Hoverfly simulation, schema 5.2
    Hoverfly,
}

pub(crate) fn run(args: &Args) -> Outcome {
    let snapshot = Snapshot::open(&args.snapshot)?;
    let exported = match args.format {
        Format::RrpairJsonl => file(args, &snapshot, FileFormat::RrpairJsonl),
        Format::Har => file(args, &snapshot, FileFormat::Har),
        Format::Hoverfly => file(args, &snapshot, FileFormat::Hoverfly),
        Format::RrpairMd => Ok(convert::export_folder(&snapshot, FolderFormat::RrpairMd, &args.output)?),
        Format::Wiremock => Ok(convert::export_folder(&snapshot, FolderFormat::Wiremock, &args.output)?),
    }?;
    notes(&exported.notes, args.json);
    if args.json {
        let format = args.format.to_possible_value().map(|value| value.get_name().to_owned());
        output::json(&json!({
            "output": args.output,
            "format": format,
            "exchanges": exported.exchanges,
            "notes": exported.notes,
        }))?;
    }
    let count = say::count(exported.exchanges, "exchange");
    say::line(format_args!("{}: {count} exported from {}", args.output.display(), args.snapshot.display()));
    Ok(ExitCode::SUCCESS)
}

fn file(args: &Args, snapshot: &Snapshot, format: FileFormat) -> anyhow::Result<Exported> {
    output::check(&args.output)?;
    let mut exported = Exported::default();
    output::file(&args.output, |out| {
        exported = convert::export_file(snapshot, format, out).map_err(io::Error::other)?;
        Ok(())
    })?;
    Ok(exported)
}
