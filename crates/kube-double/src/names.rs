//! What every object's metadata is held to: names, labels, annotations, owners.

use crate::kinds::Kind;
use crate::schema::Errors;
use serde_json::Value;

/// All annotations of an object together, in bytes.
const ANNOTATIONS: usize = 256 * 1024;

/// Says what is wrong with an object's metadata.
pub(super) fn check(kind: &Kind, metadata: &Value, errors: &mut Errors) {
    let name = metadata["name"].as_str().unwrap_or_default();
    let mut wrong = |field: &str, message: String| errors.push((format!("metadata.{field}"), message));
    let label_only = matches!(kind.plural.as_str(), "services" | "namespaces");
    let roomy = kind.group == "rbac.authorization.k8s.io";
    if !roomy && !(if label_only { is_label(name) } else { is_subdomain(name) }) {
        wrong(
            "name",
            format!(
                "Invalid value: {name:?}: a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character"
            ),
        );
    }
    for (key, value) in metadata["labels"].as_object().into_iter().flatten() {
        if !is_qualified(key) {
            wrong(
                "labels",
                format!(
                    "Invalid value: {key:?}: name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
                ),
            );
        }
        if !value.as_str().is_some_and(is_label_value) {
            wrong(
                "labels",
                format!(
                    "Invalid value: {value}: a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character, at most 63 of them"
                ),
            );
        }
    }
    let mut size = 0;
    for (key, value) in metadata["annotations"].as_object().into_iter().flatten() {
        size += key.len() + value.as_str().map_or(0, str::len);
        if !is_qualified(&key.to_lowercase()) {
            wrong(
                "annotations",
                format!(
                    "Invalid value: {key:?}: name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
                ),
            );
        }
    }
    if size > ANNOTATIONS {
        wrong("annotations", format!("Too long: must have at most {ANNOTATIONS} bytes"));
    }
    for finalizer in metadata["finalizers"].as_array().into_iter().flatten() {
        if !finalizer.as_str().is_some_and(is_qualified) {
            wrong(
                "finalizers",
                format!("Invalid value: {finalizer}: name part must consist of alphanumeric characters"),
            );
        }
    }
    owners(metadata, errors);
}

fn owners(metadata: &Value, errors: &mut Errors) {
    let owners = metadata["ownerReferences"].as_array();
    for owner in owners.into_iter().flatten() {
        for field in ["apiVersion", "kind", "name", "uid"] {
            if owner[field].as_str().is_none_or(str::is_empty) {
                let path = format!("metadata.ownerReferences.{field}");
                errors.push((path, format!("Invalid value: \"\": {field} must not be empty")));
            }
        }
    }
    let controllers = owners.into_iter().flatten().filter(|owner| owner["controller"] == true).count();
    if controllers > 1 {
        let message = "Invalid value: only one reference can have Controller set to true".to_owned();
        errors.push(("metadata.ownerReferences".into(), message));
    }
}

/// Lower-case letters, digits and hyphens, begun and ended by one of the former; at most 63.
pub(super) fn is_label(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    text.len() <= 63
        && text.bytes().all(|byte| inner(byte) || byte == b'-')
        && text.bytes().next().is_some_and(inner)
        && text.bytes().last().is_some_and(inner)
}

/// Labels joined by dots; at most 253.
fn is_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_part)
}

fn is_part(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    text.bytes().all(|byte| inner(byte) || byte == b'-')
        && text.bytes().next().is_some_and(inner)
        && text.bytes().last().is_some_and(inner)
}

/// `name` or `prefix/name`.
fn is_qualified(text: &str) -> bool {
    let (prefix, name) = text.split_once('/').map_or((None, text), |(prefix, name)| (Some(prefix), name));
    prefix.is_none_or(is_subdomain) && !name.is_empty() && is_label_value(name)
}

fn is_label_value(text: &str) -> bool {
    let edge = |byte: Option<u8>| byte.is_none_or(|byte| byte.is_ascii_alphanumeric());
    text.len() <= 63
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        && edge(text.bytes().next())
        && edge(text.bytes().last())
}
