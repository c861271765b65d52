//! `understudy record`: runs CMD and records its exchanges with its backends.

use crate::outcome::Outcome;
use crate::proxy_args::{CommandArgs, ProxyArgs};
use crate::redaction::RedactionArgs;
use crate::say::Console;
use crate::{output, say};
use anyhow::bail;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use understudy_analyse::traces::Traces;
use understudy_envoy::Inbound;
use understudy_run::{Finished, Record, Recorded, RecordedAgain};
use understudy_snapshot::{Backend, Existing, Snapshot};

/// Run CMD and record its exchanges with its backends
///
/// Envoy starts as a forward proxy on a free port. CMD runs with HTTP_PROXY and HTTPS_PROXY set and
/// trusts your certificate authority (see `understudy ca`). The recorded exchanges become a
/// snapshot: a folder of text that you can read, edit and commit. Credentials, tokens and card
/// numbers in it are replaced. CMD's exit status is passed on. Ctrl-C and SIGTERM end CMD;
/// everything recorded until then is kept.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  understudy record -o snapshots/payment -- python payment.py
  understudy record -o snapshots/payment --map api.stripe.com=http://127.0.0.1:8420 -- npm test
  understudy record -o snapshots/payment --inbound 8080=9000 -- python payment.py --port 9000
  understudy record -o snapshots/payment --runs 2 -- npm test    twice: proves which values change
  understudy record --again snapshots/payment -- npm test        the second run, later
  understudy record -o snapshots/payment --recover    after a crash, from the kept capture

Exit status: CMD's if it isn't 0; 1 some records were lost; 2 could not run, or nothing was recorded.")]
pub(crate) struct Args {
    /// The snapshot to write
    #[arg(short, long, value_name = "SNAPSHOT", required_unless_present = "again")]
    output: Option<PathBuf>,

    /// Run CMD once more and compare it with this snapshot: what one run left open is settled. Only
    /// the snapshot's learnt rules change
    #[arg(long, value_name = "SNAPSHOT", conflicts_with_all = ["output", "force", "recover", "runs"])]
    again: Option<PathBuf>,

    /// Run CMD this many times: the first run is recorded, the others are compared with it
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=10), conflicts_with = "recover")]
    runs: u8,

    /// Replace an existing snapshot
    #[arg(long)]
    force: bool,

    /// Record CMD's clients too: Envoy accepts requests at LISTEN and passes them on to APP, where
    /// CMD listens; may be repeated. A port alone means 127.0.0.1
    #[arg(long, value_name = "LISTEN=APP")]
    inbound: Vec<Inbound>,

    /// Run nothing: make a snapshot of an interrupted recording
    #[arg(long, conflicts_with_all = ["maps", "command", "inbound"])]
    recover: bool,

    /// Keep exchanges with OpenTelemetry, Zipkin, Datadog, Sentry and similar services. By default
    /// they are left out, and such requests pass through when CMD is answered
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
    if let Some(path) = &args.again {
        let mut snapshot = Snapshot::open(path)?;
        return again(&args, &mut snapshot).await;
    }
    let Some(output) = args.output.clone() else { bail!("say with -o SNAPSHOT where to record to") };
    let existing = if args.force { Existing::Replace } else { Existing::Refuse };
    if args.recover {
        return recover(&args, &output, existing).await;
    }
    let redaction = args.redaction.settings(None)?;
    if redaction.is_none() {
        say::warning("secrets are kept: share neither the snapshot nor anything made from it");
    }
    let record = Record {
        target: &output,
        existing,
        redaction,
        inbound: &args.inbound,
        keep_telemetry: args.keep_telemetry,
        proxy: &args.proxy.settings(),
        command: &args.command.command,
    };
    let Recorded { finished, snapshot } = understudy_run::record(record, &Console).await?;
    tell(&args, &output, &finished, snapshot.as_ref())?;
    match (&finished.envoy_death, finished.result, snapshot) {
        (Some(death), _, Some(_)) => {
            bail!("Envoy died while CMD ran; what was recorded until then is kept: {death}")
        }
        (Some(death), _, None) => {
            bail!("Envoy died while CMD ran, before anything was recorded: {death}")
        }
        (None, 0, None) => bail!(
            "nothing was recorded: no request of CMD went through the proxy{}",
            if finished.tunnels.is_empty() { "; does its HTTP client honour HTTPS_PROXY?" } else { "" }
        ),
        (None, 0, Some(_)) if !finished.is_complete() => Ok(ExitCode::from(1)),
        (None, 0, Some(mut snapshot)) => {
            for _ in 1..args.runs {
                let status = again(&args, &mut snapshot).await?;
                if status != ExitCode::SUCCESS {
                    return Ok(status);
                }
            }
            Ok(ExitCode::SUCCESS)
        }
        (None, status, _) => Ok(ExitCode::from(status)),
    }
}

