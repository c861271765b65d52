//! Multipart bodies as trees: their parts in order, whatever the boundary (RFC 2046, 5.1; RFC 7578
//! for forms).
//!
//! The framing is read strictly, since readers disagree about what is loose: what begins like a
//! delimiter is one. Lines end in CRLF, or, in all of a body, in a bare line feed, which Python's
//! `email` package writes. Values of parameters stay as written between their quotes: browsers and
//! libraries escape them in different ways. The transfer encoding `base64` is undone (RFC 2045,
//! 6.8); the header that names it stays.
//!
//! A body is an ordered object of its parts, each by its `name`, else by its index from 0. A part
//! that has nothing but a name is its value; any other an ordered object: `name` where the name
//! could be taken for an index, `filename`, `content-type`, other headers (`header.` and the name)
//! sorted, `format` where its type leaves its reading open, then `value`.

pub(super) mod headers;

use super::json::write_string;
use super::pairs::{self, Pair};
use super::reader::{Inner, Reading};
use crate::facts::media_type;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use headers::{Parameters, parameters};

/// Reads the content of a part; its content type comes first, if the part names one.
pub(super) type Nested<'a> = dyn FnMut(Option<&[u8]>, &[u8]) -> Inner + 'a;

/// Appends the tree text of a multipart body. `content_type` is the header's whole value. A part
/// may be multipart again: `nested` has to end that at some depth. Gives `false`, and appends
/// nothing, where the body isn't multipart.
pub(super) fn write(content_type: &[u8], body: &[u8], nested: &mut Nested<'_>, out: &mut Vec<u8>) -> bool {
    let Some(parts) = boundary(content_type).and_then(|boundary| parts(&boundary, body)) else {
        return false;
    };
    out.push(b'(');
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        part.write(index, nested, out);
    }
    out.push(b')');
    true
}

/// The line that comes before each part: two hyphens and the boundary (RFC 2046, 5.1.1).
fn boundary(content_type: &[u8]) -> Option<Vec<u8>> {
    let boundary = parameters(content_type)?.get(b"boundary")?;
    let is_known = |b: &u8| b.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(b);
    let is_one = boundary.iter().all(is_known) && boundary.last().is_some_and(|&b| b != b' ');
    is_one.then(|| [b"--", boundary].concat())
}

/// Reads the parts between the delimiters, with the line ends that the first delimiter has. What
/// comes before the first delimiter and after the last is dropped.
fn parts<'a>(boundary: &[u8], body: &'a [u8]) -> Option<Vec<Part<'a>>> {
    let line_end = line_end(boundary, body)?;
    // The line end before a delimiter belongs to it.
    let delimiter = [line_end, boundary].concat();
    let mut parts = Vec::new();
    let mut rest = match body.strip_prefix(boundary) {
        Some(rest) => rest,
        None => split(body, &delimiter)?.1,
    };
    loop {
        if let Some(end) = rest.strip_prefix(b"--") {
            let epilogue = after_padding(end);
            // A form without fields has no parts; a text before the end of none is not a preamble
            // but a part that we can't read.
            let is_whole = !parts.is_empty() || body.starts_with(boundary);
            return (is_whole && (epilogue.is_empty() || epilogue.starts_with(line_end))).then_some(parts);
        }
        let (part, after) = split(after_padding(rest).strip_prefix(line_end)?, &delimiter)?;
        if part.ends_with(b"\r") && line_end == b"\n" {
            // Line ends of both kinds: readers would disagree on where the content ends.
            return None;
        }
        parts.push(Part::read(part, line_end)?);
        rest = after;
    }
}

/// The line end of a body: what follows the first delimiter.
fn line_end(boundary: &[u8], body: &[u8]) -> Option<&'static [u8]> {
    let mut at = 0usize;
    loop {
        let found = body.get(at..)?.windows(boundary.len()).position(|w| w == boundary)?;
        let start = at.checked_add(found)?;
        at = start.checked_add(1)?;
        let begins_line = start.checked_sub(1).is_none_or(|before| body.get(before) == Some(&b'\n'));
        let mut after = after_padding(body.get(start.checked_add(boundary.len())?..)?);
        if !begins_line {
            continue;
        }
        if let Some(end) = after.strip_prefix(b"--") {
            // A body without parts: there is nothing in it that lines could end.
            after = after_padding(end);
            if after.is_empty() {
                return Some(b"\r\n");
            }
        }
        if after.starts_with(b"\r\n") {
            return Some(b"\r\n");
        }
        if after.starts_with(b"\n") {
            return Some(b"\n");
        }
    }
}

/// What comes before and after the first delimiter.
fn split<'a>(text: &'a [u8], delimiter: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = text.windows(delimiter.len()).position(|w| w == delimiter)?;
    Some((text.get(..at)?, text.get(at.checked_add(delimiter.len())?..)?))
}

/// What comes after white space that gateways may have added to a delimiter (RFC 2046, 5.1.1).
fn after_padding(text: &[u8]) -> &[u8] {
    let length = text.iter().position(|b| !matches!(b, b' ' | b'\t')).unwrap_or(text.len());
    text.get(length..).unwrap_or_default()
}

