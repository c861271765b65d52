//! A request, taken apart: which resource, which object, what is to be done.

use crate::failure::Failure;
use crate::kinds::Kind;
use crate::selector::Selector;
use crate::store::Key;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is asked for.
#[derive(Clone, Debug)]
pub(super) struct Call {
    /// As Kubernetes' authorisation has it: `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`.
    pub verb: &'static str,
    pub kind: Arc<Kind>,
    pub namespace: Option<String>,
    pub name: String,
    pub subresource: String,
    pub query: BTreeMap<String, String>,
    pub content_type: String,
    pub agent: String,
    pub body: Value,
}

/// Where a path leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub group: String,
    pub version: String,
    pub plural: String,
    pub namespace: Option<String>,
    pub name: String,
    pub subresource: String,
}

impl Place {
    /// `/api/v1/…` or `/apis/GROUP/VERSION/…`; none if it isn't of that form.
    pub(super) fn parse(path: &str) -> Option<Self> {
        let steps: Vec<_> = path.trim_matches('/').split('/').collect();
        let (group, version, rest) = match steps.as_slice() {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return None,
        };
        let (namespace, rest) = match rest {
            ["namespaces", namespace, rest @ ..]
                if rest.first().is_some_and(|step| !["status", "finalize"].contains(step)) =>
            {
                (Some((*namespace).to_owned()), rest)
            }
            rest => (None, rest),
        };
        let [plural, rest @ ..] = rest else { return None };
        let part = |index: usize| rest.get(index).map(|step| (*step).to_owned()).unwrap_or_default();
        let (group, version, plural) = (group.to_owned(), version.to_owned(), (*plural).to_owned());
        (rest.len() <= 2).then(|| Self {
            group,
            version,
            plural,
            namespace,
            name: part(0),
            subresource: part(1),
        })
    }

    /// The verb for this place.
    pub(super) fn verb(&self, method: &str, watch: bool) -> Option<&'static str> {
        Some(match (method, self.name.is_empty()) {
            ("GET", true) if watch => "watch",
            ("GET", true) => "list",
            ("GET", false) => "get",
            ("POST", true) => "create",
            ("PUT", false) => "update",
            ("PATCH", false) => "patch",
            ("DELETE", true) => "deletecollection",
            ("DELETE", false) => "delete",
            _ => return None,
        })
    }
}

impl Call {
    pub(super) fn option(&self, name: &str) -> &str {
        self.query.get(name).map_or("", String::as_str)
    }

    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.option(name).parse().ok()
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        matches!(self.option(name), "true" | "1")
    }

    pub(super) fn dry(&self) -> bool {
        self.option("dryRun") == "All" || self.body["dryRun"] == json!(["All"])
    }

    pub(super) fn key(&self) -> Key {
        (self.kind.collection(), self.namespace.clone().unwrap_or_default(), self.name.clone())
    }

    pub(super) fn selector(&self) -> Result<Selector, Failure> {
        Selector::parse(self.option("labelSelector"), self.option("fieldSelector"))
    }

    /// Who writes: said, or the program that the client says it is.
    pub(super) fn manager(&self) -> String {
        let said = self.option("fieldManager");
        let agent = self.agent.split('/').next().unwrap_or_default();
        if said.is_empty() { agent.chars().take(128).collect() } else { said.to_owned() }
    }

    /// How the object looks in the version that was asked for.
    pub(super) fn shown(&self, object: &Value) -> Value {
        let mut object = object.clone();
        object["apiVersion"] = json!(self.kind.api_version());
        object["kind"] = json!(self.kind.kind);
        object
    }
}
