//! A signature in small parts: path segments, query parameters, the leaves of the body. What a miss is explained with, and found by.

use super::fields::Signature;
use super::reader::BYTES;
use super::{json, percent};

/// One part of a signature: a name as rules name places, and its value as it is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// `method`, `path.2`, `query.page`, `header.range`, `body/order/id`, …
    pub key: String,
    /// The value.
    pub value: Vec<u8>,
}

/// The parts of a signature, in its order, without the backend. Of a value that was cut, those up to the cut.
///
/// A body has inner parts only where the matcher reads it as a tree or a form: the signature says
/// where it doesn't. So no rule is made for a place that the matcher can't find.
pub fn parts(signature: &Signature) -> Vec<Part> {
    let mut parts = Vec::new();
    let is_form = signature.get(b"content-type") == Some(b"application/x-www-form-urlencoded");
    let is_bytes = signature.get(b"format") == Some(BYTES);
    for (key, value) in signature.fields() {
        match key {
            b"backend" => {}
            b"path" => {
                for (number, segment) in value.split(|&b| b == b'/').enumerate().skip(1) {
                    parts.push(Part { key: format!("path.{number}"), value: segment.to_vec() });
                }
            }
            b"query" => pairs("query.", value, &mut parts),
            b"body" if is_form => pairs("body/", value, &mut parts),
            b"body" if is_bytes => parts.push(Part { key: "body".to_owned(), value: value.to_vec() }),
            b"body" => body(value, &mut parts),
            _ => parts.push(Part { key: String::from_utf8_lossy(key).into_owned(), value: value.to_vec() }),
        }
    }
    parts
}

fn pairs(prefix: &str, text: &[u8], parts: &mut Vec<Part>) {
    for pair in text.split(|&b| b == b'&').filter(|pair| !pair.is_empty()) {
        let (name, value) = percent::split(pair);
        let name = String::from_utf8_lossy(&percent::decode(name)).into_owned();
        let name = if prefix == "body/" { crate::rules::escape(&name) } else { name };
        parts
            .push(Part { key: format!("{prefix}{name}"), value: percent::decode(value.unwrap_or_default()) });
    }
}

fn body(text: &[u8], parts: &mut Vec<Part>) {
    if matches!(text.first(), Some(b'{' | b'[' | b'(')) {
        let before = parts.len();
        json::leaves(text, |pointer, value, _| {
            parts.push(Part { key: format!("body{pointer}"), value: value.to_vec() });
        });
        if parts.len() > before {
            return;
        }
    }
    parts.push(Part { key: "body".to_owned(), value: text.to_vec() });
}
