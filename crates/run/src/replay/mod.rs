//! Drives a service with its own recorded requests, with its backends mocked or as they are.

mod calls;
mod exercise;
mod responder;

use crate::module;
use crate::observer::{Observer, OpaqueTunnels, Step};
use crate::redaction;
use crate::respond::MockSettings;
use crate::session::{self, Finished, Plan as SessionPlan, ProxySettings};
use anyhow::{Context, bail};
use exercise::Exercise;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use understudy_core::config::OnMiss;
use understudy_core::latency::Latency;
use understudy_replay::client::{Connector, Protocol};
use understudy_replay::goal::Goal;
use understudy_replay::load::Load;
use understudy_replay::report::{Ending, How, Report};
use understudy_replay::settings::Settings;
use understudy_replay::target::{Target, Trust};
use understudy_replay::{About, Driven, Driver, Plan};
use understudy_snapshot::Snapshot;

/// Parts of a recording to replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplayMode {
    /// Requests are sent, and backends are mocked.
    FullReplay,
    /// Requests are sent to a service that runs already.
    GeneratorOnly,
    /// Backends are mocked until CMD exits.
    ResponderOnly,
}

impl ReplayMode {
    /// The mode's name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::FullReplay => "full-replay",
            Self::GeneratorOnly => "generator-only",
            Self::ResponderOnly => "responder-only",
        }
    }
}

/// Certificates of the target that are accepted.
#[derive(Clone, Debug)]
pub enum TargetTrust {
    /// Certificates that an authority of the system has signed.
    System,
    /// Certificates that an authority in this file (PEM) has signed.
    File(PathBuf),
    /// All.
    Anyone,
}

/// Condition for a service to be ready.
#[derive(Clone, Debug)]
pub struct Readiness {
    /// Path that must be answered with 2xx or 3xx; `None`: a connection must be accepted.
    pub path: Option<String>,
    /// Time limit for the service.
    pub within: Duration,
}

/// Settings of [`replay`].
pub struct Replay {
    /// Parts of the recording to replay.
    pub mode: ReplayMode,
    /// Name of the tested build, for the report.
    pub build_tag: Option<String>,
    /// Values to compare and carry, and goals.
    pub settings: Settings,
    /// Conditions that must not hold.
    pub fail_if: Vec<Goal>,
    /// Report of a run of the same build: what differed there doesn't count.
    pub baseline: Option<Report>,
    /// Address of the service; `None`: the one at which it was recorded.
    pub target: Option<Target>,
    /// Protocol that is spoken to the service.
    pub protocol: Protocol,
    /// Certificates of the service that are accepted.
    pub target_trust: TargetTrust,
    /// Number and rate of the requests.
    pub load: Load,
    /// When the service counts as ready.
    pub readiness: Readiness,
    /// Time limit for driving the service.
    pub timeout: Option<Duration>,
    /// Treatment of a call that matches no recorded one.
    pub on_miss: Option<OnMiss>,
    /// Latency of mocked answers.
    pub latency: Option<Latency>,
    /// True if a match that rests on an assumption is a miss.
    pub strict: bool,
    /// Settings of Envoy and CMD.
    pub proxy: ProxySettings,
    /// CMD and its arguments.
    pub command: Vec<String>,
}

/// Replays a snapshot and returns the report.
///
/// # Errors
/// The run could not start. A service that fails is no error but a report.
pub async fn replay(snapshot: &Snapshot, replay: Replay, observer: &dyn Observer) -> anyhow::Result<Report> {
    let (plan, notes) = match replay.mode {
        ReplayMode::ResponderOnly => (None, Vec::new()),
        _ => {
            let (plan, notes) = replay.plan(snapshot, observer)?;
            (Some(Arc::new(plan)), notes)
        }
    };
    let target = plan.as_ref().map(|_| replay.target(snapshot)).transpose()?;
    let driver = match (&plan, &target) {
        (Some(plan), Some(target)) => {
            let connector = replay.connector(target.clone())?;
            Some(Driver::new(Arc::clone(plan), replay.load.clone(), connector))
        }
        _ => None,
    };
    let exercise = Exercise {
        driver,
        target,
        timeout: replay.timeout,
        readiness: replay.readiness.clone(),
        command: replay.command.clone(),
        observer,
    };
    let prepared = Prepared { replay, snapshot, plan, exercise, notes, observer };
    match prepared.replay.mode {
        ReplayMode::GeneratorOnly => prepared.generate().await,
        _ => prepared.mocked().await,
    }
}

impl Replay {
    fn plan(&self, snapshot: &Snapshot, observer: &dyn Observer) -> anyhow::Result<(Plan, Vec<String>)> {
        let step = observer.begin(Step::ReadingRecording);
        let goals = self.settings.goals.iter().flatten().chain(&self.fail_if);
        let planned = understudy_replay::plan(snapshot, &self.settings, goals, self.baseline.as_ref())?;
        drop(step);
        Ok(planned)
    }

    /// The target that was given, else the address at which the service was recorded.
    fn target(&self, snapshot: &Snapshot) -> anyhow::Result<Target> {
        if let Some(target) = &self.target {
            return Ok(target.clone());
        }
        let mut apps: Vec<&str> = snapshot.header().inbound.values().map(|way| way.app.as_str()).collect();
        apps.sort_unstable();
        apps.dedup();
        match apps.as_slice() {
            [app] => Ok(Target::parse(&format!("http://{app}"))?),
            [] => bail!("the service's address is unknown: name it with --target http://127.0.0.1:8080"),
            several => bail!(
                "the service listened at several addresses ({}): choose one with --target",
                several.join(", ")
            ),
        }
    }

