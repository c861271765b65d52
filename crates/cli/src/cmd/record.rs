//! `understudy record`: run CMD, keep what it says to its backends.

use crate::capture::{Capture, Kept, tell_learnt};
use crate::child::Ended;
use crate::redaction::{self, RedactionArgs};
use crate::session::{self, CommandArgs, Finished, Plan, ProxyArgs};
use crate::{Outcome, output, say};
use anyhow::{Context, bail};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use understudy_envoy::{Bootstrap, Inbound};
use understudy_snapshot::traces::Traces;
use understudy_snapshot::{Backend, Existing, Snapshot, bundle};

/// Run CMD and keep what it says to its backends
///
/// Envoy starts as a forward proxy on a free port, CMD runs with HTTP_PROXY and HTTPS_PROXY set and trusts your certificate authority (see
/// `understudy ca`), and what passes becomes a snapshot: a folder of text that you can read, edit and commit. Credentials, tokens and card numbers in it are replaced. CMD's own status is passed on. Ctrl-C and SIGTERM end CMD; what was recorded until then is kept.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  understudy record -o snapshots/payment -- python payment.py
  understudy record -o snapshots/payment --map api.stripe.com=http://127.0.0.1:8420 -- npm test
  understudy record -o snapshots/payment --inbound 8080=9000 -- python payment.py --port 9000
  understudy record -o snapshots/payment --recover    after a crash, of what was kept

Exit status: CMD's where it isn't 0; 1 some of it was lost; 2 could not run, or nothing was recorded.")]
pub(crate) struct Args {
    /// The snapshot to write
    #[arg(short, long, value_name = "SNAPSHOT")]
    output: PathBuf,

    /// Replace a snapshot that is there already
    #[arg(long)]
    force: bool,

    /// Record who calls CMD too: Envoy takes requests at LISTEN and passes them on to APP, where CMD listens; may be repeated. A port alone
    /// is one of 127.0.0.1
    #[arg(long, value_name = "LISTEN=APP")]
    inbound: Vec<Inbound>,

    /// Run nothing: make a snapshot of a recording that was interrupted
    #[arg(long, conflicts_with_all = ["maps", "command", "inbound"])]
    recover: bool,

    /// Keep what is delivered to OpenTelemetry, Zipkin, Datadog, Sentry and the like. It is left out, and let through when CMD is answered
    #[arg(long)]
    keep_telemetry: bool,

    #[command(flatten)]
    redaction: RedactionArgs,

    #[command(flatten)]
    proxy: ProxyArgs,

    #[command(flatten)]
    command: CommandArgs,
}

pub(crate) async fn run(args: Args) -> Outcome {
    let existing = if args.force { Existing::Replace } else { Existing::Refuse };
    if args.recover {
        return recover(&args, existing).await;
    }
    let redaction = args.redaction.settings(None)?;
    if redaction.is_none() {
        say::warning("secrets are kept as they are: share neither the snapshot nor what is made of it");
    }
    let config = json!({ "default": "tap", "redaction": redaction::config(redaction.as_ref()) });
    let inbound = settled(&args.inbound)?;
    let capture = Capture::begin(&args.output, existing, Kept::new(redaction, &inbound))?
        .with_telemetry(args.keep_telemetry);
    let work = tempfile::tempdir().context("can't make a temporary folder")?;
    let module = work.path().join("filter.wasm");
    std::fs::write(&module, bundle::plain(understudy_module::RAW)?).context("can't write the filter")?;
    let (bootstrap, store) = (Bootstrap::tap(), capture.folder());
    let plan = Plan { bootstrap, module: &module, config, store, inbound: &inbound };
    let finished = match session::run(plan, &args.proxy, async |terms, envoy, signals| {
        args.command.run(terms, envoy, signals).await
    })
    .await
    {
        Ok(finished) => finished,
        Err(error) => {
            capture.discard_if_empty().await;
            return Err(error);
        }
    };
    finished.warn("passed through");
    let snapshot = capture.finish().await?;
    tell(&args, &finished, snapshot.as_ref())?;
    match (finished.ended, snapshot) {
        (Ended::EnvoyDied, Some(_)) => {
            bail!("Envoy died while CMD ran; what was recorded until then is kept: {}", finished.problems)
        }
        (Ended::EnvoyDied, None) => {
            bail!("Envoy died while CMD ran, before anything was recorded: {}", finished.problems)
        }
        (Ended::Status(0), None) => bail!(
            "nothing was recorded: no request of CMD went through the proxy{}",
            if finished.tunnels.is_empty() { "; does its HTTP client honour HTTPS_PROXY?" } else { "" }
        ),
        (Ended::Status(0), Some(_)) if !finished.is_complete() => Ok(ExitCode::from(1)),
        (Ended::Status(status), _) => Ok(ExitCode::from(status)),
    }
}

