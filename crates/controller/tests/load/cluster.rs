//! A cluster for tests: the API server, workloads, resources and controllers.

use futures_util::{StreamExt, stream};
use kube::api::{Api, DeleteParams, DynamicObject, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Client, Config};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use understudy_controller::{Controller, Group, Settings};
use understudy_kube_double::{ApiServer, Asked};

pub(crate) const FILTERS: &str = "envoyfilters.networking.istio.io";
pub(crate) const REPLAYS: &str = "trafficreplays.understudy.dev";
pub(crate) const HOME: &str = "payments";

pub(crate) struct Cluster {
    pub(crate) server: ApiServer,
    pub(crate) client: Client,
}

/// A controller in this process. Dropped, it is killed.
pub(crate) struct Running {
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Running {
    /// Stops the controller as SIGTERM does.
    pub(crate) async fn stop(mut self) {
        drop(self.stop.take());
        (&mut self.task).await.expect("a controller that ends");
    }

    /// Stops the controller at once, in the middle of its work.
    pub(crate) async fn kill(mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Cluster {
    pub(crate) async fn new() -> Self {
        let server = ApiServer::start().await;
        server.define(&serde_json::to_value(Group::Own.definition()).expect("a definition"));
        server.namespace(HOME);
        let client = client(&server.url());
        Self { server, client }
    }

    pub(crate) fn run(&self, settings: Settings) -> Running {
        self.run_at(&self.server.url(), settings)
    }

    /// Starts a controller that uses another door of the server.
    pub(crate) fn run_at(&self, url: &str, settings: Settings) -> Running {
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async move { drop(stopped.await) };
        let task = tokio::spawn(Controller::run(client(url), settings, shutdown));
        Running { stop: Some(stop), task }
    }

    pub(crate) fn api(&self, group: &str, version: &str, kind: &str) -> Api<DynamicObject> {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        Api::namespaced_with(self.client.clone(), HOME, &resource)
    }

    pub(crate) fn filters(&self) -> Api<DynamicObject> {
        self.api("networking.istio.io", "v1alpha3", "EnvoyFilter")
    }

    pub(crate) fn replays(&self) -> Api<DynamicObject> {
        self.api("understudy.dev", "v1alpha1", "TrafficReplay")
    }

    pub(crate) async fn create(&self, value: Value) -> kube::Result<DynamicObject> {
        let object: DynamicObject = serde_json::from_value(value).expect("an object");
        let api = match object.types.as_ref().expect("a kind").kind.as_str() {
            "TrafficReplay" => self.replays(),
            _ => self.api("apps", "v1", "Deployment"),
        };
        api.create(&PostParams::default(), &object).await
    }

    /// Creates all objects at once.
    pub(crate) async fn create_all(&self, values: impl IntoIterator<Item = Value>) {
        let made = stream::iter(values.into_iter().map(|value| self.create(value)));
        made.buffer_unordered(64).for_each(|made| async { drop(made.expect("it is created")) }).await;
    }

    pub(crate) async fn delete_all(&self, names: impl IntoIterator<Item = String>) {
        let api = self.replays();
        let params = DeleteParams::default();
        let gone = stream::iter(names).map(|name| {
            let (api, params) = (&api, &params);
            async move { api.delete(&name, params).await.map(drop) }
        });
        gone.buffer_unordered(64).for_each(|gone| async { gone.expect("it is deleted") }).await;
    }

    /// Number of resources whose condition Ready has this reason.
    pub(crate) fn ready(&self, reason: &str) -> usize {
        self.server.objects(REPLAYS).iter().filter(|replay| is_ready(replay, reason)).count()
    }

    pub(crate) fn names(&self, resource: &str) -> Vec<String> {
        let name = |object: &Value| object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        self.server.objects(resource).iter().map(name).collect()
    }

    /// Writes of controllers, events aside.
    pub(crate) fn written(&self) -> Vec<Asked> {
        let ours = |asked: &Asked| asked.is_write() && [FILTERS, REPLAYS].contains(&&*asked.resource);
        self.server.history().into_iter().filter(ours).collect()
    }
}

/// A client without retries of its own, which would hide refusals for minutes.
fn client(url: &str) -> Client {
    let mut config = Config::new(url.parse().expect("an address"));
    config.default_retry = false;
    Client::try_from(config).expect("a client")
}

pub(crate) fn is_ready(replay: &Value, reason: &str) -> bool {
    let conditions = replay["status"]["conditions"].as_array();
    conditions.into_iter().flatten().any(|known| known["type"] == "Ready" && known["reason"] == reason)
}

/// Waits until something is true; longer than other tests, since a lot happens on a busy machine.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(120), "not within two minutes: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub(crate) fn deployment(name: &str) -> Value {
    let labels = json!({"app": name});
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "app", "image": "app:1"}]}},
        },
    })
}

/// A resource that mocks all backends of the Deployment with this name.
pub(crate) fn replay(name: &str) -> Value {
    json!({
        "apiVersion": "understudy.dev/v1alpha1", "kind": "TrafficReplay", "metadata": {"name": name},
        "spec": {
            "snapshotID": "oci://registry.test/team/payment:1", "mode": "responder-only",
            "workloads": [{"ref": {"name": name}, "mocks": ["*"]}],
        },
    })
}

pub(crate) fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("app-{number:03}")).collect()
}