    fn connector(&self, target: Target) -> anyhow::Result<Connector> {
        let trust = match &self.target_trust {
            TargetTrust::File(file) => Trust::file(file)?,
            TargetTrust::Anyone => Trust::Anyone,
            TargetTrust::System if target.tls => Trust::Roots(understudy_ca::system_roots()),
            TargetTrust::System => Trust::Roots(Vec::new()),
        };
        Ok(Connector::new(target, self.protocol, &trust)?)
    }

    /// The goals of the settings, else `defaults`; and the conditions that must not hold.
    fn goals(&self, defaults: &[&str]) -> anyhow::Result<Vec<Goal>> {
        let mut goals = match &self.settings.goals {
            Some(goals) => goals.clone(),
            None => defaults.iter().map(|text| Goal::must(text)).collect::<Result<_, _>>()?,
        };
        goals.extend(self.fail_if.iter().cloned());
        Ok(goals)
    }

    /// Returns whether the service's calls can be compared with the recorded ones; else why not.
    fn calls_comparable<T>(
        &self,
        finished: &Finished<T>,
        outcome: &Result<Driven, Ending>,
    ) -> Result<(), String> {
        let whole = outcome.as_ref().is_ok_and(|driven| driven.end.how == How::Complete);
        let why = if self.mode == ReplayMode::ResponderOnly {
            "nothing was sent"
        } else if !whole || !finished.is_complete() {
            "the run isn't whole"
        } else if !self.load.is_single_pass() {
            "the recording was played more than once, or not to its end"
        } else {
            return Ok(());
        };
        Err(why.to_owned())
    }
}

/// A replay that is ready to start.
struct Prepared<'a> {
    replay: Replay,
    snapshot: &'a Snapshot,
    /// The requests to send; `None` if only backends are mocked.
    plan: Option<Arc<Plan>>,
    exercise: Exercise<'a>,
    notes: Vec<String>,
    observer: &'a dyn Observer,
}

impl Prepared<'_> {
    /// Drives a service that runs already.
    async fn generate(self) -> anyhow::Result<Report> {
        let outcome = self.exercise.drive_alone().await?;
        let goals = self.replay.goals(&["success >= 100%"])?;
        let about = About {
            build_tag: self.replay.build_tag.clone(),
            mode: self.replay.mode.name().to_owned(),
            target: self.exercise.target.as_ref().map(ToString::to_string),
            responder: None,
            logs: None,
            notes: self.notes,
            goals,
        };
        Ok(understudy_replay::report(self.snapshot, self.plan.as_deref(), outcome, about))
    }

    /// Starts the service behind Envoy, with its backends mocked.
    async fn mocked(self) -> anyhow::Result<Report> {
        let Self { replay, snapshot, plan, exercise, mut notes, observer } = self;
        let mut mock = MockSettings {
            on_miss: replay.on_miss,
            latency: replay.latency,
            strict: replay.strict,
            redaction: None,
        };
        if mock.allows(OnMiss::Capture, snapshot) {
            bail!(
                "{} has `on_miss: capture`, which a replay doesn't support: use --on-miss fail or passthrough",
                snapshot.path().display()
            );
        }
        exercise.ensure_nothing_listens().await?;
        let redaction = redaction::with_key(snapshot.header().redaction.as_ref())?;
        redaction::check(&redaction).context("the snapshot's `redaction` can't be used")?;
        mock.redaction = Some(redaction);
        let work = tempfile::tempdir().context("can't make a temporary folder")?;
        let (module, store) = (work.path().join("filter.wasm"), work.path().join("verdicts"));
        let built = module::write_responder(snapshot, &module, observer)?;
        let bootstrap = mock.bootstrap(snapshot);
        // Answers of real backends are kept in the report, so that they can be added to the
        // snapshot from there.
        if mock.on_miss == Some(OnMiss::Passthrough) {
            mock.on_miss = Some(OnMiss::Capture);
        }
        let plan_of_session = SessionPlan {
            bootstrap,
            opaque_tunnels: OpaqueTunnels::Refused,
            module: &module,
            config: mock.filter_config(),
            store: &store,
            inbound: &[],
        };
        let session =
            session::run(plan_of_session, &replay.proxy, observer, async |environment, envoy, signals| {
                exercise.run(environment, envoy, signals).await
            });
        let mut finished = session.await?;
        if let Some(death) = finished.envoy_death.take() {
            finished.result.set_ending(Ending { how: How::ProxyEnded, detail: death });
        }
        let comparable = replay.calls_comparable(&finished, &finished.result.outcome);
        let responder = responder::read(&store, snapshot, &finished, comparable).await?;
        if plan.is_none() && responder.requests == 0 {
            notes.push(
                "no request reached a mocked backend: does CMD's HTTP client honour HTTPS_PROXY?".to_owned(),
            );
        }
        let defaults = [
            plan.as_ref().map(|_| "success >= 100%"),
            (built.answers > 0 || responder.requests > 0).then_some("responder >= 100%"),
            responder.calls.as_ref().map(|_| "dropped-calls <= 0"),
        ];
        let defaults: Vec<&str> = defaults.into_iter().flatten().collect();
        let exercised = finished.result;
        let about = About {
            build_tag: replay.build_tag.clone(),
            mode: replay.mode.name().to_owned(),
            target: exercise.target.as_ref().map(ToString::to_string),
            responder: Some(responder),
            logs: Some(exercised.logs),
            notes,
            goals: replay.goals(&defaults)?,
        };
        Ok(understudy_replay::report(snapshot, plan.as_deref(), exercised.outcome, about))
    }
}
