//! `understudy import`: a snapshot from another tool's recording or stubs.

use crate::outcome::Outcome;
use crate::{output, say};
use anyhow::bail;
use clap::ValueEnum;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use understudy_analyse::learn;
use understudy_convert::{self as convert, ImportOptions, Imported, Note, What};
use understudy_core::backend;
use understudy_snapshot::{Backend, Existing, Header, SnapshotWriter};

/// Make a snapshot from another tool's recording
///
/// Reads RRPairs (Markdown, JSON Lines), HTTP Archives (HAR), WireMock mappings and Hoverfly
/// simulations. Items that a snapshot can't represent, such as a match by a pattern, are reported
/// and left out. Rules for values that change are learned, as `record` does, except from WireMock's
/// mappings, which define what is compared.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  understudy import recorded.har -o snapshots/shop
  understudy import proxymock/recorded -o snapshots/shop                              a folder of RRPairs
  understudy import wiremock -o snapshots/shop --backend http://api.example.com

Exit status: 0 imported, also with omissions; 2 failed.")]
pub(crate) struct Args {
    /// The file, or the folder of files
    #[arg(value_name = "FILE|FOLDER")]
    from: PathBuf,

    /// The snapshot to write: a folder
    #[arg(short, long, value_name = "SNAPSHOT")]
    output: PathBuf,

    /// The format; default: detected from the content
    #[arg(long)]
    format: Option<Format>,

    /// The backend, as `scheme://host[:port]`, for a format that doesn't state it: WireMock
    #[arg(long, value_name = "URL")]
    backend: Option<String>,

    /// Replace an existing snapshot; other files in its folder stay
    #[arg(long)]
    force: bool,

    /// A machine-readable summary on stdout
    #[arg(long)]
    json: bool,
}

/// Formats that can be imported.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Format {
    /// RRPairs of Speedscale and proxymock
    Rrpair,
    /// HTTP Archive 1.1, 1.2
    Har,
    /// WireMock stub mappings
    Wiremock,
    /// Hoverfly simulations, schema 5
    Hoverfly,
}

impl From<Format> for convert::Format {
    fn from(format: Format) -> Self {
        match format {
            Format::Rrpair => Self::Rrpair,
            Format::Har => Self::Har,
            Format::Wiremock => Self::Wiremock,
            Format::Hoverfly => Self::Hoverfly,
        }
    }
}

/// Maximum number of items with one reason that are named in the text.
const NAMED: usize = 3;

pub(crate) fn run(args: &Args) -> Outcome {
    let now = say::now();
    let options = ImportOptions { backend: args.backend.as_deref().map(backend_name).transpose()?, now };
    if !args.from.exists() {
        bail!("there is nothing at {}; check the path", args.from.display());
    }
    let format = args.format.map_or_else(|| convert::detect(&args.from), |format| Ok(format.into()))?;
    let existing = if args.force { Existing::Replace } else { Existing::Refuse };
    let mut writer = SnapshotWriter::create(&args.output, existing)?;
    let bar = say::progress("exchanges imported:");
    let imported = convert::import(&args.from, format, &options, &mut |exchange| {
        bar.inc(1);
        writer.push(exchange)
    })?;
    bar.finish_and_clear();
    if imported.exchanges == 0 {
        notes(&imported.notes, args.json);
        bail!("nothing in {} can be imported", args.from.display());
    }
    if imported.keep_ids {
        writer.keep_ids();
    }
    let mut snapshot = writer.finish(header(&args.output, &imported, now))?;
    notes(&imported.notes, args.json);
    // Stubs define what is compared; a recording doesn't.
    let rules = if format == convert::Format::Wiremock {
        Vec::new()
    } else {
        let bar = say::working("looking for values that change by themselves");
        let rules = learn::apply(&mut snapshot, &|_| true)?;
        bar.finish_and_clear();
        rules
    };
    let backends: Vec<_> = snapshot
        .header()
        .backends
        .iter()
        .map(|(name, backend)| json!({ "backend": name, "exchanges": backend.exchanges }))
        .collect();
    if args.json {
        output::json(&json!({
            "snapshot": args.output,
            "format": format.to_string().to_ascii_lowercase(),
            "exchanges": imported.exchanges,
            "backends": backends,
            "notes": imported.notes,
            "rules": rules,
        }))?;
    }
    say::line(format_args!(
        "{}: {} with {} imported from {} ({format})",
        args.output.display(),
        say::count(imported.exchanges, "exchange"),
        say::count(backends.len() as u64, "backend"),
        args.from.display()
    ));
    say::learned(&args.output, &rules);
    Ok(ExitCode::SUCCESS)
}

/// The normal form of the value of `--backend`.
fn backend_name(text: &str) -> anyhow::Result<String> {
    let name = text.trim_end_matches('/').split_once("://").map(|(scheme, host)| backend::name(scheme, host));
    match name.filter(|name| backend::parts(name).is_some() && name.starts_with("http")) {
        Some(name) => Ok(name),
        None => bail!("--backend {text}: write scheme://host[:port], without a path"),
    }
}

fn header(output: &Path, imported: &Imported, now: u64) -> Header {
    let full = std::path::absolute(output).unwrap_or_else(|_| output.to_owned());
    let name = full.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let sequences = imported.sequences.iter();
    let backends = sequences
        .map(|(name, sequence)| (name.clone(), Backend { sequence: Some(*sequence), ..Backend::default() }));
    Header {
        name,
        service: imported.service.clone(),
        recorded: now,
        backends: backends.collect(),
        rules: imported.rules.clone(),
        ..Header::default()
    }
}

/// Reports items that couldn't be converted: one line for each reason. With `--json`, the output
/// has all of them.
pub(crate) fn notes(notes: &[Note], json: bool) {
    let mut by_reason: BTreeMap<(What, &str), Vec<&str>> = BTreeMap::new();
    for note in notes {
        by_reason.entry((note.what, &note.reason)).or_default().push(&note.item);
    }
    for ((what, reason), items) in by_reason {
        let what = match what {
            What::LeftOut => "left out",
            What::Changed => "changed",
        };
        let named: Vec<_> = items.iter().take(NAMED).map(|item| printable(item)).collect();
        let more = match items.len().saturating_sub(NAMED) {
            0 => String::new(),
            more if json => format!(", and {more} more"),
            more => format!(", and {more} more (--json lists them)"),
        };
        say::warning(format_args!("{what}: {}: {}{more}", printable(reason), named.join(", ")));
    }
}

/// A text from another program, without characters that would move a terminal's cursor.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}