/// Runs CMD once more, and says what that has settled.
async fn again(args: &Args, snapshot: &mut Snapshot) -> Outcome {
    let (proxy, command) = (args.proxy.settings(), &args.command.command);
    let again =
        understudy_run::record_again(snapshot, &args.inbound, args.keep_telemetry, &proxy, command, &Console);
    let RecordedAgain { finished, settled } = again.await?;
    if let Some(death) = &finished.envoy_death {
        bail!("Envoy died while CMD ran: {death}");
    }
    let path = snapshot.path().display();
    match (settled, finished.result) {
        (Some(settled), 0) => {
            say::line(format_args!(
                "{path}: {} by two runs (before: {}), {} of them assumed (before: {}); `understudy tune {path}` shows them",
                say::count(settled.rules.1 as u64, "learnt rule"),
                settled.rules.0,
                settled.assumed.1,
                settled.assumed.0
            ));
            Ok(if finished.is_complete() { ExitCode::SUCCESS } else { ExitCode::from(1) })
        }
        (None, 0) => bail!("nothing was recorded in this run, so that nothing is settled"),
        (_, status) => Ok(ExitCode::from(status)),
    }
}

async fn recover(args: &Args, output: &Path, existing: Existing) -> Outcome {
    match understudy_run::recover(output, existing, args.keep_telemetry, &Console).await? {
        Some(snapshot) => {
            say::line(format_args!("{} recovered", describe(output, &snapshot)));
            say::learned(output, &snapshot.header().rules);
            Ok(ExitCode::SUCCESS)
        }
        None => bail!("the interrupted recording held no exchanges; nothing was written"),
    }
}

fn tell(
    args: &Args,
    output: &Path,
    finished: &Finished<u8>,
    snapshot: Option<&Snapshot>,
) -> anyhow::Result<()> {
    if let Some(snapshot) = snapshot {
        say::line(format_args!("{} recorded", describe(output, snapshot)));
        for (name, inbound) in &snapshot.header().inbound {
            say::block(format_args!("  {:>6}  {name} (inbound)\n", inbound.exchanges));
        }
        for (name, backend) in recorded(snapshot) {
            say::block(format_args!("  {:>6}  {name}\n", backend.exchanges));
        }
        tell_traces(snapshot)?;
        say::learned(output, &snapshot.header().rules);
    }
    if args.proxy.json {
        let backends: Option<Vec<_>> = snapshot.map(|snapshot| {
            recorded(snapshot).map(|(name, b)| json!({ "backend": name, "exchanges": b.exchanges })).collect()
        });
        let status = finished.envoy_death.is_none().then_some(finished.result);
        let summary = json!({
            "snapshot": snapshot.map(|_| output), "backends": backends.unwrap_or_default(), "status": status,
            "complete": finished.is_complete(), "tunnels": finished.tunnels,
            "inbound": snapshot.map(|snapshot| &snapshot.header().inbound),
        });
        output::json(&summary)?;
    }
    Ok(())
}

/// Backends with recorded exchanges. Backends left out as telemetry have none.
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

/// Prints for how many calls the inbound request that caused them is known.
fn tell_traces(snapshot: &Snapshot) -> anyhow::Result<()> {
    if snapshot.header().inbound.is_empty() {
        return Ok(());
    }
    let counts = Traces::of(snapshot)?.counts();
    if counts.inbound > 0 && counts.outbound > 0 {
        say::line(format_args!(
            "of {}, the inbound request that caused it is known for {}, by the trace context that the service passes on",
            say::count(counts.outbound, "call"),
            counts.caused
        ));
    }
    Ok(())
}
