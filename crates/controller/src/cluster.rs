//! Reads from and writes to the cluster. Decides nothing.

use crate::error::{Attempting, Error};
use crate::filters::REPLAY_LABEL;
use crate::metrics::Metrics;
use crate::resource::{Group, TrafficReplayStatus};
use crate::spec::{KINDS, WorkloadRef};
use kube::Client;
use kube::api::{
    Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams, Preconditions,
};
use kube::core::{ApiResource, GroupVersionKind, TypeMeta};
use serde_json::{Value, json};
use std::sync::Arc;

/// The controller's name as a field manager: server-side apply keeps the fields of each manager.
pub(crate) const MANAGER: &str = "understudy-controller";
/// Finalizer that keeps a resource until its mocks in other namespaces are removed. Owner
/// references don't reach across namespaces.
pub(crate) const FINALIZER: &str = "understudy.dev/mocks-elsewhere";

/// Kinds of resources that the controller reads or writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResourceKind {
    Replay(Group),
    EnvoyFilter,
    Job,
    Pod,
    Service,
    /// One of [`KINDS`].
    Workload(&'static str),
}

impl ResourceKind {
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

    /// The kind of a workload.
    pub(crate) fn of(target: &WorkloadRef) -> Self {
        Self::Workload(KINDS.into_iter().find(|kind| *kind == target.kind).unwrap_or(KINDS[0]))
    }
}

/// Client of the API server.
#[derive(Clone)]
pub(crate) struct Cluster {
    pub(crate) client: Client,
    /// The only namespace to watch; all of them without it.
    pub(crate) namespace: Option<String>,
    pub(crate) metrics: Arc<Metrics>,
}

impl Cluster {
    /// A kind in one namespace.
    pub(crate) fn within(&self, kind: ResourceKind, namespace: &str) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), namespace, &kind.api())
    }

    /// A kind in all namespaces that are watched.
    pub(crate) fn all(&self, kind: ResourceKind) -> Api<DynamicObject> {
        match &self.namespace {
            Some(namespace) => self.within(kind, namespace),
            None => Api::all_with(self.client.clone(), &kind.api()),
        }
    }

    pub(crate) async fn get(
        &self,
        kind: ResourceKind,
        namespace: &str,
        name: &str,
    ) -> Result<Option<DynamicObject>, Error> {
        let attempt = || format!("reading {} {namespace}/{name}", kind.api().kind);
        self.within(kind, namespace).get_opt(name).await.attempting(attempt)
    }

    /// Creates or changes an object by server-side apply, and takes over fields of other managers.
    pub(crate) async fn apply(&self, kind: ResourceKind, object: &Value) -> Result<DynamicObject, Error> {
        let text = |key: &str| object["metadata"][key].as_str().unwrap_or_default();
        let (namespace, name) = (text("namespace"), text("name"));
        let params = PatchParams::apply(MANAGER).force();
        let applied = self.within(kind, namespace).patch(name, &params, &Patch::Apply(object)).await;
        let applied = applied.attempting(|| format!("applying {} {namespace}/{name}", kind.api().kind))?;
        self.metrics.applied.inc();
        Ok(applied)
    }

    /// Deletes an object by its identifier. An object that was created later under the same name
    /// stays; an object that is gone already is no error.
    pub(crate) async fn delete(&self, kind: ResourceKind, object: &DynamicObject) -> Result<(), Error> {
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
            Err(error) => {
                Err(error).attempting(|| format!("deleting {} {namespace}/{name}", kind.api().kind))
            }
        }
    }

    /// All objects that were created for a resource, in all watched namespaces.
    pub(crate) async fn created_for(
        &self,
        kind: ResourceKind,
        uid: &str,
    ) -> Result<Vec<DynamicObject>, Error> {
        let params = ListParams::default().labels(&format!("{REPLAY_LABEL}={uid}"));
        let attempt = || format!("listing {}", kind.api().plural);
        Ok(self.all(kind).list(&params).await.attempting(attempt)?.items)
    }

    /// Objects of a namespace, restricted by a label selector.
    pub(crate) async fn list(
        &self,
        kind: ResourceKind,
        namespace: &str,
        labels: Option<&str>,
    ) -> Result<Vec<Value>, Error> {
        let params = labels.map_or_else(ListParams::default, |labels| ListParams::default().labels(labels));
        let found = self.within(kind, namespace).list(&params).await;
        let found = found.attempting(|| format!("listing {} in {namespace}", kind.api().plural))?;
        Ok(found.items.iter().map(value).collect())
    }

    /// Replaces the status of an object as it was read. The API server answers with a conflict if
    /// the object has changed since.
    pub(crate) async fn write_status(
        &self,
        kind: ResourceKind,
        object: &DynamicObject,
        status: &TrafficReplayStatus,
    ) -> Result<(), Error> {
        let metadata = &object.metadata;
        let (namespace, name) =
            (metadata.namespace.as_deref().unwrap_or_default(), metadata.name.as_deref().unwrap_or_default());
        let mut object = object.clone();
        object.data["status"] = json!(status);
        // Objects of a list come without their type.
        let api = kind.api();
        object.types = Some(TypeMeta { api_version: api.api_version, kind: api.kind });
        let written =
            self.within(kind, namespace).replace_status(name, &PostParams::default(), &object).await;
        written.attempting(|| format!("writing the status of {namespace}/{name}"))?;
        self.metrics.status_writes.inc();
        Ok(())
    }

    /// Adds or removes [`FINALIZER`]. Returns whether the object had to change.
    pub(crate) async fn set_finalizer(
        &self,
        kind: ResourceKind,
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
            other => {
                other.map(|_| true).attempting(|| format!("writing the finalizers of {namespace}/{name}"))
            }
        }
    }
}

/// An object as JSON, as on the wire.
pub(crate) fn value(object: &DynamicObject) -> Value {
    serde_json::to_value(object).unwrap_or_default()
}
