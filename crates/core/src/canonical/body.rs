//! A request's body, read as what its content type says.

use super::form;
use super::format::Format;
use super::json::{Mark, Tree};
use super::protobuf;
use super::reader::{self, Content, Reading};
use super::shown::Shown;
use super::values::Values;
use crate::encoding;
use crate::facts::Facts;
use crate::rules::{Actions, PlaceId, Step, What};
use std::borrow::Cow;

/// A body that has been read.
pub(super) enum Body<'a> {
    /// JSON, or tree text that another format was turned into.
    Tree(Tree<'a>),
    Form(&'a [u8]),
    Bytes(&'a [u8]),
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
    let content = Content {
        format: Format::of_body(facts.media_type(), body),
        content_type: facts.content_type,
        message_coding: protobuf::message_coding(facts.headers),
        bytes: body,
        depth: 0,
    };
    let mut out = Vec::new();
    reader::write_tree(&content, &mut out).then_some(out)
}

impl<'a> Body<'a> {
    /// Reads a body; `tree_text` is that of [`tree_text`]. Besides, how it was read.
    pub(super) fn read(facts: &Facts<'_>, body: &'a [u8], tree_text: Option<&'a [u8]>) -> (Self, Reading) {
        let format = Format::of_body(facts.media_type(), body);
        if format == Format::Form {
            return (Self::Form(body), Reading::Usual);
        }
        if let Some((mut tree, reading)) = reader::json(format, body) {
            if matches!(reading, Reading::Usual | Reading::LooseJson { .. }) {
                mark_graphql(&mut tree);
            }
            return (Self::Tree(tree), reading);
        }
        if let Some(mut tree) = tree_text.and_then(Tree::of_tree_text) {
            if format == Format::Multipart {
                mark_post_policy(&mut tree);
            }
            return (Self::Tree(tree), Reading::Usual);
        }
        // Bytes that begin like a tree could be taken for one whose values don't count.
        let is_special = format.is_structured() || matches!(body.first(), Some(b'{' | b'[' | b'('));
        (Self::Bytes(body), if is_special { Reading::Bytes } else { Reading::Usual })
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

    /// Returns whether a rule leaves out all of the body, however it was read.
    pub(super) fn is_left_out(actions: &Actions<'_>) -> bool {
        let whole = actions.body().filter(|(_, _, steps)| steps.is_empty()).last();
        matches!(whole, Some((What::Ignore | What::Mask, ..)))
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
