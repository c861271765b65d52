//! What a write does to an object: creating, updating, patching.

use crate::call::Call;
use crate::failure::Failure;
use crate::kinds::{Kind, defined, qualified};
use crate::managed::Writer;
use crate::shape::Shape;
use crate::state::{Answer, State};
use crate::{apply, names, patch, schema};
use serde_json::{Value, json};

/// More than etcd takes.
const LARGEST: usize = 1_572_864;

/// What an update can't change.
const KEPT: [&str; 8] = [
    "name",
    "namespace",
    "uid",
    "creationTimestamp",
    "generation",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "selfLink",
];

impl State {
    pub(super) fn create(&mut self, call: &Call) -> Result<Answer, Failure> {
        let mut object = self.body(call, &call.body)?;
        let mut call = call.clone();
        let metadata = &mut object["metadata"];
        if metadata.get("resourceVersion").is_some_and(|version| version != "") {
            let message = "resourceVersion should not be set on objects to be created";
            return Err(Failure::new(500, "InternalError", message));
        }
        if let Some(prefix) = metadata["generateName"].as_str().map(str::to_owned)
            && metadata["name"].as_str().is_none_or(str::is_empty)
        {
            metadata["name"] = json!(format!("{prefix}{}", self.suffix()));
        }
        call.name = metadata["name"].as_str().unwrap_or_default().to_owned();
        if call.name.is_empty() {
            let errors =
                [("metadata.name".into(), "Required value: name or generateName is required".into())];
            return Err(Failure::invalid(&qualified(&call.kind.kind, &call.kind.group), "", &errors));
        }
        self.namespace_open(&call)?;
        if self.store.get(&call.key()).is_some() {
            return Err(Failure::exists(&call.kind.collection(), &call.name));
        }
        for name in ["deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "managedFields"] {
            object["metadata"].as_object_mut().expect("metadata").shift_remove(name);
        }
        self.born(&call, &mut object, true)
    }

    /// Stores what is new.
    fn born(&mut self, call: &Call, object: &mut Value, tracked: bool) -> Result<Answer, Failure> {
        let kind = call.kind.clone();
        if kind.status {
            object.as_object_mut().expect("an object").shift_remove("status");
        }
        object["metadata"]["uid"] = json!(self.uid());
        object["metadata"]["creationTimestamp"] = json!(crate::clock::now());
        if kind.generation {
            object["metadata"]["generation"] = json!(1);
        }
        settle(&kind, object)?;
        if tracked {
            let manager = call.manager();
            writer(call, &manager).updated(None, object, shape(&kind));
        }
        if kind.plural == "customresourcedefinitions" {
            self.define(object);
        }
        if call.dry() {
            return Ok((201, call.shown(object)));
        }
        let stored = self.store.put(call.key(), object.take());
        Ok((201, call.shown(&stored)))
    }

    pub(super) fn update(&mut self, call: &Call) -> Result<Answer, Failure> {
        let new = self.body(call, &call.body)?;
        if new["metadata"]["name"] != json!(call.name) {
            let (body, url) = (&new["metadata"]["name"], &call.name);
            let message =
                format!("the name of the object ({body}) does not match the name on the URL ({url})");
            return Err(Failure::bad_request(message));
        }
        let Some(old) = self.store.get(&call.key()).cloned() else {
            if call.kind.create_on_update && call.subresource.is_empty() {
                return self.create(call);
            }
            return Err(Failure::not_found(&call.kind.collection(), &call.name));
        };
        let unsaid = new["metadata"]["resourceVersion"].as_str().is_none_or(str::is_empty);
        if unsaid && !call.kind.unconditional {
            let errors = [(
                "metadata.resourceVersion".into(),
                "Invalid value: 0x0: must be specified for an update".into(),
            )];
            return Err(Failure::invalid(&qualified(&call.kind.kind, &call.kind.group), &call.name, &errors));
        }
        self.changed(call, &old, new, true)
    }

    pub(super) fn patch(&mut self, call: &Call) -> Result<Answer, Failure> {
        let old = self.store.get(&call.key()).cloned();
        if call.content_type.starts_with("application/apply-patch") {
            return self.apply(call, old.as_deref());
        }
        let Some(old) = old else { return Err(Failure::not_found(&call.kind.collection(), &call.name)) };
        // A patch is made on the version that was asked for.
        let shown = call.shown(&old);
        let new = match call.content_type.as_str() {
            "application/json-patch+json" => patch::json(&shown, &call.body)?,
            "application/merge-patch+json" => patch::merge(&shown, &call.body),
            "application/strategic-merge-patch+json" if !call.kind.custom => {
                patch::strategic(&shown, &call.body, shape(&call.kind))?
            }
            other => {
                let message = format!("the body of the request was in an unknown format: {other}");
                return Err(Failure::new(415, "UnsupportedMediaType", message));
            }
        };
        self.changed(call, &old, new, true)
    }

