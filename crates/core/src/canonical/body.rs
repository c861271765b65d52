//! A request's body, read as what its content type says.

use super::form::{self, Shown};
use super::json::{self, Mark, Tree};
use super::protobuf::{self, Framing};
use super::values::Values;
use super::{graphql, multipart, xml};
use crate::encoding;
use crate::facts::{Facts, media_type};
use crate::rules::{Actions, PlaceId, Step, What};
use std::borrow::Cow;

/// A body that has been read.
pub(super) enum Body<'a> {
    /// JSON, or tree text that another format was turned into.
    Tree(Tree<'a>),
    Form(&'a [u8]),
    Bytes(&'a [u8]),
}

/// What a body is compared as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Json,
    Form,
    Xml,
    Multipart,
    Protobuf,
    Grpc,
    GraphQl,
    Bytes,
}

/// A body is undone up to this length, in bytes. What would be longer is compared as it was sent.
const DECODED_MAX: usize = 8 << 20;

/// A body without its content-encoding; as it is where that can't be undone.
pub(super) fn decoded<'a>(facts: &Facts<'_>, body: &'a [u8]) -> Cow<'a, [u8]> {
    let undone = match (facts.content_encoding, facts.aws_streaming) {
        (None, false) => None,
        (Some(encodings), false) => encoding::undo(encodings, body, DECODED_MAX),
        // Some clients send the frames without naming them in content-encoding.
        (None, true) => encoding::undo(b"aws-chunked", body, DECODED_MAX),
        (Some(encodings), true) => {
            let frames: &[u8] = b"aws-chunked";
            let named =
                encodings.split(|&b| b == b',').any(|name| name.trim_ascii().eq_ignore_ascii_case(frames));
            let all = if named { encodings.to_vec() } else { [encodings, b",", frames].concat() };
            encoding::undo(&all, body, DECODED_MAX)
        }
    };
    undone.unwrap_or(Cow::Borrowed(body))
}

/// The tree text of a body that isn't JSON and has a structure. `None` where it is something else.
pub(super) fn tree_text(facts: &Facts<'_>, body: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let written = match kind(facts.media_type(), body) {
        Kind::Xml => xml::write(body, &mut out),
        Kind::Multipart => multipart::write(facts.content_type?, body, &mut part, &mut out),
        Kind::Protobuf => protobuf::write(body, &mut out),
        Kind::Grpc => protobuf::write_grpc(body, protobuf::message_coding(facts.headers), &mut out),
        Kind::GraphQl => {
            let mut document = Vec::new();
            let written = graphql::write(body, &mut document);
            json::write_string(&document, &mut out);
            written
        }
        Kind::Json | Kind::Form | Kind::Bytes => false,
    };
    written.then_some(out)
}

/// Appends the value of one part of a multipart body: JSON and XML as what they are, anything else as text.
fn part(content_type: Option<&[u8]>, content: &[u8], out: &mut Vec<u8>) {
    let kind = content_type.map_or(Kind::Bytes, |content_type| kind(Some(media_type(content_type)), content));
    match kind {
        Kind::Json if Tree::of_json(content).is_some() => out.extend_from_slice(content),
        Kind::Xml if xml::write(content, out) => {}
        _ => json::write_string(content, out),
    }
}

impl<'a> Body<'a> {
    /// Reads a body; `tree_text` is that of [`tree_text`].
    pub(super) fn read(facts: &Facts<'_>, body: &'a [u8], tree_text: Option<&'a [u8]>) -> Self {
        let kind = kind(facts.media_type(), body);
        let tree = match (kind, tree_text) {
            (Kind::Form, _) => return Self::Form(body),
            (Kind::Json, _) => Tree::of_json(body),
            (_, Some(text)) => Tree::of_tree_text(text),
            (_, None) => None,
        };
        let Some(mut tree) = tree else { return Self::Bytes(body) };
        match kind {
            Kind::Json => mark_graphql(&mut tree),
            Kind::Multipart => mark_post_policy(&mut tree),
            _ => {}
        }
        Self::Tree(tree)
    }

    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Form(b"") | Self::Bytes(b""))
    }

    /// The texts that stand at a place of the body.
    pub(super) fn texts(&self, steps: &[Step]) -> Vec<Cow<'a, [u8]>> {
        match (self, steps) {
            (Self::Tree(tree), _) => tree.texts(steps).into_iter().map(Cow::Owned).collect(),
            (Self::Form(form), [Step::Key(name)]) => {
                form::value_of(form, name).map(Cow::Owned).into_iter().collect()
            }
            (Self::Bytes(bytes), []) => vec![Cow::Borrowed(*bytes)],
            _ => Vec::new(),
        }
    }

    /// Appends the body in normal form.
    pub(super) fn write(&mut self, actions: &Actions<'_>, values: &mut Values, out: &mut Vec<u8>) {
        let whole = actions.body().filter(|(_, _, steps)| steps.is_empty()).last();
        match (self, whole) {
            (_, Some((What::Ignore, ..))) => {}
            (Self::Tree(tree), _) => write_tree(tree, actions, values, out),
            (Self::Form(form), None) => {
                form::write(form, |name, value| values.plain(actions.field(name), value), out);
            }
            (Self::Form(bytes) | Self::Bytes(bytes), whole) => {
                let rule = whole.and_then(|(_, id, _)| actions.places().find(|(_, other, _)| *other == id));
                match values.plain(rule, bytes) {
                    Shown::Value => out.extend_from_slice(bytes),
                    Shown::Other(other) => out.extend_from_slice(&other),
                    Shown::Masked => out.push(b'*'),
                    Shown::Gone => {}
                }
            }
        }
    }
}

