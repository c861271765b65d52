//! Repairs of objects that something else changes or deletes. The more often an object had to be
//! repaired, the longer the next repair waits, so that two writers don't write without end.

use kube::api::DynamicObject;
use serde_json::Value;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Repairs in a row that are made without a wait.
const IMMEDIATE: u32 = 3;
/// Longest wait before a repair.
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// Time without a change by others after which the count of repairs starts again.
const CALM: Duration = Duration::from_secs(600);

/// Last state and repairs of every object that was applied, by the identifier of its resource and
/// its own `NAMESPACE/NAME`.
#[derive(Default)]
pub(crate) struct Repairs {
    applied: Mutex<HashMap<(String, String), AppliedObject>>,
}

/// An object as it was after the last apply.
#[derive(Default)]
struct AppliedObject {
    uid: Option<String>,
    generation: i64,
    version: Option<String>,
    /// Hash of the applied manifest.
    manifest: u64,
    repairs: u32,
    last_repair: Option<Instant>,
}

impl AppliedObject {
    /// Wait between the last repair and the next one.
    fn wait(&self) -> Duration {
        match self.repairs.checked_sub(IMMEDIATE) {
            Some(more) => Duration::from_secs(2_u64.saturating_pow(more.min(16))).min(LONGEST_WAIT),
            None => Duration::ZERO,
        }
    }

    /// Time left until the next repair.
    fn remaining(&self) -> Duration {
        let since = self.last_repair.map_or(CALM, |last| last.elapsed());
        if since >= CALM { Duration::ZERO } else { self.wait().saturating_sub(since) }
    }
}

impl Repairs {
    fn lock(&self) -> MutexGuard<'_, HashMap<(String, String), AppliedObject>> {
        self.applied.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns whether the object in the cluster is the one that was applied last, from the same
    /// manifest. Then nothing has to be written.
    pub(crate) fn is_current(
        &self,
        uid: &str,
        name: &str,
        found: Option<&DynamicObject>,
        manifest: &Value,
    ) -> bool {
        let applied = self.lock();
        let version = found.and_then(|found| found.metadata.resource_version.as_ref());
        applied.get(&(uid.to_owned(), name.to_owned())).is_some_and(|last| {
            version.is_some() && last.version.as_ref() == version && last.manifest == hash(manifest)
        })
    }

    /// The time left until the repair of an object that was changed or deleted since it was
    /// applied; `None` if it wasn't.
    pub(crate) fn repair_due(
        &self,
        uid: &str,
        name: &str,
        found: Option<&DynamicObject>,
    ) -> Option<Duration> {
        let applied = self.lock();
        let last = applied.get(&(uid.to_owned(), name.to_owned()))?;
        let changed = found.is_none_or(|found| found.metadata.generation.unwrap_or(0) > last.generation);
        changed.then(|| last.remaining())
    }

    /// Notes an apply. `repair`: the object was changed or deleted before.
    pub(crate) fn applied(
        &self,
        uid: &str,
        name: &str,
        manifest: &Value,
        object: &DynamicObject,
        repair: bool,
    ) {
        let mut applied = self.lock();
        let last = applied.entry((uid.to_owned(), name.to_owned())).or_default();
        let generation = object.metadata.generation.unwrap_or(0);
        // An object that the watch hasn't reported yet only seems to be deleted: apply leaves it as
        // is.
        let differs = object.metadata.uid != last.uid || generation > last.generation;
        let repaired = repair && differs && last.uid.is_some();
        last.uid.clone_from(&object.metadata.uid);
        last.generation = generation;
        last.version.clone_from(&object.metadata.resource_version);
        last.manifest = hash(manifest);
        if repaired {
            let calm = last.last_repair.is_none_or(|at| at.elapsed() >= CALM);
            last.repairs = if calm { 1 } else { last.repairs.saturating_add(1) };
            last.last_repair = Some(Instant::now());
        }
    }

