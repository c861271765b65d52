//! The canonical request: an ordered list of (key, value) that identifies a request, and its digest.
//!
//! Two requests are the same to Understudy exactly when their signatures are equal, byte for byte. The rules are in
//! `docs/reference/matching.md`; each module here names the source of the ones it applies. A body that can't be read as what its
//! content type says is compared as bytes: nothing is guessed.

mod form;
#[cfg_attr(not(test), expect(dead_code, reason = "joined in the next step"))]
mod graphql;
mod json;
#[cfg_attr(not(test), expect(dead_code, reason = "joined in the next step"))]
mod multipart;
mod operation;
mod pairs;
mod path;
#[cfg_attr(not(test), expect(dead_code, reason = "joined in the next step"))]
mod protobuf;
#[cfg_attr(not(test), expect(dead_code, reason = "joined in the next step"))]
mod xml;

use crate::digest::{self, Digest};
use crate::facts::Facts;
use crate::headers::Headers;

/// The version of the rules, first in each signature: digests of different rules never meet.
const TAG: u8 = 1;

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
}

/// A signature: (key, value) pairs in the order of the rules, in one buffer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signature {
    fields: Vec<u8>,
}

/// What a body is compared as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BodyKind {
    Json,
    Form,
    Bytes,
}

impl Signature {
    /// The signature of a request.
    pub fn of(request: &RequestView<'_>) -> Self {
        let mut signature = Self::default();
        signature.set(request);
        signature
    }

    /// Makes this the signature of a request, with the buffer that is there.
    pub fn set(&mut self, request: &RequestView<'_>) {
        let mut facts = Facts::of(request.headers);
        (facts.method, facts.path) = (request.method, request.path);
        self.set_from(request.backend, &facts, request.body);
    }

    /// The same, where the headers have been read already.
    pub fn set_from(&mut self, backend: &[u8], facts: &Facts<'_>, body: &[u8]) {
        self.fields.clear();
        self.fields.push(TAG);
        self.plain_field(b"backend", backend);
        self.plain_field(b"method", facts.method);
        let (raw_path, raw_query) = split_query(facts.path);
        self.field(b"path", |out| path::write(raw_path, out));
        let kind = body_kind(facts.media_type(), body);
        if let Some(operation) = operation::find(facts, kind == BodyKind::Form, body, raw_query) {
            self.plain_field(b"operation", &operation);
        }
        if !raw_query.is_empty() {
            self.field(b"query", |out| form::write_query(raw_query, out));
        }
        if let Some(media_type) = facts.media_type() {
            self.field(b"content-type", |out| out.extend(media_type.iter().map(u8::to_ascii_lowercase)));
        }
        for (name, value) in &facts.semantic {
            self.prefixed(&[b"header.", name]);
            self.prefixed(&[value]);
        }
        if !body.is_empty() {
            self.field(b"body", |out| write_body(kind, body, out));
        }
    }

    /// Reads a signature from the bytes of [`Self::as_bytes`]. Bytes that are no signature read as the fields up to the fault.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self { fields: bytes }
    }

    /// The signature as one piece: a version tag, then for each field key and value, each with its `u32` length before it.
    pub fn as_bytes(&self) -> &[u8] {
        &self.fields
    }

    /// SHA-1 over [`Self::as_bytes`].
    pub fn digest(&self) -> Digest {
        digest::sha1(&self.fields)
    }

    /// The fields in order.
    pub fn fields(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut rest = self.fields.get(1..).unwrap_or_default();
        std::iter::from_fn(move || {
            let (key, after) = take(rest)?;
            let (value, after) = take(after)?;
            rest = after;
            Some((key, value))
        })
    }

    /// The value of a key.
    pub fn get(&self, key: &[u8]) -> Option<&[u8]> {
        self.fields().find(|(k, _)| *k == key).map(|(_, value)| value)
    }

    fn plain_field(&mut self, key: &[u8], value: &[u8]) {
        self.prefixed(&[key]);
        self.prefixed(&[value]);
    }

    fn field(&mut self, key: &[u8], write: impl FnOnce(&mut Vec<u8>)) {
        self.prefixed(&[key]);
        let start = self.fields.len();
        self.fields.extend_from_slice(&[0; 4]);
        let value = self.fields.len();
        write(&mut self.fields);
        let length = u32::try_from(self.fields.len().saturating_sub(value)).unwrap_or(u32::MAX);
        if let Some(place) = self.fields.get_mut(start..value) {
            place.copy_from_slice(&length.to_le_bytes());
        }
    }

    fn prefixed(&mut self, parts: &[&[u8]]) {
        let length = parts.iter().fold(0usize, |sum, part| sum.saturating_add(part.len()));
        self.fields.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
        for part in parts {
            self.fields.extend_from_slice(part);
        }
    }
}

fn take(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)
}

/// Path and query: the query is what follows the first `?` (RFC 3986, 3.4); a fragment is never sent.
fn split_query(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().position(|&b| b == b'?') {
        Some(at) => {
            (path.get(..at).unwrap_or_default(), path.get(at.saturating_add(1)..).unwrap_or_default())
        }
        None => (path, b""),
    }
}

fn body_kind(media_type: Option<&[u8]>, body: &[u8]) -> BodyKind {
    let Some(content_type) = media_type else {
        let first = body.trim_ascii_start().first();
        return if matches!(first, Some(b'{' | b'[')) { BodyKind::Json } else { BodyKind::Bytes };
    };
    let ends = |suffix: &[u8]| {
        let start = content_type.len().checked_sub(suffix.len());
        start.and_then(|s| content_type.get(s..)).is_some_and(|tail| tail.eq_ignore_ascii_case(suffix))
    };
    let is = |name: &[u8]| content_type.eq_ignore_ascii_case(name);
    // RFC 8259 and RFC 6839 (+json); AWS's JSON protocols.
    if is(b"application/json")
        || is(b"text/json")
        || ends(b"+json")
        || is(b"application/x-amz-json-1.0")
        || is(b"application/x-amz-json-1.1")
    {
        BodyKind::Json
    } else if is(b"application/x-www-form-urlencoded") {
        BodyKind::Form
    } else {
        BodyKind::Bytes
    }
}

fn write_body(kind: BodyKind, body: &[u8], out: &mut Vec<u8>) {
    match kind {
        BodyKind::Json if json::write(body, out) => {}
        BodyKind::Form => form::write(body, out),
        BodyKind::Json | BodyKind::Bytes => out.extend_from_slice(body),
    }
}

#[cfg(test)]
mod tests;
