//! A cluster with a workload and a controller.

use kube::api::{Api, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Client, Config};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use understudy_controller::{Controller, Group, JobSettings, Settings};
use understudy_kube_double::ApiServer;

pub(crate) const OWN: &str = "trafficreplays.understudy.dev";
pub(crate) const FILTERS: &str = "envoyfilters.networking.istio.io";

/// A cluster with a workload.
pub(crate) struct Scene {
    pub(crate) server: ApiServer,
    pub(crate) client: Client,
}

/// A running controller.
pub(crate) struct Running {
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Running {
    /// Stops the controller as SIGTERM does.
    pub(crate) async fn stop(mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        self.task.await.unwrap();
    }

    /// Stops the controller as a power cut does.
    pub(crate) async fn kill(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }
}

pub(crate) fn client(url: &str) -> Client {
    Client::try_from(Config::new(url.parse().unwrap())).unwrap()
}

pub(crate) fn settings() -> Settings {
    Settings {
        registry: Some("oci://registry.test/team".to_owned()),
        contract_group: true,
        settle: Duration::ZERO,
        job: JobSettings { image: Some("registry.test/understudy:1".to_owned()), ..JobSettings::default() },
        ..Settings::default()
    }
}

impl Scene {
    /// A cluster with a Deployment `payment`, its Service, and both definitions.
    pub(crate) async fn new() -> Self {
        let server = ApiServer::start().await;
        for group in [Group::Own, Group::Contract] {
            server.define(&serde_json::to_value(group.definition()).unwrap());
        }
        server.namespace("payments");
        server.namespace("orders");
        let client = client(&server.url());
        let scene = Self { server, client };
        scene.workload("payments", "payment", json!({})).await;
        let spec = json!({ "selector": { "app": "payment" }, "ports": [{ "port": 8080 }] });
        scene
            .create(
                "",
                "v1",
                "Service",
                &json!({ "metadata": { "name": "payment", "namespace": "payments" }, "spec": spec }),
            )
            .await;
        scene
    }

    pub(crate) fn start(&self, settings: Settings) -> Running {
        self.start_with(self.client.clone(), settings)
    }

    pub(crate) fn start_with(&self, client: Client, settings: Settings) -> Running {
        let (stop, stopped) = oneshot::channel::<()>();
        let task =
            tokio::spawn(Controller::run(client, settings, async move { stopped.await.unwrap_or_default() }));
        Running { stop: Some(stop), task }
    }

    pub(crate) fn api(&self, group: &str, version: &str, kind: &str, namespace: &str) -> Api<DynamicObject> {
        let api = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        Api::namespaced_with(self.client.clone(), namespace, &api)
    }

    pub(crate) fn replays(&self) -> Api<DynamicObject> {
        self.api("understudy.dev", "v1alpha1", "TrafficReplay", "payments")
    }

    pub(crate) async fn create(&self, group: &str, version: &str, kind: &str, object: &Value) {
        let mut object = object.clone();
        object["apiVersion"] =
            if group.is_empty() { json!(version) } else { json!(format!("{group}/{version}")) };
        object["kind"] = json!(kind);
        let namespace = object["metadata"]["namespace"].as_str().unwrap().to_owned();
        let object: DynamicObject = serde_json::from_value(object).unwrap();
        self.api(group, version, kind, &namespace).create(&PostParams::default(), &object).await.unwrap();
    }

    pub(crate) async fn workload(&self, namespace: &str, name: &str, annotations: Value) {
        let labels = json!({ "app": name });
        let spec = json!({ "selector": { "matchLabels": labels }, "template": { "metadata": { "labels": labels },
            "spec": { "containers": [{ "name": "app", "image": "app" }] } } });
        let metadata = json!({ "name": name, "namespace": namespace, "annotations": annotations });
        self.create("apps", "v1", "Deployment", &json!({ "metadata": metadata, "spec": spec })).await;
    }

    /// Creates a resource for the Deployment `payment`. `more` is merged into its specification.
    pub(crate) async fn replay(&self, name: &str, more: Value) {
        self.create("understudy.dev", "v1alpha1", "TrafficReplay", &resource(name, more)).await;
    }

    pub(crate) async fn merge(&self, api: &Api<DynamicObject>, name: &str, patch: Value) {
        api.patch(name, &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
    }

    /// A resource as the API server has it.
    pub(crate) fn stored(&self, name: &str) -> Value {
        self.server.object(OWN, "payments", name).unwrap_or_default()
    }

    pub(crate) fn filters(&self) -> Vec<Value> {
        self.server.objects(FILTERS)
    }

    /// Waits until a condition of a resource has this reason. Returns the condition's message.
    pub(crate) async fn condition_is(&self, name: &str, condition_type: &str, reason: &str) -> String {
        let condition = || condition(&self.stored(name), condition_type);
        self.until(&format!("{condition_type} of {name} is {reason}"), || {
            condition().is_some_and(|c| c["reason"] == reason)
        })
        .await;
        condition().unwrap()["message"].as_str().unwrap().to_owned()
    }

    /// Waits until something is true.
    pub(crate) async fn until(&self, what: &str, holds: impl Fn() -> bool) {
        let end = Instant::now() + Duration::from_secs(60);
        while !holds() {
            assert!(
                Instant::now() < end,
                "{what}: not within a minute\n{:#}\n{:#}",
                json!(self.server.objects(OWN)),
                json!(self.filters().iter().map(|filter| filter["metadata"].clone()).collect::<Vec<_>>())
            );
            sleep(Duration::from_millis(20)).await;
        }
    }
}

pub(crate) fn resource(name: &str, more: Value) -> Value {
    let mut spec = json!({ "snapshotID": "payment:1", "mode": "responder-only",
        "workloads": [{ "ref": { "name": "payment" }, "mocks": ["*"] }] });
    for (key, value) in more.as_object().unwrap() {
        spec[key] = value.clone();
    }
    json!({ "metadata": { "name": name, "namespace": "payments" }, "spec": spec })
}

pub(crate) fn condition(object: &Value, condition_type: &str) -> Option<Value> {
    object["status"]["conditions"].as_array()?.iter().find(|known| known["type"] == condition_type).cloned()
}
