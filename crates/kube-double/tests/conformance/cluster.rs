//! Where the tests run: on the double, or on a real API server.

use kube::api::{Api, DynamicObject, GroupVersionKind, PostParams};
use kube::core::ApiResource;
use kube::{Client, Config, Error};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering};
use understudy_kube_double::ApiServer;

/// An API server, and a namespace on it that is this test's own.
pub(crate) struct Cluster {
    pub(crate) client: Client,
    pub(crate) namespace: String,
    /// Kept while the test runs; none: a real one.
    _double: Option<ApiServer>,
}

pub(crate) const WIDGETS: &str = "widgets.conformance.understudy.dev";

impl Cluster {
    pub(crate) async fn new() -> Self {
        static NAMES: AtomicU64 = AtomicU64::new(0);
        let time = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos();
        let namespace = format!("test-{}-{time}", NAMES.fetch_add(1, Ordering::Relaxed));
        let (mut config, double) = match std::env::var("UNDERSTUDY_KUBECONFIG") {
            Ok(path) => {
                let file = kube::config::Kubeconfig::read_from(path).expect("a kubeconfig");
                (Config::from_custom_kubeconfig(file, &Default::default()).await.expect("a kubeconfig"), None)
            }
            Err(_) => {
                let server = ApiServer::start().await;
                (Config::new(server.url().parse().expect("an address")), Some(server))
            }
        };
        // What is refused is looked at here, and not tried again for minutes.
        config.default_retry = false;
        let client = Client::try_from(config).expect("a client");
        let cluster = Self { client, namespace: namespace.clone(), _double: double };
        let own = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
        cluster
            .global("", "v1", "Namespace")
            .create(&PostParams::default(), &object(own))
            .await
            .expect("a namespace");
        cluster
    }

    fn resource(group: &str, version: &str, kind: &str) -> ApiResource {
        ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind))
    }

    pub(crate) fn api(&self, group: &str, version: &str, kind: &str) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &self.namespace, &Self::resource(group, version, kind))
    }

    pub(crate) fn global(&self, group: &str, version: &str, kind: &str) -> Api<DynamicObject> {
        Api::all_with(self.client.clone(), &Self::resource(group, version, kind))
    }

    pub(crate) fn maps(&self) -> Api<DynamicObject> {
        self.api("", "v1", "ConfigMap")
    }

    pub(crate) fn deployments(&self) -> Api<DynamicObject> {
        self.api("apps", "v1", "Deployment")
    }

    /// Custom resources, whose definition is there afterwards.
    pub(crate) async fn widgets(&self) -> Api<DynamicObject> {
        let definitions = self.global("apiextensions.k8s.io", "v1", "CustomResourceDefinition");
        match definitions.create(&PostParams::default(), &object(definition())).await {
            Ok(_) => {}
            Err(Error::Api(status)) if status.reason == "AlreadyExists" => {}
            Err(error) => panic!("{error}"),
        }
        let widgets = self.api("conformance.understudy.dev", "v1", "Widget");
        // A real server takes a moment until it serves them.
        loop {
            let ready = definitions
                .get(WIDGETS)
                .await
                .expect("a definition")
                .data
                .to_string()
                .contains("Established");
            if ready && widgets.list(&Default::default()).await.is_ok() {
                return widgets;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }
}

pub(crate) fn object(value: Value) -> DynamicObject {
    serde_json::from_value(value).expect("an object")
}

/// The whole of an object.
pub(crate) fn value(object: &DynamicObject) -> Value {
    serde_json::to_value(object).expect("an object")
}

/// Code and reason of a refusal.
pub(crate) fn refusal<T: std::fmt::Debug>(result: Result<T, Error>) -> (u16, String) {
    match result {
        Err(Error::Api(status)) => (status.code, status.reason),
        other => panic!("not refused: {other:?}"),
    }
}

pub(crate) fn map(name: &str, data: Value) -> DynamicObject {
    object(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}))
}

pub(crate) fn widget(name: &str, spec: Value) -> DynamicObject {
    let metadata = json!({"name": name});
    object(
        json!({"apiVersion": "conformance.understudy.dev/v1", "kind": "Widget", "metadata": metadata, "spec": spec}),
    )
}

pub(crate) fn deployment(name: &str) -> Value {
    let labels = json!({"app": name});
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "labels": labels},
        "spec": {
            "replicas": 1, "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "app", "image": "app:1"}]}},
        },
    })
}

fn definition() -> Value {
    let text = json!({"type": "string"});
    let part = json!({
        "type": "object", "required": ["name"],
        "properties": {"name": text, "size": {"type": "integer"}, "note": text},
    });
    let spec = json!({
        "type": "object", "required": ["size"],
        "properties": {
            "size": {"type": "integer", "minimum": 1, "maximum": 10},
            "mode": {"type": "string", "enum": ["one", "other"]},
            "colour": {"type": "string", "default": "grey"},
            "name": {"type": "string", "maxLength": 20, "pattern": "^[a-z]+$"},
            "list": {"type": "array", "items": text},
            "set": {"type": "array", "items": text, "x-kubernetes-list-type": "set"},
            "parts": {"type": "array", "items": part, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
            "map": {"type": "object", "additionalProperties": text},
            "whole": {"type": "object", "additionalProperties": text, "x-kubernetes-map-type": "atomic"},
            "open": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
        },
    });
    let status = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": WIDGETS},
        "spec": {
            "group": "conformance.understudy.dev", "scope": "Namespaced",
            "names": {"kind": "Widget", "listKind": "WidgetList", "plural": "widgets", "singular": "widget"},
            "versions": [{
                "name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec, "status": status}}},
            }],
        },
    })
}
