//! Who owns what: `metadata.managedFields` after each write.

use crate::fields::Fields;
use crate::shape::Shape;
use serde_json::{Map, Value, json};

/// Who writes, and what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Writer<'a> {
    pub manager: &'a str,
    pub api_version: &'a str,
    /// The subresource; empty for the object itself.
    pub subresource: &'a str,
    /// Whether the resource has `status` apart.
    pub status_apart: bool,
}

/// An entry of `managedFields`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub manager: String,
    pub operation: &'static str,
    pub api_version: String,
    pub subresource: String,
    pub time: String,
    pub fields: Fields,
}

impl Writer<'_> {
    /// What of a set this write can own at all.
    pub(super) fn own(&self, fields: Fields) -> Fields {
        let fields = fields.without_identity();
        match (self.subresource, self.status_apart) {
            ("status", _) => fields.only(&["status"], true),
            (_, true) => fields.only(&["status"], false),
            _ => fields,
        }
    }

    fn is(&self, entry: &Entry, operation: &str) -> bool {
        entry.manager == self.manager
            && entry.operation == operation
            && entry.subresource == self.subresource
            && (operation == "Apply" || entry.api_version == self.api_version)
    }

    pub(super) fn find<'e>(&self, entries: &'e mut [Entry], operation: &str) -> Option<&'e mut Entry> {
        entries.iter_mut().find(|entry| self.is(entry, operation))
    }

    pub(super) fn entry(&self, operation: &'static str, fields: Fields) -> Entry {
        Entry {
            manager: self.manager.to_owned(),
            operation,
            api_version: self.api_version.to_owned(),
            subresource: self.subresource.to_owned(),
            time: crate::clock::now(),
            fields,
        }
    }

    /// Takes over what an update changed.
    pub(super) fn updated(&self, old: Option<&Value>, new: &mut Value, shape: Shape<'_>) {
        let nothing = Value::Object(Map::new());
        let before = old.unwrap_or(&nothing);
        let mut entries = read(before);
        let changed = Fields::changed(before, new, shape).without_identity();
        let gone = Fields::removed(before, new, shape).without_identity();
        for entry in entries.iter_mut().filter(|entry| !self.is(entry, "Update")) {
            entry.fields = entry.fields.minus(&changed).minus(&gone);
        }
        let own = self.own(changed);
        match self.find(&mut entries, "Update") {
            Some(entry) => {
                let mut fields = entry.fields.minus(&gone);
                fields.union(&own);
                if fields != entry.fields || !own.is_empty() {
                    (entry.fields, entry.time) = (fields, crate::clock::now());
                }
            }
            None if !own.is_empty() => entries.push(self.entry("Update", own)),
            None => {}
        }
        write(new, entries);
    }
}

pub(super) fn read(object: &Value) -> Vec<Entry> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let entries = object["metadata"]["managedFields"].as_array().into_iter().flatten();
    let entry = |entry: &Value| Entry {
        manager: text(&entry["manager"]),
        operation: if entry["operation"] == "Apply" { "Apply" } else { "Update" },
        api_version: text(&entry["apiVersion"]),
        subresource: text(&entry["subresource"]),
        time: text(&entry["time"]),
        fields: Fields::read(&entry["fieldsV1"]),
    };
    entries.map(entry).collect()
}

pub(super) fn write(object: &mut Value, mut entries: Vec<Entry>) {
    entries.retain(|entry| !entry.fields.is_empty());
    entries.sort_by(|one, other| {
        let key = |entry: &Entry| (entry.operation, entry.time.clone(), entry.manager.clone());
        key(one).cmp(&key(other))
    });
    let Some(metadata) = object["metadata"].as_object_mut() else { return };
    if entries.is_empty() {
        metadata.shift_remove("managedFields");
        return;
    }
    let written = entries.into_iter().map(|entry| {
        let mut value = json!({
            "manager": entry.manager, "operation": entry.operation, "apiVersion": entry.api_version,
            "time": entry.time, "fieldsType": "FieldsV1", "fieldsV1": entry.fields.written(),
        });
        if !entry.subresource.is_empty() {
            value["subresource"] = json!(entry.subresource);
        }
        value
    });
    metadata.insert("managedFields".into(), written.collect());
}
