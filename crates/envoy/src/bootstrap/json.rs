//! Access to JSON values whose shape is known, because they are our templates. A missing value is
//! an error instead of a panic.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::error::Error;

pub(super) fn socket_address(address: SocketAddr) -> Value {
    json!({ "socket_address": { "address": address.ip().to_string(), "port_value": address.port() } })
}

pub(super) fn at<'v>(value: &'v mut Value, pointer: &str) -> Result<&'v mut Value, Error> {
    value.pointer_mut(pointer).ok_or_else(|| Error::Template { at: pointer.to_owned() })
}

/// The array at `pointer`. Creates it if its parent has none.
pub(super) fn array<'v>(value: &'v mut Value, pointer: &str) -> Result<&'v mut Vec<Value>, Error> {
    let missing = || Error::Template { at: pointer.to_owned() };
    let (parent, key) = pointer.rsplit_once('/').ok_or_else(missing)?;
    let parent = at(value, parent)?.as_object_mut().ok_or_else(missing)?;
    parent.entry(key).or_insert_with(|| json!([])).as_array_mut().ok_or_else(missing)
}

/// Removes the item of this name from an array.
pub(super) fn take(array: &mut Vec<Value>, name: &str) -> Result<Value, Error> {
    let at = array.iter().position(|item| item["name"] == name);
    at.map(|at| array.remove(at)).ok_or_else(|| Error::Template { at: name.to_owned() })
}