/// With their ports, each listened on once.
fn settled(ways: &[Inbound]) -> anyhow::Result<Vec<Inbound>> {
    let mut settled: Vec<Inbound> = Vec::new();
    for way in ways {
        let way = way.clone().settled()?;
        if settled.iter().any(|other| other.listen() == way.listen()) {
            bail!("--inbound {way}: {} is listened on already; choose another port", way.listen());
        }
        settled.push(way);
    }
    Ok(settled)
}

async fn recover(args: &Args, existing: Existing) -> Outcome {
    let output = args.output.as_path();
    let capture = Capture::interrupted(output, existing)?.with_telemetry(args.keep_telemetry);
    match capture.finish().await? {
        Some(snapshot) => {
            say::line(format_args!("{} recovered", describe(output, &snapshot)));
            tell_learnt(output, &snapshot.header().rules);
            Ok(ExitCode::SUCCESS)
        }
        None => bail!("the interrupted recording held no exchanges; nothing was written"),
    }
}

fn tell(args: &Args, finished: &Finished, snapshot: Option<&Snapshot>) -> anyhow::Result<()> {
    if let Some(snapshot) = snapshot {
        say::line(format_args!("{} recorded", describe(&args.output, snapshot)));
        for (name, inbound) in &snapshot.header().inbound {
            say::block(format_args!("  {:>6}  {name} (inbound)\n", inbound.exchanges));
        }
        for (name, backend) in recorded(snapshot) {
            say::block(format_args!("  {:>6}  {name}\n", backend.exchanges));
        }
        tell_traces(snapshot)?;
        tell_learnt(&args.output, &snapshot.header().rules);
    }
    if args.proxy.json {
        let backends: Option<Vec<_>> = snapshot.map(|snapshot| {
            recorded(snapshot).map(|(name, b)| json!({ "backend": name, "exchanges": b.exchanges })).collect()
        });
        let status = match finished.ended {
            Ended::Status(status) => json!(status),
            Ended::EnvoyDied => json!(null),
        };
        let summary = json!({
            "snapshot": snapshot.map(|_| &args.output), "backends": backends.unwrap_or_default(), "status": status,
            "complete": finished.is_complete(), "tunnels": finished.tunnels,
            "inbound": snapshot.map(|snapshot| &snapshot.header().inbound),
        });
        output::json(&summary)?;
    }
    Ok(())
}

/// The backends that something was recorded of: of those that are left out as telemetry nothing is.
fn recorded(snapshot: &Snapshot) -> impl Iterator<Item = (&String, &Backend)> {
    snapshot.header().backends.iter().filter(|(_, backend)| backend.exchanges > 0)
}

fn describe(path: &Path, snapshot: &Snapshot) -> String {
    let header = snapshot.header();
    let number = recorded(snapshot).count() as u64;
    let called = match header.inbound() {
        0 if header.inbound.is_empty() => String::new(),
        requests => format!("{} and ", say::count(requests, "inbound request")),
    };
    format!(
        "{}: {called}{} with {}",
        path.display(),
        say::count(header.outbound(), "exchange"),
        say::count(number, "backend")
    )
}

/// How far it is known which inbound request has caused which calls.
fn tell_traces(snapshot: &Snapshot) -> anyhow::Result<()> {
    if snapshot.header().inbound.is_empty() {
        return Ok(());
    }
    let counts = Traces::of(snapshot)?.counts();
    if counts.inbound > 0 && counts.outbound > 0 {
        say::line(format_args!(
            "of {} the inbound request that caused it is known for {}, by the trace context that the service passes on",
            say::count(counts.outbound, "call"),
            counts.caused
        ));
    }
    Ok(())
}
