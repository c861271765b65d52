//! Deleting: at once, or when everyone who wants to be asked first has agreed (finalizers); and the garbage collector, which a cluster's
//! controller manager has.

use crate::call::Call;
use crate::failure::Failure;
use crate::state::{Answer, State};
use crate::store::Key;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

impl State {
    pub(super) fn delete(&mut self, call: &Call) -> Result<Answer, Failure> {
        let collection = call.kind.collection();
        let Some(old) = self.store.get(&call.key()).cloned() else {
            return Err(Failure::not_found(&collection, &call.name));
        };
        for (field, said) in [("uid", "UID"), ("resourceVersion", "ResourceVersion")] {
            let wanted = &call.body["preconditions"][field];
            if !wanted.is_null() && *wanted != old["metadata"][field] {
                let is = &old["metadata"][field];
                let why = format!(
                    "Precondition failed: {said} in precondition: {wanted}, {said} in object meta: {is}"
                );
                return Err(Failure::conflict(&collection, &call.name, &why));
            }
        }
        let policy = match (call.body["propagationPolicy"].as_str(), call.option("propagationPolicy")) {
            (Some(policy), _) => policy,
            // So it is with jobs, to this day.
            (None, "") if collection == "jobs.batch" => "Orphan",
            (None, policy) => policy,
        };
        if call.dry() {
            return Ok((200, call.shown(&old)));
        }
        let left = self.doom(&call.key(), policy);
        let details = json!({"name": call.name, "group": call.kind.group, "kind": call.kind.plural, "uid": old["metadata"]["uid"]});
        let gone = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details});
        Ok((200, left.map_or(gone, |left| call.shown(&left))))
    }

    pub(super) fn delete_all(&mut self, call: &Call) -> Result<Answer, Failure> {
        let selector = call.selector()?;
        let (collection, namespace) = (call.kind.collection(), call.namespace.clone());
        let meant = self.store.of(&collection, namespace.as_deref());
        let meant: Vec<_> =
            meant.filter(|(_, object)| selector.matches(object)).map(|(key, _)| key.clone()).collect();
        for key in meant {
            self.doom(&key, call.body["propagationPolicy"].as_str().unwrap_or_default());
        }
        Ok((200, json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"})))
    }

    /// Deletes an object, or marks it as to be deleted and gives it back, if someone is to be waited for.
    fn doom(&mut self, key: &Key, policy: &str) -> Option<Arc<Value>> {
        let old = self.store.get(key)?.clone();
        let mut finalizers = texts(&old["metadata"]["finalizers"]);
        let wanted = match policy {
            "Orphan" => Some("orphan"),
            "Foreground" => Some("foregroundDeletion"),
            _ => None,
        };
        let doomed = old["metadata"].get("deletionTimestamp").is_some();
        if let Some(finalizer) = wanted.filter(|_| !doomed) {
            finalizers.insert(finalizer.to_owned());
        }
        if finalizers.is_empty() {
            self.forget(key);
            return None;
        }
        if doomed {
            return Some(old);
        }
        let mut new = Value::clone(&old);
        let metadata = &mut new["metadata"];
        metadata["finalizers"] = finalizers.into_iter().collect();
        metadata["deletionTimestamp"] = json!(crate::clock::now());
        metadata["deletionGracePeriodSeconds"] = json!(0);
        if let Some(generation) = metadata["generation"].as_u64() {
            metadata["generation"] = json!(generation + 1);
        }
        Some(self.store.put(key.clone(), new))
    }

    /// Takes an object away.
    pub(super) fn forget(&mut self, key: &Key) {
        if let Some(gone) = self.store.remove(key)
            && key.0 == "customresourcedefinitions.apiextensions.k8s.io"
        {
            let collection = gone["metadata"]["name"].as_str().unwrap_or_default();
            self.kinds.retain(|kind| kind.collection() != collection);
            let objects: Vec<_> = self.store.of(collection, None).map(|(key, _)| key.clone()).collect();
            objects.iter().for_each(|key| drop(self.store.remove(key)));
        }
    }

    /// One round of the garbage collector. Whether it did anything.
    pub(super) fn collect(&mut self) -> bool {
        let before = self.store.version();
        for (key, owner) in self.those(|object| waits(object).is_some()) {
            let owned = self.those(|object| !owners(object).is_empty());
            self.release(&key, &owner, &owned);
        }
        let uid = |(key, object): (&Key, &Arc<Value>)| (text(&object["metadata"]["uid"]), key.1.clone());
        let there: BTreeMap<_, _> = self.store.all().map(uid).collect();
        for (key, object) in self.those(|object| !owners(object).is_empty()) {
            // An owner is in the same namespace, or in none.
            let near = |namespace: &String| namespace.is_empty() || *namespace == key.1;
            let exists =
                |owner: &Value| owner["uid"].as_str().and_then(|uid| there.get(uid)).is_some_and(near);
            let (left, gone): (Vec<_>, Vec<_>) = owners(&object).iter().cloned().partition(exists);
            if left.is_empty() && object["metadata"].get("deletionTimestamp").is_none() {
                self.doom(&key, "Background");
            } else if !left.is_empty() && !gone.is_empty() {
                self.amend(&key, |metadata| metadata["ownerReferences"] = left.into());
            }
        }
        self.store.version() != before
    }

    fn those(&self, meant: impl Fn(&Value) -> bool) -> Vec<(Key, Arc<Value>)> {
        let meant = self.store.all().filter(|(_, object)| meant(object));
        meant.map(|(key, object)| (key.clone(), object.clone())).collect()
    }

    /// Goes on with an object that waits for its dependents: to be let go, or to be gone.
    fn release(&mut self, key: &Key, owner: &Value, owned: &[(Key, Arc<Value>)]) {
        let uid = &owner["metadata"]["uid"];
        let finalizer = waits(owner).unwrap_or_default();
        let mut blocked = false;
        for (dependent, object) in owned {
            let references = owners(object);
            let Some(reference) = references.iter().find(|reference| reference["uid"] == *uid) else {
                continue;
            };
            if finalizer == "orphan" {
                let left: Vec<_> =
                    references.iter().filter(|reference| reference["uid"] != *uid).cloned().collect();
                self.amend(dependent, |metadata| metadata["ownerReferences"] = left.into());
            } else if self.doom(dependent, "Foreground").is_some() {
                blocked |= reference["blockOwnerDeletion"] == true;
            }
        }
        if !blocked {
            self.amend(key, |metadata| {
                let left = texts(&metadata["finalizers"]).into_iter().filter(|one| one != finalizer);
                metadata["finalizers"] = left.collect();
            });
        }
    }

    /// Changes an object's metadata, and deletes it if that was what it waited for.
    fn amend(&mut self, key: &Key, change: impl FnOnce(&mut Value)) {
        let Some(object) = self.store.get(key) else { return };
        let mut object = Value::clone(object);
        change(&mut object["metadata"]);
        let doomed = object["metadata"].get("deletionTimestamp").is_some();
        if doomed && texts(&object["metadata"]["finalizers"]).is_empty() {
            self.forget(key);
        } else {
            self.store.put(key.clone(), object);
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn texts(list: &Value) -> BTreeSet<String> {
    list.as_array().into_iter().flatten().map(text).collect()
}

fn owners(object: &Value) -> &[Value] {
    object["metadata"]["ownerReferences"].as_array().map_or(&[], Vec::as_slice)
}

/// Which of its own finalizers the garbage collector has to see to.
fn waits(object: &Value) -> Option<&'static str> {
    object["metadata"].get("deletionTimestamp")?;
    let finalizers = texts(&object["metadata"]["finalizers"]);
    ["orphan", "foregroundDeletion"].into_iter().find(|finalizer| finalizers.contains(*finalizer))
}
