//! The mocks of a resource: which `EnvoyFilter`s are wanted, and why some can't be.

use crate::cluster::{Cluster, ResourceKind};
use crate::context::{self, Context};
use crate::error::Error;
use crate::filters::{self, REPLAY_LABEL, ReplayId};
use crate::spec::{ValidSpec, WorkloadMocks};
use crate::status::ConditionState;
use kube::api::DynamicObject;
use serde_json::Value;
use std::sync::Arc;

/// The wanted `EnvoyFilter`s of a resource.
pub(crate) struct WantedMocks {
    /// The `EnvoyFilter`s that can be applied.
    pub(crate) filters: Vec<Value>,
    /// State of the condition MocksReady once the `EnvoyFilter`s are applied.
    pub(crate) state: ConditionState,
    /// True if these are all that the resource asks for.
    pub(crate) complete: bool,
}

/// Computes the wanted `EnvoyFilter`s of a resource.
pub(crate) async fn wanted(
    id: &ReplayId,
    object: &DynamicObject,
    replay: &ValidSpec,
    context: &Context,
) -> Result<WantedMocks, Error> {
    let (mut filters, mut problem) = (Vec::new(), None);
    for workload in replay.mocked() {
        match filter(id, object, replay, workload, context).await? {
            Ok(filter) => filters.push(filter),
            Err(state) => drop(problem.get_or_insert(state)),
        }
    }
    let complete = problem.is_none();
    let state = problem.unwrap_or_else(|| match filters.len() {
        0 => ConditionState::met(
            "NothingToMock",
            "no workload has mocks, so nothing is mocked: set mocks: [\"*\"] for all backends",
        ),
        // The API server has the EnvoyFilters. No sidecar has said that it runs them.
        _ => ConditionState::unknown(
            "Applied",
            format!(
                "the EnvoyFilters for {} are applied; whether their sidecars have loaded the mocks isn't known: \
                 `istioctl proxy-config ecds POD` shows it",
                names(replay)
            ),
        ),
    });
    Ok(WantedMocks { filters, state, complete })
}

fn names(replay: &ValidSpec) -> String {
    replay.mocked().map(|one| one.target.to_string()).collect::<Vec<_>>().join(", ")
}

/// The `EnvoyFilter` for one workload, or the condition that says why there is none.
async fn filter(
    id: &ReplayId,
    object: &DynamicObject,
    replay: &ValidSpec,
    workload: &WorkloadMocks,
    context: &Context,
) -> Result<Result<Value, ConditionState>, Error> {
    let target = &workload.target;
    if target.namespace != id.namespace && !context.settings.other_namespaces {
        return Ok(Err(ConditionState::unmet(
            "ForeignNamespace",
            format!(
                "{target} is in another namespace: create the resource there, or start the controller with --other-namespaces"
            ),
        )));
    }
    let found = match context.view.workload(target) {
        Some(found) => Some(found),
        // The workload may be new, and the watch late.
        None => context
            .cluster
            .get(ResourceKind::of(target), &target.namespace, &target.name)
            .await?
            .map(Arc::new),
    };
    let Some(found) = found.filter(|found| found.metadata.deletion_timestamp.is_none()) else {
        return Ok(Err(ConditionState::unmet(
            "TargetNotFound",
            format!("there is no {target}: create it, or correct workloads[].ref"),
        )));
    };
    if let Some(other) = earlier(object, workload, context) {
        return Ok(Err(ConditionState::unmet(
            "AlreadyMocked",
            format!("{target} is already mocked by {other}, which is older: delete one of the two"),
        )));
    }
    let selector = filters::selector_of(&found.data);
    if selector.is_empty() {
        return Ok(Err(ConditionState::unmet(
            "NoLabels",
            format!(
                "{target} has no spec.selector.matchLabels to select its pods by: recreate it with a label there and in its pod template"
            ),
        )));
    }
    if let Some(other) = context.view.also_selected(target, &selector) {
        return Ok(Err(ConditionState::unmet(
            "SelectorShared",
            format!(
                "the selector of {target} selects the pods of {other} too: recreate one of them with a label of its own in spec.selector.matchLabels and in its pod template"
            ),
        )));
    }
    Ok(filters::envoy_filter(id, replay, workload, &selector)
        .map_err(|why| ConditionState::unmet("InvalidSpec", why)))
}

