//! Sets of fields, as `managedFields` writes them (`FieldsV1`), and what differs between two objects.

use crate::shape::{Shape, parts};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// A set of places in an object: a tree of steps (`f:spec`, `k:{"name":"app"}`, `v:"x"`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Fields {
    /// Whether the place itself is in the set.
    here: bool,
    below: BTreeMap<String, Fields>,
}

impl Fields {
    pub(super) fn is_empty(&self) -> bool {
        !self.here && self.below.values().all(Fields::is_empty)
    }

    pub(super) fn has(&self) -> bool {
        self.here
    }

    /// What the set has below a step.
    pub(super) fn at(&self, step: &str) -> Option<&Fields> {
        self.below.get(step)
    }

    /// What an applied configuration claims.
    pub(super) fn of(value: &Value, shape: Shape<'_>) -> Self {
        let Some(parts) = parts(value, shape) else { return Self { here: true, below: BTreeMap::new() } };
        let mut set = Self { here: parts.is_empty(), below: BTreeMap::new() };
        for (step, value, shape) in parts {
            let mut below = Self::of(value, shape);
            // An entry of a list is owned as such too: who owns it may remove it whole.
            below.here |= step.starts_with("k:");
            set.below.insert(step, below);
        }
        set
    }

    /// Everything in a value, each map and list itself too.
    fn whole(value: &Value, shape: Shape<'_>) -> Self {
        let below = parts(value, shape).unwrap_or_default();
        let below = below.into_iter().map(|(step, value, shape)| (step, Self::whole(value, shape)));
        Self { here: true, below: below.collect() }
    }

    /// What is new or other in `new`.
    pub(super) fn changed(old: &Value, new: &Value, shape: Shape<'_>) -> Self {
        let (Some(before), Some(after)) = (parts(old, shape), parts(new, shape)) else {
            return if old == new { Self::default() } else { Self::whole(new, shape) };
        };
        let before: BTreeMap<_, _> = before.into_iter().map(|(step, value, _)| (step, value)).collect();
        let mut set = Self::default();
        for (step, value, shape) in after {
            let below = match before.get(&step) {
                Some(old) => Self::changed(old, value, shape),
                None => Self::whole(value, shape),
            };
            if !below.is_empty() {
                set.below.insert(step, below);
            }
        }
        set
    }

    /// What is no longer there in `new`.
    pub(super) fn removed(old: &Value, new: &Value, shape: Shape<'_>) -> Self {
        let (Some(before), Some(after)) = (parts(old, shape), parts(new, shape)) else {
            return Self::default();
        };
        let after: BTreeMap<_, _> = after.into_iter().map(|(step, value, _)| (step, value)).collect();
        let mut set = Self::default();
        for (step, value, shape) in before {
            let below = match after.get(&step) {
                Some(new) => Self::removed(value, new, shape),
                None => Self::whole(value, shape),
            };
            if !below.is_empty() {
                set.below.insert(step, below);
            }
        }
        set
    }

    pub(super) fn union(&mut self, other: &Fields) {
        self.here |= other.here;
        for (step, below) in &other.below {
            self.below.entry(step.clone()).or_default().union(below);
        }
    }

    pub(super) fn minus(&self, other: &Fields) -> Self {
        let mut left = Self { here: self.here && !other.here, below: BTreeMap::new() };
        for (step, below) in &self.below {
            let below = other.at(step).map_or_else(|| below.clone(), |taken| below.minus(taken));
            if !below.is_empty() {
                left.below.insert(step.clone(), below);
            }
        }
        left
    }

    pub(super) fn and(&self, other: &Fields) -> Self {
        let mut both = Self { here: self.here && other.here, below: BTreeMap::new() };
        for (step, below) in &self.below {
            let below = other.at(step).map(|other| below.and(other)).unwrap_or_default();
            if !below.is_empty() {
                both.below.insert(step.clone(), below);
            }
        }
        both
    }

    /// Without the places that nobody owns: what identifies an object, and what the server writes.
    pub(super) fn without_identity(mut self) -> Self {
        self.below.remove("f:apiVersion");
        self.below.remove("f:kind");
        if let Some(metadata) = self.below.get_mut("f:metadata") {
            metadata.here = false;
            let server = ["creationTimestamp", "generation", "managedFields", "name", "namespace"];
            for name in server.into_iter().chain(["resourceVersion", "selfLink", "uid"]) {
                metadata.below.remove(&format!("f:{name}"));
            }
            if metadata.is_empty() {
                self.below.remove("f:metadata");
            }
        }
        self.here = false;
        self
    }

    /// Only these of an object's own fields, or all but these.
    pub(super) fn only(mut self, names: &[&str], these: bool) -> Self {
        self.below.retain(|step, _| names.iter().any(|name| step.strip_prefix("f:") == Some(name)) == these);
        self
    }

    /// For messages: `.spec.replicas`.
    pub(super) fn paths(&self) -> Vec<String> {
        let mut paths = if self.here && self.below.is_empty() { vec![String::new()] } else { Vec::new() };
        for (step, below) in &self.below {
            let step = match step.strip_prefix("f:") {
                Some(name) => format!(".{name}"),
                None => format!("[{}]", step[2..].trim_matches(['{', '}'])),
            };
            paths.extend(below.paths().into_iter().map(|rest| format!("{step}{rest}")));
        }
        paths
    }

    /// As `fieldsV1`.
    pub(super) fn written(&self) -> Value {
        let mut map = Map::new();
        if self.here && !self.below.is_empty() {
            map.insert(".".into(), json!({}));
        }
        map.extend(self.below.iter().map(|(step, below)| (step.clone(), below.written())));
        Value::Object(map)
    }

    /// From `fieldsV1`.
    pub(super) fn read(value: &Value) -> Self {
        let Some(map) = value.as_object() else { return Self::default() };
        let below = map.iter().filter(|(step, _)| *step != ".");
        Self {
            here: map.is_empty() || map.contains_key("."),
            below: below.map(|(step, value)| (step.clone(), Self::read(value))).collect(),
        }
    }
}
