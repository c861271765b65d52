//! The objects, each write's number, and what each write changed: from this log come watches, and lists as of an earlier time.

use crate::failure::Failure;
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// What an object is kept under: the resource (`deployments.apps`), the namespace (empty: none) and the name.
pub(super) type Key = (String, String, String);

/// One write.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub version: u64,
    pub key: Key,
    pub before: Option<Arc<Value>>,
    /// None: it was deleted.
    pub after: Option<Arc<Value>>,
}

/// All objects.
#[derive(Debug)]
pub(super) struct Store {
    objects: BTreeMap<Key, Arc<Value>>,
    log: VecDeque<Change>,
    version: u64,
    /// The last version that is forgotten.
    forgotten: u64,
}

impl Default for Store {
    fn default() -> Self {
        // A real one has written a lot before anyone comes: version 0 and 1 mean something else to clients.
        Self { objects: BTreeMap::new(), log: VecDeque::new(), version: 100, forgotten: 100 }
    }
}

impl Store {
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    pub(super) fn get(&self, key: &Key) -> Option<&Arc<Value>> {
        self.objects.get(key)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (&Key, &Arc<Value>)> {
        self.objects.iter()
    }

    /// Those of a resource, in a namespace or in all, in order.
    pub(super) fn of<'a>(
        &'a self,
        collection: &'a str,
        namespace: Option<&'a str>,
    ) -> impl Iterator<Item = (&'a Key, &'a Arc<Value>)> {
        let first = (collection.to_owned(), namespace.unwrap_or_default().to_owned(), String::new());
        let objects = self.objects.range(first..);
        objects.take_while(move |(key, _)| key.0 == collection && namespace.is_none_or(|name| key.1 == name))
    }

    /// Writes it, and gives it its resource version.
    pub(super) fn put(&mut self, key: Key, mut object: Value) -> Arc<Value> {
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        let object = Arc::new(object);
        let before = self.objects.insert(key.clone(), object.clone());
        self.log.push_back(Change { version: self.version, key, before, after: Some(object.clone()) });
        object
    }

    pub(super) fn remove(&mut self, key: &Key) -> Option<Arc<Value>> {
        let before = self.objects.remove(key)?;
        self.version += 1;
        self.log.push_back(Change {
            version: self.version,
            key: key.clone(),
            before: Some(before.clone()),
            after: None,
        });
        Some(before)
    }

    /// Forgets what was before: whoever asks for it is told to begin again.
    pub(super) fn compact(&mut self) {
        self.forgotten = self.version;
        self.log.clear();
    }

    /// What changed after `version`.
    pub(super) fn since(&self, version: u64) -> Result<impl Iterator<Item = &Change>, Failure> {
        if version < self.forgotten {
            let message = format!("too old resource version: {version} ({})", self.forgotten);
            return Err(Failure::expired(message));
        }
        let from = self.log.partition_point(|change| change.version <= version);
        Ok(self.log.range(from..))
    }

    /// The objects of a resource as they were at `version`.
    pub(super) fn at(
        &self,
        collection: &str,
        namespace: Option<&str>,
        version: u64,
    ) -> Result<BTreeMap<Key, Arc<Value>>, Failure> {
        let since: Vec<_> = self.since(version)?.collect();
        let mut objects: BTreeMap<_, _> =
            self.of(collection, namespace).map(|(key, object)| (key.clone(), object.clone())).collect();
        let concerned = |change: &&&Change| {
            change.key.0 == collection && namespace.is_none_or(|name| change.key.1 == name)
        };
        for change in since.iter().rev().filter(concerned) {
            match &change.before {
                Some(before) => objects.insert(change.key.clone(), before.clone()),
                None => objects.remove(&change.key),
            };
        }
        Ok(objects)
    }
}
