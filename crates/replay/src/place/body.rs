//! Values in bodies of forms, JSON, protobuf messages and gRPC frames, compressed or not.

use super::{At, message, pairs, swap, with_pair};
use std::borrow::Cow;
use understudy_core::canonical::{
    Framing, is_json_literal, json_leaves, json_string, json_text, message_coding,
};
use understudy_core::encoding;
use understudy_core::exchange::Request;
use understudy_core::facts::media_type;
use understudy_core::headers::Headers;

/// Maximum size of a decoded body that is searched, in bytes.
const UNDONE_MAX: usize = 8 << 20;

/// A decoded body with its kind.
struct Content<'a> {
    kind: Kind,
    text: Cow<'a, [u8]>,
}

#[derive(Clone, Copy)]
enum Kind {
    Form,
    Json,
    Protobuf(Framing),
}

/// The body without its content encoding. `None` if the encoding can't be undone.
pub(super) fn plain<'a>(headers: &Headers, body: &'a [u8]) -> Option<Cow<'a, [u8]>> {
    match headers.get(b"content-encoding") {
        None => Some(Cow::Borrowed(body)),
        Some(coding) => encoding::undo(coding, body, UNDONE_MAX),
    }
}

/// Decodes a body. `None` if its kind has no places for values.
fn content<'a>(headers: &Headers, body: &'a [u8]) -> Option<Content<'a>> {
    let text = plain(headers, body)?;
    let media_type = media_type(headers.get(b"content-type").unwrap_or_default());
    if let Some(framing) = Framing::of(media_type) {
        let text = match framing {
            Framing::Message => text,
            Framing::Frames => {
                let coding = message_coding(headers).unwrap_or(b"identity");
                encoding::undo_messages(coding, &text, UNDONE_MAX)?.into()
            }
        };
        return Some(Content { kind: Kind::Protobuf(framing), text });
    }
    let kind = if media_type.eq_ignore_ascii_case(b"application/x-www-form-urlencoded") {
        Kind::Form
    } else if matches!(text.trim_ascii_start().first(), Some(b'{' | b'[')) {
        Kind::Json
    } else {
        return None;
    };
    Some(Content { kind, text })
}

/// Finds the values in a body.
pub(super) fn values(headers: &Headers, body: &[u8], found: &mut Vec<(At, Vec<u8>)>) {
    let Some(Content { kind, text }) = content(headers, body) else { return };
    match kind {
        Kind::Form => {
            found.extend(pairs(&text).map(|(name, value)| (At::Body(format!("/{}", escape(&name))), value)));
        }
        Kind::Json => json_leaves(&text, |pointer, value, _| {
            let text = json_text(value);
            if !matches!(&text[..], b"true" | b"false" | b"null" | b"") {
                found.push((At::Body(pointer.to_owned()), text));
            }
        }),
        Kind::Protobuf(framing) => {
            let all = message::values(framing, &text).into_iter();
            found.extend(all.map(|(pointer, value)| (At::Body(pointer), value)));
        }
    }
}

/// Replaces `old` by `new` in a request's body. Returns whether `old` was there.
pub(super) fn replace(request: &mut Request, pointer: &str, old: &[u8], new: &[u8]) -> bool {
    let Some(Content { kind, text }) = content(&request.headers, &request.body.bytes) else { return false };
    let changed = match kind {
        Kind::Form => with_pair(&text, &unescape(pointer.get(1..).unwrap_or_default()), old, new),
        Kind::Json => with_leaf(&text, pointer, old, new),
        Kind::Protobuf(framing) => message::with_value(framing, &text, pointer, old, new),
    };
    let Some(changed) = changed else { return false };
    // The body is sent without an encoding, which every server accepts; so does every gRPC server.
    let others = request.headers.iter().filter(|(name, _)| !name.eq_ignore_ascii_case(b"content-encoding"));
    request.headers = Headers::from_pairs(others.collect::<Vec<_>>());
    request.body.bytes = changed;
    true
}

fn with_leaf(body: &[u8], pointer: &str, old: &[u8], new: &[u8]) -> Option<Vec<u8>> {
    let mut edit = None;
    json_leaves(body, |at, value, range| {
        if at == pointer && edit.is_none() {
            let swapped = swap(&json_text(value), old, new);
            // A number stays a number if the new value is one.
            let literal = !value.starts_with(b"\"");
            edit = swapped.map(|text| {
                (range, if literal && is_json_literal(&text) { text } else { json_string(&text) })
            });
        }
    });
    let (range, text) = edit?;
    Some([body.get(..range.start)?, &text, body.get(range.end..)?].concat())
}

fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1").replace('*', "~2")
}

fn unescape(name: &str) -> String {
    name.replace("~2", "*").replace("~1", "/").replace("~0", "~")
}
