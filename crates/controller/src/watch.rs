//! What changes in the cluster, as a stream that doesn't end: a watch that fails is told of, and begins again.

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

/// What counts of an object: if that is as it was, nothing has changed.
pub(crate) type Counts = fn(&DynamicObject, &mut DefaultHasher);

/// Objects that are new, changed or gone; `filled` is called when the store has been filled for the first time. One that is gone may have its metadata alone.
pub(crate) fn changes(
    api: Api<DynamicObject>,
    config: watcher::Config,
    writer: Writer<DynamicObject>,
    counts: Counts,
    metrics: Arc<Metrics>,
    what: String,
    filled: impl FnOnce() + Send + 'static,
) -> impl Stream<Item = DynamicObject> + Send + 'static {
    let mut known = Known { counts, seen: HashMap::new(), round: 0 };
    let (mut failing, mut filled) = (false, Some(filled));
    // The store has a bare form of what a reconciler needs; who changed which field when is much, and for nobody.
    let bare = |object: &mut DynamicObject| object.metadata.managed_fields = None;
    watcher(api, config)
        .default_backoff()
        .modify(bare)
        .reflect(writer)
        .map(move |event| match event {
            Ok(event) => {
                // The store has it by now.
                if matches!(event, Event::InitDone)
                    && let Some(filled) = filled.take()
                {
                    filled();
                }
                if matches!(event, Event::InitDone) && std::mem::take(&mut failing) {
                    log::info!("watch of {what}: it goes on");
                }
                known.take(event)
            }
            Err(error) => {
                metrics.watch_errors.inc();
                if !std::mem::replace(&mut failing, true) {
                    log::warn!("watch of {what}: {error}{}; trying again", help(&error));
                }
                Vec::new()
            }
        })
        .flat_map(stream::iter)
}

/// What to do where there is no such kind.
fn help(error: &watcher::Error) -> &'static str {
    match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status)) if status.code == 404 => {
            ": this cluster doesn't know them: apply their definition (ours are in envoy/istio/controller, Istio brings its own)"
        }
        _ => "",
    }
}

/// What has been seen, to tell what is new.
struct Known {
    counts: Counts,
    /// By namespace and name.
    seen: HashMap<Key, Seen>,
    round: u64,
}

type Key = (Option<String>, Option<String>);

/// What is kept of an object that has been seen.
struct Seen {
    /// What counted of it.
    hash: u64,
    round: u64,
    /// Its metadata.
    bare: DynamicObject,
}

impl Known {
    fn take(&mut self, event: Event<DynamicObject>) -> Vec<DynamicObject> {
        match event {
            Event::Init => {
                self.round = self.round.wrapping_add(1);
                Vec::new()
            }
            Event::Apply(object) | Event::InitApply(object) => {
                let mut hasher = DefaultHasher::new();
                (self.counts)(&object, &mut hasher);
                let hash = hasher.finish();
                let bare = DynamicObject { data: serde_json::Value::Null, ..object.clone() };
                let old = self.seen.insert(key(&object), Seen { hash, round: self.round, bare });
                if old.is_some_and(|old| old.hash == hash) { Vec::new() } else { vec![object] }
            }
            Event::Delete(object) => {
                self.seen.remove(&key(&object));
                vec![object]
            }
            // What a list hasn't got is gone, though nobody said so.
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

/// What counts of a `TrafficReplay`: not what the controller itself writes, but for its end.
pub(crate) fn of_replay(object: &DynamicObject, hasher: &mut DefaultHasher) {
    let metadata = &object.metadata;
    (&metadata.uid, metadata.generation, &metadata.finalizers).hash(hasher);
    metadata.deletion_timestamp.is_some().hash(hasher);
    (object.data["spec"].to_string(), object.data["status"]["finishedTime"].as_str()).hash(hasher);
}

/// What counts of a workload: neither how many pods it has nor how they are.
pub(crate) fn of_workload(object: &DynamicObject, hasher: &mut DefaultHasher) {
    let metadata = &object.metadata;
    (&metadata.uid, &metadata.annotations).hash(hasher);
    metadata.deletion_timestamp.is_some().hash(hasher);
    object.data["spec"]["template"]["metadata"]["labels"].to_string().hash(hasher);
}

/// Everything counts.
pub(crate) fn of_part(object: &DynamicObject, hasher: &mut DefaultHasher) {
    (&object.metadata.uid, &object.metadata.resource_version).hash(hasher);
}

/// A channel's end as a stream.
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
    fn a_kind_that_the_cluster_does_not_know_is_told_with_what_to_apply() {
        let failed = |code| {
            let status = Status::failure("page not found", "NotFound").with_code(code).boxed();
            help(&watcher::Error::InitialListFailed(kube::Error::Api(status)))
        };
        assert!(failed(404).contains("apply their definition"));
        assert_eq!(failed(403), "");
    }
}
