//! The controller as a whole: waits for the lease, watches, reconciles, and finishes what is under
//! way when it is stopped.

use crate::cluster::{Cluster, ResourceKind};
use crate::context::{self, ClusterView, Context};
use crate::error::Error;
use crate::http::{self, Health};
use crate::lease::Election;
use crate::metrics::Metrics;
use crate::resource::Group;
use crate::settings::Settings;
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

/// Number of resources that are reconciled at once.
const CONCURRENCY: u16 = 16;
/// Longest time that reconciliations under way get when the controller is stopped.
const GRACE: Duration = Duration::from_secs(10);
/// Requeue delay required by kube-runtime's error policy. Our reconcilers requeue themselves, so it
/// should never be used.
const AFTER_ERROR: Duration = Duration::from_secs(5);

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

    /// Runs a controller until `shutdown` completes, then releases the lease.
    pub async fn run(client: Client, settings: Settings, shutdown: impl Future<Output = ()> + Send) {
        Self::new(client, settings).run_until(shutdown).await;
    }

    /// Serves `/healthz`, `/readyz` and `/metrics` at this address. Returns the address with its
    /// port.
    ///
    /// # Errors
    /// [`Error::Listen`].
    pub async fn serve(&mut self, address: &str) -> Result<SocketAddr, Error> {
        let (listener, local) = http::bind(address).await?;
        self.listener = Some(listener);
        Ok(local)
    }

    /// The text of `/metrics`.
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

    /// Works while it holds the lease, or at once where there is none.
    async fn elected(&self, shutdown: impl Future<Output = ()> + Send) {
        let mut shutdown = std::pin::pin!(shutdown);
        let Some(lease) = self.settings.lease.clone() else {
            return self.work(shutdown).await;
        };
        let mut election = Election::new(self.client.clone(), lease);
        loop {
            // Waiting for the lease is all there is to do now.
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
                // Reconciliations under way are dropped: another controller may have begun.
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
        // Without a receiver the work has ended already.
        let _ = stop.send(true);
        if timeout(GRACE, running).await.is_err() {
            log::warn!("reconciliations under way are dropped after {} s", GRACE.as_secs());
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
        let (filters, filters_writer) = store(ResourceKind::EnvoyFilter);
        let unready = signal::Sender::new(groups.len() + KINDS.len());
        let (replays, workloads) = (vec![], vec![]);
        let mut view =
            ClusterView { replays, workloads, filters, unready, wake: vec![], wake_workload: vec![] };
        let (mut replay_ends, mut workload_ends) = (vec![], vec![]);
        for group in groups {
            let ((reader, writer), (sender, receiver)) =
                (store(ResourceKind::Replay(*group)), unbounded_channel());
            view.replays.push((*group, reader));
            view.wake.push((*group, sender));
            replay_ends.push((*group, writer, receiver));
        }
        for kind in KINDS {
            let ((reader, writer), (sender, receiver)) =
                (store(ResourceKind::Workload(kind)), unbounded_channel());
            view.workloads.push((kind, reader));
            view.wake_workload.push((kind, sender));
            workload_ends.push((kind, writer, receiver));
        }
        let context = Arc::new(Context::new(cluster, self.settings.clone(), view));
        // Ready once all stores are filled. A controller that may not watch a kind stays unready,
        // and its log has the reason.
        self.health.ready.store(false, Relaxed);
        let (health, waiting, end) = (self.health.clone(), context.clone(), ended(stopped.clone()));
        let ready = async move {
            tokio::select! {
                () = end => {}
                () = waiting.view.wait() => health.ready.store(true, Relaxed),
            }
        };
        let mut parts = vec![ready.boxed()];
        parts.push(watch_objects(&context, ResourceKind::EnvoyFilter, filters_writer, stopped.clone()));
        parts.push(watch_objects(&context, ResourceKind::Job, store(ResourceKind::Job).1, stopped.clone()));
        for (group, writer, receiver) in replay_ends {
            parts.push(watch_replays(&context, group, writer, receiver, stopped.clone()));
        }
        for (kind, writer, receiver) in workload_ends {
            parts.push(watch_workloads(&context, kind, writer, receiver, stopped.clone()));
        }
        join_all(parts).map(drop).boxed()
    }
}

fn store(kind: ResourceKind) -> (Store<DynamicObject>, Writer<DynamicObject>) {
    let writer = Writer::new(kind.api());
    (writer.as_reader(), writer)
}

/// Completes when the controller is to stop.
async fn ended(mut stopped: signal::Receiver<bool>) {
    // A sender that is gone means the end too.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

/// Watches the objects that were created for resources: a change triggers the resource's
/// reconciliation.
fn watch_objects(
    context: &Arc<Context>,
    kind: ResourceKind,
    writer: Writer<DynamicObject>,
    stopped: signal::Receiver<bool>,
) -> BoxFuture<'static, ()> {
    let context = context.clone();
    let config = watcher::Config::default().labels(filters::REPLAY_LABEL);
    let name = if kind == ResourceKind::Job { "jobs" } else { "EnvoyFilters" }.to_owned();
    let metrics = context.cluster.metrics.clone();
    let changes = watch::changes(
        context.cluster.all(kind),
        config,
        writer,
        watch::object_fingerprint,
        metrics,
        name,
        || (),
    );
    changes
        .take_until(ended(stopped))
        .for_each(move |object| {
            context.forget_of(&object);
            context.view.wake_owner(&object);
            std::future::ready(())
        })
        .boxed()
}

/// Watches and reconciles the resources of one group.
fn watch_replays(
    context: &Arc<Context>,
    group: Group,
    writer: Writer<DynamicObject>,
    woken: UnboundedReceiver<ObjectRef<DynamicObject>>,
    stopped: signal::Receiver<bool>,
) -> BoxFuture<'static, ()> {
    let (context, waker) = (context.clone(), context.clone());
    let (reader, kind) = (writer.as_reader(), ResourceKind::Replay(group));
    let filling = context.clone();
    let filled = move || filling.view.filled();
    let metrics = context.cluster.metrics.clone();
    let api = context.cluster.all(kind);
    let changes = watch::changes(
        api,
        watcher::Config::default(),
        writer,
        watch::replay_fingerprint,
        metrics,
        format!("trafficreplays.{}", group.api().group),
        filled,
    );
    let changes = changes.map(move |replay| {
        wake_others(&replay, &waker.view);
        Ok(replay)
    });
    let waiting = context.clone();
    // All resources and workloads must be known before anything is decided: two resources may be
    // for one workload, and two workloads may share labels.
    let ready = async move { waiting.view.wait().await }.shared();
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

/// Triggers the reconciliation of resources that may wait for the targets of a changed resource.
fn wake_others(replay: &DynamicObject, view: &ClusterView) {
    workloads::wake_owner(replay, view);
    let metadata = &replay.metadata;
    let namespace = metadata.namespace.as_deref().unwrap_or_default();
    // A resource that was deleted while nothing watched comes without its specification. Resources
    // that wait for its targets are retried anyway.
    let targets: Vec<_> = context::targets_of(&replay.data["spec"], namespace).collect();
    view.wake_targeting(&targets, metadata.uid.as_deref());
}

/// Watches workloads: a change triggers the reconciliation of the resources that it concerns, and
/// of the workload's annotations.
fn watch_workloads(
    context: &Arc<Context>,
    kind: &'static str,
    writer: Writer<DynamicObject>,
    woken: UnboundedReceiver<ObjectRef<DynamicObject>>,
    stopped: signal::Receiver<bool>,
) -> BoxFuture<'static, ()> {
    let (context, waker) = (context.clone(), context.clone());
    let (reader, this) = (writer.as_reader(), ResourceKind::Workload(kind));
    let filling = context.clone();
    let filled = move || filling.view.filled();
    let metrics = context.cluster.metrics.clone();
    let api = context.cluster.all(this);
    let changes = watch::changes(
        api,
        watcher::Config::default(),
        writer,
        watch::workload_fingerprint,
        metrics,
        kind.to_owned(),
        filled,
    );
    let changes = changes.map(move |workload| {
        waker.view.wake_users(kind, &workload);
        Ok(workload)
    });
    let wanted = context.settings.annotations;
    let waiting = context.clone();
    let ready = async move { waiting.view.wait().await }.shared();
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

/// As [`ended`], and `Sync`.
fn ended_sync(stopped: signal::Receiver<bool>) -> impl Future<Output = ()> + Send + Sync + 'static {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        ended(stopped).await;
        // The receiver may have ended first.
        let _: Result<(), ()> = sender.send(());
    });
    receiver.map(drop)
}
