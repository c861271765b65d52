//! `understudy respond`: run CMD with its backends answered from a snapshot.

use crate::capture::{Capture, Kept};
use crate::child::Ended;
use crate::redaction::{self, RedactionArgs};
use crate::report::Report;
use crate::session::{self, CommandArgs, Plan, ProxyArgs};
use crate::{Outcome, output, say};
use anyhow::{Context, bail};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use understudy_core::config::{Mode, OnMiss};
use understudy_core::latency::Latency;
use understudy_core::redact::Settings;
use understudy_envoy::{Bootstrap, FilterFailure};
use understudy_snapshot::answerable::Unanswerable;
use understudy_snapshot::{Existing, Snapshot, bundle, table};

/// Run CMD with its backends answered from a snapshot
///
/// The backends that the snapshot mocks are never touched. Each request of CMD is answered from the recording or, where nothing
/// recorded matches, as `--on-miss` says. At the end a report says what was asked and what became of it.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  understudy respond snapshots/payment -- python payment.py
  understudy respond snapshots/payment --report report.json -- npm test
  understudy respond snapshots/payment --on-miss capture -o snapshots/missed -- npm test
  understudy respond snapshots/payment --latency 0.5x -- npm test

Exit status: CMD's where it isn't 0; 1 where requests missed; 2 could not run.")]
pub(crate) struct Args {
    /// The snapshot to answer from
    snapshot: PathBuf,

    /// What becomes of a request that nothing recorded matches [default: what snapshot.yaml says]
    #[arg(long, value_enum, value_name = "WHAT")]
    on_miss: Option<OnMissArg>,

    /// How long answers are held back: none, recorded, or a factor such as 0.5x [default: what snapshot.yaml says]
    #[arg(long, value_name = "LATENCY")]
    latency: Option<Latency>,

    /// Write the report (JSON) here
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,

    /// With `--on-miss capture`: the snapshot to write what missed to
    #[arg(short, long, value_name = "SNAPSHOT", required_if_eq("on_miss", "capture"))]
    output: Option<PathBuf>,

    /// List each request in the summary, not only those that missed
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
    let snapshot = Snapshot::open(&args.snapshot)?;
    let on_miss = args.on_miss.map(OnMiss::from);
    if args.output.is_none() && may(OnMiss::Capture, &snapshot, on_miss) {
        bail!(
            "{} says `on_miss: capture`: say with `-o SNAPSHOT` where to, or `--on-miss fail`",
            snapshot.path().display()
        );
    }
    if let Some(report) = &args.report {
        output::check(report)?;
    }
    let redaction = args.redaction.settings(snapshot.header().redaction.as_ref())?;
    let config = config(on_miss, args.latency, redaction.as_ref());
    let capture = match &args.output {
        Some(output) => {
            Some(Capture::begin(output, Existing::Refuse, Kept { redaction, ..Kept::default() })?)
        }
        None => None,
    };
    let work = tempfile::tempdir().context("can't make a temporary folder")?;
    let module = work.path().join("filter.wasm");
    let built = write_module(&snapshot, &module)?;
    let temporary = work.path().join("verdicts");
    let store = capture.as_ref().map_or(temporary.as_path(), Capture::folder);
    let bootstrap = bootstrap(&snapshot, on_miss);
    let plan = Plan { bootstrap, module: &module, config, store, inbound: &[] };
    let finished = match session::run(plan, &args.proxy, async |terms, envoy, signals| {
        args.command.run(terms, envoy, signals).await
    })
    .await
    {
        Ok(finished) => finished,
        Err(error) => {
            if let Some(capture) = capture {
                capture.discard_if_empty().await;
            }
            return Err(error);
        }
    };
    finished.warn("refused");
    let report = Report::read(store, &snapshot, &built, finished.is_complete()).await?;
    say::block(report.text(args.verbose));
    if report.summary.requests == 0 {
        say::warning("nothing was asked of Understudy: does CMD's HTTP client honour HTTPS_PROXY?");
    }
    // What was recorded is safe before anything else can fail.
    if let (Some(capture), Some(output)) = (capture, &args.output) {
        save_missed(capture, output, &args.snapshot).await?;
    }
    if let Some(path) = &args.report {
        report.write(path)?;
        say::line(format_args!("report written to {}", path.display()));
    }
    if args.proxy.json {
        output::json(&report.summary)?;
    }
    match finished.ended {
        Ended::EnvoyDied => bail!("Envoy died while CMD ran: {}", finished.problems),
        Ended::Status(0) if report.summary.misses > 0 || !finished.is_complete() => Ok(ExitCode::from(1)),
        Ended::Status(status) => Ok(ExitCode::from(status)),
    }
}

/// Makes the module that answers from a snapshot, and says what it leaves out.
pub(crate) fn write_module(snapshot: &Snapshot, module: &Path) -> anyhow::Result<table::Built> {
    let bar = say::working("making the table");
    let built = table::build(snapshot)?;
    bar.finish_and_clear();
    let bundle = bundle::Bundle::new(understudy_module::RAW, &built.bytes, &bundle::BundleInfo::default())?;
    let write = || bundle.write_to(std::fs::File::create(module)?);
    write().with_context(|| format!("can't write {}", module.display()))?;
    for (why, count) in built.left_out.iter().filter(|(why, _)| **why != Unanswerable::Inbound) {
        say::warning(format_args!(
            "{} can't be answered: {why} (see `understudy lint`)",
            say::count(*count, "recorded exchange")
        ));
    }
    Ok(built)
}

/// Whether some request can come to this end: what the command says counts, then what the snapshot says of a backend, then of all.
pub(crate) fn may(what: OnMiss, snapshot: &Snapshot, general: Option<OnMiss>) -> bool {
    let header = snapshot.header();
    let mocked = header.backends.values().filter(|backend| backend.mode == Mode::Mock);
    let mut own = mocked.map(|backend| general.or(backend.on_miss).unwrap_or(header.on_miss));
    general.unwrap_or(header.on_miss) == what || own.any(|on_miss| on_miss == what)
}

/// Without a way to the backends wherever none is needed: what isn't there can't be reached by mistake.
pub(crate) fn bootstrap(snapshot: &Snapshot, on_miss: Option<OnMiss>) -> Bootstrap {
    let all_mocked = snapshot.header().backends.values().all(|backend| backend.mode == Mode::Mock);
    let leaves = [OnMiss::Passthrough, OnMiss::Capture].into_iter().any(|what| may(what, snapshot, on_miss));
    let bootstrap =
        if all_mocked && !leaves { Bootstrap::responder() } else { Bootstrap::responder_with_backends() };
    bootstrap.on_filter_failure(FilterFailure::Reload)
}

/// The filter's configuration. What isn't said is what the snapshot says.
pub(crate) fn config(
    on_miss: Option<OnMiss>,
    latency: Option<Latency>,
    redaction: Option<&Settings>,
) -> serde_json::Value {
    let mut config = json!({ "default": "mock", "redaction": redaction::config(redaction) });
    if let Some(on_miss) = on_miss {
        config["on_miss"] = json!(on_miss);
    }
    if let Some(latency) = latency {
        config["latency"] = json!(latency);
    }
    config
}

async fn save_missed(capture: Capture, output: &Path, snapshot: &Path) -> anyhow::Result<()> {
    match capture.finish().await? {
        Some(_) => say::line(format_args!(
            "what missed was recorded to {}; `understudy merge {} {}` adds it",
            output.display(),
            snapshot.display(),
            output.display()
        )),
        None => say::line("nothing missed, so that nothing was recorded"),
    }
    Ok(())
}
