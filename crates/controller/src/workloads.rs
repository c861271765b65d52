//! Resources for the annotations of workloads. The workload owns its resource, and removing the
//! annotations removes the resource.

use crate::annotations::{self, ANNOTATED, AnnotationRequest};
use crate::cluster::ResourceKind;
use crate::context::{self, ClusterView, Context};
use crate::error::Error;
use crate::resource::Group;
use kube::api::DynamicObject;
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use std::sync::Arc;
use std::time::Duration;

/// Time until a failure is retried.
const BACKOFF: Duration = Duration::from_secs(5);

/// Brings the resource of one workload in line with the workload's annotations.
pub(crate) async fn reconcile(
    kind: &'static str,
    workload: Arc<DynamicObject>,
    context: Arc<Context>,
) -> Result<Action, Error> {
    match reconcile_annotations(kind, &workload, &context).await {
        Ok(()) => Ok(Action::await_change()),
        Err(error) => {
            context.cluster.metrics.failed(error.code());
            let metadata = &workload.metadata;
            log::warn!(
                "annotations of {kind} {}/{}: {error}; trying again",
                metadata.namespace.as_deref().unwrap_or_default(),
                metadata.name.as_deref().unwrap_or_default()
            );
            Ok(Action::requeue(BACKOFF))
        }
    }
}

async fn reconcile_annotations(
    kind: &'static str,
    workload: &DynamicObject,
    context: &Context,
) -> Result<(), Error> {
    let Some(target) = context::target(kind, workload) else { return Ok(()) };
    if workload.metadata.deletion_timestamp.is_some() {
        return Ok(());
    }
    let name = annotations::name(&target);
    let found = watched_replay(context, &target.namespace, &name);
    let ours = found.as_ref().is_some_and(|found| is_owned(found, workload));
    let this = ResourceKind::Workload(kind);
    match annotations::requested(&crate::cluster::value(workload), &target) {
        AnnotationRequest::Unclear(why) => {
            log::warn!("{target}: {why}");
            context.warn(this, workload, "BadAnnotation", &why).await;
        }
        AnnotationRequest::None => {
            if let Some(found) = found.filter(|_| ours) {
                context.cluster.delete(ResourceKind::Replay(Group::Own), &found).await?;
                log::info!("{target}: has no annotations any more: TrafficReplay {name} is deleted");
            }
        }
        AnnotationRequest::Resource(_) if found.is_some() && !ours => {
            let why = format!(
                "a TrafficReplay {name} exists that these annotations didn't create: delete one of the two"
            );
            context.warn(this, workload, "NameTaken", &why).await;
        }
        AnnotationRequest::Resource(resource) => {
            let same = found.as_ref().is_some_and(|found| found.data["spec"] == resource["spec"]);
            if !same {
                context.cluster.apply(ResourceKind::Replay(Group::Own), &resource).await?;
                log::info!("{target}: TrafficReplay {name} is applied for its annotations");
            }
        }
    }
    Ok(())
}

fn watched_replay(context: &Context, namespace: &str, name: &str) -> Option<Arc<DynamicObject>> {
    let (_, store) = context.view.replays.iter().find(|(group, _)| *group == Group::Own)?;
    store.get(&ObjectRef::new_with(name, Group::Own.api()).within(namespace))
}

/// Returns whether this workload's annotations created a resource.
fn is_owned(replay: &DynamicObject, workload: &DynamicObject) -> bool {
    let annotated = replay.metadata.labels.as_ref().is_some_and(|labels| labels.contains_key(ANNOTATED));
    let owners = replay.metadata.owner_references.as_ref();
    annotated
        && owners.is_some_and(|owners| {
            owners.iter().any(|owner| Some(&owner.uid) == workload.metadata.uid.as_ref())
        })
}

/// Triggers the reconciliation of the workload whose annotations created a resource.
pub(crate) fn wake_owner(replay: &DynamicObject, view: &ClusterView) {
    let namespace = replay.metadata.namespace.as_deref().unwrap_or_default();
    for owner in replay.metadata.owner_references.iter().flatten() {
        if let Some((kind, sender)) = view.wake_workload.iter().find(|(kind, _)| *kind == owner.kind) {
            // The receiver ends only with the controller.
            let _ = sender
                .send(ObjectRef::new_with(&owner.name, ResourceKind::Workload(kind).api()).within(namespace));
        }
    }
}
