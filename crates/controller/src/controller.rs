//! The controller as a whole: waits until it's the leader, watches, reconciles, and ends without leaving anything half-done.

use crate::cluster::{Cluster, Kind};
use crate::context::{self, Context, Known};
use crate::error::Error;
use crate::http::{self, Health};
use crate::job::JobSettings;
use crate::lease::{Election, LeaseSettings};
use crate::metrics::Metrics;
use crate::resource::Group;
use crate::spec::KINDS;
use crate::{filters, reconcile, watch, workloads};
use futures_util::future::{BoxFuture, join_all};
use futures_util::{FutureExt, StreamExt};
use kube::Client;
use kube::api::DynamicObject;
use kube::runtime::controller::{Action, Config};
use kube::runtime::reflector::store::Writer;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::{Controller as Runtime, watcher};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::watch as signal;
use tokio::time::timeout;

/// So many resources are looked at at once.
const CONCURRENCY: u16 = 16;
/// How long what is under way may take when it's to end.
const FAREWELL: Duration = Duration::from_secs(10);
/// What else says of a failure in a reconciler, which there are none of: they say themselves when they want to be called again.
const AFTER_ERROR: Duration = Duration::from_secs(5);

/// What the controller is to do.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where a snapshot is that has only a name: `oci://REGISTRY/TEAM`.
    pub registry: Option<String>,
    /// The only namespace to look at; all of them otherwise.
    pub namespace: Option<String>,
    /// Whether `speedscale.com/v1` is looked at too.
    pub contract_group: bool,
    /// Whether a resource may be for workloads of another namespace.
    pub other_namespaces: bool,
    /// Whether annotations of workloads are turned into resources.
    pub annotations: bool,
    /// Which of several controllers works; without it, this one does.
    pub lease: Option<LeaseSettings>,
    /// How long sidecars are given to take on the mocks before a replay's requests are sent.
    pub settle: Duration,
    /// What all jobs have in common.
    pub job: JobSettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            registry: None,
            namespace: None,
            contract_group: false,
            other_namespaces: false,
            annotations: true,
            lease: None,
            settle: Duration::from_secs(10),
            job: JobSettings::default(),
        }
    }
}

/// A controller that can be run.
pub struct Controller {
    client: Client,
    settings: Settings,
    metrics: Arc<Metrics>,
    health: Arc<Health>,
    listener: Option<TcpListener>,
}

