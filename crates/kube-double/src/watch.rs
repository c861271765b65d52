//! Watches: what there is, if that was asked for, and then each change, as long as the client listens.

use crate::call::Call;
use crate::failure::Failure;
use crate::selector::Selector;
use crate::shared::Shared;
use crate::store::Change;
use bytes::Bytes;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// A client that watches hears from the server this often, if it said that it wants to.
const BOOKMARKS: Duration = Duration::from_secs(1);

/// A watch without a time of its own ends after this one; a real server takes between half an hour and an hour.
const LONGEST: Duration = Duration::from_secs(1800);

/// One watch.
pub(super) struct Watch {
    call: Call,
    selector: Selector,
    /// What the client knows of.
    version: u64,
    /// The last bookmark.
    told: u64,
    lines: mpsc::Sender<Bytes>,
}

/// The client has gone, or has been told to.
struct Over;

impl Watch {
    pub(super) fn new(call: Call, lines: mpsc::Sender<Bytes>) -> Result<Self, Failure> {
        let selector = call.selector()?;
        Ok(Self { call, selector, version: 0, told: 0, lines })
    }

    /// Until one of both has had enough.
    pub(super) async fn run(mut self, shared: Arc<Shared>) {
        let (mut changed, mut cut) = (shared.changed.subscribe(), shared.cut.subscribe());
        let seconds = self.call.number("timeoutSeconds").map(Duration::from_secs);
        let end = Instant::now() + seconds.unwrap_or(LONGEST);
        let mut bookmark = tokio::time::interval(BOOKMARKS);
        changed.mark_changed();
        if self.begin(&shared).await.is_err() {
            return;
        }
        loop {
            let done = tokio::select! {
                Ok(()) = changed.changed() => self.news(&shared).await,
                _ = bookmark.tick() => self.bookmark(false).await,
                Ok(()) = cut.changed() => Err(Over),
                () = tokio::time::sleep_until(end) => Err(Over),
                () = self.lines.closed() => Err(Over),
                else => Err(Over),
            };
            if done.is_err() {
                return;
            }
        }
    }

    /// Says what there is, unless the client knows.
    async fn begin(&mut self, shared: &Shared) -> Result<(), Over> {
        let initial = self.call.flag("sendInitialEvents");
        let known = self.call.number("resourceVersion").unwrap_or_default();
        if known > 0 && !initial {
            (self.version, self.told) = (known, known);
            return Ok(());
        }
        let collection = self.collection();
        let objects = {
            let state = shared.state();
            self.version = state.store.version();
            let objects = state.store.of(&collection, self.call.namespace.as_deref());
            objects.map(|(_, object)| object.clone()).collect::<Vec<_>>()
        };
        for object in objects.iter().filter(|object| self.selector.matches(object)) {
            self.say("ADDED", self.call.shown(object)).await?;
        }
        self.told = self.version;
        if initial { self.bookmark(true).await } else { Ok(()) }
    }

    fn collection(&self) -> String {
        self.call.kind.collection()
    }

    /// Says what changed since.
    async fn news(&mut self, shared: &Shared) -> Result<(), Over> {
        let events = {
            let state = shared.state();
            let since = state
                .store
                .since(self.version)
                .map(|changes| changes.filter_map(|change| self.event(change)).collect::<Vec<_>>());
            if since.is_ok() {
                self.version = self.version.max(state.store.version());
            }
            since
        };
        match events {
            Ok(events) => {
                for (kind, object) in events {
                    self.say(kind, object).await?;
                }
                Ok(())
            }
            Err(failure) => {
                let _ = self.say("ERROR", failure.status()).await;
                Err(Over)
            }
        }
    }

    /// What a change means to this client: an object that comes into the selection was added, one that leaves it was deleted.
    fn event(&self, change: &Change) -> Option<(&'static str, Value)> {
        let (collection, namespace, _) = &change.key;
        let elsewhere = self.call.namespace.as_ref().is_some_and(|wanted| wanted != namespace);
        if *collection != self.collection() || elsewhere {
            return None;
        }
        let seen =
            |object: &Option<Arc<Value>>| object.clone().filter(|object| self.selector.matches(object));
        match (seen(&change.before), seen(&change.after)) {
            (None, Some(after)) => Some(("ADDED", self.call.shown(&after))),
            (Some(_), Some(after)) => Some(("MODIFIED", self.call.shown(&after))),
            (Some(before), None) => {
                let mut last = self.call.shown(&before);
                last["metadata"]["resourceVersion"] = json!(change.version.to_string());
                Some(("DELETED", last))
            }
            (None, None) => None,
        }
    }

    async fn bookmark(&mut self, initial: bool) -> Result<(), Over> {
        if !initial && (self.told == self.version || !self.call.flag("allowWatchBookmarks")) {
            return Ok(());
        }
        self.told = self.version;
        let mut object = json!({
            "apiVersion": self.call.kind.api_version(), "kind": self.call.kind.kind,
            "metadata": {"resourceVersion": self.version.to_string(), "creationTimestamp": null},
        });
        if initial {
            object["metadata"]["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        }
        self.say("BOOKMARK", object).await
    }

    async fn say(&self, kind: &str, object: Value) -> Result<(), Over> {
        let line = format!("{}\n", json!({"type": kind, "object": object}));
        self.lines.send(line.into()).await.map_err(|_| Over)
    }
}
