//! Keeps secrets in the sidecar: each secret in a copy is replaced by a token.
//!
//! A token is `redacted-` and the first 16 digits of a keyed hash. Equal secrets have equal tokens,
//! whatever their place and encoding. A request with a secret therefore still matches, and an
//! issued access token equals the one that is sent back. Tokens aren't replaced again: the mock
//! gives tokens to the service, which sends them on.
//!
//! The rules are data, in `rules.rs`; `docs/how-to/secrets.md` describes them. Only text is
//! searched. The engine decides when and what to redact. A secret that has neither a known name nor
//! a known shape isn't found.

mod decode;
mod form;
mod found;
mod names;
mod rules;
mod scan;
mod settings;
mod shape;
mod token;

pub use found::What;
pub use settings::Settings;
pub use token::{TOKEN, contains_token, is_placeholder, is_token, is_token_of_jwt, tokens};

use crate::digest;
use crate::encoding;
use crate::exchange::{Body, Exchange};
use crate::facts;
use crate::headers::Headers;
use decode::{decode_json, decode_url};
use found::{Finder, Hit, Written};
use names::{Names, Place};
use std::borrow::Cow;
use token::{DIGITS, JWT};

/// A body is undone up to this length, in bytes. What would be longer stays as it is.
const DECODED_MAX: usize = 8 << 20;

/// Finds secrets and puts tokens in their place.
#[derive(Clone)]
pub struct Redactor {
    names: Names,
    /// The two hashes of HMAC (RFC 2104), with the key taken in.
    inner: sha1_smol::Sha1,
    outer: sha1_smol::Sha1,
}

impl Redactor {
    /// A redactor with a key and names.
    pub fn new(settings: &Settings) -> Self {
        let key = settings.key.as_bytes();
        let hashed = digest::sha1(key);
        // Longer than a block of SHA-1, a key counts by its hash.
        let key = if key.len() > 64 { &hashed[..] } else { key };
        let padded = |with: u8| {
            let mut block = [with; 64];
            block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
            let mut hash = sha1_smol::Sha1::new();
            hash.update(&block);
            hash
        };
        Self { names: Names::new(settings), inner: padded(0x36), outer: padded(0x5c) }
    }

    /// The token of a secret.
    pub fn token(&self, secret: &[u8]) -> Vec<u8> {
        let (mut inner, mut outer) = (self.inner.clone(), self.outer.clone());
        inner.update(secret);
        outer.update(&inner.digest().bytes());
        let mut token = TOKEN.to_vec();
        if shape::is_jwt(secret) {
            token.extend_from_slice(JWT);
        }
        let hex = digest::hex(&outer.digest().bytes());
        token.extend_from_slice(hex.as_bytes().get(..DIGITS).unwrap_or_default());
        token
    }

    /// A header's value without its secrets. `None`: there are none.
    pub fn header(&self, name: &[u8], value: &[u8]) -> Option<Vec<u8>> {
        let mut edit = Edit::new(self, value);
        look_at_header(&self.names, name, value, |hit| edit.replace(hit));
        edit.finish()
    }

    /// Headers without their secrets. `None`: there are none.
    pub fn headers(&self, headers: &Headers) -> Option<Headers> {
        let mut changed: Vec<(usize, Vec<u8>)> = Vec::new();
        for (at, (name, value)) in headers.iter().enumerate() {
            if let Some(new) = self.header(name, value) {
                changed.push((at, new));
            }
        }
        if changed.is_empty() {
            return None;
        }
        let mut changed = changed.iter().peekable();
        Some(Headers::from_pairs(headers.iter().enumerate().map(|(at, (name, value))| {
            let new = changed.next_if(|(place, _)| *place == at);
            (name, new.map_or(value, |(_, value)| value))
        })))
    }

    /// A path with its query, without their secrets. `None`: there are none.
    pub fn path(&self, path: &[u8]) -> Option<Vec<u8>> {
        let mut edit = Edit::new(self, path);
        look_at_path(&self.names, path, |hit| edit.replace(hit));
        edit.finish()
    }

