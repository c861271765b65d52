//! The mocks of a resource: which Istio resources there are to be, and why some can't be.

use crate::cluster::{Cluster, Kind};
use crate::context::{self, Context};
use crate::error::Error;
use crate::filters::{self, Id, REPLAY};
use crate::spec::{Replay, Workload};
use crate::status::Said;
use kube::api::DynamicObject;
use serde_json::Value;
use std::sync::Arc;

/// What there is to be.
pub(crate) struct Wanted {
    /// The resources that can be.
    pub(crate) filters: Vec<Value>,
    /// Whether that's all that was asked for.
    pub(crate) said: Said,
}

/// What there is to be for a resource.
pub(crate) async fn wanted(
    id: &Id,
    object: &DynamicObject,
    replay: &Replay,
    context: &Context,
) -> Result<Wanted, Error> {
    let (mut filters, mut problem) = (Vec::new(), None);
    for workload in replay.mocked() {
        match filter(id, object, replay, workload, context).await? {
            Ok(filter) => filters.push(filter),
            Err(why) => drop(problem.get_or_insert(why)),
        }
    }
    let said = problem.unwrap_or_else(|| match filters.len() {
        0 => Said::yes(
            "NothingToMock",
            "no workload has mocks, so nothing is mocked: mocks: [\"*\"] is all backends",
        ),
        _ => Said::yes("Applied", format!("{} mocked; a sidecar takes it on within seconds", names(replay))),
    });
    Ok(Wanted { filters, said })
}

fn names(replay: &Replay) -> String {
    replay.mocked().map(|one| one.target.to_string()).collect::<Vec<_>>().join(", ")
}

/// The resource for one workload; or why there is none.
async fn filter(
    id: &Id,
    object: &DynamicObject,
    replay: &Replay,
    workload: &Workload,
    context: &Context,
) -> Result<Result<Value, Said>, Error> {
    let target = &workload.target;
    if target.namespace != id.namespace && !context.settings.other_namespaces {
        return Ok(Err(Said::no(
            "ForeignNamespace",
            format!(
                "{target} is in another namespace: make the resource there, or start the controller with --other-namespaces"
            ),
        )));
    }
    let found = match context.known.workload(target) {
        Some(found) => Some(found),
        // It may be new, and the watch behind.
        None => context.cluster.get(Kind::of(target), &target.namespace, &target.name).await?.map(Arc::new),
    };
    let Some(found) = found.filter(|found| found.metadata.deletion_timestamp.is_none()) else {
        return Ok(Err(Said::no(
            "TargetNotFound",
            format!("there is no {target}: create it, or correct workloads[].ref"),
        )));
    };
    if let Some(other) = earlier(object, workload, context) {
        return Ok(Err(Said::no(
            "AlreadyMocked",
            format!("{target} is mocked by {other}, which is older: delete one of the two"),
        )));
    }
    let labels = filters::labels_of(&found.data);
    if labels.is_empty() {
        return Ok(Err(Said::no(
            "NoLabels",
            format!("the pod template of {target} has no labels to select its pods by: add one"),
        )));
    }
    if let Some(other) = context.known.selected_too(target, &labels) {
        return Ok(Err(Said::no(
            "SelectorShared",
            format!(
                "{other} has all labels of {target} in its pod template, and would be mocked too: give {target} a label of its own"
            ),
        )));
    }
    Ok(filters::envoy_filter(id, replay, workload, &labels).map_err(|why| Said::no("InvalidSpec", why)))
}

/// An older resource that mocks the same workload.
fn earlier(object: &DynamicObject, workload: &Workload, context: &Context) -> Option<String> {
    let age =
        |object: &DynamicObject| (object.metadata.creation_timestamp.clone(), object.metadata.uid.clone());
    let ours = age(object);
    context.known.all_replays().find_map(|(group, other)| {
        let metadata = &other.metadata;
        let over = metadata.deletion_timestamp.is_some() || other.data["status"]["finishedTime"].is_string();
        if over || age(&other) >= ours {
            return None;
        }
        let namespace = metadata.namespace.as_deref().unwrap_or_default();
        if !context::targets_of(&other.data["spec"], namespace).any(|target| target == workload.target) {
            return None;
        }
        // Only an older one that may mock it, and makes sense, stands in the way.
        let settings = &context.settings;
        if namespace != workload.target.namespace && !settings.other_namespaces {
            return None;
        }
        let theirs = Replay::read(&other.data["spec"], namespace, settings.registry.as_deref()).ok()?;
        let same = theirs.mocked().any(|one| one.target == workload.target);
        same.then(|| {
            format!("{} {namespace}/{}", group.api().plural, metadata.name.as_deref().unwrap_or_default())
        })
    })
}

/// Makes the mocks what they are to be: applies these, and deletes all others that were made for the resource.
pub(crate) async fn bring_about(id: &Id, wanted: &[Value], context: &Context) -> Result<(), Error> {
    for filter in wanted {
        let text = |key: &str| filter["metadata"][key].as_str().unwrap_or_default();
        let name = format!("{}/{}", text("namespace"), text("name"));
        let there = context.known.filter(filter);
        if context.contests.is_as_made(&id.uid, &name, there.as_deref(), filter) {
            continue;
        }
        let changed = context.contests.changed(&id.uid, &name, there.as_deref());
        if there.is_none() && changed.is_some() && !is_there(id, context).await? {
            return Ok(());
        }
        if changed.is_none_or(|wait| wait.is_zero()) {
            let applied = context.cluster.apply(Kind::EnvoyFilter, filter).await?;
            context.contests.made(&id.uid, &name, filter, &applied, changed.is_some());
        }
    }
    let is_wanted = |known: &DynamicObject| {
        wanted.iter().any(|filter| {
            let metadata = &filter["metadata"];
            metadata["name"].as_str() == known.metadata.name.as_deref()
                && metadata["namespace"].as_str() == known.metadata.namespace.as_deref()
        })
    };
    let ours = |known: &DynamicObject| {
        let labels = known.metadata.labels.as_ref();
        labels.and_then(|labels| labels.get(REPLAY)) == Some(&id.uid)
    };
    for known in context.known.filters.state() {
        if ours(&known) && !is_wanted(&known) {
            context.cluster.delete(Kind::EnvoyFilter, &known).await?;
        }
    }
    Ok(())
}

/// Whether the resource is still there. What was made for it may be told gone before it is itself: nobody is to be mocked again then.
async fn is_there(id: &Id, context: &Context) -> Result<bool, Error> {
    let found = context.cluster.get(Kind::Replay(id.group), &id.namespace, &id.name).await?;
    let same = |found: &DynamicObject| found.metadata.uid.as_ref() == Some(&id.uid);
    Ok(found.is_some_and(|found| same(&found) && found.metadata.deletion_timestamp.is_none()))
}

/// Deletes all mocks that were made for a resource, also those that no watch has told of.
pub(crate) async fn remove_all(uid: &str, cluster: &Cluster) -> Result<(), Error> {
    for filter in cluster.made_for(Kind::EnvoyFilter, uid).await? {
        cluster.delete(Kind::EnvoyFilter, &filter).await?;
    }
    Ok(())
}
