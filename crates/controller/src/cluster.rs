//! What is read from and written to the cluster. Decides nothing.

use crate::error::{Doing, Error};
use crate::filters::REPLAY;
use crate::metrics::Metrics;
use crate::resource::{Group, TrafficReplayStatus};
use crate::spec::{KINDS, Target};
use kube::Client;
use kube::api::{
    Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams, Preconditions,
};
use kube::core::{ApiResource, GroupVersionKind, TypeMeta};
use serde_json::{Value, json};
use std::sync::Arc;

/// Who we are to server-side apply: what this manager has set is ours.
pub(crate) const MANAGER: &str = "understudy-controller";
/// Keeps a resource until what it made in other namespaces is gone.
pub(crate) const FINALIZER: &str = "understudy.dev/mocks-elsewhere";

/// The kinds of resources that are dealt with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Replay(Group),
    EnvoyFilter,
    Job,
    Pod,
    Service,
    /// By its place in [`KINDS`].
    Workload(&'static str),
}

impl Kind {
    pub(crate) fn api(self) -> ApiResource {
        let of = |group, version, kind, plural| {
            ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural)
        };
        match self {
            Self::Replay(group) => group.api(),
            Self::EnvoyFilter => of("networking.istio.io", "v1alpha3", "EnvoyFilter", "envoyfilters"),
            Self::Job => of("batch", "v1", "Job", "jobs"),
            Self::Pod => of("", "v1", "Pod", "pods"),
            Self::Service => of("", "v1", "Service", "services"),
            Self::Workload("StatefulSet") => of("apps", "v1", "StatefulSet", "statefulsets"),
            Self::Workload("DaemonSet") => of("apps", "v1", "DaemonSet", "daemonsets"),
            Self::Workload(_) => of("apps", "v1", "Deployment", "deployments"),
        }
    }

    /// The kind of a target.
    pub(crate) fn of(target: &Target) -> Self {
        Self::Workload(KINDS.into_iter().find(|kind| *kind == target.kind).unwrap_or(KINDS[0]))
    }
}

/// The API server.
#[derive(Clone)]
pub(crate) struct Cluster {
    pub(crate) client: Client,
    /// The only namespace that is looked at, where there is one.
    pub(crate) namespace: Option<String>,
    pub(crate) metrics: Arc<Metrics>,
}

impl Cluster {
    /// A kind in one namespace.
    pub(crate) fn within(&self, kind: Kind, namespace: &str) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), namespace, &kind.api())
    }

    /// A kind in all namespaces that are looked at.
    pub(crate) fn all(&self, kind: Kind) -> Api<DynamicObject> {
        match &self.namespace {
            Some(namespace) => self.within(kind, namespace),
            None => Api::all_with(self.client.clone(), &kind.api()),
        }
    }

    pub(crate) async fn get(
        &self,
        kind: Kind,
        namespace: &str,
        name: &str,
    ) -> Result<Option<DynamicObject>, Error> {
        let doing = || format!("reading {} {namespace}/{name}", kind.api().kind);
        self.within(kind, namespace).get_opt(name).await.doing(doing)
    }

    /// Makes it as it is here, whoever else has changed it.
    pub(crate) async fn apply(&self, kind: Kind, object: &Value) -> Result<DynamicObject, Error> {
        let text = |key: &str| object["metadata"][key].as_str().unwrap_or_default();
        let (namespace, name) = (text("namespace"), text("name"));
        let params = PatchParams::apply(MANAGER).force();
        let applied = self.within(kind, namespace).patch(name, &params, &Patch::Apply(object)).await;
        let applied = applied.doing(|| format!("applying {} {namespace}/{name}", kind.api().kind))?;
        self.metrics.applied.inc();
        Ok(applied)
    }

    /// Deletes this very object, if it's still there: one of the same name that has come since stays.
    pub(crate) async fn delete(&self, kind: Kind, object: &DynamicObject) -> Result<(), Error> {
        let metadata = &object.metadata;
        let (namespace, name) =
            (metadata.namespace.as_deref().unwrap_or_default(), metadata.name.as_deref().unwrap_or_default());
        let uid = metadata.uid.clone();
        let params = DeleteParams {
            preconditions: Some(Preconditions { uid, resource_version: None }),
            ..DeleteParams::background()
        };
        match self.within(kind, namespace).delete(name, &params).await {
            Ok(_) => {
                self.metrics.deleted.inc();
                Ok(())
            }
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
            Err(error) => Err(error).doing(|| format!("deleting {} {namespace}/{name}", kind.api().kind)),
        }
    }

    /// What was made for a resource, wherever it is.
    pub(crate) async fn made_for(&self, kind: Kind, uid: &str) -> Result<Vec<DynamicObject>, Error> {
        let params = ListParams::default().labels(&format!("{REPLAY}={uid}"));
        let doing = || format!("listing {}", kind.api().plural);
        Ok(self.all(kind).list(&params).await.doing(doing)?.items)
    }

    pub(crate) async fn list(
        &self,
        kind: Kind,
        namespace: &str,
        labels: Option<&str>,
    ) -> Result<Vec<Value>, Error> {
        let params = labels.map_or_else(ListParams::default, |labels| ListParams::default().labels(labels));
        let found = self.within(kind, namespace).list(&params).await;
        let found = found.doing(|| format!("listing {} in {namespace}", kind.api().plural))?;
        Ok(found.items.iter().map(value).collect())
    }

    /// Writes a status; refused with a conflict where the object has been changed since.
    pub(crate) async fn write_status(
        &self,
        kind: Kind,
        object: &DynamicObject,
        status: &TrafficReplayStatus,
    ) -> Result<(), Error> {
        let metadata = &object.metadata;
        let (namespace, name) =
            (metadata.namespace.as_deref().unwrap_or_default(), metadata.name.as_deref().unwrap_or_default());
        let mut object = object.clone();
        object.data["status"] = json!(status);
        // A list leaves it out.
        let api = kind.api();
        object.types = Some(TypeMeta { api_version: api.api_version, kind: api.kind });
        let written =
            self.within(kind, namespace).replace_status(name, &PostParams::default(), &object).await;
        written.doing(|| format!("writing the status of {namespace}/{name}"))?;
        self.metrics.status_writes.inc();
        Ok(())
    }

    /// Puts our finalizer on it, or takes it off. Whether anything had to be changed.
    pub(crate) async fn set_finalizer(
        &self,
        kind: Kind,
        object: &DynamicObject,
        wanted: bool,
    ) -> Result<bool, Error> {
        let metadata = &object.metadata;
        let (namespace, name) =
            (metadata.namespace.as_deref().unwrap_or_default(), metadata.name.as_deref().unwrap_or_default());
        let mut finalizers = metadata.finalizers.clone().unwrap_or_default();
        if finalizers.iter().any(|one| one == FINALIZER) == wanted {
            return Ok(false);
        }
        finalizers.retain(|one| one != FINALIZER);
        finalizers.extend(wanted.then(|| FINALIZER.to_owned()));
        let patch =
            json!({ "metadata": { "finalizers": finalizers, "resourceVersion": metadata.resource_version } });
        let patched =
            self.within(kind, namespace).patch(name, &PatchParams::default(), &Patch::Merge(&patch)).await;
        match patched {
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(true),
            other => other.map(|_| true).doing(|| format!("writing the finalizers of {namespace}/{name}")),
        }
    }
}

/// An object as it is on the wire.
pub(crate) fn value(object: &DynamicObject) -> Value {
    serde_json::to_value(object).unwrap_or_default()
}
