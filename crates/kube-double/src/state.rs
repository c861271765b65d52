//! The API server's state, and what each verb but `watch` does with it.

use crate::call::Call;
use crate::failure::Failure;
use crate::kinds::{Kind, built_in};
use crate::store::{Key, Store};
use serde_json::{Value, json};
use std::sync::Arc;

/// A status, and a body.
pub(super) type Answer = (u16, Value);

/// All that the server knows.
#[derive(Debug)]
pub(super) struct State {
    pub store: Store,
    pub kinds: Vec<Arc<Kind>>,
    /// How many names and identifiers were made up.
    made: u64,
}

impl State {
    /// With the namespaces that every cluster has.
    pub(super) fn new() -> Self {
        let kinds = built_in().into_iter().map(Arc::new).collect();
        let mut state = Self { store: Store::default(), kinds, made: 0 };
        for name in ["default", "kube-node-lease", "kube-public", "kube-system"] {
            state.namespace(name);
        }
        state
    }

    /// Makes a namespace.
    pub(super) fn namespace(&mut self, name: &str) {
        let (uid, now) = (self.uid(), crate::clock::now());
        let metadata = json!({"name": name, "uid": uid, "creationTimestamp": now, "labels": {"kubernetes.io/metadata.name": name}});
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata, "status": {"phase": "Active"}});
        self.store.put(("namespaces".into(), String::new(), name.to_owned()), namespace);
    }

    /// Serves a kind from now on; one that was there is replaced.
    pub(super) fn serve(&mut self, kind: Kind) {
        let same = |known: &Arc<Kind>| {
            (&known.group, &known.version, &known.plural) == (&kind.group, &kind.version, &kind.plural)
        };
        self.kinds.retain(|known| !same(known));
        self.kinds.push(Arc::new(kind));
    }

    pub(super) fn kind(&self, group: &str, version: &str, plural: &str) -> Option<Arc<Kind>> {
        let is = |kind: &&Arc<Kind>| kind.group == group && kind.version == version && kind.plural == plural;
        self.kinds.iter().find(is).cloned()
    }

    pub(super) fn answer(&mut self, call: &Call) -> Result<Answer, Failure> {
        if call.subresource == "status" && !call.kind.status
            || !["", "status"].contains(&call.subresource.as_str())
        {
            return Err(Failure::new(404, "NotFound", "the server could not find the requested resource"));
        }
        match call.verb {
            "get" => self.get(call),
            "list" => self.list(call),
            "create" => self.create(call),
            "update" => self.update(call),
            "patch" => self.patch(call),
            "delete" => self.delete(call),
            _ => self.delete_all(call),
        }
    }

    fn get(&self, call: &Call) -> Result<Answer, Failure> {
        let object = self.store.get(&call.key());
        let object = object.ok_or_else(|| Failure::not_found(&call.kind.collection(), &call.name))?;
        Ok((200, call.shown(object)))
    }

    fn list(&self, call: &Call) -> Result<Answer, Failure> {
        let (collection, namespace) = (call.kind.collection(), call.namespace.as_deref());
        let (version, after) = self.page(call)?;
        let selector = call.selector()?;
        let objects = self.store.at(&collection, namespace, version);
        let objects = objects.map_err(|_| Failure::expired(STALE))?;
        let rest = objects.iter().filter(|(key, _)| after.as_ref().is_none_or(|after| *key > after));
        let rest: Vec<_> = rest.filter(|(_, object)| selector.matches(object)).collect();
        let limit =
            call.number("limit").filter(|limit| *limit > 0).map_or(usize::MAX, |limit| limit as usize);
        let mut metadata = json!({"resourceVersion": version.to_string()});
        if let Some((last, _)) = rest.get(limit - 1).filter(|_| rest.len() > limit) {
            metadata["continue"] = json!(format!("{version}/{}/{}", last.1, last.2));
            metadata["remainingItemCount"] = json!(rest.len() - limit);
        }
        let items = rest.into_iter().take(limit).map(|(_, object)| {
            let mut shown = call.shown(object);
            // A list says of what it is once, but for custom resources.
            if let Some(map) = shown.as_object_mut().filter(|_| !call.kind.custom) {
                map.shift_remove("apiVersion");
                map.shift_remove("kind");
            }
            shown
        });
        let (api_version, kind) = (call.kind.api_version(), format!("{}List", call.kind.kind));
        Ok((
            200,
            json!({"apiVersion": api_version, "kind": kind, "metadata": metadata, "items": items.collect::<Vec<_>>()}),
        ))
    }

    /// As of which version a list is, and after which object it goes on.
    fn page(&self, call: &Call) -> Result<(u64, Option<Key>), Failure> {
        let now = self.store.version();
        if let Some(token) = call.query.get("continue").filter(|token| !token.is_empty()) {
            let mut parts = token.splitn(3, '/');
            let version = parts.next().and_then(|version| version.parse().ok());
            let version = version.ok_or_else(|| Failure::bad_request("continue key is not valid"))?;
            let mut part = || parts.next().unwrap_or_default().to_owned();
            return Ok((version, Some((call.kind.collection(), part(), part()))));
        }
        let Some(asked) = call.number("resourceVersion").filter(|version| *version > 0) else {
            return Ok((now, None));
        };
        if asked > now {
            let message = format!("Too large resource version: {asked}, current: {now}");
            return Err(Failure::new(504, "Timeout", message));
        }
        let exact = call.option("resourceVersionMatch") == "Exact";
        Ok((if exact { asked } else { now }, None))
    }

    /// A name's random end.
    pub(super) fn suffix(&mut self) -> String {
        const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
        self.made += 1;
        let mut number = self.made.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 8;
        let mut letter = || {
            let letter = LETTERS[(number % LETTERS.len() as u64) as usize];
            number /= LETTERS.len() as u64;
            char::from(letter)
        };
        (0..5).map(|_| letter()).collect()
    }

    pub(super) fn uid(&mut self) -> String {
        self.made += 1;
        let mixed = self.made.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        format!("{:08x}-{:04x}-4000-8000-{:012x}", mixed >> 32, mixed >> 16 & 0xffff, self.made)
    }
}

const STALE: &str = "The provided continue parameter is too old to display a consistent list result. You must start a new list without the continue parameter.";
