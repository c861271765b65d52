//! Runs CMD and records its exchanges with its backends, and those of its callers.

use crate::capture::{Capture, RecordingContext};
use crate::observer::{Observer, OpaqueTunnels};
use crate::session::{Finished, Plan, ProxySettings};
use crate::{child, module, redaction, session};
use anyhow::{Context, bail};
use serde_json::json;
use std::path::Path;
use understudy_analyse::learn::{self, Settled};
use understudy_core::redact::Settings;
use understudy_envoy::{Bootstrap, Inbound};
use understudy_snapshot::{Existing, Snapshot};

/// Input and output of [`record`].
pub struct Record<'a> {
    /// The snapshot to write.
    pub target: &'a Path,
    /// Treatment of an existing snapshot at `target`.
    pub existing: Existing,
    /// Settings by which secrets are replaced; `None` keeps secrets.
    pub redaction: Option<Settings>,
    /// Listeners for requests to CMD.
    pub inbound: &'a [Inbound],
    /// True if exchanges with telemetry backends are kept.
    pub keep_telemetry: bool,
    /// Settings of Envoy and CMD.
    pub proxy: &'a ProxySettings,
    /// CMD and its arguments.
    pub command: &'a [String],
}

/// Result of [`record`].
pub struct Recorded {
    /// The session, with CMD's exit status.
    pub finished: Finished<u8>,
    /// The snapshot; `None` if nothing was recorded.
    pub snapshot: Option<Snapshot>,
}

/// Runs CMD and writes a snapshot of what was recorded.
///
/// # Errors
/// CMD did not run, or the snapshot can't be written; then the recording is kept.
pub async fn record(record: Record<'_>, observer: &dyn Observer) -> anyhow::Result<Recorded> {
    let Record { target, existing, redaction, inbound, keep_telemetry, proxy, command } = record;
    let inbound = resolve_listeners(inbound)?;
    let config = json!({ "default": "tap", "redaction": redaction::filter_config(redaction.as_ref()) });
    let context = RecordingContext::new(redaction, &inbound);
    let capture = Capture::begin(target, existing, context, keep_telemetry, observer)?;
    let work = tempfile::tempdir().context("can't make a temporary folder")?;
    let module = work.path().join("filter.wasm");
    module::write_plain(&module)?;
    let plan = Plan {
        bootstrap: Bootstrap::tap(),
        opaque_tunnels: OpaqueTunnels::PassedThrough,
        module: &module,
        config,
        store: capture.folder(),
        inbound: &inbound,
    };
    let session = session::run(plan, proxy, observer, async |environment, envoy, signals| {
        child::run(command, environment, envoy, signals, observer).await
    });
    match session.await {
        Ok(finished) => Ok(Recorded { finished, snapshot: capture.finish(observer).await? }),
        Err(error) => {
            capture.discard_if_empty(observer).await;
            Err(error)
        }
    }
}

/// The result of [`record_again`].
pub struct RecordedAgain {
    /// The session, with CMD's exit status.
    pub finished: Finished<u8>,
    /// The rules that changed; `None` if nothing was recorded, and then nothing has changed.
    pub settled: Option<Settled>,
}

/// Runs CMD once more and compares its exchanges with those of a snapshot: values that are the same
/// in both runs count, and values that differ don't. Only the snapshot's learnt rules change.
///
/// # Errors
/// CMD did not run, or the snapshot can't be written.
pub async fn record_again(
    snapshot: &mut Snapshot,
    inbound: &[Inbound],
    keep_telemetry: bool,
    proxy: &ProxySettings,
    command: &[String],
    observer: &dyn Observer,
) -> anyhow::Result<RecordedAgain> {
    let folder = tempfile::tempdir().context("can't make a temporary folder")?;
    let again = Record {
        target: &folder.path().join("again"),
        existing: Existing::Refuse,
        // The same key: one secret has one token in both recordings.
        redaction: snapshot.header().redaction.clone(),
        inbound,
        keep_telemetry,
        proxy,
        command,
    };
    let Recorded { finished, snapshot: second } = record(again, observer).await?;
    let settled = match second {
        Some(second) => Some(learn::settle(snapshot, &second)?),
        None => None,
    };
    Ok(RecordedAgain { finished, settled })
}

/// Writes the snapshot of a recording that was interrupted. `None` if it held no exchanges.
///
/// # Errors
/// There is no interrupted recording, or the snapshot can't be written.
pub async fn recover(
    target: &Path,
    existing: Existing,
    keep_telemetry: bool,
    observer: &dyn Observer,
) -> anyhow::Result<Option<Snapshot>> {
    Capture::interrupted(target, existing, keep_telemetry)?.finish(observer).await
}

/// Resolves the ports of listeners. No two may be the same.
fn resolve_listeners(listeners: &[Inbound]) -> anyhow::Result<Vec<Inbound>> {
    let mut resolved: Vec<Inbound> = Vec::new();
    for listener in listeners {
        let listener = listener.clone().settled()?;
        if resolved.iter().any(|other| other.listen() == listener.listen()) {
            bail!("--inbound {listener}: {} is in use already; choose another port", listener.listen());
        }
        resolved.push(listener);
    }
    Ok(resolved)
}
