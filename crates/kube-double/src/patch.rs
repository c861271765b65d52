//! The three kinds of patches that aren't server-side apply.

use crate::failure::Failure;
use crate::shape::{Form, Shape, key_of};
use serde_json::Value;

/// RFC 6902.
pub(super) fn json(object: &Value, patch: &Value) -> Result<Value, Failure> {
    let patch: json_patch::Patch = serde_json::from_value(patch.clone())
        .map_err(|error| Failure::bad_request(format!("error decoding patch: {error}")))?;
    let mut object = object.clone();
    json_patch::patch(&mut object, &patch).map_err(|error| {
        Failure::new(
            422,
            "Invalid",
            format!("the server rejected our request due to an error in our request: {error}"),
        )
    })?;
    Ok(object)
}

/// RFC 7386.
pub(super) fn merge(object: &Value, patch: &Value) -> Value {
    let mut object = object.clone();
    json_patch::merge(&mut object, patch);
    object
}

/// Kubernetes' own: like a merge patch, but lists of objects that have keys are merged by them. Its directives aren't known here.
pub(super) fn strategic(object: &Value, patch: &Value, shape: Shape<'_>) -> Result<Value, Failure> {
    if patch.to_string().contains("\"$") {
        return Err(Failure::bad_request(
            "directives of strategic merge patches aren't known to this server",
        ));
    }
    Ok(strategic_part(object, patch, shape))
}

fn strategic_part(object: &Value, patch: &Value, shape: Shape<'_>) -> Value {
    match (shape.form(patch), object, patch) {
        (Form::Keyed(keys), Value::Array(old), Value::Array(new)) => {
            let mut merged = old.clone();
            for entry in new {
                let key = key_of(entry, &keys);
                match merged.iter_mut().find(|there| key_of(there, &keys) == key) {
                    Some(there) => *there = strategic_part(there, entry, shape.entry()),
                    None => merged.push(entry.clone()),
                }
            }
            Value::Array(merged)
        }
        (_, Value::Object(old), Value::Object(new)) => {
            let mut merged = old.clone();
            for (name, value) in new {
                if value.is_null() {
                    merged.shift_remove(name);
                } else {
                    let before = old.get(name).unwrap_or(&Value::Null);
                    merged.insert(name.clone(), strategic_part(before, value, shape.field(name)));
                }
            }
            Value::Object(merged)
        }
        _ => patch.clone(),
    }
}
