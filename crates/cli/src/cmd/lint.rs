//! `understudy lint`: checks a snapshot and reports a remedy for each finding.

use crate::outcome::Outcome;
use crate::{output, say};
use serde_json::json;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use understudy_snapshot::Snapshot;
use understudy_snapshot::lint::{Finding, Severity, lint};

/// Check a snapshot and report a remedy for each finding
///
/// Finds unreadable lines, exchanges that can't be served, answers that depend on the order of
/// requests, rules without an effect or with too much of it, and secrets.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  understudy lint snapshots/payment
  understudy lint snapshots/payment --strict    in CI: a warning fails too

Exit status: 0 no errors; 1 errors, or with --strict warnings; 2 could not run.")]
pub(crate) struct Args {
    /// The snapshot
    snapshot: PathBuf,

    /// Fail on warnings too
    #[arg(long)]
    strict: bool,

    /// List the notes too, not only errors and warnings
    #[arg(short, long)]
    verbose: bool,

    /// Print all findings on stdout, machine-readable
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Outcome {
    let snapshot = Snapshot::open(&args.snapshot)?;
    let bar = say::working("checking the exchanges");
    let findings = lint(&snapshot)?;
    bar.finish_and_clear();
    let of = |severity| findings.iter().filter(|finding| finding.severity == severity).count() as u64;
    let (errors, warnings, notes) = (of(Severity::Error), of(Severity::Warning), of(Severity::Info));
    if args.json {
        output::json(&json!({
            "snapshot": args.snapshot, "errors": errors, "warnings": warnings, "infos": notes, "findings": findings,
        }))?;
    } else {
        let shown = |finding: &&Finding| args.verbose || finding.severity != Severity::Info;
        let mut text: String = findings.iter().filter(shown).map(describe).collect();
        let _ = writeln!(
            text,
            "{}: {}, {}, {}{}",
            args.snapshot.display(),
            say::count(errors, "error"),
            say::count(warnings, "warning"),
            say::count(notes, "note"),
            if notes > 0 && !args.verbose { " (--verbose lists them)" } else { "" }
        );
        output::text(&text)?;
    }
    let failed = errors > 0 || (args.strict && warnings > 0);
    Ok(if failed { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

/// Prints a finding: its place, and below it the problem and what to do.
fn describe(finding: &Finding) -> String {
    let severity = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    };
    let mut text = format!("{severity}: {}", finding.code);
    if let Some(line) = finding.line {
        let _ = write!(text, ", {}:{line}", finding.file);
    }
    if let Some(backend) = &finding.backend {
        let _ = write!(text, ", {}", backend.escape_debug());
    }
    if finding.count > 1 {
        let _ = write!(text, ", {} times", finding.count);
    }
    let _ = writeln!(text, "\n    {}", finding.message);
    text
}
