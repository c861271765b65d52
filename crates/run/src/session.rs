//! One session: Envoy with the filter between CMD and its backends, and a collector beside it.
//!
//! Used by `record`, `respond` and `replay`. A session knows neither the work behind Envoy nor the
//! later use of the records.

use crate::child::CmdEnvironment;
use crate::interception::Interception;
use crate::observer::{Event, Observer, OpaqueTunnels, Step, describe_tunnel};
use crate::signals::{Interrupted, Signals};
use anyhow::Context;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use tokio::time::Instant;
use understudy_collector::{Collector, CollectorConfig, GapReport};
use understudy_envoy::{Bootstrap, Envoy, HostMap, Inbound, Options, Tunnel, UpstreamTrust};

/// Time that the filter has to hand over its records once the work is done.
const DRAIN: Duration = Duration::from_secs(15);
/// Time that requests in progress have once the work is done.
const LAST_REQUESTS: Duration = Duration::from_secs(3);
/// Pause between two looks at Envoy's statistics.
const POLL: Duration = Duration::from_millis(20);
/// Time that Envoy has to stop.
const STOP: Duration = Duration::from_secs(5);
/// Maximum recorded length of a body, in bytes. Envoy's own limit
/// (`per_connection_buffer_limit_bytes`) is four times as much.
const BODY_CAP: u32 = 16 << 20;
/// Maximum length of a batch that the collector accepts, in bytes. It fits one exchange whose two
/// bodies are at the cap and grow sixfold in JSON, as control characters do.
const BATCH_MAX: usize = 13 * (BODY_CAP as usize);

/// Settings of Envoy and CMD that all kinds of runs share.
#[derive(Clone, Debug)]
pub struct ProxySettings {
    /// Backends that are sent elsewhere while they keep their names.
    pub maps: Vec<HostMap>,
    /// Certificates of backends that Envoy accepts. `None`: those signed by the roots that CMD
    /// would trust.
    pub upstream_trust: Option<UpstreamTrust>,
    /// Address on which Envoy accepts CMD's requests; port 0 takes a free one.
    pub listen: SocketAddr,
    /// True if calls to localhost go through Envoy too.
    pub include_localhost: bool,
    /// Number of Envoy's worker threads.
    pub workers: u32,
    /// True if CMD's stdout goes to our stderr, because a machine reads ours.
    pub stdout_to_stderr: bool,
    /// Time that CMD has to exit after it was asked to, before it is killed.
    pub grace: Duration,
}

/// Settings of a session.
pub struct Plan<'a> {
    /// The bootstrap to start from.
    pub bootstrap: Bootstrap,
    /// Treatment of tunnels with neither TLS nor HTTP by the bootstrap.
    pub opaque_tunnels: OpaqueTunnels,
    /// Path of the filter's module.
    pub module: &'a Path,
    /// The filter's configuration, without the fields that the session sets.
    pub config: Value,
    /// Folder in which the collector stores records.
    pub store: &'a Path,
    /// Listeners for requests to CMD.
    pub inbound: &'a [Inbound],
}

/// The result of a session.
#[derive(Debug)]
pub struct Finished<T> {
    /// The result of the work behind Envoy.
    pub result: T,
    /// Reason why Envoy exited before it was stopped, if it did.
    pub envoy_death: Option<String>,
    /// Records that were lost.
    pub losses: Losses,
    /// Tunnels that could not be recorded or answered.
    pub tunnels: Vec<Tunnel>,
    /// Treatment of the tunnels with neither TLS nor HTTP.
    opaque_tunnels: OpaqueTunnels,
}

impl<T> Finished<T> {
    /// One line for each tunnel that could not be recorded or answered.
    pub fn tunnel_lines(&self) -> Vec<String> {
        self.tunnels.iter().map(|tunnel| describe_tunnel(tunnel, self.opaque_tunnels)).collect()
    }

    /// Returns whether every record has arrived. Nobody knows what an Envoy that died still held.
    pub fn is_complete(&self) -> bool {
        self.losses.is_empty()
    }

    /// The same with another result.
    pub fn map<U>(self, map: impl FnOnce(T) -> U) -> Finished<U> {
        let Self { result, envoy_death, losses, tunnels, opaque_tunnels } = self;
        Finished { result: map(result), envoy_death, losses, tunnels, opaque_tunnels }
    }

    fn report(&self, observer: &dyn Observer) {
        self.losses.report(observer);
        for tunnel in &self.tunnels {
            observer.event(&Event::TunnelNotRecorded { tunnel, opaque: self.opaque_tunnels });
        }
    }
}

/// Records that did not reach the store.
#[derive(Debug)]
pub struct Losses {
    /// Envoy's last statistics.
    last: LastStatistics,
    /// Gaps that the collector knows of.
    gaps: GapReport,
}

impl Losses {
    /// Records that the filter dropped. A batch reports only what was dropped before it, and Envoy
    /// reports only while it lives.
    fn dropped(&self) -> u64 {
        self.gaps.dropped_records().max(self.last.dropped)
    }

    fn is_empty(&self) -> bool {
        self.last.answered && self.last.waiting == 0 && self.dropped() == 0 && self.gaps.is_complete()
    }

    fn report(&self, observer: &dyn Observer) {
        if self.last.waiting > 0 {
            observer.event(&Event::RecordsLate(self.last.waiting));
        }
        let (missing, dropped) = (self.gaps.missing_batches(), self.dropped());
        if missing > 0 {
            observer.event(&Event::BatchesMissing(missing));
        }
        if dropped > 0 {
            observer.event(&Event::RecordsDropped(dropped));
        }
    }
}