    fn apply(&mut self, call: &Call, old: Option<&Value>) -> Result<Answer, Failure> {
        let manager = call.option("fieldManager");
        if manager.is_empty() {
            let errors = [("fieldManager".into(), "Required value: is required for apply patch".into())];
            return Err(Failure::invalid("PatchOptions.meta.k8s.io", "", &errors));
        }
        let mut config = self.body(call, &call.body)?;
        if config["metadata"].get("managedFields").is_some() {
            return Err(Failure::bad_request("metadata.managedFields must be nil"));
        }
        config["metadata"]["name"] = json!(call.name);
        if let Some(schema) = &call.kind.schema {
            schema::prune(&mut config, schema, true);
        }
        let merge = |old: Option<&Value>, config: &Value| {
            apply::apply(old, config, shape(&call.kind), writer(call, manager), call.flag("force"))
        };
        if let Some(old) = old {
            let mut new = merge(Some(old), &config)?;
            if let Some(version) = config["metadata"].get("resourceVersion") {
                new["metadata"]["resourceVersion"] = version.clone();
            }
            return self.changed(call, old, new, false);
        }
        if !call.subresource.is_empty() {
            return Err(Failure::not_found(&call.kind.collection(), &call.name));
        }
        self.namespace_open(call)?;
        if config["metadata"].get("uid").is_some() || config["metadata"].get("resourceVersion").is_some() {
            let why = "uid mismatch: the provided object specified uid, and no existing object was found";
            return Err(Failure::conflict(&call.kind.collection(), &call.name, why));
        }
        let mut object = merge(None, &config)?;
        self.born(call, &mut object, false)
    }

    /// Stores what `old` became. `tracked`: the fields that changed are the writer's from now on; an apply has said so already.
    fn changed(
        &mut self,
        call: &Call,
        old: &Value,
        mut new: Value,
        tracked: bool,
    ) -> Result<Answer, Failure> {
        let (kind, collection) = (call.kind.clone(), call.kind.collection());
        let said =
            |field: &str| new["metadata"][field].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        if said("resourceVersion").is_some_and(|version| old["metadata"]["resourceVersion"] != version) {
            return Err(Failure::modified(&collection, &call.name));
        }
        if let Some(uid) = said("uid").filter(|uid| old["metadata"]["uid"] != **uid) {
            let is = &old["metadata"]["uid"];
            let why = format!("Precondition failed: UID in precondition: {uid}, UID in object meta: {is}");
            return Err(Failure::conflict(&collection, &call.name, &why));
        }
        keep(&kind, call, old, &mut new);
        settle(&kind, &mut new)?;
        finalizers(&kind, old, &new)?;
        if kind.generation && moved(&kind, old, &new) {
            new["metadata"]["generation"] =
                json!(old["metadata"]["generation"].as_u64().unwrap_or_default() + 1);
        }
        if tracked {
            let manager = call.manager();
            writer(call, &manager).updated(Some(old), &mut new, shape(&kind));
        }
        if kind.plural == "customresourcedefinitions" {
            self.define(&mut new);
        }
        let finished = new["metadata"].get("deletionTimestamp").is_some()
            && new["metadata"]["finalizers"].as_array().is_none_or(Vec::is_empty);
        if call.dry() || (new == *old && !finished) {
            return Ok((200, call.shown(&new)));
        }
        if finished {
            self.forget(&call.key());
            return Ok((200, call.shown(&new)));
        }
        Ok((200, call.shown(&self.store.put(call.key(), new))))
    }

    /// The object that came, if it is one and belongs here.
    fn body(&self, call: &Call, body: &Value) -> Result<Value, Failure> {
        let mut object = body.clone();
        let expected = (call.kind.api_version(), call.kind.kind.clone());
        let is = |field: &str| object[field].as_str().unwrap_or_default().to_owned();
        if !object.is_object() || is("kind").is_empty() {
            return Err(Failure::bad_request(format!("Object 'Kind' is missing in '{body}'")));
        }
        if (is("apiVersion"), is("kind")) != expected {
            let message = format!(
                "{}/{} in the data does not match the expected {}/{}",
                is("apiVersion"),
                is("kind"),
                expected.0,
                expected.1
            );
            return Err(Failure::bad_request(message));
        }
        if object["metadata"].is_null() {
            object["metadata"] = json!({});
        }
        if let Some(namespace) = &call.namespace {
            let said = object["metadata"]["namespace"].as_str().unwrap_or_default();
            if !said.is_empty() && said != namespace {
                let message =
                    "the namespace of the provided object does not match the namespace sent on the request";
                return Err(Failure::bad_request(message));
            }
            object["metadata"]["namespace"] = json!(namespace);
        }
        if object.to_string().len() > LARGEST {
            return Err(Failure::new(413, "RequestEntityTooLarge", "etcdserver: request is too large"));
        }
        Ok(object)
    }

