//! The canonical request: an ordered list of (key, value) that identifies a request, and its digest.
//!
//! Two requests are the same to Understudy exactly when their signatures are equal, byte for byte. The rules are in
//! `docs/reference/matching.md`; each module here names the source of the ones it applies. A body that can't be read as what its
//! content type says is compared as bytes: nothing is guessed.

mod base64_text;
mod body;
mod cbor;
pub mod clock;
mod fields;
mod form;
mod format;
mod graphql;
mod http_message;
mod items;
mod json;
mod jwt;
mod msgpack;
mod multipart;
mod operation;
mod pairs;
mod parts;
mod path;
mod percent;
pub mod probe;
mod protobuf;
mod reader;
mod shown;
pub mod signed_url;
mod values;
mod xml;

pub use base64_text::{readable, text_in_base64};
pub use fields::Signature;
pub use json::json_text;
pub use parts::{Part, parts};
pub use protobuf::{Field, FieldValue, Framing, fields, inner_fields, message_coding};
pub use values::{Role, Spelling, Value, Values, hash_of_all};

/// A JSON text's leaves: for each the pointer to it, its value in normal form, and where it stands, quotes included. Of a text that isn't
/// JSON, those up to the fault.
pub fn json_leaves(text: &[u8], each: impl FnMut(&str, &[u8], std::ops::Range<usize>)) {
    json::leaves(text, each);
}

/// Text as a JSON string, quotes included.
pub fn json_string(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len().saturating_add(2));
    json::write_string(text, &mut out);
    out
}

/// Whether text is a number, `true`, `false` or `null` (RFC 8259, 3).
pub fn is_json_literal(text: &[u8]) -> bool {
    !matches!(text.first(), None | Some(b'"' | b'{' | b'[' | b' ' | b'\t' | b'\n' | b'\r'))
        && text.last().is_some_and(u8::is_ascii_alphanumeric)
        && json::Tree::of_json(text).is_some()
}

use crate::exchange::Exchange;
use crate::facts::Facts;
use crate::header_family;
use crate::headers::Headers;
use crate::rules::{Actions, Place, Root, Rules, What};
use body::Body;
use path::split_query;
use shown::Shown;
use std::borrow::Cow;

/// A request as the rules look at it.
#[derive(Clone, Copy, Debug)]
pub struct RequestView<'a> {
    /// The backend's name; see [`crate::backend`].
    pub backend: &'a [u8],
    /// The method.
    pub method: &'a [u8],
    /// Path and query as sent.
    pub path: &'a [u8],
    /// The headers; pseudo-headers don't matter.
    pub headers: &'a Headers,
    /// The whole body.
    pub body: &'a [u8],
    /// When it was made, in microseconds since 1970. Only rules about days look at it.
    pub time: u64,
}

impl<'a> From<&'a Exchange> for RequestView<'a> {
    fn from(exchange: &'a Exchange) -> Self {
        let request = &exchange.request;
        Self {
            backend: exchange.backend.as_bytes(),
            method: &request.method,
            path: &request.path,
            headers: &request.headers,
            body: &request.body.bytes,
            time: exchange.time,
        }
    }
}

impl Signature {
    /// The signature of a request.
    pub fn of(request: &RequestView<'_>, rules: &Rules) -> Self {
        let mut signature = Self::default();
        signature.set(request, rules);
        signature
    }

    /// Makes this the signature of a request, with the buffers that are there. Gives what the rules say of it besides.
    pub fn set<'r>(&mut self, request: &RequestView<'_>, rules: &'r Rules) -> Actions<'r> {
        let mut facts = Facts::of(request.headers);
        (facts.method, facts.path) = (request.method, request.path);
        self.set_from(request.backend, &facts, request.body, request.time, rules)
    }

