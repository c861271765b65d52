//! One run of Envoy with the filter, between CMD and its backends, with a collector beside it.

use crate::child::{self, Ended, Terms};
use crate::interception::Interception;
use crate::say;
use crate::signals::{Interrupted, Signals};
use anyhow::Context;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::Instant;
use understudy_collector::{Collector, CollectorConfig, GapReport};
use understudy_envoy::{Bootstrap, Envoy, HostMap, Inbound, Options, Tunnel, TunnelProblem, UpstreamTrust};

/// How long the filter may take to hand over what it has recorded, once CMD has ended.
const DRAIN: Duration = Duration::from_secs(15);
/// How long requests may still run once CMD has ended.
const LAST_REQUESTS: Duration = Duration::from_secs(3);
const POLL: Duration = Duration::from_millis(20);
/// Bodies are kept up to here; Envoy's own limit (`per_connection_buffer_limit_bytes`) is four times as much.
const BODY_CAP: u32 = 16 << 20;
/// The longest batch that the collector takes, in bytes: one exchange whose two bodies are at the cap, and grow sixfold when they are
/// written as JSON (control characters do), fits.
const BATCH_MAX: usize = 13 * (BODY_CAP as usize);

/// Arguments that `record`, `respond` and `replay` share.
#[derive(clap::Args)]
pub(crate) struct ProxyArgs {
    /// Send a backend somewhere else while it keeps its own name, like curl's --connect-to
    #[arg(long = "map", value_name = "HOST[:PORT]=URL")]
    pub(crate) maps: Vec<HostMap>,

    /// Believe backends whose certificates an authority in this file (PEM) has signed, and no others
    #[arg(long, value_name = "FILE")]
    pub(crate) upstream_ca: Option<PathBuf>,

    /// Believe any certificate of a backend: for test backends alone
    #[arg(long, conflicts_with = "upstream_ca")]
    pub(crate) insecure_upstream: bool,

    /// Where Envoy listens for CMD's requests; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    pub(crate) listen: SocketAddr,

    /// Send calls to localhost through Envoy too
    #[arg(long)]
    pub(crate) include_localhost: bool,

    /// Envoy's worker threads
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) workers: u32,

    /// A machine-readable summary on stdout; CMD's stdout goes to stderr then
    #[arg(long)]
    pub(crate) json: bool,

    /// How long CMD may take to end after Ctrl-C or SIGTERM, before it is killed
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    pub(crate) grace: u32,
}

/// What to run.
#[derive(clap::Args)]
pub(crate) struct CommandArgs {
    /// What to run, after `--`
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<String>,
}

impl CommandArgs {
    /// Runs it to its end behind Envoy.
    pub(crate) async fn run(
        &self,
        terms: Terms<'_>,
        envoy: &Envoy,
        signals: &mut Signals,
    ) -> anyhow::Result<Ended> {
        child::run(&self.command, terms, envoy, signals).await
    }
}

/// What is to run.
pub(crate) struct Plan<'a> {
    /// The bootstrap to begin with.
    pub(crate) bootstrap: Bootstrap,
    /// The filter's module.
    pub(crate) module: &'a Path,
    /// The filter's configuration, but for what the session sets.
    pub(crate) config: Value,
    /// Where the collector keeps records.
    pub(crate) store: &'a Path,
    /// The ways in to CMD.
    pub(crate) inbound: &'a [Inbound],
}

/// What a run left behind.
pub(crate) struct Finished {
    /// How CMD ended.
    pub(crate) ended: Ended,
    /// What is missing from the store.
    pub(crate) gaps: GapReport,
    /// What Envoy said last.
    pub(crate) last: Last,
    /// What Envoy complained of, where it died.
    pub(crate) problems: String,
    /// Tunnels that were not understood.
    pub(crate) tunnels: Vec<Tunnel>,
}