    /// A body without its secrets. `None`: there are none, or it is no text. `content_type` may
    /// have parameters.
    pub fn body(&self, content_type: Option<&[u8]>, body: &[u8]) -> Option<Vec<u8>> {
        let mut edit = Edit::new(self, body);
        look_at_body(&self.names, content_type, body, |hit| edit.replace(hit));
        edit.finish()
    }

    /// Replaces the secrets in an exchange. If that changes a body, its `content-length` is
    /// adjusted, and checksums of its old bytes are removed.
    pub fn exchange(&self, exchange: &mut Exchange) {
        let request = &mut exchange.request;
        if let Some(path) = self.path(&request.path) {
            request.path = path;
        }
        self.message(&mut request.headers, &mut request.body, &mut request.trailers);
        if let Some(response) = &mut exchange.response {
            self.message(&mut response.headers, &mut response.body, &mut response.trailers);
        }
    }

    fn message(&self, headers: &mut Headers, body: &mut Body, trailers: &mut Headers) {
        if let Some(coding) = headers.get(b"content-encoding") {
            // Half a compressed body can't be undone, and shows nothing either.
            if let Some(new) = self.encoded_body(coding, headers.get(b"content-type"), &body.bytes) {
                let plain =
                    headers.iter().filter(|(name, _)| !name.eq_ignore_ascii_case(b"content-encoding"));
                *headers = fit_headers(&Headers::from_pairs(plain), body.bytes.len(), new.len());
                body.bytes = new;
            }
        } else if let Some(new) = self.body(headers.get(b"content-type"), &body.bytes) {
            *headers = fit_headers(headers, body.bytes.len(), new.len());
            body.bytes = new;
        }
        for list in [headers, trailers] {
            if let Some(new) = self.headers(list) {
                *list = new;
            }
        }
    }

    /// The body without its content-encoding, and without its secrets. `None` if it has none, or if
    /// it can't be decoded.
    pub fn encoded_body(&self, coding: &[u8], content_type: Option<&[u8]>, body: &[u8]) -> Option<Vec<u8>> {
        let decoded = encoding::undo(coding, body, DECODED_MAX)?;
        self.body(content_type, &decoded)
    }
}

/// The key stays out of logs.
impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Redactor").field("names", &self.names).finish_non_exhaustive()
    }
}

/// Calls `tell` with each secret in a request or response that a [`Redactor`] would replace: for
/// who wants to know, and change nothing.
#[derive(Clone, Debug, Default)]
pub struct Detector {
    names: Names,
}

impl Detector {
    /// A detector with names.
    pub fn new(settings: &Settings) -> Self {
        Self { names: Names::new(settings) }
    }

    /// Looks at a header.
    pub fn header<'a>(&self, name: &'a [u8], value: &'a [u8], mut tell: impl FnMut(What<'a>)) {
        look_at_header(&self.names, name, value, |hit| tell(hit.what));
    }

    /// Looks at a path with its query.
    pub fn path<'a>(&self, path: &'a [u8], mut tell: impl FnMut(What<'a>)) {
        look_at_path(&self.names, path, |hit| tell(hit.what));
    }

    /// Looks at a body.
    pub fn body<'a>(&self, content_type: Option<&[u8]>, body: &'a [u8], mut tell: impl FnMut(What<'a>)) {
        look_at_body(&self.names, content_type, body, |hit| tell(hit.what));
    }
}

fn look_at_header<'a>(names: &Names, name: &'a [u8], value: &'a [u8], mut tell: impl FnMut(Hit<'a>)) {
    // A pseudo-header.
    if name.first() == Some(&b':') {
        return;
    }
    let mut finder = Finder { text: value, tell: &mut tell };
    let start = value.iter().position(|b| !b.is_ascii_whitespace()).unwrap_or(0);
    let end = start.saturating_add(value.trim_ascii().len());
    let kind = names.header(name);
    if kind.is_some_and(|kind| finder.value(kind, name, (start, end), Written::Plain)) {
        return;
    }
    let is_url = rules::URLS.iter().any(|known| name.eq_ignore_ascii_case(known));
    match value.iter().position(|b| is_url && matches!(b, b'?' | b'#')) {
        Some(at) => form::pairs(value, at.saturating_add(1), Place::Query, names, tell),
        None => finder.shapes(start, end, Written::Plain),
    }
}

