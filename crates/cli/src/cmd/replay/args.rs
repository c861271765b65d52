//! The arguments of `understudy replay`.

use crate::cmd::pull::RegistryArgs;
use crate::cmd::report::Pages;
use crate::output;
use crate::proxy_args::ProxyArgs;
use crate::when::duration;
use anyhow::{Context, bail};
use std::path::{Path, PathBuf};
use std::time::Duration;
use understudy_core::config::OnMiss;
use understudy_core::latency::Latency;
use understudy_replay::client::Protocol;
use understudy_replay::goal::Goal;
use understudy_replay::load::{Load, Speed};
use understudy_replay::report::{self, kept};
use understudy_replay::settings::Settings;
use understudy_replay::target::Target;
use understudy_run::{Readiness, Replay, ReplayMode, TargetTrust};

/// Name of the settings file that is read by default, in the snapshot's folder.
const SETTINGS: &str = "replay.yaml";

/// Send a service its recorded requests, and compare its answers
///
/// CMD starts with its backends answered from the snapshot, as `respond` does. When it is ready, it
/// receives the requests that the snapshot has recorded, and each answer is compared with the
/// recorded one. The report says whether the service still behaves as recorded.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  understudy replay snapshots/payment --target http://127.0.0.1:8080 -- python payment.py
  understudy replay snapshots/payment --build-tag v1.2 --report report.json -- npm start
  understudy replay snapshots/payment --mode generator-only --target http://staging:8080 --rps 100 --for 1m
  understudy replay snapshots/payment --fail-if 'p95 > 1.2 x recorded' -- ./payment

Exit status: 0 all goals were reached; 1 a goal was missed, or the service failed; 2 could not run.")]
pub(crate) struct Args {
    /// The snapshot to replay: a folder, or oci://REGISTRY/NAME:TAG that `push --with-snapshot`
    /// made
    pub(super) snapshot: PathBuf,

    #[command(flatten)]
    pub(super) registry: RegistryArgs,

    /// Address of the service [default: the one at which it was recorded]
    #[arg(long, value_name = "URL")]
    pub(super) target: Option<String>,

    /// Parts of the recording to replay
    #[arg(long, value_enum, value_name = "MODE", default_value = "full-replay")]
    pub(super) mode: Mode,

    /// Name of the tested build, for the report
    #[arg(long, value_name = "TAG")]
    pub(super) build_tag: Option<String>,

    /// Settings: comparison, carried values and goals [default: SNAPSHOT/replay.yaml, if it exists]
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,

    /// Fail if this holds, such as 'p95 > 200ms'; may be repeated
    #[arg(long, value_name = "METRIC OP VALUE", value_parser = Goal::must_not)]
    pub(super) fail_if: Vec<Goal>,

    /// Report of another run of the same build: its differences don't count
    #[arg(long, value_name = "REPORT")]
    pub(super) baseline: Option<PathBuf>,

    /// Write the report (JSON) to this file
    #[arg(long, value_name = "FILE")]
    pub(super) report: Option<PathBuf>,

    /// Write the result in a few hundred bytes of JSON to this file, even if the run fails; for a
    /// pod's termination message
    #[arg(long, value_name = "FILE")]
    pub(super) summary: Option<PathBuf>,

    /// Number of reports to keep in SNAPSHOT/.reports for `understudy ui`, including this one
    #[arg(long, value_name = "N", default_value_t = kept::DEFAULT)]
    pub(super) keep_reports: usize,

    #[command(flatten)]
    pub(super) pages: Pages,

    /// Treatment of a call that matches nothing recorded [default: as in snapshot.yaml]
    #[arg(long, value_enum, value_name = "WHAT")]
    pub(super) on_miss: Option<OnMissArg>,

    /// Delay of mocked answers: none, recorded, or a factor such as 0.5x [default: as in
    /// snapshot.yaml]
    #[arg(long, value_name = "LATENCY")]
    pub(super) latency: Option<Latency>,

    /// Count a match as a miss if it rests on an assumption: values that only look made up
    #[arg(long)]
    pub(super) strict: bool,

    /// List everything in the report
    #[arg(short, long)]
    pub(super) verbose: bool,

    #[command(flatten)]
    pub(super) load: LoadArgs,

    /// When the service is ready: `tcp`, once it accepts connections; a path, once that is answered
    /// with 2xx or 3xx
    #[arg(long, value_name = "PATH|tcp", default_value = "tcp")]
    ready: String,

    /// Time limit for the service to become ready
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    ready_timeout: Duration,

    /// Time limit for the run once the service is ready
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(super) timeout: Option<Duration>,

    /// Protocol to use for the service [default: as recorded]
    #[arg(long, value_enum, value_name = "PROTOCOL")]
    protocol: Option<ProtocolArg>,

    /// Accept a certificate of the target only if an authority in this file (PEM) has signed it
    #[arg(long, value_name = "FILE")]
    target_ca: Option<PathBuf>,

    /// Accept any certificate of the target
    #[arg(long, conflicts_with = "target_ca")]
    insecure_target: bool,

    #[command(flatten)]
    pub(super) proxy: ProxyArgs,

    /// The service to start, after `--`
    #[arg(last = true, value_name = "CMD")]
    pub(super) command: Vec<String>,
}