/// Starts Envoy, does what is to be done behind it, and stops everything again.
///
/// # Errors
/// CMD has not run. [`Interrupted`] where a signal was the reason.
pub(crate) async fn run(
    plan: Plan<'_>,
    args: &ProxyArgs,
    work: impl AsyncFnOnce(Terms<'_>, &Envoy, &mut Signals) -> anyhow::Result<Ended>,
) -> anyhow::Result<Finished> {
    let mut signals = Signals::new()?;
    let mut config = CollectorConfig::new(plan.store);
    (config.ingest.max_body, config.ingest.max_in_flight) = (BATCH_MAX, 2 * BATCH_MAX);
    let interception = Interception::start().await?;
    let collector = Collector::bind("127.0.0.1:0", config).await.context("can't start the collector")?;
    let started = tokio::select! {
        started = start_envoy(&plan, args, collector.local_addr(), &interception) => started.map_err(anyhow::Error::from),
        signal = signals.next() => Err(Interrupted(signal, "CMD ran").into()),
    };
    let outcome = match started {
        Ok(envoy) => run_behind(envoy, plan.inbound, args, &interception, &mut signals, work).await,
        Err(error) => Err(error),
    };
    let certificates = interception.end().await;
    log::debug!("{certificates:?}");
    let gaps = collector.shutdown().await.gaps.active();
    Ok(Finished { gaps, ..outcome? })
}

async fn run_behind(
    envoy: Envoy,
    inbound: &[Inbound],
    args: &ProxyArgs,
    interception: &Interception,
    signals: &mut Signals,
    work: impl AsyncFnOnce(Terms<'_>, &Envoy, &mut Signals) -> anyhow::Result<Ended>,
) -> anyhow::Result<Finished> {
    if let Some(warning) = envoy.binary().warning() {
        say::warning(warning);
    }
    say::line(format_args!("Envoy listens on {}", envoy.proxy_addr()));
    for way in inbound {
        say::line(format_args!("requests to {} go on to {}", way.listen(), way.app()));
    }
    let terms = Terms {
        proxy: envoy.proxy_addr(),
        trust: interception.trust(),
        include_localhost: args.include_localhost,
        stdout_to_stderr: args.json,
        grace: Duration::from_secs(args.grace.into()),
    };
    let outcome = work(terms, &envoy, signals).await;
    let bar = say::working("waiting for the last records");
    let last = drain(&envoy, signals).await;
    bar.finish_and_clear();
    let mut problems = String::new();
    let outcome = match outcome {
        // It may have died in the same moment in which CMD ended.
        Ok(_) if !last.answers => match tokio::time::timeout(LAST_REQUESTS, envoy.wait_exit()).await {
            Ok(exit) => {
                problems = format!("{exit}; {}", envoy.problems());
                Ok(Ended::EnvoyDied)
            }
            Err(_) => outcome,
        },
        _ => outcome,
    };
    envoy.stop(Duration::from_secs(5)).await;
    let tunnels = envoy.tunnels();
    Ok(Finished { ended: outcome?, gaps: GapReport::default(), last, problems, tunnels })
}

async fn start_envoy(
    plan: &Plan<'_>,
    args: &ProxyArgs,
    collector: SocketAddr,
    interception: &Interception,
) -> Result<Envoy, understudy_envoy::Error> {
    let mut config = plan.config.clone();
    config["collector"] =
        json!({ "cluster": "collector", "flush_interval_ms": 50, "queue_max_bytes": 2 * BATCH_MAX });
    config["body_cap_bytes"] = json!(BODY_CAP);
    config["memory_max_bytes"] = json!(BODY_CAP * 16);
    let mut bootstrap = plan
        .bootstrap
        .clone()
        .listen(args.listen)
        .filter(plan.module)
        .plugin_config(config)
        .collector(collector)
        .certificates(interception.socket())
        .buffer_limit(BODY_CAP * 4);
    // By default, what the user's own variables name is believed too, and whatever system this is.
    let trust = match &args.upstream_ca {
        Some(file) => Some(UpstreamTrust::Roots(std::path::absolute(file).unwrap_or_else(|_| file.clone()))),
        None if args.insecure_upstream => Some(UpstreamTrust::Anyone),
        None => interception.roots().map(UpstreamTrust::Roots),
    };
    if let Some(trust) = trust {
        bootstrap = bootstrap.upstream_trust(trust);
    }
    bootstrap = args.maps.iter().cloned().fold(bootstrap, Bootstrap::map);
    bootstrap = plan.inbound.iter().cloned().fold(bootstrap, Bootstrap::inbound);
    let options = Options { concurrency: args.workers, ..Options::default() };
    Envoy::start(&bootstrap, &options).await
}

/// What Envoy said last.
#[derive(Default)]
pub(crate) struct Last {
    /// How many records the filter had not handed over yet.
    waiting: u64,
    /// How many records the filter has given up.
    dropped: u64,
    /// Whether Envoy still answered.
    answers: bool,
}

/// Waits until no request runs any more and the filter has handed over all records. Who is asked to end meanwhile waits no longer.
async fn drain(envoy: &Envoy, signals: &mut Signals) -> Last {
    const FILTER: &str =
        r"^(http\.understudy(_inbound)?\.downstream_rq_active|wasmcustom\.understudy\.records\..*)$";
    let (start, mut quiet, mut last) = (Instant::now(), 0, Last::default());
    while start.elapsed() < DRAIN {
        let stats = envoy.stats(FILTER).await;
        last.answers = stats.is_ok();
        // An Envoy that is gone has nothing more to hand over.
        let Ok(stats) = stats else { break };
        let records = |which: &str| stats.get(&format!("wasmcustom.understudy.records.{which}"));
        last.waiting =
            records("captured").saturating_sub(records("delivered")).saturating_sub(records("dropped"));
        last.dropped = records("dropped");
        let active = ["understudy", "understudy_inbound"]
            .map(|manager| stats.get(&format!("http.{manager}.downstream_rq_active")));
        let running = active != [0, 0] && start.elapsed() < LAST_REQUESTS;
        // Twice in a row: a stream is logged a moment after it has ended.
        quiet = if last.waiting == 0 && !running { quiet + 1 } else { 0 };
        if quiet == 2 {
            break;
        }
        tokio::select! {
            () = tokio::time::sleep(POLL) => {}
            _ = signals.next() => break,
        }
    }
    last
}

impl Finished {
    /// Says what is missing, if anything is. `others`: what became of tunnels with neither TLS nor HTTP in them.
    pub(crate) fn warn(&self, others: &str) {
        if self.last.waiting > 0 {
            let records = say::count(self.last.waiting, "record");
            say::warning(format_args!("{records} did not reach the collector in time and are lost"));
        }
        let (missing, dropped) = (self.gaps.missing_batches(), self.dropped());
        if missing > 0 {
            say::warning(format_args!("{} never arrived", say::count(missing, "batch")));
        }
        if dropped > 0 {
            let records = say::count(dropped, "record");
            say::warning(format_args!(
                "{records} given up by the filter and lost: the way to the collector was full, or it refused them"
            ));
        }
        for tunnel in &self.tunnels {
            say::warning(about(tunnel, others));
        }
    }

    /// What was not understood, a line each. `others`: as for [`Self::warn`].
    pub(crate) fn not_understood(&self, others: &str) -> Vec<String> {
        self.tunnels.iter().map(|tunnel| about(tunnel, others)).collect()
    }

    /// A batch tells only of what was dropped before it, and Envoy only while it lives.
    fn dropped(&self) -> u64 {
        self.gaps.dropped_records().max(self.last.dropped)
    }

    /// Whether every record has arrived. What an Envoy that died had in hand, nobody knows.
    pub(crate) fn is_complete(&self) -> bool {
        self.last.answers && self.last.waiting == 0 && self.dropped() == 0 && self.gaps.is_complete()
    }
}

fn about(Tunnel { to, problem, count }: &Tunnel, others: &str) -> String {
    let times = if *count == 1 { String::new() } else { format!(" ({count} times)") };
    match problem {
        TunnelProblem::NotTrusted => format!(
            "CMD ended {} with {to}: it doesn't trust Understudy's certificates (see `understudy ca --help`)",
            say::count(*count, "TLS handshake")
        ),
        TunnelProblem::NotHttp => {
            format!("tunnel to {to} not understood, neither TLS nor HTTP: {others}{times}")
        }
        TunnelProblem::TlsButNotHttp => {
            format!("tunnel to {to} not understood, TLS, but not HTTP: ended{times}")
        }
        TunnelProblem::Upgraded => {
            format!("{to} not recorded, since it left HTTP (WebSocket): passed through{times}")
        }
    }
}
