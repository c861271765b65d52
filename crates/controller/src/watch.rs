//! Changes in the cluster, as a stream without an end. A watch that fails is logged and started
//! again.

use crate::metrics::Metrics;
use futures_util::{Stream, StreamExt, stream};
use kube::api::{Api, DynamicObject};
use kube::runtime::WatchStreamExt;
use kube::runtime::reflector::store::Writer;
use kube::runtime::watcher::{self, Event, watcher};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use tokio::sync::mpsc::UnboundedReceiver;

/// Hashes the parts of an object whose change is a change to the controller.
pub(crate) type Fingerprint = fn(&DynamicObject, &mut DefaultHasher);

/// Objects that are new, changed or gone. `filled` is called when the store is filled for the first
/// time. An object that is gone may come with its metadata alone.
pub(crate) fn changes(
    api: Api<DynamicObject>,
    config: watcher::Config,
    writer: Writer<DynamicObject>,
    fingerprint: Fingerprint,
    metrics: Arc<Metrics>,
    name: String,
    filled: impl FnOnce() + Send + 'static,
) -> impl Stream<Item = DynamicObject> + Send + 'static {
    let mut objects = SeenObjects { fingerprint, seen: HashMap::new(), round: 0 };
    let (mut failing, mut filled) = (false, Some(filled));
    // The managed fields are large, and no reconciler reads them.
    let bare = |object: &mut DynamicObject| object.metadata.managed_fields = None;
    watcher(api, config)
        .default_backoff()
        .modify(bare)
        .reflect(writer)
        .map(move |event| match event {
            Ok(event) => {
                // The store is updated before the event arrives here.
                if matches!(event, Event::InitDone)
                    && let Some(filled) = filled.take()
                {
                    filled();
                }
                if matches!(event, Event::InitDone) && std::mem::take(&mut failing) {
                    log::info!("watch of {name}: works again");
                }
                objects.take(event)
            }
            Err(error) => {
                metrics.watch_errors.inc();
                if !std::mem::replace(&mut failing, true) {
                    log::warn!("watch of {name}: {error}{}; trying again", help(&error));
                }
                Vec::new()
            }
        })
        .flat_map(stream::iter)
}

/// Advice for a cluster without the kind.
fn help(error: &watcher::Error) -> &'static str {
    match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status)) if status.code == 404 => {
            ": this cluster has no definition of them: apply it (ours are in envoy/istio/controller, Istio has its own)"
        }
        _ => "",
    }
}

/// Objects seen so far, to recognise changes.
struct SeenObjects {
    fingerprint: Fingerprint,
    /// By namespace and name.
    seen: HashMap<Key, SeenObject>,
    round: u64,
}

type Key = (Option<String>, Option<String>);

/// An object seen earlier.
struct SeenObject {
    /// Its fingerprint.
    hash: u64,
    round: u64,
    /// The object without its content.
    bare: DynamicObject,
}

impl SeenObjects {
    fn take(&mut self, event: Event<DynamicObject>) -> Vec<DynamicObject> {
        match event {
            Event::Init => {
                self.round = self.round.wrapping_add(1);
                Vec::new()
            }
            Event::Apply(object) | Event::InitApply(object) => {
                let mut hasher = DefaultHasher::new();
                (self.fingerprint)(&object, &mut hasher);
                let hash = hasher.finish();
                let bare = DynamicObject { data: serde_json::Value::Null, ..object.clone() };
                let old = self.seen.insert(key(&object), SeenObject { hash, round: self.round, bare });
                if old.is_some_and(|old| old.hash == hash) { Vec::new() } else { vec![object] }
            }
            Event::Delete(object) => {
                self.seen.remove(&key(&object));
                vec![object]
            }
            // Objects that a complete list lacks were deleted while nothing watched.
            Event::InitDone => {
                let round = self.round;
                let gone = self.seen.extract_if(|_, seen| seen.round != round);
                gone.map(|(_, seen)| seen.bare).collect()
            }
        }
    }
}

fn key(object: &DynamicObject) -> Key {
    (object.metadata.namespace.clone(), object.metadata.name.clone())
}

/// Fingerprint of a `TrafficReplay`: without the status, which the controller itself writes, except
/// for the end of a replay.
pub(crate) fn replay_fingerprint(object: &DynamicObject, hasher: &mut DefaultHasher) {
    let metadata = &object.metadata;
    (&metadata.uid, metadata.generation, &metadata.finalizers).hash(hasher);
    metadata.deletion_timestamp.is_some().hash(hasher);
    (object.data["spec"].to_string(), object.data["status"]["finishedTime"].as_str()).hash(hasher);
}

/// Fingerprint of a workload: without the number and state of its pods.
pub(crate) fn workload_fingerprint(object: &DynamicObject, hasher: &mut DefaultHasher) {
    let metadata = &object.metadata;
    (&metadata.uid, &metadata.annotations).hash(hasher);
    metadata.deletion_timestamp.is_some().hash(hasher);
    object.data["spec"]["template"]["metadata"]["labels"].to_string().hash(hasher);
}

/// Fingerprint of an object that the controller created: any change counts.
pub(crate) fn object_fingerprint(object: &DynamicObject, hasher: &mut DefaultHasher) {
    (&object.metadata.uid, &object.metadata.resource_version).hash(hasher);
}

/// The receiver of a channel as a stream.
pub(crate) fn received<T: Send + 'static>(
    receiver: UnboundedReceiver<T>,
) -> impl Stream<Item = T> + Send + 'static {
    stream::unfold(receiver, |mut receiver| async move { Some((receiver.recv().await?, receiver)) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::Status;

    #[test]
    fn missing_definition_is_logged_with_advice() {
        let failed = |code| {
            let status = Status::failure("page not found", "NotFound").with_code(code).boxed();
            help(&watcher::Error::InitialListFailed(kube::Error::Api(status)))
        };
        assert!(failed(404).contains("has no definition of them: apply it"));
        assert_eq!(failed(403), "");
    }
}