/// Arguments about how many requests are sent, and how fast.
#[derive(clap::Args)]
pub(crate) struct LoadArgs {
    /// Speed of the recording: max, or a factor such as 4x
    #[arg(long, value_name = "SPEED", default_value = "1x")]
    speed: Speed,

    /// Requests per second, instead of the recorded pace
    #[arg(long, value_name = "N", value_parser = rate, conflicts_with = "speed")]
    rps: Option<f64>,

    /// Number of virtual users; each plays the whole recording
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    vus: u32,

    /// Number of times that each virtual user plays the recording [default: 1; with --for until the
    /// time is over]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    times: Option<u64>,

    /// Send no request after this time
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    duration: Option<Duration>,

    /// Reach the rate, or the number of virtual users, evenly over this time
    #[arg(long, value_name = "TIME", value_parser = duration)]
    ramp: Option<Duration>,

    /// Time limit for one answer
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    request_timeout: Duration,
}

impl LoadArgs {
    pub(super) fn load(&self) -> Load {
        Load {
            speed: self.speed,
            rps: self.rps,
            vus: self.vus,
            times: self.times,
            duration: self.duration,
            ramp: self.ramp.unwrap_or_default(),
            request_timeout: self.request_timeout,
        }
    }
}

/// Parts of a recording that are replayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Mode {
    /// Requests are sent, and backends are mocked
    FullReplay,
    /// Requests are sent to a service that runs already
    GeneratorOnly,
    /// Backends are mocked until CMD exits
    ResponderOnly,
}

impl From<Mode> for ReplayMode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::FullReplay => Self::FullReplay,
            Mode::GeneratorOnly => Self::GeneratorOnly,
            Mode::ResponderOnly => Self::ResponderOnly,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum OnMissArg {
    /// Answer 404, with the nearest recorded requests
    Fail,
    /// Send it on to the real backend
    Passthrough,
}

impl From<OnMissArg> for OnMiss {
    fn from(arg: OnMissArg) -> Self {
        match arg {
            OnMissArg::Fail => Self::Fail,
            OnMissArg::Passthrough => Self::Passthrough,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum ProtocolArg {
    /// HTTP/1.1
    Http1,
    /// HTTP/2; without TLS by prior knowledge (h2c)
    Http2,
}

impl Args {
    /// Checks that the arguments fit together, before anything is started.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let is_generator = self.mode == Mode::GeneratorOnly;
        if is_generator && !self.command.is_empty() {
            bail!(
                "generator-only starts no service: leave CMD out, and name the service's address with --target"
            );
        }
        if is_generator && self.target.is_none() {
            bail!("generator-only needs --target: where does the service run?");
        }
        if !is_generator && self.command.is_empty() {
            bail!(
                "no command: write the service's command after `--`, or use --mode generator-only with --target"
            );
        }
        if !self.ready.starts_with('/') && self.ready != "tcp" {
            bail!("{:?} is no test for readiness: write --ready /PATH or --ready tcp", self.ready);
        }
        self.pages.check()?;
        self.report.as_deref().map_or(Ok(()), output::check)
    }

    /// The replay that the arguments stand for. Reads the settings and the baseline.
    pub(super) fn replay(&self) -> anyhow::Result<Replay> {
        let settings = self.settings()?;
        let baseline = self.baseline.as_ref().map(|path| report::read(path)).transpose()?;
        Ok(Replay {
            mode: self.mode.into(),
            build_tag: self.build_tag.clone(),
            settings,
            fail_if: self.fail_if.clone(),
            baseline,
            target: match &self.target {
                // Nothing is sent, so the target doesn't matter.
                Some(_) if self.mode == Mode::ResponderOnly => None,
                target => target.as_deref().map(Target::parse).transpose()?,
            },
            protocol: match self.protocol {
                None => Protocol::AsRecorded,
                Some(ProtocolArg::Http1) => Protocol::Http1,
                Some(ProtocolArg::Http2) => Protocol::Http2,
            },
            target_trust: match &self.target_ca {
                Some(file) => TargetTrust::File(file.clone()),
                None if self.insecure_target => TargetTrust::Anyone,
                None => TargetTrust::System,
            },
            load: self.load.load(),
            readiness: Readiness {
                path: (self.ready != "tcp").then(|| self.ready.clone()),
                within: self.ready_timeout,
            },
            timeout: self.timeout,
            on_miss: self.on_miss.map(OnMiss::from),
            latency: self.latency,
            strict: self.strict,
            proxy: self.proxy.settings(),
            command: self.command.clone(),
        })
    }

    pub(super) fn settings(&self) -> anyhow::Result<Settings> {
        let beside = self.snapshot.join(SETTINGS);
        let path: &Path = match &self.config {
            Some(path) => path,
            None if beside.exists() => &beside,
            None => return Ok(Settings::default()),
        };
        let text = std::fs::read_to_string(path).with_context(|| format!("can't read {}", path.display()))?;
        Ok(Settings::from_yaml(&text, path, |name| std::env::var(name).ok())?)
    }
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse::<f64>().ok().filter(|rate| rate.is_finite() && *rate > 0.0);
    rate.ok_or_else(|| format!("{text:?} is no rate: write a number above 0"))
}