fn look_at_path<'a>(names: &Names, path: &'a [u8], mut tell: impl FnMut(Hit<'a>)) {
    let query = path.iter().position(|&b| b == b'?').unwrap_or(path.len());
    Finder { text: path, tell: &mut tell }.shapes(0, query, Written::Url);
    form::pairs(path, query.saturating_add(1), Place::Query, names, tell);
}

fn look_at_body<'a>(names: &Names, content_type: Option<&[u8]>, body: &'a [u8], tell: impl FnMut(Hit<'a>)) {
    let media_type = content_type.map(facts::media_type).unwrap_or_default();
    if body.is_empty() || facts::is_binary(media_type) || !is_text(body) {
        return;
    }
    if media_type.eq_ignore_ascii_case(b"application/x-www-form-urlencoded") {
        form::pairs(body, 0, Place::Body, names, tell);
    } else {
        scan::text(body, names, tell);
    }
}

/// Returns whether bytes are text of some kind: no control characters but those that texts have.
/// Anything compressed has others.
fn is_text(bytes: &[u8]) -> bool {
    let is_odd = |b: u8| (b < 0x20) & (b != b'\n') & (b != b'\r') & (b != b'\t') & (b != 0x0c) & (b != 0x1e);
    // Without a branch for each byte the compiler takes many at once.
    bytes.chunks(64).all(|chunk| !chunk.iter().fold(false, |odd, &b| odd | is_odd(b)))
}

/// The headers of a body that was changed.
fn fit_headers(headers: &Headers, old: usize, new: usize) -> Headers {
    let (old, new) = (old.to_string(), new.to_string());
    let is = |name: &[u8], known: &[u8]| name.eq_ignore_ascii_case(known);
    let kept = headers.iter().filter(|(name, _)| !rules::SUMS.iter().any(|sum| is(name, sum)));
    Headers::from_pairs(kept.map(|(name, value)| {
        let is_length = is(name, b"content-length") && value == old.as_bytes();
        (name, if is_length { new.as_bytes() } else { value })
    }))
}

/// A text in which secrets are replaced. Nothing is allocated until the first.
struct Edit<'a> {
    redactor: &'a Redactor,
    text: &'a [u8],
    out: Vec<u8>,
    copied: usize,
}

impl<'a> Edit<'a> {
    fn new(redactor: &'a Redactor, text: &'a [u8]) -> Self {
        Self { redactor, text, out: Vec::new(), copied: 0 }
    }

    fn replace(&mut self, hit: Hit<'_>) {
        let Some(before) = self.text.get(self.copied..hit.start) else { return };
        let raw = self.text.get(hit.start..hit.end).unwrap_or_default();
        if self.out.is_empty() {
            self.out.reserve(self.text.len().saturating_add(64));
        }
        self.out.extend_from_slice(before);
        let token = self.redactor.token(&plain(raw, hit.written, hit.squeeze));
        let quote: &[u8] = if hit.written == Written::JsonNumber { b"\"" } else { b"" };
        self.out.extend_from_slice(quote);
        self.out.extend_from_slice(&token);
        self.out.extend_from_slice(quote);
        self.copied = hit.end;
    }

    fn finish(mut self) -> Option<Vec<u8>> {
        if self.copied == 0 {
            return None;
        }
        self.out.extend_from_slice(self.text.get(self.copied..).unwrap_or_default());
        Some(self.out)
    }
}

/// The secret itself, however it is written.
fn plain(raw: &[u8], written: Written, squeeze: bool) -> Cow<'_, [u8]> {
    let text = match written {
        Written::Json if raw.contains(&b'\\') => Cow::Owned(decode_json(raw)),
        Written::Url if raw.iter().any(|b| matches!(b, b'%' | b'+')) => Cow::Owned(decode_url(raw)),
        _ => Cow::Borrowed(raw),
    };
    if !squeeze {
        return text;
    }
    Cow::Owned(text.iter().copied().filter(|b| !b.is_ascii_whitespace() && *b != b'-').collect())
}

#[cfg(test)]
mod tests;
