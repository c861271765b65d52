//! `understudy record`: run CMD, keep what it says to its backends.

use crate::child::Ended;
use crate::session::{self, Finished, Plan, ProxyArgs};
use crate::{Outcome, capture, say};
use anyhow::{Context, bail};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use understudy_envoy::Bootstrap;
use understudy_snapshot::{Existing, Snapshot, bundle};

/// Run CMD and keep what it says to its backends
///
/// Envoy starts as a forward proxy on a free port, CMD runs with HTTP_PROXY set, and what passes becomes a snapshot: a folder of text
/// that you can read, edit and commit. CMD's own status is passed on.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  understudy record -o snapshots/payment -- python payment.py
  understudy record -o snapshots/payment --map api.stripe.com=http://127.0.0.1:8420 -- npm test
  understudy record -o snapshots/payment --recover        after a crash: make a snapshot of what was kept

Exit status: CMD's where it isn't 0; 2 could not run, or nothing was recorded.")]
pub(crate) struct Args {
    /// The snapshot to write
    #[arg(short, long, value_name = "SNAPSHOT")]
    output: PathBuf,

    /// Replace a snapshot that is there already
    #[arg(long)]
    force: bool,

    /// Run nothing: make a snapshot of a recording that was interrupted
    #[arg(long, conflicts_with_all = ["maps", "command"])]
    recover: bool,

    #[command(flatten)]
    proxy: RecordProxy,
}

/// The shared arguments; CMD may be absent with `--recover`.
#[derive(clap::Args)]
struct RecordProxy {
    #[command(flatten)]
    args: ProxyArgs,
}

pub(crate) async fn run(args: Args) -> Outcome {
    let existing = if args.force { Existing::Replace } else { Existing::Refuse };
    let store = capture::folder_of(&args.output);
    // Whatever would stop the snapshot from being written must stop us before CMD runs, not after.
    drop(understudy_snapshot::SnapshotWriter::create(&args.output, existing)?);
    if args.recover {
        return recover(&args, &store, existing).await;
    }
    if store.exists() {
        bail!(
            "{} holds a recording that was interrupted: run `understudy record -o {} --recover` to make a snapshot of it, or remove it",
            store.display(),
            args.output.display()
        );
    }
    let work = tempfile::tempdir().context("can't make a temporary folder")?;
    let module = work.path().join("filter.wasm");
    std::fs::write(&module, bundle::plain(understudy_module::RAW)?).context("can't write the filter")?;
    let plan = Plan {
        bootstrap: Bootstrap::tap(),
        module: &module,
        config: json!({ "default": "tap" }),
        store: store.clone(),
    };
    let finished = match session::run(plan, &args.proxy.args).await {
        Ok(finished) => finished,
        Err(error) => {
            remove_if_empty(&store).await;
            return Err(error);
        }
    };
    finished.warn();
    let snapshot = capture::to_snapshot(&store, &args.output, existing).await.with_context(|| {
        format!(
            "the recording is kept in {}; when the cause is mended, run `understudy record -o {} --recover`",
            store.display(),
            args.output.display()
        )
    })?;
    std::fs::remove_dir_all(&store).with_context(|| format!("can't remove {}", store.display()))?;
    tell(&args, &finished, snapshot.as_ref())?;
    match (finished.ended, snapshot) {
        (Ended::EnvoyDied, _) => {
            bail!("Envoy died while CMD ran; what was recorded until then is kept:\n{}", finished.problems)
        }
        (Ended::Status(0), None) => bail!(
            "nothing was recorded: no plain-HTTP request of CMD went through the proxy{}",
            hint(&finished)
        ),
        (Ended::Status(status), _) => Ok(ExitCode::from(status)),
    }
}

async fn recover(args: &Args, store: &Path, existing: Existing) -> Outcome {
    if !store.exists() {
        bail!(
            "there is no interrupted recording for {}: {} doesn't exist",
            args.output.display(),
            store.display()
        );
    }
    let snapshot = capture::to_snapshot(store, &args.output, existing).await?;
    std::fs::remove_dir_all(store).with_context(|| format!("can't remove {}", store.display()))?;
    match snapshot {
        Some(snapshot) => {
            say::line(format_args!("{} recovered", describe(&snapshot)));
            Ok(ExitCode::SUCCESS)
        }
        None => bail!("the interrupted recording held no exchanges; nothing was written"),
    }
}

/// A run that never began leaves nothing behind; one that recorded something keeps it.
async fn remove_if_empty(store: &Path) {
    let mut records = 0u64;
    let read = capture::each(store, understudy_collector::RecordKind::Exchange, |_| {
        records += 1;
        Ok(())
    });
    if read.await.is_ok() && records == 0 {
        // It is only tidier: an empty folder that stays is said by the next run.
        let _ = std::fs::remove_dir_all(store);
    }
}

fn hint(finished: &Finished) -> &'static str {
    if finished.tunnels > 0 {
        "; its HTTPS calls passed through unseen: this version records http:// alone"
    } else {
        "; does its HTTP client honour HTTP_PROXY?"
    }
}

fn tell(args: &Args, finished: &Finished, snapshot: Option<&Snapshot>) -> anyhow::Result<()> {
    if finished.tunnels > 0 {
        say::warning(format_args!(
            "{} passed through unseen (HTTPS, WebSocket)",
            say::count(finished.tunnels, "tunnel")
        ));
    }
    if let Some(snapshot) = snapshot {
        say::line(format_args!("{} recorded", describe(snapshot)));
        for (name, backend) in &snapshot.header().backends {
            say::block(format_args!("  {:>6}  {name}\n", backend.exchanges));
        }
    }
    if args.proxy.args.json {
        let backends: Option<Vec<_>> = snapshot.map(|snapshot| {
            snapshot
                .header()
                .backends
                .iter()
                .map(|(name, b)| json!({ "backend": name, "exchanges": b.exchanges }))
                .collect()
        });
        let status = match finished.ended {
            Ended::Status(status) => json!(status),
            Ended::EnvoyDied => json!(null),
        };
        let summary = json!({
            "snapshot": snapshot.map(|s| s.path()), "backends": backends.unwrap_or_default(), "status": status,
            "complete": finished.is_complete(), "tunnels": finished.tunnels,
        });
        crate::report::print(&summary)?;
    }
    Ok(())
}

fn describe(snapshot: &Snapshot) -> String {
    let backends = &snapshot.header().backends;
    let exchanges = backends.values().map(|backend| backend.exchanges).sum();
    let number = u64::try_from(backends.len()).unwrap_or(u64::MAX);
    format!(
        "{}: {} with {}",
        snapshot.path().display(),
        say::count(exchanges, "exchange"),
        say::count(number, "backend")
    )
}