/// Starts Envoy, does `work` behind it, and stops everything again. Reports losses, and tunnels
/// with an unknown protocol, to `observer`.
///
/// # Errors
/// The session did not start, with [`Interrupted`] if a signal was the reason; or `work` failed.
pub async fn run<T>(
    plan: Plan<'_>,
    settings: &ProxySettings,
    observer: &dyn Observer,
    work: impl AsyncFnOnce(CmdEnvironment<'_>, &Envoy, &mut Signals) -> anyhow::Result<T>,
) -> anyhow::Result<Finished<T>> {
    let mut signals = Signals::new()?;
    let mut config = CollectorConfig::new(plan.store);
    config.ingest.max_body = BATCH_MAX;
    config.ingest.max_in_flight = 2 * BATCH_MAX;
    let interception = Interception::start(observer).await?;
    let collector = Collector::bind("127.0.0.1:0", config).await.context("can't start the collector")?;
    let started = tokio::select! {
        started = start_envoy(&plan, settings, collector.local_addr(), &interception) => {
            started.map_err(anyhow::Error::from)
        }
        signal = signals.next() => Err(Interrupted { signal, before: "CMD ran" }.into()),
    };
    let outcome = match started {
        Ok(envoy) => {
            run_behind(envoy, plan.inbound, settings, &interception, &mut signals, observer, work).await
        }
        Err(error) => Err(error),
    };
    let certificates = interception.end().await;
    log::debug!("{certificates:?}");
    let gaps = collector.shutdown().await.gaps.active();
    let Ended { result, envoy_death, last, tunnels } = outcome?;
    let losses = Losses { last, gaps };
    let finished = Finished { result, envoy_death, losses, tunnels, opaque_tunnels: plan.opaque_tunnels };
    finished.report(observer);
    Ok(finished)
}

/// The end of the part of a session in which Envoy runs.
struct Ended<T> {
    result: T,
    envoy_death: Option<String>,
    last: LastStatistics,
    tunnels: Vec<Tunnel>,
}

async fn run_behind<T>(
    envoy: Envoy,
    inbound: &[Inbound],
    settings: &ProxySettings,
    interception: &Interception,
    signals: &mut Signals,
    observer: &dyn Observer,
    work: impl AsyncFnOnce(CmdEnvironment<'_>, &Envoy, &mut Signals) -> anyhow::Result<T>,
) -> anyhow::Result<Ended<T>> {
    if let Some(warning) = envoy.binary().warning() {
        observer.event(&Event::Warning(&warning));
    }
    observer.event(&Event::ProxyListens(envoy.proxy_addr()));
    for way in inbound {
        observer.event(&Event::InboundListens(way));
    }
    let environment = CmdEnvironment {
        proxy: envoy.proxy_addr(),
        trust: interception.trust(),
        include_localhost: settings.include_localhost,
        stdout_to_stderr: settings.stdout_to_stderr,
        grace: settings.grace,
    };
    let outcome = work(environment, &envoy, signals).await;
    let step = observer.begin(Step::LastRecords);
    let last = drain(&envoy, signals).await;
    drop(step);
    let mut envoy_death = None;
    // Envoy may have died in the same moment in which the work was done.
    if outcome.is_ok() && !last.answered {
        let exit = tokio::time::timeout(LAST_REQUESTS, envoy.wait_exit()).await;
        envoy_death = exit.ok().map(|exit| format!("{exit}; {}", envoy.problems()));
    }
    envoy.stop(STOP).await;
    let tunnels = envoy.tunnels();
    Ok(Ended { result: outcome?, envoy_death, last, tunnels })
}

async fn start_envoy(
    plan: &Plan<'_>,
    settings: &ProxySettings,
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
        .listen(settings.listen)
        .filter(plan.module)
        .plugin_config(config)
        .collector(collector)
        .certificates(interception.socket())
        .buffer_limit(BODY_CAP * 4);
    // By default the roots that the user's own variables name are trusted, on every system.
    let trust = settings.upstream_trust.clone();
    if let Some(trust) = trust.or_else(|| interception.roots().map(UpstreamTrust::Roots)) {
        bootstrap = bootstrap.upstream_trust(trust);
    }
    bootstrap = settings.maps.iter().cloned().fold(bootstrap, Bootstrap::map);
    bootstrap = plan.inbound.iter().cloned().fold(bootstrap, Bootstrap::inbound);
    let options = Options { concurrency: settings.workers, ..Options::default() };
    Envoy::start(&bootstrap, &options).await
}

/// Envoy's last statistics.
#[derive(Debug, Default)]
struct LastStatistics {
    /// Number of records that the filter had not yet handed over.
    waiting: u64,
    /// Number of records that the filter has dropped.
    dropped: u64,
    /// True if Envoy answered the last question.
    answered: bool,
}

/// Waits until no request runs any more and the filter has handed over all records. A signal ends
/// the wait.
async fn drain(envoy: &Envoy, signals: &mut Signals) -> LastStatistics {
    const FILTER: &str =
        r"^(http\.understudy(_inbound)?\.downstream_rq_active|wasmcustom\.understudy\.records\..*)$";
    let start = Instant::now();
    let mut quiet = 0;
    let mut last = LastStatistics::default();
    while start.elapsed() < DRAIN {
        let stats = envoy.stats(FILTER).await;
        last.answered = stats.is_ok();
        // An Envoy that has exited has nothing more to hand over.
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