/// An older resource that mocks the same workload.
fn earlier(object: &DynamicObject, workload: &WorkloadMocks, context: &Context) -> Option<String> {
    let age =
        |object: &DynamicObject| (object.metadata.creation_timestamp.clone(), object.metadata.uid.clone());
    let ours = age(object);
    context.view.all_replays().find_map(|(group, other)| {
        let metadata = &other.metadata;
        let ended = metadata.deletion_timestamp.is_some() || other.data["status"]["finishedTime"].is_string();
        if ended || age(&other) >= ours {
            return None;
        }
        let namespace = metadata.namespace.as_deref().unwrap_or_default();
        if !context::targets_of(&other.data["spec"], namespace).any(|target| target == workload.target) {
            return None;
        }
        // An older resource counts only if it is valid and may mock the workload.
        let settings = &context.settings;
        if namespace != workload.target.namespace && !settings.other_namespaces {
            return None;
        }
        let theirs = ValidSpec::read(&other.data["spec"], namespace, settings.registry.as_deref()).ok()?;
        let same = theirs.mocked().any(|one| one.target == workload.target);
        same.then(|| {
            format!("{} {namespace}/{}", group.api().plural, metadata.name.as_deref().unwrap_or_default())
        })
    })
}

/// Applies the wanted `EnvoyFilter`s, and deletes all others of the resource.
pub(crate) async fn apply(id: &ReplayId, wanted: &[Value], context: &Context) -> Result<(), Error> {
    for filter in wanted {
        let text = |key: &str| filter["metadata"][key].as_str().unwrap_or_default();
        let name = format!("{}/{}", text("namespace"), text("name"));
        let found = context.view.filter(filter);
        if context.repairs.is_current(&id.uid, &name, found.as_deref(), filter) {
            continue;
        }
        let repair = context.repairs.repair_due(&id.uid, &name, found.as_deref());
        if found.is_none() && repair.is_some() && !exists(id, context).await? {
            return Ok(());
        }
        if repair.is_none_or(|wait| wait.is_zero()) {
            let applied = context.cluster.apply(ResourceKind::EnvoyFilter, filter).await?;
            context.repairs.applied(&id.uid, &name, filter, &applied, repair.is_some());
        }
    }
    let is_wanted = |found: &DynamicObject| {
        wanted.iter().any(|filter| {
            let metadata = &filter["metadata"];
            metadata["name"].as_str() == found.metadata.name.as_deref()
                && metadata["namespace"].as_str() == found.metadata.namespace.as_deref()
        })
    };
    let ours = |found: &DynamicObject| {
        let labels = found.metadata.labels.as_ref();
        labels.and_then(|labels| labels.get(REPLAY_LABEL)) == Some(&id.uid)
    };
    for found in context.view.filters.state() {
        if ours(&found) && !is_wanted(&found) {
            context.cluster.delete(ResourceKind::EnvoyFilter, &found).await?;
        }
    }
    Ok(())
}

/// Returns whether the resource still exists. If it was deleted, the watch may report its
/// `EnvoyFilter` as deleted before the resource itself: then the `EnvoyFilter` must not come back.
async fn exists(id: &ReplayId, context: &Context) -> Result<bool, Error> {
    let found = context.cluster.get(ResourceKind::Replay(id.group), &id.namespace, &id.name).await?;
    let same = |found: &DynamicObject| found.metadata.uid.as_ref() == Some(&id.uid);
    Ok(found.is_some_and(|found| same(&found) && found.metadata.deletion_timestamp.is_none()))
}

/// Deletes all `EnvoyFilter`s of a resource, also those that no watch has reported.
pub(crate) async fn remove_all(uid: &str, cluster: &Cluster) -> Result<(), Error> {
    for filter in cluster.created_for(ResourceKind::EnvoyFilter, uid).await? {
        cluster.delete(ResourceKind::EnvoyFilter, &filter).await?;
    }
    Ok(())
}
