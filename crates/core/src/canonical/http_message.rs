//! Requests inside a body: the parts of a batch (RFC 9112, 10.2, `application/http`; OData 4.01,
//! "Batch Requests"; Google's APIs, "Batching requests").
//!
//! A request is an ordered object: `method`, `path`, `query` as an object of its parameters,
//! `content-type`, the headers that count (`header.` and the name) sorted, `format` where the
//! body's type leaves its reading open, and `body`. What doesn't count in a request of its own
//! doesn't count here. The version of HTTP doesn't count.

use super::json::write_string;
use super::multipart::{Nested, headers};
use super::pairs;
use super::path::split_query;
use super::{form, path};
use crate::facts::media_type;
use crate::header_family;

/// Appends the tree text of a request. Gives `false`, and appends nothing, where the bytes aren't
/// one.
pub(super) fn write(message: &[u8], nested: &mut Nested<'_>, out: &mut Vec<u8>) -> bool {
    match Request::read(message) {
        Some(request) => {
            request.write(nested, out);
            true
        }
        None => false,
    }
}

struct Request<'a> {
    method: &'a [u8],
    target: &'a [u8],
    content_type: Option<Vec<u8>>,
    /// The headers that count, sorted by name.
    headers: Vec<pairs::Pair>,
    body: &'a [u8],
}

impl<'a> Request<'a> {
    fn read(message: &'a [u8]) -> Option<Self> {
        // Empty lines before the request line are ignored (RFC 9112, 2.2).
        let start = message.iter().position(|b| !matches!(b, b'\r' | b'\n'))?;
        let message = message.get(start..)?;
        let end = message.iter().position(|&b| b == b'\n').unwrap_or(message.len());
        let (line, rest) = message.split_at_checked(end)?;
        let rest = rest.strip_prefix(b"\n").unwrap_or(rest);
        let (line, line_end) = match line.strip_suffix(b"\r") {
            Some(line) => (line, &b"\r\n"[..]),
            None => (line, &b"\n"[..]),
        };
        let mut words = line.split(|&b| b == b' ');
        let (method, target, version) = (words.next()?, words.next()?, words.next()?);
        let is_method = !method.is_empty() && method.iter().all(|&b| b.is_ascii_alphabetic() || b == b'-');
        if words.next().is_some() || !is_method || target.is_empty() || !version.starts_with(b"HTTP/") {
            return None;
        }
        let (all, body) = match headers::split(rest, line_end) {
            Some(read) => read,
            None => (headers_alone(rest, line_end)?, &b""[..]),
        };
        let mut request = Self { method, target, content_type: None, headers: Vec::new(), body };
        for (name, value) in all {
            match name.as_slice() {
                b"content-type" if request.content_type.is_some() => return None,
                b"content-type" => request.content_type = Some(value),
                _ if counts(&name) => request.headers.push((name, value)),
                _ => {}
            }
        }
        pairs::sort(&mut request.headers);
        Some(request)
    }

    fn write(&self, nested: &mut Nested<'_>, out: &mut Vec<u8>) {
        let (raw_path, query) = split_query(self.target);
        out.extend_from_slice(b"(\"method\":");
        write_string(self.method, out);
        let mut normal = Vec::with_capacity(raw_path.len());
        match raw_path.first() {
            Some(b'/') => path::write(raw_path, &mut normal),
            // Relative to the batch, or a whole URL.
            _ => normal.extend_from_slice(raw_path),
        }
        member(b"path", &normal, out);
        if !query.is_empty() {
            out.extend_from_slice(b",\"query\":");
            form::write_query_tree(query, out);
        }
        if let Some(content_type) = &self.content_type {
            member(b"content-type", &media_type(content_type).to_ascii_lowercase(), out);
        }
        for (name, value) in &self.headers {
            member(&[b"header.", name.as_slice()].concat(), value, out);
        }
        if !self.body.is_empty() {
            let inner = nested(self.content_type.as_deref(), self.body);
            if let Some(name) = inner.reading.name() {
                member(b"format", name, out);
            }
            out.extend_from_slice(b",\"body\":");
            out.extend_from_slice(&inner.text);
        }
        out.push(b')');
    }
}

/// The headers of a message that ends with them, without the empty line.
fn headers_alone(rest: &[u8], line_end: &[u8]) -> Option<Vec<pairs::Pair>> {
    let missing = if rest.is_empty() || rest.ends_with(line_end) { &b""[..] } else { line_end };
    let whole = [rest, missing, line_end].concat();
    headers::split(&whole, line_end).filter(|(_, body)| body.is_empty()).map(|(headers, _)| headers)
}

/// Returns whether a header of an inner request counts. The host and the operation have no field of
/// their own here, and encodings aren't undone.
fn counts(name: &[u8]) -> bool {
    const BESIDE: [&[u8]; 5] =
        [b"host", b"soapaction", b"x-amz-target", b"content-encoding", b"transfer-encoding"];
    header_family::counts(name) || BESIDE.contains(&name)
}

fn member(name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    out.push(b',');
    write_string(name, out);
    out.push(b':');
    write_string(value, out);
}
