//! `understudy report`: what a replay's report says, as text and as pages for others.

use crate::{Outcome, output};
use std::path::PathBuf;
use std::process::ExitCode;
use understudy_replay::report;

/// Show the report of a replay
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  understudy report report.json

Exit status: 0 the run passed; 1 it failed; 2 could not run.")]
pub(crate) struct Args {
    /// The report that `understudy replay --report` has written
    file: PathBuf,

    /// List all that is in the report
    #[arg(short, long)]
    verbose: bool,
}

pub(crate) fn run(args: &Args) -> Outcome {
    let report = report::read(&args.file)?;
    output::text(&report::summary(&report, args.verbose))?;
    Ok(ExitCode::from(u8::from(!report.passed)))
}