    /// The same, where the headers have been read already. `time`: as in [`RequestView`].
    pub fn set_from<'r>(
        &mut self,
        backend: &[u8],
        facts: &Facts<'_>,
        body: &[u8],
        time: u64,
        rules: &'r Rules,
    ) -> Actions<'r> {
        self.clear(time);
        self.plain_field(b"backend", backend);
        self.plain_field(b"method", facts.method);
        let (raw_path, raw_query) = split_query(facts.path);
        let before_path = self.len();
        self.field(b"path", |out, _| path::write(raw_path, out));
        let decoded = body::decoded(facts, body);
        let tree_text = body::tree_text(facts, &decoded);
        let (mut body, reading) = Body::read(facts, &decoded, tree_text.as_deref());
        let operation = operation::find(facts, &body, raw_query);
        let actions = {
            let path = self.get(b"path").unwrap_or_default();
            rules.apply(backend, facts.method, path, operation.as_deref())
        };
        if actions.now().next().is_some() {
            let texts = actions.now().flat_map(|(_, _, place)| texts_at(place, facts, raw_query, &body));
            self.set_service_time(texts);
        }
        if actions.places().any(|(_, _, place)| matches!(place.root(), Root::Path(_))) {
            self.truncate(before_path);
            self.field(b"path", |out, values| path::write_masked(raw_path, &actions, values, out));
        }
        if let Some(operation) = operation {
            self.plain_field(b"operation", &operation);
        }
        self.query(raw_query, &actions);
        let ignored = matches!(actions.header(b"content-type"), Some((What::Ignore, ..)));
        if let Some(media_type) = facts.media_type().filter(|_| !ignored) {
            self.field(b"content-type", |out, _| out.extend(media_type.iter().map(u8::to_ascii_lowercase)));
        }
        self.headers(facts, &actions);
        if !body.is_empty() {
            if let Some(name) = reading.name().filter(|_| !Body::is_left_out(&actions)) {
                self.plain_field(b"format", name);
            }
            self.field_unless_empty(b"body", |out, values| body.write(&actions, values, out));
        }
        actions
    }

    fn query(&mut self, query: &[u8], actions: &Actions<'_>) {
        if query.is_empty() {
            return;
        }
        // Nothing that counts is nothing.
        self.field_unless_empty(b"query", |out, values| {
            let show = |name: &[u8], value: &[u8]| match values.plain(actions.query(name), value) {
                Shown::Value if name == b"query" && graphql::is_document(value) => {
                    let mut document = Vec::new();
                    if graphql::write(value, &mut document) { Shown::Other(document) } else { Shown::Value }
                }
                shown => shown,
            };
            form::write_query(query, show, out);
        });
    }

    /// The headers that count, sorted by name, repeats in their order.
    fn headers(&mut self, facts: &Facts<'_>, actions: &Actions<'_>) {
        let counts = |name: &[u8]| {
            header_family::counts(name)
                || !actions.is_empty() && (actions.requires(name) || actions.is_caller(name))
        };
        let mut counted: Vec<(Cow<'_, [u8]>, &[u8])> = facts
            .headers
            .iter()
            .map(|(name, value)| (lower(name), value))
            .filter(|(name, value)| counts(name) && !is_any(name, value))
            .collect();
        counted.sort_by(|(a, _), (b, _)| a.cmp(b));
        for (name, value) in counted {
            let value = value.trim_ascii();
            let json = json_header(value);
            let value = json.as_deref().unwrap_or(value);
            let shown = self.shown(actions.header(&name), value);
            let value = match &shown {
                Shown::Gone => continue,
                Shown::Value => value,
                Shown::Masked => &b"*"[..],
                Shown::Other(other) => other,
            };
            self.prefixed(&[b"header.", &name]);
            self.prefixed(&[value]);
        }
    }
}

/// The texts that stand at a place of a request.
fn texts_at<'a>(place: &Place, facts: &Facts<'a>, query: &[u8], body: &Body<'a>) -> Vec<Cow<'a, [u8]>> {
    match place.root() {
        Root::Path(number) => {
            let (path, _) = split_query(facts.path);
            let segment = usize::try_from(*number).ok().and_then(|at| path.split(|&b| b == b'/').nth(at));
            segment.map(Cow::Borrowed).into_iter().collect()
        }
        Root::Query(name) => form::value_of(query, name).map(Cow::Owned).into_iter().collect(),
        Root::Header(name) => facts.headers.get(name.as_bytes()).map(Cow::Borrowed).into_iter().collect(),
        Root::Body(steps) => body.texts(steps),
    }
}

/// Returns whether a header asks for what a request without it asks for too: `accept: */*` (RFC
/// 9110, 12.5.1).
fn is_any(name: &[u8], value: &[u8]) -> bool {
    name == b"accept" && value.trim_ascii() == b"*/*"
}

/// A name in lower case; Envoy's are already.
fn lower(name: &[u8]) -> Cow<'_, [u8]> {
    match name.iter().any(u8::is_ascii_uppercase) {
        true => name.to_ascii_lowercase().into(),
        false => name.into(),
    }
}

/// The normal form of a header's value that is a JSON object or array, such as `dropbox-api-arg`.
fn json_header(value: &[u8]) -> Option<Vec<u8>> {
    if !matches!(value.first(), Some(b'{' | b'[')) {
        return None;
    }
    let tree = json::Tree::of_json(value)?;
    let mut out = Vec::with_capacity(value.len());
    tree.write(&mut |_, _, _| {}, &mut out);
    Some(out)
}

#[cfg(test)]
mod hostile;
#[cfg(all(test, not(target_family = "wasm")))]
mod properties;
#[cfg(test)]
mod tests;
