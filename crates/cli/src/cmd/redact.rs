//! `understudy redact`: replaces the secrets in a snapshot.

use crate::outcome::Outcome;
use crate::redaction::NameArgs;
use crate::say;
use std::path::PathBuf;
use std::process::ExitCode;
use understudy_core::redact::Redactor;
use understudy_snapshot::{Existing, Snapshot, SnapshotWriter};

/// Replace the secrets in a snapshot by tokens
///
/// For a snapshot that was recorded without redaction, or before a name was known: each secret is
/// replaced by a token, as the filter does when it records. Requests match as before. Secrets in
/// the history of a repository stay there: revoke them.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  understudy redact snapshots/payment
  understudy redact snapshots/payment --redact iban    also values of this name

Exit status: 0 no known secret is left; 2 could not run.")]
pub(crate) struct Args {
    /// The snapshot to change
    snapshot: PathBuf,

    #[command(flatten)]
    names: NameArgs,
}

pub(crate) fn run(args: &Args) -> Outcome {
    let snapshot = Snapshot::open(&args.snapshot)?;
    let mut header = snapshot.header().clone();
    let settings = args.names.settings(header.redaction.as_ref())?;
    let redactor = Redactor::new(&settings);
    let mut writer = SnapshotWriter::create(&args.snapshot, Existing::Replace)?;
    let bar = say::working("taking secrets out");
    let mut changed = 0;
    for located in snapshot.exchanges()? {
        let mut exchange = located?.exchange;
        let before = exchange.clone();
        redactor.exchange(&mut exchange);
        changed += u64::from(exchange != before);
        writer.push(&exchange)?;
    }
    bar.finish_and_clear();
    if changed > 0 {
        writer.keep_text(snapshot.header_text()?);
        header.redaction = Some(settings);
        writer.finish(header)?;
    }
    say::line(format_args!("{}: {} changed", args.snapshot.display(), say::count(changed, "exchange")));
    Ok(ExitCode::SUCCESS)
}