impl std::fmt::Debug for Controller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Controller").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Controller {
    /// A controller of this cluster.
    pub fn new(client: Client, settings: Settings) -> Self {
        Self { client, settings, metrics: Arc::default(), health: Arc::default(), listener: None }
    }

    /// Runs one until `shutdown` says so. The lease is released then.
    pub async fn run(client: Client, settings: Settings, shutdown: impl Future<Output = ()> + Send) {
        Self::new(client, settings).run_until(shutdown).await;
    }

    /// Serves `/healthz`, `/readyz` and `/metrics` at this address. Gives the address with its port.
    ///
    /// # Errors
    /// [`Error::Listen`].
    pub async fn serve(&mut self, address: &str) -> Result<SocketAddr, Error> {
        let (listener, local) = http::bind(address).await?;
        self.listener = Some(listener);
        Ok(local)
    }

    /// What `/metrics` says.
    pub fn metrics(&self) -> String {
        self.metrics.render()
    }

    /// As [`Self::run`].
    pub async fn run_until(mut self, shutdown: impl Future<Output = ()> + Send) {
        let served = match self.listener.take() {
            Some(listener) => {
                let (metrics, health) = (self.metrics.clone(), self.health.clone());
                http::serve(listener, metrics, health, http::HEAD_TIMEOUT).boxed()
            }
            None => std::future::pending().boxed(),
        };
        tokio::select! {
            () = self.elected(shutdown) => {}
            () = served => {}
        }
    }

    /// Works while it's the leader.
    async fn elected(&self, shutdown: impl Future<Output = ()> + Send) {
        let mut shutdown = std::pin::pin!(shutdown);
        let Some(lease) = self.settings.lease.clone() else {
            return self.work(shutdown).await;
        };
        let mut election = Election::new(self.client.clone(), lease);
        loop {
            // It waits for its turn, which is all it has to do now.
            self.health.ready.store(true, Relaxed);
            tokio::select! {
                () = &mut shutdown => return,
                () = election.win() => {}
            }
            log::info!("leading");
            self.metrics.leader.set(1);
            self.metrics.elections.inc();
            let lost = tokio::select! {
                () = self.work(&mut shutdown) => None,
                why = election.hold() => Some(why),
            };
            self.metrics.leader.set(0);
            self.metrics.forget();
            match lost {
                // What was under way is dropped with the work: another may have begun.
                Some(why) => log::warn!("the lease is lost: {why}; waiting for it"),
                None => return election.release().await,
            }
        }
    }

    /// Watches and reconciles until `shutdown`; then finishes what is under way.
    async fn work(&self, shutdown: impl Future<Output = ()> + Send) {
        let (stop, stopped) = signal::channel(false);
        let mut running = self.start(&stopped);
        tokio::select! {
            () = &mut running => return,
            () = shutdown => {}
        }
        // Who listens is there, or has ended.
        let _ = stop.send(true);
        if timeout(FAREWELL, running).await.is_err() {
            log::warn!("what was under way is dropped after {} s", FAREWELL.as_secs());
        }
    }

    fn start(&self, stopped: &signal::Receiver<bool>) -> BoxFuture<'static, ()> {
        let cluster = Cluster {
            client: self.client.clone(),
            namespace: self.settings.namespace.clone(),
            metrics: self.metrics.clone(),
        };
        let groups: &[Group] =
            if self.settings.contract_group { &[Group::Own, Group::Contract] } else { &[Group::Own] };
        let (filters, filters_writer) = store(Kind::EnvoyFilter);
        let unready = signal::Sender::new(groups.len() + KINDS.len());
        let (replays, workloads) = (vec![], vec![]);
        let mut known = Known { replays, workloads, filters, unready, wake: vec![], wake_workload: vec![] };
        let (mut replay_ends, mut workload_ends) = (vec![], vec![]);
        for group in groups {
            let ((reader, writer), (sender, receiver)) = (store(Kind::Replay(*group)), unbounded_channel());
            known.replays.push((*group, reader));
            known.wake.push((*group, sender));
            replay_ends.push((*group, writer, receiver));
        }
        for kind in KINDS {
            let ((reader, writer), (sender, receiver)) = (store(Kind::Workload(kind)), unbounded_channel());
            known.workloads.push((kind, reader));
            known.wake_workload.push((kind, sender));
            workload_ends.push((kind, writer, receiver));
        }
        let context = Arc::new(Context::new(cluster, self.settings.clone(), known));
        // Not before all is known: who may not watch something isn't ready, and its log says why.
        self.health.ready.store(false, Relaxed);
        let (health, waiting, end) = (self.health.clone(), context.clone(), ended(stopped.clone()));
        let ready = async move {
            tokio::select! {
                () = end => {}
                () = waiting.known.wait() => health.ready.store(true, Relaxed),
            }
        };
        let mut parts = vec![ready.boxed()];
        parts.push(of_parts(&context, Kind::EnvoyFilter, filters_writer, stopped.clone()));
        parts.push(of_parts(&context, Kind::Job, store(Kind::Job).1, stopped.clone()));
        for (group, writer, receiver) in replay_ends {
            parts.push(of_replays(&context, group, writer, receiver, stopped.clone()));
        }
        for (kind, writer, receiver) in workload_ends {
            parts.push(of_workloads(&context, kind, writer, receiver, stopped.clone()));
        }
        join_all(parts).map(drop).boxed()
    }
}

fn store(kind: Kind) -> (Store<DynamicObject>, Writer<DynamicObject>) {
    let writer = Writer::new(kind.api());
    (writer.as_reader(), writer)
}

/// Comes when all is to end.
async fn ended(mut stopped: signal::Receiver<bool>) {
    // Who would say so is gone: that's the end too.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

/// Watches what was made for resources: when it changes, its resource is looked at.
fn of_parts(
    context: &Arc<Context>,
    kind: Kind,
    writer: Writer<DynamicObject>,
    stopped: signal::Receiver<bool>,
) -> BoxFuture<'static, ()> {
    let context = context.clone();
    let config = watcher::Config::default().labels(filters::REPLAY);
    let what = if kind == Kind::Job { "jobs" } else { "EnvoyFilters" }.to_owned();
    let metrics = context.cluster.metrics.clone();
    let changes =
        watch::changes(context.cluster.all(kind), config, writer, watch::of_part, metrics, what, || ());
    changes
        .take_until(ended(stopped))
        .for_each(move |part| {
            context.forget_of(&part);
            context.known.wake_owner(&part);
            std::future::ready(())
        })
        .boxed()
}

