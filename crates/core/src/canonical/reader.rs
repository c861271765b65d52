//! The one reader of contents: of whole bodies, of the parts of a multipart body, and of the bodies
//! of requests in a batch. A format is read here or nowhere, so that a place in a content means the
//! same wherever the content stands.
//!
//! A content that isn't what its type promises is compared as bytes. The signature says so, and
//! says which of several readings was taken, so that two contents that are read in different ways
//! never have one signature.

use super::cbor;
use super::form;
use super::format::Format;
use super::http_message;
use super::json::{self, Tree};
use super::msgpack;
use super::protobuf;
use super::{graphql, multipart, xml};
use crate::facts::media_type;

/// Multiparts and requests that stand deeper in each other than this are compared as bytes. OData's
/// change sets take four levels.
const DEPTH_MAX: usize = 8;

/// The byte order mark in UTF-8.
const BOM: &[u8] = b"\xef\xbb\xbf";

/// The reading of a content whose type leaves the reading open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// As its type says; or as JSON or text where the type says nothing.
    Usual,
    /// Several JSON values, one per line.
    Lines,
    /// A JSON text sequence.
    Sequence,
    /// JSON that strict readers refuse: with a byte order mark, with a comma before the end of a
    /// container, or with both.
    LooseJson { marked: bool, comma: bool },
    /// As bytes, though its type or its beginning promises a structure.
    Bytes,
    /// As bytes, in a transfer encoding that can't be undone.
    Encoded,
}

impl Reading {
    /// Its name in a signature; none for the usual reading.
    pub(super) fn name(self) -> Option<&'static [u8]> {
        match self {
            Self::Usual => None,
            Self::Lines => Some(b"json-lines"),
            Self::Sequence => Some(b"json-sequence"),
            Self::LooseJson { marked: true, comma: true } => Some(b"json-bom-comma"),
            Self::LooseJson { marked: true, comma: false } => Some(b"json-bom"),
            Self::LooseJson { marked: false, .. } => Some(b"json-comma"),
            Self::Bytes => Some(BYTES),
            Self::Encoded => Some(b"encoded"),
        }
    }
}

/// The name of [`Reading::Bytes`].
pub(super) const BYTES: &[u8] = b"bytes";

/// A content within another content: its tree text, and how it was read.
pub(super) struct Inner {
    pub(super) text: Vec<u8>,
    pub(super) reading: Reading,
}

impl Inner {
    /// Bytes as they are.
    pub(super) fn of_bytes(bytes: &[u8], reading: Reading) -> Self {
        let mut text = Vec::with_capacity(bytes.len().saturating_add(2));
        json::write_string(bytes, &mut text);
        Self { text, reading }
    }
}

/// Reads JSON in each of its forms. `None` where the format isn't JSON's or the content isn't JSON.
pub(super) fn json(format: Format, content: &[u8]) -> Option<(Tree<'_>, Reading)> {
    let first = content.trim_ascii_start().first().copied();
    match format {
        Format::Json | Format::Lines => {}
        // A number or a word under a type that says nothing is text.
        Format::Text if matches!(first, Some(b'{' | b'[' | 0xef | 0x1e)) => {}
        _ => return None,
    }
    if first == Some(0x1e) {
        let tree = Tree::of_sequence(content.trim_ascii_start())?;
        let (count, containers) = tree.elements();
        return (count > 0 && (containers || format != Format::Text)).then_some((tree, Reading::Sequence));
    }
    if format == Format::Lines {
        return lines(content, 1, false);
    }
    let (text, marked) = match content.strip_prefix(BOM) {
        Some(text) => (text, true),
        None => (content, false),
    };
    match Tree::of_loose_json(text) {
        Some((tree, comma)) => {
            let reading = if marked || comma { Reading::LooseJson { marked, comma } } else { Reading::Usual };
            // `NaN` alone isn't a body that anything sends as JSON.
            let is_json = tree.is_container() || format == Format::Json && Tree::of_json(text).is_some();
            is_json.then_some((tree, reading))
        }
        None => lines(content, 2, format == Format::Text),
    }
}

/// Reads at least so many JSON values, one per line; each an object or an array if `containers`.
fn lines(content: &[u8], least: usize, containers: bool) -> Option<(Tree<'_>, Reading)> {
    let tree = Tree::of_lines(content)?;
    let (count, all_containers) = tree.elements();
    (count >= least && (all_containers || !containers)).then_some((tree, Reading::Lines))
}

/// A content with its type, ready to be read.
#[derive(Clone, Copy)]
pub(super) struct Content<'a> {
    pub(super) format: Format,
    /// The whole value of `content-type`.
    pub(super) content_type: Option<&'a [u8]>,
    /// The compression of the messages in gRPC's frames.
    pub(super) message_coding: Option<&'a [u8]>,
    pub(super) bytes: &'a [u8],
    /// The number of contents around this one.
    pub(super) depth: usize,
}

/// Appends the tree text of a content that isn't JSON and has a structure. Gives `false`, and
/// appends nothing, where it is something else.
pub(super) fn write_tree(content: &Content<'_>, out: &mut Vec<u8>) -> bool {
    let bytes = content.bytes;
    let mut nested = |content_type: Option<&[u8]>, bytes: &[u8]| {
        inner(content_type, bytes, content.depth.saturating_add(1))
    };
    match content.format {
        Format::Xml => xml::write(bytes, out),
        Format::Multipart => content.content_type.is_some_and(|content_type| {
            content.depth < DEPTH_MAX && multipart::write(content_type, bytes, &mut nested, out)
        }),
        Format::Http => content.depth < DEPTH_MAX && http_message::write(bytes, &mut nested, out),
        Format::Protobuf => protobuf::write(bytes, out),
        Format::Grpc => protobuf::write_grpc(bytes, content.message_coding, out),
        Format::Cbor => cbor::write(bytes, out),
        Format::CborSequence => cbor::write_sequence(bytes, out),
        Format::MessagePack => msgpack::write(bytes, out),
        Format::GraphQl => {
            let mut document = Vec::new();
            let written = graphql::write(bytes, &mut document);
            if written {
                json::write_string(&document, out);
            }
            written
        }
        Format::Json | Format::Lines | Format::Form | Format::Text | Format::Bytes => false,
    }
}

/// Reads a content that stands in another one: a part, or the body of a request in a batch.
fn inner(content_type: Option<&[u8]>, bytes: &[u8], depth: usize) -> Inner {
    let format = Format::of_part(content_type.map(media_type));
    if let Some((tree, reading)) = json(format, bytes) {
        let mut text = Vec::with_capacity(bytes.len());
        tree.write_plain(&mut text);
        return Inner { text, reading };
    }
    let mut text = Vec::new();
    if format == Format::Form {
        form::write_tree(bytes, &mut text);
        return Inner { text, reading: Reading::Usual };
    }
    let content = Content { format, content_type, message_coding: None, bytes, depth };
    if write_tree(&content, &mut text) {
        return Inner { text, reading: Reading::Usual };
    }
    Inner::of_bytes(bytes, if format.is_structured() { Reading::Bytes } else { Reading::Usual })
}

#[cfg(test)]
mod tests;