    /// A contested object of a resource, and the time until the next look at it. An object stays
    /// contested for a while after its last repair, so that the status doesn't alternate.
    pub(crate) fn contested(&self, uid: &str) -> Option<(String, Duration)> {
        let applied = self.lock();
        let contested = |last: &AppliedObject| last.repairs >= IMMEDIATE;
        applied.iter().filter(|((owner, _), last)| owner == uid && contested(last)).find_map(
            |((_, name), last)| {
                let calm = CALM.saturating_sub(last.last_repair?.elapsed());
                let next = if last.remaining().is_zero() { calm } else { last.remaining() };
                (!calm.is_zero()).then(|| (name.clone(), next))
            },
        )
    }

    /// Forgets the objects of a resource that is gone.
    pub(crate) fn forget(&self, uid: &str) {
        self.lock().retain(|(owner, _), _| owner != uid);
    }
}

fn hash(manifest: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    manifest.to_string().hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn object_is_current_only_as_it_was_applied() {
        let repairs = Repairs::default();
        let object = |version: &str| {
            let metadata = json!({"uid": "one", "generation": 1, "resourceVersion": version});
            serde_json::from_value::<DynamicObject>(json!({"metadata": metadata})).unwrap()
        };
        let (one, other) = (json!({"spec": 1}), json!({"spec": 2}));
        let current =
            |found: Option<&DynamicObject>, wanted: &Value| repairs.is_current("u", "n/a", found, wanted);
        assert!(!current(Some(&object("7")), &one), "this process hasn't applied it");
        repairs.applied("u", "n/a", &one, &object("7"), false);
        assert!(current(Some(&object("7")), &one));
        assert!(!current(Some(&object("7")), &other), "the manifest is another one");
        assert!(!current(Some(&object("8")), &one), "something changed it, if only its labels");
        assert!(!current(None, &one), "it is gone");
    }

    fn object(uid: &str, generation: i64) -> DynamicObject {
        let metadata = json!({"uid": uid, "generation": generation});
        serde_json::from_value(json!({"metadata": metadata})).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn repair_waits_longer_each_time_until_calm() {
        let repairs = Repairs::default();
        repairs.applied("u", "n/a", &Value::Null, &object("one", 1), false);
        assert_eq!(repairs.repair_due("u", "n/a", Some(&object("one", 1))), None);
        let (mut generation, mut waits) = (1, Vec::new());
        for _ in 0..6 {
            generation += 1;
            let wait =
                repairs.repair_due("u", "n/a", Some(&object("one", generation))).expect("it was changed");
            waits.push(wait.as_secs());
            tokio::time::advance(wait).await;
            generation += 1;
            repairs.applied("u", "n/a", &Value::Null, &object("one", generation), true);
        }
        assert_eq!(waits, [0, 0, 0, 1, 2, 4]);
        assert_eq!(repairs.contested("u").unwrap().0, "n/a");
        tokio::time::advance(CALM).await;
        assert_eq!(repairs.contested("u"), None);
        let next = object("one", generation + 1);
        assert_eq!(repairs.repair_due("u", "n/a", Some(&next)), Some(Duration::ZERO));
    }

    #[test]
    fn object_that_is_deleted_each_time_is_contested() {
        let repairs = Repairs::default();
        repairs.applied("u", "n/a", &Value::Null, &object("one", 1), false);
        for uid in ["two", "three", "four"] {
            assert_eq!(repairs.repair_due("u", "n/a", None), Some(Duration::ZERO));
            repairs.applied("u", "n/a", &Value::Null, &object(uid, 1), true);
        }
        assert!(repairs.repair_due("u", "n/a", None).unwrap() > Duration::ZERO);
    }

    #[test]
    fn late_watch_and_unknown_objects_are_no_contest() {
        let repairs = Repairs::default();
        assert_eq!(repairs.repair_due("u", "n/a", None), None);
        assert_eq!(repairs.repair_due("u", "n/a", Some(&object("one", 7))), None);
        for _ in 0..9 {
            repairs.applied("u", "n/a", &Value::Null, &object("one", 7), true);
        }
        assert_eq!(repairs.contested("u"), None);
        repairs.forget("u");
        assert_eq!(repairs.repair_due("u", "n/a", Some(&object("one", 8))), None);
    }
}