    /// Serves what a definition defines, and says so in its status.
    fn define(&mut self, definition: &mut Value) {
        for kind in defined(definition) {
            self.serve(kind);
        }
        let condition = |kind: &str, reason: &str| json!({"type": kind, "status": "True", "reason": reason, "message": "", "lastTransitionTime": definition["metadata"]["creationTimestamp"]});
        let conditions =
            [condition("NamesAccepted", "NoConflicts"), condition("Established", "InitialNamesAccepted")];
        let stored: Vec<_> = definition["spec"]["versions"].as_array().into_iter().flatten().collect();
        let stored: Vec<_> = stored
            .iter()
            .filter(|version| version["storage"] == true)
            .map(|version| &version["name"])
            .collect();
        definition["status"] = json!({"acceptedNames": definition["spec"]["names"], "conditions": conditions, "storedVersions": stored});
    }

    fn namespace_open(&self, call: &Call) -> Result<(), Failure> {
        let Some(name) = call.namespace.as_deref() else { return Ok(()) };
        match self.store.get(&("namespaces".into(), String::new(), name.to_owned())) {
            None => Err(Failure::not_found("namespaces", name)),
            Some(namespace) if namespace["metadata"].get("deletionTimestamp").is_some() => {
                let message = format!(
                    "unable to create new content in namespace {name} because it is being terminated"
                );
                Err(Failure::new(403, "Forbidden", message))
            }
            Some(_) => Ok(()),
        }
    }
}

/// How server-side apply sees a kind's objects.
pub(super) fn shape(kind: &Kind) -> Shape<'_> {
    Shape::Root(kind.schema.as_deref())
}

fn writer<'a>(call: &'a Call, manager: &'a str) -> Writer<'a> {
    let api_version = call.body["apiVersion"].as_str().unwrap_or_default();
    // A patch needn't say it.
    let api_version = if api_version.is_empty() { call.kind.version.as_str() } else { api_version };
    Writer { manager, api_version, subresource: &call.subresource, status_apart: call.kind.status }
}

/// Takes back what this write may not change.
fn keep(kind: &Kind, call: &Call, old: &Value, new: &mut Value) {
    let status_only = call.subresource == "status";
    if status_only && kind.custom {
        let managed = new["metadata"].get("managedFields").cloned();
        let status = new.get("status").cloned();
        *new = old.clone();
        put(&mut new["metadata"], "managedFields", managed);
        put(new, "status", status);
    } else if status_only {
        let rest: Vec<_> = old
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(name, _)| !["status", "metadata"].contains(&name.as_str()))
            .collect();
        new.as_object_mut()
            .expect("an object")
            .retain(|name, _| ["status", "metadata"].contains(&name.as_str()));
        rest.into_iter().for_each(|(name, value)| put(new, name, Some(value.clone())));
    } else if kind.status {
        put(new, "status", old.get("status").cloned());
    }
    for name in KEPT {
        put(&mut new["metadata"], name, old["metadata"].get(name).cloned());
    }
    let managed = old["metadata"].get("managedFields").cloned();
    if call.content_type != APPLY {
        put(&mut new["metadata"], "managedFields", managed);
    }
    put(&mut new["metadata"], "resourceVersion", old["metadata"].get("resourceVersion").cloned());
    new["apiVersion"] = old["apiVersion"].clone();
    new["kind"] = old["kind"].clone();
}

const APPLY: &str = "application/apply-patch+yaml";

fn put(value: &mut Value, name: &str, part: Option<Value>) {
    let Some(map) = value.as_object_mut() else { return };
    match part {
        Some(part) => map.insert(name.to_owned(), part),
        None => map.shift_remove(name),
    };
}

/// Brings an object into the form in which it is stored, or says why it can't be.
fn settle(kind: &Kind, object: &mut Value) -> Result<(), Failure> {
    let mut errors = Vec::new();
    if let Some(schema) = &kind.schema {
        schema::prune(object, schema, true);
        schema::fill(object, schema);
        schema::check(object, schema, "", &mut errors);
    }
    names::check(kind, &object["metadata"], &mut errors);
    if errors.is_empty() {
        return Ok(());
    }
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    Err(Failure::invalid(&qualified(&kind.kind, &kind.group), name, &errors))
}

/// Nothing new may be waited for by what is being deleted.
fn finalizers(kind: &Kind, old: &Value, new: &Value) -> Result<(), Failure> {
    if old["metadata"].get("deletionTimestamp").is_none() {
        return Ok(());
    }
    let list = |object: &Value| object["metadata"]["finalizers"].as_array().cloned().unwrap_or_default();
    let before = list(old);
    let added: Vec<_> = list(new).into_iter().filter(|finalizer| !before.contains(finalizer)).collect();
    if added.is_empty() {
        return Ok(());
    }
    let message = format!(
        "Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers {added:?}"
    );
    let name = new["metadata"]["name"].as_str().unwrap_or_default();
    Err(Failure::invalid(
        &qualified(&kind.kind, &kind.group),
        name,
        &[("metadata.finalizers".into(), message)],
    ))
}

/// Whether what is wanted changed: all but the metadata, and the status where it is apart.
fn moved(kind: &Kind, old: &Value, new: &Value) -> bool {
    let wanted = |object: &Value| {
        let mut object = object.clone();
        put(&mut object, "metadata", None);
        if kind.status {
            put(&mut object, "status", None);
        }
        object
    };
    wanted(old) != wanted(new)
}
