//! State that all reconciliations share: the client, the watched objects, and the events.

use crate::cluster::{Cluster, ResourceKind};
use crate::filters::{self, REPLAY_ANNOTATION, REPLAY_LABEL, ReplayId};
use crate::repairs::Repairs;
use crate::resource::{Condition, Group};
use crate::settings::Settings;
use crate::spec::{KINDS, WorkloadRef};
use kube::Resource;
use kube::api::DynamicObject;
use kube::runtime::events::{Event, EventType, Recorder};
use kube::runtime::reflector::{ObjectRef, Store};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;

/// State that all reconciliations share.
pub(crate) struct Context {
    pub(crate) cluster: Cluster,
    pub(crate) settings: Settings,
    pub(crate) view: ClusterView,
    pub(crate) recorder: Recorder,
    /// Changes of our objects by others.
    pub(crate) repairs: Repairs,
    /// Failures in a row, by the resource's identifier.
    failures: Mutex<HashMap<String, u32>>,
}

/// The watched objects of the cluster.
pub(crate) struct ClusterView {
    pub(crate) replays: Vec<(Group, Store<DynamicObject>)>,
    pub(crate) workloads: Vec<(&'static str, Store<DynamicObject>)>,
    pub(crate) filters: Store<DynamicObject>,
    /// Number of stores in `replays` and `workloads` that aren't filled yet.
    pub(crate) unready: watch::Sender<usize>,
    /// Triggers of the reconciliation of a resource.
    pub(crate) wake: Vec<(Group, UnboundedSender<ObjectRef<DynamicObject>>)>,
    /// Triggers of the reconciliation of a workload's annotations.
    pub(crate) wake_workload: Vec<(&'static str, UnboundedSender<ObjectRef<DynamicObject>>)>,
}

impl Context {
    pub(crate) fn new(cluster: Cluster, settings: Settings, view: ClusterView) -> Self {
        let reporter = kube::runtime::events::Reporter {
            controller: "understudy-controller".to_owned(),
            instance: settings.lease.as_ref().map(|lease| lease.identity.clone()),
        };
        let recorder = Recorder::new(cluster.client.clone(), reporter);
        Self { cluster, settings, view, recorder, repairs: Repairs::default(), failures: Mutex::default() }
    }

    /// Counts a failure of a resource. Returns the number of failures in a row.
    pub(crate) fn failed(&self, uid: &str) -> u32 {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let count = failures.entry(uid.to_owned()).or_default();
        *count = count.saturating_add(1);
        *count
    }

    /// Forgets the state of a resource that is gone, once an object that it owned has changed.
    pub(crate) fn forget_of(&self, object: &DynamicObject) {
        let Some(uid) = object.metadata.labels.as_ref().and_then(|labels| labels.get(REPLAY_LABEL)) else {
            return;
        };
        let is_owner = |replay: Arc<DynamicObject>| replay.metadata.uid.as_ref() == Some(uid);
        if !self.view.owner(object).is_some_and(is_owner) {
            self.repairs.forget(uid);
            self.succeeded(uid);
        }
    }

    pub(crate) fn succeeded(&self, uid: &str) {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
    }

    /// Reports a condition as an event. An event that can't be written is only logged: the status
    /// has the condition too.
    pub(crate) async fn report(&self, kind: ResourceKind, object: &DynamicObject, condition: &Condition) {
        let good = condition.status != "False" || ["TestSucceeded", "Running"].contains(&&*condition.reason);
        let event = Event {
            type_: if good { EventType::Normal } else { EventType::Warning },
            reason: condition.reason.clone(),
            note: Some(condition.message.chars().take(1000).collect()),
            action: condition.type_.clone(),
            secondary: None,
        };
        self.publish(kind, object, &event).await;
    }

    pub(crate) async fn warn(&self, kind: ResourceKind, object: &DynamicObject, reason: &str, note: &str) {
        let (reason, action, note) =
            (reason.to_owned(), "Read".to_owned(), Some(note.chars().take(1000).collect()));
        let event = Event { type_: EventType::Warning, reason, note, action, secondary: None };
        self.publish(kind, object, &event).await;
    }

    async fn publish(&self, kind: ResourceKind, object: &DynamicObject, event: &Event) {
        if let Err(error) = self.recorder.publish(event, &object.object_ref(&kind.api())).await {
            log::warn!("event {} can't be written: {error}", event.reason);
        }
    }
}

impl ClusterView {
    /// Waits until the stores of all resources and workloads are filled. The stores' own
    /// `wait_until_ready` wakes only the last of several waiters.
    pub(crate) async fn wait(&self) {
        // The sender is part of this view: it is dropped only at the end.
        let _ = self.unready.subscribe().wait_for(|left| *left == 0).await;
    }

    /// Notes that another store is filled.
    pub(crate) fn filled(&self) {
        self.unready.send_modify(|left| *left = left.saturating_sub(1));
    }

    /// A workload, as watched.
    pub(crate) fn workload(&self, target: &WorkloadRef) -> Option<Arc<DynamicObject>> {
        let (kind, store) = self.workloads.iter().find(|(kind, _)| *kind == target.kind)?;
        store.get(
            &ObjectRef::new_with(&target.name, ResourceKind::Workload(kind).api()).within(&target.namespace),
        )
    }

    /// Another workload of the namespace whose pods a selector with these labels would select too.
    pub(crate) fn also_selected(
        &self,
        target: &WorkloadRef,
        labels: &BTreeMap<String, String>,
    ) -> Option<String> {
        self.workloads.iter().find_map(|(kind, store)| {
            let other = store.find(|other| {
                let metadata = &other.metadata;
                let is_target =
                    *kind == target.kind && metadata.name.as_deref() == Some(target.name.as_str());
                metadata.namespace.as_deref() == Some(target.namespace.as_str())
                    && !is_target
                    && metadata.deletion_timestamp.is_none()
                    && filters::selects(labels, &filters::pod_labels_of(&other.data))
            })?;
            Some(format!("{kind} {}", other.metadata.name.as_deref().unwrap_or_default()))
        })
    }

    /// All resources with their groups.
    pub(crate) fn all_replays(&self) -> impl Iterator<Item = (Group, Arc<DynamicObject>)> + '_ {
        self.replays.iter().flat_map(|(group, store)| store.state().into_iter().map(move |one| (*group, one)))
    }

    /// Triggers the reconciliation of a resource.
    pub(crate) fn wake(&self, group: Group, namespace: &str, name: &str) {
        if let Some((_, sender)) = self.wake.iter().find(|(known, _)| *known == group) {
            // The receiver ends only with the controller.
            let _ = sender.send(ObjectRef::new_with(name, group.api()).within(namespace));
        }
    }

    /// Triggers the reconciliation of the resource that an object was created for.
    pub(crate) fn wake_owner(&self, object: &DynamicObject) {
        if let Some((group, namespace, name)) = owner(object) {
            self.wake(group, namespace, name);
        }
    }

    /// The resource that an object was created for, as watched.
    fn owner(&self, object: &DynamicObject) -> Option<Arc<DynamicObject>> {
        let (group, namespace, name) = owner(object)?;
        let (_, store) = self.replays.iter().find(|(known, _)| *known == group)?;
        store.get(&ObjectRef::new_with(name, group.api()).within(namespace))
    }

    /// The `EnvoyFilter` with the name and namespace of a manifest, as watched.
    pub(crate) fn filter(&self, manifest: &Value) -> Option<Arc<DynamicObject>> {
        let text = |key: &str| manifest["metadata"][key].as_str().unwrap_or_default();
        self.filters.get(
            &ObjectRef::new_with(text("name"), ResourceKind::EnvoyFilter.api()).within(text("namespace")),
        )
    }

    /// Triggers the reconciliation of all resources that a workload concerns: those that target it,
    /// and those whose EnvoyFilters select its pods.
    pub(crate) fn wake_users(&self, kind: &'static str, workload: &DynamicObject) {
        let Some(target) = target(kind, workload) else { return };
        self.wake_targeting(std::slice::from_ref(&target), None);
        let labels = filters::pod_labels_of(&workload.data);
        for filter in self.filters.state() {
            let selector = filter.data["spec"]["workloadSelector"]["labels"].as_object();
            let selector: BTreeMap<String, String> = selector
                .into_iter()
                .flatten()
                .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
                .collect();
            let here = filter.metadata.namespace.as_deref() == Some(target.namespace.as_str());
            if here && filters::selects(&selector, &labels) {
                self.wake_owner(&filter);
            }
        }
    }

    /// Triggers the reconciliation of all resources with one of these targets, except for the
    /// resource with the identifier `except`.
    pub(crate) fn wake_targeting(&self, targets: &[WorkloadRef], except: Option<&str>) {
        for (group, replay) in self.all_replays() {
            let namespace = replay.metadata.namespace.as_deref().unwrap_or_default();
            let is_for = targets_of(&replay.data["spec"], namespace).any(|one| targets.contains(&one));
            if is_for && replay.metadata.uid.as_deref() != except {
                self.wake(group, namespace, replay.metadata.name.as_deref().unwrap_or_default());
            }
        }
    }
}

/// Group, namespace and name of the resource that an object was created for.
fn owner(object: &DynamicObject) -> Option<(Group, &str, &str)> {
    let mut words = object.metadata.annotations.as_ref()?.get(REPLAY_ANNOTATION)?.splitn(3, '/');
    let (group, namespace, name) = (words.next()?, words.next()?, words.next()?);
    let group = [Group::Own, Group::Contract].into_iter().find(|one| one.version().0 == group)?;
    Some((group, namespace, name))
}

/// The identity of a resource; `None` for an object without a name, namespace or identifier.
pub(crate) fn id(group: Group, object: &DynamicObject) -> Option<ReplayId> {
    let metadata = &object.metadata;
    Some(ReplayId {
        group,
        namespace: metadata.namespace.clone()?,
        name: metadata.name.clone()?,
        uid: metadata.uid.clone()?,
        generation: metadata.generation.unwrap_or(0),
    })
}

/// The reference to a workload.
pub(crate) fn target(kind: &'static str, object: &DynamicObject) -> Option<WorkloadRef> {
    let metadata = &object.metadata;
    Some(WorkloadRef {
        namespace: metadata.namespace.clone()?,
        kind: kind.to_owned(),
        name: metadata.name.clone()?,
    })
}

/// The workloads of a resource, also if its specification isn't valid.
pub(crate) fn targets_of<'a>(spec: &'a Value, namespace: &'a str) -> impl Iterator<Item = WorkloadRef> + 'a {
    spec["workloads"].as_array().into_iter().flatten().filter_map(move |workload| {
        let target = &workload["ref"];
        let text = |key: &str| target[key].as_str().filter(|text| !text.is_empty());
        Some(WorkloadRef {
            namespace: text("namespace").unwrap_or(namespace).to_owned(),
            kind: text("kind").unwrap_or(KINDS[0]).to_owned(),
            name: text("name")?.to_owned(),
        })
    })
}