/// The transfer encoding of a part (RFC 2045, 6.1).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Encoding {
    /// None.
    Plain,
    Base64,
    /// Another one, such as `quoted-printable`, which isn't undone.
    Other,
}

/// A part, as far as it matters.
struct Part<'a> {
    name: Option<Vec<u8>>,
    filename: Option<Vec<u8>>,
    content_type: Option<Vec<u8>>,
    /// The headers that none of these say all of, lower-case and sorted.
    others: Vec<Pair>,
    /// The encoding of the content.
    encoding: Encoding,
    content: &'a [u8],
}

impl<'a> Part<'a> {
    /// Reads a part. `None` where its headers aren't some, or one that there can be one of is there
    /// twice.
    fn read(text: &'a [u8], line_end: &[u8]) -> Option<Self> {
        let (headers, content) = headers::split(text, line_end)?;
        let mut part = Self {
            name: None,
            filename: None,
            content_type: None,
            others: Vec::new(),
            encoding: Encoding::Plain,
            content,
        };
        let mut is_disposed = false;
        for (name, value) in headers {
            match name.as_slice() {
                b"content-length" => continue,
                b"content-disposition" if is_disposed => return None,
                b"content-disposition" => {
                    is_disposed = true;
                    let parameters = parameters(&value)?;
                    part.name = parameters.get(b"name").map(<[u8]>::to_vec);
                    part.filename = parameters.get(b"filename").map(<[u8]>::to_vec);
                    if is_told(&parameters)? {
                        continue;
                    }
                }
                b"content-type" => {
                    if part.content_type.replace(value).is_some() {
                        return None;
                    }
                    continue;
                }
                b"content-transfer-encoding" => {
                    // These three change nothing (RFC 2045, 6.2).
                    if ["7bit", "8bit", "binary"]
                        .iter()
                        .any(|plain| value.eq_ignore_ascii_case(plain.as_bytes()))
                    {
                        continue;
                    }
                    let is_base64 = value.eq_ignore_ascii_case(b"base64");
                    let is_first = part.encoding == Encoding::Plain;
                    part.encoding = if is_base64 && is_first { Encoding::Base64 } else { Encoding::Other };
                }
                _ => {}
            }
            part.others.push((name, value));
        }
        pairs::sort(&mut part.others);
        Some(part)
    }

    /// The content, without its transfer encoding.
    fn inner(&self, nested: &mut Nested<'_>) -> Inner {
        match self.encoding {
            Encoding::Plain => nested(self.content_type.as_deref(), self.content),
            Encoding::Other => Inner::of_bytes(self.content, Reading::Usual),
            Encoding::Base64 => {
                // Line ends don't count in it (RFC 2045, 6.8).
                let text: Vec<u8> =
                    self.content.iter().copied().filter(|b| !b.is_ascii_whitespace()).collect();
                match STANDARD.decode(text) {
                    Ok(decoded) => nested(self.content_type.as_deref(), &decoded),
                    Err(_) => Inner::of_bytes(self.content, Reading::Encoded),
                }
            }
        }
    }

    fn write(&self, index: usize, nested: &mut Nested<'_>, out: &mut Vec<u8>) {
        match &self.name {
            Some(name) => write_string(name, out),
            None => write_string(index.to_string().as_bytes(), out),
        }
        out.push(b':');
        let like_index = self.name.as_ref().filter(|name| name.iter().all(u8::is_ascii_digit));
        let is_bare = self.filename.is_none() && self.content_type.is_none() && self.others.is_empty();
        let inner = self.inner(nested);
        let format = inner.reading.name();
        if is_bare && like_index.is_none() && format.is_none() {
            out.extend_from_slice(&inner.text);
            return;
        }
        let start = out.len();
        let mut member = |name: &[u8], value: &[u8]| {
            out.push(if out.len() == start { b'(' } else { b',' });
            write_string(name, out);
            out.push(b':');
            write_string(value, out);
        };
        if let Some(name) = like_index {
            member(b"name", name);
        }
        if let Some(filename) = &self.filename {
            member(b"filename", filename);
        }
        if let Some(content_type) = &self.content_type {
            member(b"content-type", &media_type(content_type).to_ascii_lowercase());
        }
        for (name, value) in &self.others {
            member(&[b"header.", name.as_slice()].concat(), value);
        }
        if let Some(format) = format {
            member(b"format", format);
        }
        out.extend_from_slice(b",\"value\":");
        out.extend_from_slice(&inner.text);
        out.push(b')');
    }
}

/// Returns whether a content disposition says no more than a form's has to (RFC 7578, 4.2): a name,
/// a file name. `None` where it says one twice.
fn is_told(disposition: &Parameters<'_>) -> Option<bool> {
    let is_known = |(name, _): &(&[u8], &[u8])| {
        name.eq_ignore_ascii_case(b"name") || name.eq_ignore_ascii_case(b"filename")
    };
    let counts =
        |known: &[u8]| disposition.list.iter().filter(|(name, _)| name.eq_ignore_ascii_case(known)).count();
    if counts(b"name") > 1 || counts(b"filename") > 1 {
        return None;
    }
    Some(disposition.value.eq_ignore_ascii_case(b"form-data") && disposition.list.iter().all(is_known))
}

#[cfg(test)]
mod tests;
