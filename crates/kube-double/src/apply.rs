//! Server-side apply: merges what a manager applies into what is there, takes away what it applied before and no longer does, and refuses what
//! another owns.

use crate::failure::Failure;
use crate::fields::Fields;
use crate::managed::{self, Writer};
use crate::shape::{Form, Shape, key_of};
use serde_json::{Map, Value, json};

/// The object after `config` was applied to `live`.
pub(super) fn apply(
    live: Option<&Value>,
    config: &Value,
    shape: Shape<'_>,
    writer: Writer<'_>,
    force: bool,
) -> Result<Value, Failure> {
    let nothing = json!({"apiVersion": config["apiVersion"], "kind": config["kind"], "metadata": {}});
    let live = live.unwrap_or(&nothing);
    let mut config = config.clone();
    restrict(&mut config, live, writer);
    let applied = writer.own(Fields::of(&config, shape));
    let mut merged = merge(Some(live), &config, shape);
    let changed = Fields::changed(live, &merged, shape).without_identity();
    let mut entries = managed::read(live);
    let before = writer.find(&mut entries, "Apply").map(|entry| entry.fields.clone()).unwrap_or_default();
    let own = |entry: &managed::Entry| {
        entry.operation == "Apply"
            && entry.manager == writer.manager
            && entry.subresource == writer.subresource
    };
    let mut conflicts = Vec::new();
    for entry in entries.iter_mut().filter(|entry| !own(entry)) {
        let theirs = entry.fields.and(&changed).and(&applied);
        if !theirs.is_empty() {
            conflicts.extend(theirs.paths().into_iter().map(|path| (path, entry.clone())));
            entry.fields = entry.fields.minus(&theirs);
        }
    }
    if !conflicts.is_empty() && !force {
        return Err(conflict(&conflicts));
    }
    let mut kept = applied.clone();
    entries.iter().filter(|entry| !own(entry)).for_each(|entry| kept.union(&entry.fields));
    prune(&mut merged, &before.minus(&applied), &kept, shape);
    match writer.find(&mut entries, "Apply") {
        Some(entry) if entry.fields == applied && entry.api_version == writer.api_version => {}
        Some(entry) => *entry = writer.entry("Apply", applied),
        None => entries.push(writer.entry("Apply", applied)),
    }
    if merged["metadata"].is_null() {
        merged["metadata"] = json!({});
    }
    managed::write(&mut merged, entries);
    Ok(merged)
}

/// Leaves of a configuration what may be written at this place: a status, or all but that.
fn restrict(config: &mut Value, live: &Value, writer: Writer<'_>) {
    let Some(map) = config.as_object_mut() else { return };
    if writer.subresource == "status" {
        map.retain(|name, _| name == "status");
        map.insert("apiVersion".into(), live["apiVersion"].clone());
        map.insert("kind".into(), live["kind"].clone());
    } else if writer.status_apart {
        map.shift_remove("status");
    }
}

fn conflict(conflicts: &[(String, managed::Entry)]) -> Failure {
    let said: Vec<_> =
        conflicts.iter().map(|(path, entry)| format!("conflict with {:?}: {path}", entry.manager)).collect();
    let (count, noun) = (conflicts.len(), if conflicts.len() == 1 { "conflict" } else { "conflicts" });
    let message = format!("Apply failed with {count} {noun}: {}", said.join(", "));
    let causes = conflicts.iter().map(|(path, entry)| {
        let message = format!("conflict with {:?} using {}", entry.manager, entry.api_version);
        json!({"reason": "FieldManagerConflict", "message": message, "field": path})
    });
    Failure { causes: causes.collect(), ..Failure::new(409, "Conflict", message) }
}

fn merge(live: Option<&Value>, config: &Value, shape: Shape<'_>) -> Value {
    let Some(live) = live else { return config.clone() };
    match (shape.form(config), live, config) {
        (Form::Map, Value::Object(old), Value::Object(new)) => {
            let mut merged = old.clone();
            for (name, value) in new {
                merged.insert(name.clone(), merge(old.get(name), value, shape.field(name)));
            }
            Value::Object(merged)
        }
        (Form::Keyed(keys), Value::Array(old), Value::Array(new)) => {
            let mut merged = old.clone();
            for entry in new {
                let key = key_of(entry, &keys);
                match merged.iter_mut().find(|there| key_of(there, &keys) == key) {
                    Some(there) => *there = merge(Some(there), entry, shape.entry()),
                    None => merged.push(entry.clone()),
                }
            }
            Value::Array(merged)
        }
        (Form::Set, Value::Array(old), Value::Array(new)) => {
            let more = new.iter().filter(|entry| !old.contains(entry));
            Value::Array(old.iter().chain(more).cloned().collect())
        }
        _ => config.clone(),
    }
}

/// Takes `gone` away where nobody is left who owns it (`kept`), and what is empty then.
fn prune(value: &mut Value, gone: &Fields, kept: &Fields, shape: Shape<'_>) {
    let nobody = Fields::default();
    match (shape.form(value), value) {
        (Form::Map, Value::Object(map)) => {
            let mut left = Map::new();
            for (name, mut value) in std::mem::take(map) {
                let step = format!("f:{name}");
                let kept = kept.at(&step).unwrap_or(&nobody);
                if !prune_part(&mut value, gone.at(&step), kept, shape.field(&name)) {
                    left.insert(name, value);
                }
            }
            *map = left;
        }
        (Form::Keyed(keys), Value::Array(list)) => list.retain_mut(|entry| {
            let step = key_of(entry, &keys);
            !prune_part(entry, gone.at(&step), kept.at(&step).unwrap_or(&nobody), shape.entry())
        }),
        (Form::Set, Value::Array(list)) => list.retain_mut(|entry| {
            let step = format!("v:{entry}");
            !prune_part(entry, gone.at(&step), kept.at(&step).unwrap_or(&nobody), Shape::Free)
        }),
        _ => {}
    }
}

/// Whether nothing of it is left.
fn prune_part(value: &mut Value, gone: Option<&Fields>, kept: &Fields, shape: Shape<'_>) -> bool {
    let Some(gone) = gone else { return false };
    if kept.is_empty() && gone.has() {
        return true;
    }
    let empty = |value: &Value| match value {
        Value::Object(map) => map.is_empty(),
        Value::Array(list) => list.is_empty(),
        _ => false,
    };
    let had_something = !empty(value);
    prune(value, gone, kept, shape);
    kept.is_empty() && had_something && empty(value)
}