/// Watches and reconciles the resources of one group.
fn of_replays(
    context: &Arc<Context>,
    group: Group,
    writer: Writer<DynamicObject>,
    woken: UnboundedReceiver<ObjectRef<DynamicObject>>,
    stopped: signal::Receiver<bool>,
) -> BoxFuture<'static, ()> {
    let (context, teller) = (context.clone(), context.clone());
    let (reader, kind) = (writer.as_reader(), Kind::Replay(group));
    let filling = context.clone();
    let filled = move || filling.known.filled();
    let metrics = context.cluster.metrics.clone();
    let api = context.cluster.all(kind);
    let changes = watch::changes(
        api,
        watcher::Config::default(),
        writer,
        watch::of_replay,
        metrics,
        format!("trafficreplays.{}", group.api().group),
        filled,
    );
    let changes = changes.map(move |replay| {
        tell_others(&replay, &teller.known);
        Ok(replay)
    });
    let waiting = context.clone();
    let run = async move {
        // Who is for the same workload, and which workloads there are, must be known before anything is decided.
        waiting.known.wait().await;
    };
    let ready = run.shared();
    Runtime::for_stream_with(changes, reader, kind.api())
        .reconcile_on(watch::received(woken))
        .with_config(Config::default().concurrency(CONCURRENCY))
        .graceful_shutdown_on(ended_sync(stopped))
        .run(
            move |replay, context| {
                let ready = ready.clone();
                async move {
                    ready.await;
                    reconcile::reconcile(group, replay, context).await
                }
            },
            |_, _: &Error, _| Action::requeue(AFTER_ERROR),
            context,
        )
        .for_each(|_| std::future::ready(()))
        .boxed()
}

/// What a resource is for may be wanted by others, which wait for it.
fn tell_others(replay: &DynamicObject, known: &Known) {
    workloads::wake_owner(replay, known);
    let metadata = &replay.metadata;
    let namespace = metadata.namespace.as_deref().unwrap_or_default();
    // Of one that went while nobody watched only the metadata is known. Who waits for it tries again by itself.
    let targets: Vec<_> = context::targets_of(&replay.data["spec"], namespace).collect();
    known.wake_targeting(&targets, metadata.uid.as_deref());
}

/// Watches workloads: resources that are for them are looked at, and their annotations.
fn of_workloads(
    context: &Arc<Context>,
    kind: &'static str,
    writer: Writer<DynamicObject>,
    woken: UnboundedReceiver<ObjectRef<DynamicObject>>,
    stopped: signal::Receiver<bool>,
) -> BoxFuture<'static, ()> {
    let (context, teller) = (context.clone(), context.clone());
    let (reader, this) = (writer.as_reader(), Kind::Workload(kind));
    let filling = context.clone();
    let filled = move || filling.known.filled();
    let metrics = context.cluster.metrics.clone();
    let api = context.cluster.all(this);
    let changes = watch::changes(
        api,
        watcher::Config::default(),
        writer,
        watch::of_workload,
        metrics,
        kind.to_owned(),
        filled,
    );
    let changes = changes.map(move |workload| {
        teller.known.wake_users(kind, &workload);
        Ok(workload)
    });
    let wanted = context.settings.annotations;
    let waiting = context.clone();
    let ready = async move { waiting.known.wait().await }.shared();
    Runtime::for_stream_with(changes, reader, this.api())
        .reconcile_on(watch::received(woken))
        .with_config(Config::default().concurrency(CONCURRENCY))
        .graceful_shutdown_on(ended_sync(stopped))
        .run(
            move |workload, context| {
                let ready = ready.clone();
                async move {
                    if !wanted {
                        return Ok(Action::await_change());
                    }
                    ready.await;
                    workloads::reconcile(kind, workload, context).await
                }
            },
            |_, _: &Error, _| Action::requeue(AFTER_ERROR),
            context,
        )
        .for_each(|_| std::future::ready(()))
        .boxed()
}

/// As [`ended`], for who wants to share it.
fn ended_sync(stopped: signal::Receiver<bool>) -> impl Future<Output = ()> + Send + Sync + 'static {
    let (tell, told) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        ended(stopped).await;
        // Nobody is there any more only when all of it has ended.
        let _: Result<(), ()> = tell.send(());
    });
    told.map(drop)
}
