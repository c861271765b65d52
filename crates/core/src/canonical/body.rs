//! A request's body, read as what its content type says.

use super::form::{self, Shown};
use super::json::{Mark, Tree};
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

/// What a body is compared as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Json,
    Form,
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

impl<'a> Body<'a> {
    pub(super) fn read(facts: &Facts<'_>, body: &'a [u8]) -> Self {
        match kind(facts.media_type(), body) {
            Kind::Form => Self::Form(body),
            Kind::Json => match Tree::of_json(body) {
                Some(mut tree) => {
                    mark_graphql(&mut tree);
                    Self::Tree(tree)
                }
                None => Self::Bytes(body),
            },
            Kind::Bytes => Self::Bytes(body),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Form(b"") | Self::Bytes(b""))
    }

    /// Appends the body in normal form.
    pub(super) fn write(&mut self, actions: &Actions<'_>, values: &mut Values, out: &mut Vec<u8>) {
        let whole = actions.body().find(|(_, _, steps)| steps.is_empty());
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

fn kind(media_type: Option<&[u8]>, body: &[u8]) -> Kind {
    let Some(content_type) = media_type else {
        let first = body.trim_ascii_start().first();
        return if matches!(first, Some(b'{' | b'[')) { Kind::Json } else { Kind::Bytes };
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
        Kind::Json
    } else if is(b"application/x-www-form-urlencoded") {
        Kind::Form
    } else {
        Kind::Bytes
    }
}
