//! `understudy respond`: runs CMD with its backends answered from a snapshot.

use crate::outcome::Outcome;
use crate::proxy_args::{CommandArgs, ProxyArgs};
use crate::redaction::RedactionArgs;
use crate::say::Console;
use crate::{output, say};
use anyhow::bail;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use understudy_core::config::OnMiss;
use understudy_core::latency::Latency;
use understudy_run::{Capture, MockSettings, Respond, Responded};

/// Run CMD with its backends answered from a snapshot
///
/// Mocked backends receive nothing. Each request of CMD is answered from the recording; `--on-miss`
/// decides about requests that match nothing recorded. At the end, a report shows the verdict on
/// each request.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  understudy respond snapshots/payment -- python payment.py
  understudy respond snapshots/payment --report report.json -- npm test
  understudy respond snapshots/payment --on-miss capture -o snapshots/missed -- npm test
  understudy respond snapshots/payment --latency 0.5x -- npm test

Exit status: CMD's if it isn't 0; 1 requests missed; 2 could not run.")]
pub(crate) struct Args {
    /// The snapshot to answer from
    snapshot: PathBuf,

    /// Treatment of a request that matches nothing recorded [default: as in snapshot.yaml]
    #[arg(long, value_enum, value_name = "WHAT")]
    on_miss: Option<OnMissArg>,

    /// Delay of answers: none, recorded, or a factor such as 0.5x [default: as in snapshot.yaml]
    #[arg(long, value_name = "LATENCY")]
    latency: Option<Latency>,

    /// Count a match as a miss if it rests on an assumption: values that only look made up
    #[arg(long)]
    strict: bool,

    /// Write the report (JSON) to this file
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,

    /// With `--on-miss capture`: the snapshot to write captured misses to
    #[arg(short, long, value_name = "SNAPSHOT", required_if_eq("on_miss", "capture"))]
    output: Option<PathBuf>,

    /// List every request in the summary, not only misses
    #[arg(short, long)]
    verbose: bool,

    #[command(flatten)]
    redaction: RedactionArgs,

    #[command(flatten)]
    proxy: ProxyArgs,

    #[command(flatten)]
    command: CommandArgs,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum OnMissArg {
    /// Answer 404, with the nearest recorded requests
    Fail,
    /// Send it on to the real backend
    Passthrough,
    /// Send it on to the real backend, and record it
    Capture,
}

impl From<OnMissArg> for OnMiss {
    fn from(arg: OnMissArg) -> Self {
        match arg {
            OnMissArg::Fail => Self::Fail,
            OnMissArg::Passthrough => Self::Passthrough,
            OnMissArg::Capture => Self::Capture,
        }
    }
}

pub(crate) async fn run(args: Args) -> Outcome {
    let snapshot = understudy_run::open_snapshot(&args.snapshot, &Console)?;
    let mut mock = MockSettings {
        on_miss: args.on_miss.map(OnMiss::from),
        latency: args.latency,
        strict: args.strict,
        redaction: None,
    };
    if args.output.is_none() && mock.allows(OnMiss::Capture, &snapshot) {
        bail!(
            "{} says `on_miss: capture`: say with `-o SNAPSHOT` where to, or `--on-miss fail`",
            snapshot.path().display()
        );
    }
    if let Some(report) = &args.report {
        output::check(report)?;
    }
    mock.redaction = args.redaction.settings(snapshot.header().redaction.as_ref())?;
    let respond = Respond {
        snapshot: &snapshot,
        mock,
        missed: args.output.as_deref(),
        proxy: &args.proxy.settings(),
        command: &args.command.command,
    };
    let Responded { finished, report, missed } = understudy_run::respond(respond, &Console).await?;
    say::block(report.text(args.verbose));
    if report.summary.requests == 0 {
        say::warning("no request reached a mocked backend: does CMD's HTTP client honour HTTPS_PROXY?");
    }
    // Captured misses are saved before anything else can fail.
    if let (Some(capture), Some(output)) = (missed, &args.output) {
        save_missed(capture, output, &args.snapshot).await?;
    }
    if let Some(path) = &args.report {
        output::file(path, |out| report.write(out))?;
        say::line(format_args!("report written to {}", path.display()));
    }
    if args.proxy.json {
        output::json(&report.summary)?;
    }
    match (&finished.envoy_death, finished.result) {
        (Some(death), _) => bail!("Envoy died while CMD ran: {death}"),
        (None, 0) if report.summary.misses > 0 || !finished.is_complete() => Ok(ExitCode::from(1)),
        (None, status) => Ok(ExitCode::from(status)),
    }
}

async fn save_missed(capture: Capture, output: &Path, snapshot: &Path) -> anyhow::Result<()> {
    match capture.finish(&Console).await? {
        Some(_) => say::line(format_args!(
            "the misses were recorded to {}; `understudy merge {} {}` adds them",
            output.display(),
            snapshot.display(),
            output.display()
        )),
        None => say::line("no request missed, so that nothing was recorded"),
    }
    Ok(())
}
