//! What all reconciliations share: the cluster, what is known of it, and who is told.

use crate::cluster::{Cluster, Kind};
use crate::contest::Contests;
use crate::controller::Settings;
use crate::filters::{self, Id, OF, REPLAY};
use crate::resource::{Condition, Group};
use crate::spec::{KINDS, Target};
use kube::Resource;
use kube::api::DynamicObject;
use kube::runtime::events::{Event, EventType, Recorder};
use kube::runtime::reflector::{ObjectRef, Store};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;

/// What all reconciliations share.
pub(crate) struct Context {
    pub(crate) cluster: Cluster,
    pub(crate) settings: Settings,
    pub(crate) known: Known,
    pub(crate) recorder: Recorder,
    /// Who else changes what was made.
    pub(crate) contests: Contests,
    /// How often in a row each resource has failed.
    failures: Mutex<HashMap<String, u32>>,
}

/// What is known of the cluster, by watches.
pub(crate) struct Known {
    pub(crate) replays: Vec<(Group, Store<DynamicObject>)>,
    pub(crate) workloads: Vec<(&'static str, Store<DynamicObject>)>,
    pub(crate) filters: Store<DynamicObject>,
    /// How many of `replays` and `workloads` haven't been filled yet.
    pub(crate) unready: watch::Sender<usize>,
    /// Where to say that a resource is to be looked at.
    pub(crate) wake: Vec<(Group, UnboundedSender<ObjectRef<DynamicObject>>)>,
    /// Where to say that a workload is to be looked at.
    pub(crate) wake_workload: Vec<(&'static str, UnboundedSender<ObjectRef<DynamicObject>>)>,
}

impl Context {
    pub(crate) fn new(cluster: Cluster, settings: Settings, known: Known) -> Self {
        let reporter = kube::runtime::events::Reporter {
            controller: "understudy-controller".to_owned(),
            instance: settings.lease.as_ref().map(|lease| lease.identity.clone()),
        };
        let recorder = Recorder::new(cluster.client.clone(), reporter);
        Self { cluster, settings, known, recorder, contests: Contests::default(), failures: Mutex::default() }
    }

    /// Counts a failure in a row; gives how many there are.
    pub(crate) fn failed(&self, uid: &str) -> u32 {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let count = failures.entry(uid.to_owned()).or_default();
        *count = count.saturating_add(1);
        *count
    }

    /// What was made for a resource that is gone is nobody's any more.
    pub(crate) fn forget_of(&self, part: &DynamicObject) {
        let Some(uid) = part.metadata.labels.as_ref().and_then(|labels| labels.get(REPLAY)) else { return };
        let is = |replay: Arc<DynamicObject>| replay.metadata.uid.as_ref() == Some(uid);
        if !self.known.owner(part).is_some_and(is) {
            self.contests.forget(uid);
            self.succeeded(uid);
        }
    }

    pub(crate) fn succeeded(&self, uid: &str) {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
    }

    /// Tells of a condition as an event. Who isn't told can read the status.
    pub(crate) async fn tell(&self, kind: Kind, object: &DynamicObject, condition: &Condition) {
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

    pub(crate) async fn warn(&self, kind: Kind, object: &DynamicObject, reason: &str, note: &str) {
        let (reason, action, note) =
            (reason.to_owned(), "Read".to_owned(), Some(note.chars().take(1000).collect()));
        let event = Event { type_: EventType::Warning, reason, note, action, secondary: None };
        self.publish(kind, object, &event).await;
    }

    async fn publish(&self, kind: Kind, object: &DynamicObject, event: &Event) {
        if let Err(error) = self.recorder.publish(event, &object.object_ref(&kind.api())).await {
            log::warn!("event {} can't be written: {error}", event.reason);
        }
    }
}

impl Known {
    /// Waits until all resources and workloads are known. Not by the stores' own `wait_until_ready`: that wakes only the last of those who wait.
    pub(crate) async fn wait(&self) {
        // Who says it is gone only when all of it ends.
        let _ = self.unready.subscribe().wait_for(|left| *left == 0).await;
    }

    /// One more of the stores has been filled.
    pub(crate) fn filled(&self) {
        self.unready.send_modify(|left| *left = left.saturating_sub(1));
    }

    /// A workload, by the watches.
    pub(crate) fn workload(&self, target: &Target) -> Option<Arc<DynamicObject>> {
        let (kind, store) = self.workloads.iter().find(|(kind, _)| *kind == target.kind)?;
        store.get(&ObjectRef::new_with(&target.name, Kind::Workload(kind).api()).within(&target.namespace))
    }

    /// The workloads of this namespace, but for this one, whose pods are selected by these labels.
    pub(crate) fn selected_too(&self, target: &Target, labels: &BTreeMap<String, String>) -> Option<String> {
        self.workloads.iter().find_map(|(kind, store)| {
            let other = store.find(|other| {
                let metadata = &other.metadata;
                let is_target =
                    *kind == target.kind && metadata.name.as_deref() == Some(target.name.as_str());
                metadata.namespace.as_deref() == Some(target.namespace.as_str())
                    && !is_target
                    && metadata.deletion_timestamp.is_none()
                    && filters::selects(labels, &filters::labels_of(&other.data))
            })?;
            Some(format!("{kind} {}", other.metadata.name.as_deref().unwrap_or_default()))
        })
    }

    /// All resources, with what each is for.
    pub(crate) fn all_replays(&self) -> impl Iterator<Item = (Group, Arc<DynamicObject>)> + '_ {
        self.replays.iter().flat_map(|(group, store)| store.state().into_iter().map(move |one| (*group, one)))
    }

    /// Has a resource looked at.
    pub(crate) fn wake(&self, group: Group, namespace: &str, name: &str) {
        if let Some((_, sender)) = self.wake.iter().find(|(known, _)| *known == group) {
            // Nobody is there any more only when all of it ends.
            let _ = sender.send(ObjectRef::new_with(name, group.api()).within(namespace));
        }
    }

    /// Has the resource looked at that something was made for.
    pub(crate) fn wake_owner(&self, part: &DynamicObject) {
        if let Some((group, namespace, name)) = owner(part) {
            self.wake(group, namespace, name);
        }
    }

    /// The resource that something was made for, by the watches.
    fn owner(&self, part: &DynamicObject) -> Option<Arc<DynamicObject>> {
        let (group, namespace, name) = owner(part)?;
        let (_, store) = self.replays.iter().find(|(known, _)| *known == group)?;
        store.get(&ObjectRef::new_with(name, group.api()).within(namespace))
    }

    /// What was made, by the watch.
    pub(crate) fn filter(&self, wanted: &Value) -> Option<Arc<DynamicObject>> {
        let text = |key: &str| wanted["metadata"][key].as_str().unwrap_or_default();
        self.filters
            .get(&ObjectRef::new_with(text("name"), Kind::EnvoyFilter.api()).within(text("namespace")))
    }

    /// Has all resources looked at that a workload is to do with: it's their target, or their selector is its pods' too.
    pub(crate) fn wake_users(&self, kind: &'static str, workload: &DynamicObject) {
        let Some(target) = target(kind, workload) else { return };
        self.wake_targeting(std::slice::from_ref(&target), None);
        let labels = filters::labels_of(&workload.data);
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

    /// Has all resources looked at that are for one of these, but for one.
    pub(crate) fn wake_targeting(&self, targets: &[Target], but: Option<&str>) {
        for (group, replay) in self.all_replays() {
            let namespace = replay.metadata.namespace.as_deref().unwrap_or_default();
            let is_for = targets_of(&replay.data["spec"], namespace).any(|one| targets.contains(&one));
            if is_for && replay.metadata.uid.as_deref() != but {
                self.wake(group, namespace, replay.metadata.name.as_deref().unwrap_or_default());
            }
        }
    }
}

/// Group, namespace and name of the resource that something was made for.
fn owner(part: &DynamicObject) -> Option<(Group, &str, &str)> {
    let mut words = part.metadata.annotations.as_ref()?.get(OF)?.splitn(3, '/');
    let (group, namespace, name) = (words.next()?, words.next()?, words.next()?);
    let known = [Group::Own, Group::Contract].into_iter().find(|known| known.version().0 == group)?;
    Some((known, namespace, name))
}

/// Which resource an object is.
pub(crate) fn id(group: Group, object: &DynamicObject) -> Option<Id> {
    let metadata = &object.metadata;
    Some(Id {
        group,
        namespace: metadata.namespace.clone()?,
        name: metadata.name.clone()?,
        uid: metadata.uid.clone()?,
        generation: metadata.generation.unwrap_or(0),
    })
}

/// Which workload an object is.
pub(crate) fn target(kind: &'static str, object: &DynamicObject) -> Option<Target> {
    let metadata = &object.metadata;
    Some(Target {
        namespace: metadata.namespace.clone()?,
        kind: kind.to_owned(),
        name: metadata.name.clone()?,
    })
}

/// For whom a resource is, as far as that can be read.
pub(crate) fn targets_of<'a>(spec: &'a Value, namespace: &'a str) -> impl Iterator<Item = Target> + 'a {
    spec["workloads"].as_array().into_iter().flatten().filter_map(move |workload| {
        let target = &workload["ref"];
        let text = |key: &str| target[key].as_str().filter(|text| !text.is_empty());
        Some(Target {
            namespace: text("namespace").unwrap_or(namespace).to_owned(),
            kind: text("kind").unwrap_or(KINDS[0]).to_owned(),
            name: text("name")?.to_owned(),
        })
    })
}