fn write_tree(tree: &mut Tree<'_>, actions: &Actions<'_>, values: &mut Values, out: &mut Vec<u8>) {
    let mut replaced: Vec<(What, PlaceId)> = Vec::new();
    for (what, id, steps) in actions.body() {
        let mark = match (what, u16::try_from(replaced.len())) {
            (What::Ignore, _) | (_, Err(_)) => Mark::Gone,
            (_, Ok(number)) => Mark::Replaced(number),
        };
        tree.mark(steps, mark);
        if mark != Mark::Gone {
            replaced.push((what, id));
        }
    }
    if actions.protobuf_maps() {
        tree.sort_maps();
    }
    let mut replace = |number: u16, value: &[u8], out: &mut Vec<u8>| {
        if let Some((what, id)) = replaced.get(usize::from(number)) {
            values.json(*what, *id, value, out);
        }
    };
    tree.write(&mut replace, out);
}

/// GraphQL over HTTP: the document is the member `query` of the request, or of each request in a batch.
fn mark_graphql(tree: &mut Tree<'_>) {
    let query = || Step::Key(b"query".to_vec());
    tree.mark_graphql(&[query()]);
    tree.mark_graphql(&[Step::Any, query()]);
}

/// The fields of a browser's upload that change with each signing (Amazon S3, "Browser-based uploads using POST"). What the policy says of
/// the other fields, they say themselves.
fn mark_post_policy(tree: &mut Tree<'_>) {
    const FIELDS: [&[u8]; 9] = [
        b"policy",
        b"Policy",
        b"x-amz-credential",
        b"x-amz-date",
        b"x-amz-security-token",
        b"x-amz-signature",
        b"AWSAccessKeyId",
        b"signature",
        b"Signature",
    ];
    let signed = [&b"x-amz-signature"[..], b"AWSAccessKeyId"].into_iter().any(|name| tree.has(name));
    if signed && (tree.has(b"policy") || tree.has(b"Policy")) {
        for field in FIELDS {
            tree.mark(&[Step::Key(field.to_vec())], Mark::Gone);
        }
    }
}

fn kind(media_type: Option<&[u8]>, body: &[u8]) -> Kind {
    let Some(content_type) = media_type else {
        let first = body.trim_ascii_start().first();
        return match first {
            Some(b'{' | b'[') => Kind::Json,
            Some(b'<') => Kind::Xml,
            _ => Kind::Bytes,
        };
    };
    let ends = |suffix: &[u8]| {
        let start = content_type.len().checked_sub(suffix.len());
        start.and_then(|s| content_type.get(s..)).is_some_and(|tail| tail.eq_ignore_ascii_case(suffix))
    };
    let starts = |prefix: &[u8]| {
        content_type.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    let is = |name: &[u8]| content_type.eq_ignore_ascii_case(name);
    // RFC 8259 and RFC 6839 (+json); AWS's JSON protocols.
    if is(b"application/json")
        || is(b"text/json")
        || ends(b"+json")
        || is(b"application/x-amz-json-1.0")
        || is(b"application/x-amz-json-1.1")
    {
        Kind::Json
    } else if is(b"application/x-www-form-urlencoded") {
        Kind::Form
    } else if is(b"application/xml") || is(b"text/xml") || ends(b"+xml") {
        // RFC 7303.
        Kind::Xml
    } else if starts(b"multipart/") {
        Kind::Multipart
    } else if let Some(framing) = Framing::of(content_type) {
        match framing {
            Framing::Message => Kind::Protobuf,
            Framing::Frames => Kind::Grpc,
        }
    } else if is(b"application/graphql") {
        Kind::GraphQl
    } else {
        Kind::Bytes
    }
}
