//! Runs CMD with its backends mocked from a snapshot.

use crate::capture::{Capture, RecordingContext};
use crate::observer::{Observer, OpaqueTunnels};
use crate::responder_report::ResponderReport;
use crate::session::{Finished, Plan, ProxySettings};
use crate::{child, module, redaction, session};
use anyhow::Context;
use serde_json::{Value, json};
use std::path::Path;
use understudy_core::config::{Mode, OnMiss};
use understudy_core::latency::Latency;
use understudy_core::redact::Settings;
use understudy_envoy::{Bootstrap, FilterFailure};
use understudy_snapshot::{Existing, Snapshot};

/// Settings for mocking backends. Unset ones are taken from the snapshot.
#[derive(Clone, Debug, Default)]
pub struct MockSettings {
    /// Treatment of a request that matches no recorded one.
    pub on_miss: Option<OnMiss>,
    /// Latency of answers.
    pub latency: Option<Latency>,
    /// True if a match that rests on an assumption is a miss.
    pub strict: bool,
    /// Settings by which secrets are replaced; `None` turns redaction off.
    pub redaction: Option<Settings>,
}

impl MockSettings {
    /// Returns whether a miss of some backend can have this outcome. The setting takes precedence
    /// over the snapshot's for a backend, and that over the snapshot's for all.
    pub fn allows(&self, outcome: OnMiss, snapshot: &Snapshot) -> bool {
        let header = snapshot.header();
        let mocked = header.backends.values().filter(|backend| backend.mode == Mode::Mock);
        let mut outcomes = mocked.map(|backend| self.on_miss.or(backend.on_miss).unwrap_or(header.on_miss));
        self.on_miss.unwrap_or(header.on_miss) == outcome || outcomes.any(|other| other == outcome)
    }

    /// The bootstrap. It has routes to real backends only if some request may be sent on: what
    /// doesn't exist can't be reached by mistake.
    pub(crate) fn bootstrap(&self, snapshot: &Snapshot) -> Bootstrap {
        let all_mocked = snapshot.header().backends.values().all(|backend| backend.mode == Mode::Mock);
        let leaves =
            [OnMiss::Passthrough, OnMiss::Capture].into_iter().any(|outcome| self.allows(outcome, snapshot));
        let bootstrap =
            if all_mocked && !leaves { Bootstrap::responder() } else { Bootstrap::responder_with_backends() };
        bootstrap.on_filter_failure(FilterFailure::Reload)
    }

    /// The filter's configuration.
    pub(crate) fn filter_config(&self) -> Value {
        let mut config = json!({
            "default": "mock", "redaction": redaction::filter_config(self.redaction.as_ref()),
        });
        if let Some(on_miss) = self.on_miss {
            config["on_miss"] = json!(on_miss);
        }
        if self.strict {
            config["strict"] = json!(true);
        }
        if let Some(latency) = self.latency {
            config["latency"] = json!(latency);
        }
        config
    }
}

/// Settings of [`respond`].
pub struct Respond<'a> {
    /// The snapshot to answer from.
    pub snapshot: &'a Snapshot,
    /// Settings for mocking backends.
    pub mock: MockSettings,
    /// The snapshot to write what missed to, where misses are captured.
    pub missed: Option<&'a Path>,
    /// Settings of Envoy and CMD.
    pub proxy: &'a ProxySettings,
    /// CMD and its arguments.
    pub command: &'a [String],
}

/// Result of [`respond`].
pub struct Responded {
    /// The session, with CMD's exit status.
    pub finished: Finished<u8>,
    /// Verdicts on the requests.
    pub report: ResponderReport,
    /// The recording of what missed. The caller finishes it.
    pub missed: Option<Capture>,
}

/// Runs CMD with its backends mocked.
///
/// # Errors
/// CMD did not run, or its verdicts can't be read.
pub async fn respond(respond: Respond<'_>, observer: &dyn Observer) -> anyhow::Result<Responded> {
    let Respond { snapshot, mock, missed, proxy, command } = respond;
    let capture = match missed {
        Some(target) => {
            let context =
                RecordingContext { redaction: mock.redaction.clone(), ..RecordingContext::default() };
            Some(Capture::begin(target, Existing::Refuse, context, true, observer)?)
        }
        None => None,
    };
    let work = tempfile::tempdir().context("can't make a temporary folder")?;
    let module = work.path().join("filter.wasm");
    let built = module::write_responder(snapshot, &module, observer)?;
    let temporary = work.path().join("verdicts");
    let store = capture.as_ref().map_or(temporary.as_path(), Capture::folder);
    let plan = Plan {
        bootstrap: mock.bootstrap(snapshot),
        opaque_tunnels: OpaqueTunnels::Refused,
        module: &module,
        config: mock.filter_config(),
        store,
        inbound: &[],
    };
    let session = session::run(plan, proxy, observer, async |environment, envoy, signals| {
        child::run(command, environment, envoy, signals, observer).await
    });
    let finished = match session.await {
        Ok(finished) => finished,
        Err(error) => {
            if let Some(capture) = capture {
                capture.discard_if_empty(observer).await;
            }
            return Err(error);
        }
    };
    let report = ResponderReport::read(store, snapshot, &built, finished.is_complete()).await?;
    Ok(Responded { finished, report, missed: capture })
}
