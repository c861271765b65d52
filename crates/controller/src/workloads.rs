//! Annotations on workloads, turned into resources that the workload owns; removing the annotations removes the resource.

use crate::annotations::{self, Asked, MADE};
use crate::cluster::Kind;
use crate::context::{self, Context};
use crate::error::Error;
use crate::resource::Group;
use kube::api::DynamicObject;
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use std::sync::Arc;
use std::time::Duration;

/// A failure is tried again after this time.
const BACKOFF: Duration = Duration::from_secs(5);

/// Looks at one workload.
pub(crate) async fn reconcile(
    kind: &'static str,
    workload: Arc<DynamicObject>,
    context: Arc<Context>,
) -> Result<Action, Error> {
    match look_at(kind, &workload, &context).await {
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

async fn look_at(kind: &'static str, workload: &DynamicObject, context: &Context) -> Result<(), Error> {
    let Some(target) = context::target(kind, workload) else { return Ok(()) };
    if workload.metadata.deletion_timestamp.is_some() {
        return Ok(());
    }
    let name = annotations::name(&target);
    let there = known(context, &target.namespace, &name);
    let ours = there.as_ref().is_some_and(|there| is_owned(there, workload));
    let this = Kind::Workload(kind);
    match annotations::asked(&crate::cluster::value(workload), &target) {
        Asked::Unclear(why) => {
            log::warn!("{target}: {why}");
            context.warn(this, workload, "BadAnnotation", &why).await;
        }
        Asked::Nothing => {
            if let Some(there) = there.filter(|_| ours) {
                context.cluster.delete(Kind::Replay(Group::Own), &there).await?;
                log::info!("{target}: its annotations are gone, and so is TrafficReplay {name}");
            }
        }
        Asked::Resource(_) if there.is_some() && !ours => {
            let why = format!(
                "there is a TrafficReplay {name} already, which isn't of these annotations: delete it, or the annotations"
            );
            context.warn(this, workload, "NameTaken", &why).await;
        }
        Asked::Resource(resource) => {
            let same = there.as_ref().is_some_and(|there| there.data["spec"] == resource["spec"]);
            if !same {
                context.cluster.apply(Kind::Replay(Group::Own), &resource).await?;
                log::info!("{target}: TrafficReplay {name} is what its annotations say");
            }
        }
    }
    Ok(())
}

fn known(context: &Context, namespace: &str, name: &str) -> Option<Arc<DynamicObject>> {
    let (_, store) = context.known.replays.iter().find(|(group, _)| *group == Group::Own)?;
    store.get(&ObjectRef::new_with(name, Group::Own.api()).within(namespace))
}

/// Whether a resource was made of this workload's annotations.
fn is_owned(replay: &DynamicObject, workload: &DynamicObject) -> bool {
    let made = replay.metadata.labels.as_ref().is_some_and(|labels| labels.contains_key(MADE));
    let owners = replay.metadata.owner_references.as_ref();
    made && owners
        .is_some_and(|owners| owners.iter().any(|owner| Some(&owner.uid) == workload.metadata.uid.as_ref()))
}

/// Has the workload looked at that a resource was made for.
pub(crate) fn wake_owner(replay: &DynamicObject, context: &crate::context::Known) {
    let namespace = replay.metadata.namespace.as_deref().unwrap_or_default();
    for owner in replay.metadata.owner_references.iter().flatten() {
        if let Some((kind, sender)) = context.wake_workload.iter().find(|(kind, _)| *kind == owner.kind) {
            // Nobody is there any more only when all of it ends.
            let _ =
                sender.send(ObjectRef::new_with(&owner.name, Kind::Workload(kind).api()).within(namespace));
        }
    }
}
