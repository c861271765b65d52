//! `understudy match`: which requests a snapshot would answer, and why not, without Envoy.

use crate::outcome::Outcome;
use crate::{output, requests, say};
use anyhow::bail;
use std::path::PathBuf;
use std::process::ExitCode;
use understudy_compile::matcher::Matcher;
use understudy_run::module::build_table;
use understudy_run::responder_report::{JudgedRequest, ResponderReport};

/// Show which requests a snapshot would answer, without Envoy
///
/// The engine is the filter's. If the requests come from a report, their new verdicts are compared
/// with those of the report, so that the effect of an edit is visible.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  understudy match snapshots/payment snapshots/payment    does the snapshot answer its own requests?
  understudy match snapshots/payment report.json          does it now answer the misses of the run?

Exit status: 0 all match; 1 some miss; 2 could not run.")]
pub(crate) struct Args {
    /// The snapshot to answer from
    snapshot: PathBuf,

    /// The requests: a snapshot, a report of `respond`, or a file of exchanges or verdicts, one a
    /// line
    requests: PathBuf,

    /// Count a match as a miss if it rests on an assumption: values that only look made up
    #[arg(long)]
    strict: bool,

    /// List each request, not only those that miss
    #[arg(short, long)]
    verbose: bool,

    /// Write the report (JSON) here
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,

    /// A machine-readable summary on stdout
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Outcome {
    let snapshot = understudy_run::open_snapshot(&args.snapshot, &say::Console)?;
    if let Some(report) = &args.report {
        output::check(report)?;
    }
    let built = build_table(&snapshot, &say::Console)?;
    let mut matcher = if args.strict { Matcher::strict(&built.bytes)? } else { Matcher::new(&built.bytes)? };
    let (mut records, mut asked) = (Vec::new(), 0u64);
    let bar = say::progress("requests judged:");
    requests::each_request(&args.requests, |exchange, then| {
        bar.inc(1);
        asked += 1;
        records.extend(matcher.judge(exchange)?.map(|record| JudgedRequest { record, then }));
        Ok(())
    })?;
    bar.finish_and_clear();
    if asked == 0 {
        bail!("there are no outbound requests in {}", args.requests.display());
    }
    let report = ResponderReport::new(records, &snapshot, &built, true);
    if let Some(path) = &args.report {
        output::file(path, |out| report.write(out))?;
    }
    if args.json {
        output::json(&report.summary)?;
    } else {
        output::text(&report.text(args.verbose))?;
    }
    Ok(if report.summary.matches == report.summary.requests { ExitCode::SUCCESS } else { ExitCode::from(1) })
}
