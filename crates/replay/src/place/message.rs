//! Values in protobuf messages: texts and numbers, by field numbers. Without the schema, a field
//! counts as a message if its bytes parse as one.

use super::swap;
use understudy_core::canonical::{Field, FieldValue, Framing, fields, inner_fields};

/// Maximum depth of messages; deeper ones count as bytes, as in matching.
const MAX_DEPTH: usize = 64;
/// Length of the prefix of each message in a frame: a flag and a length.
const HEAD: usize = 5;

/// The values with their pointers: field numbers, after the index of the message if there are
/// frames.
pub(super) fn values(framing: Framing, body: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut each = |prefix: String, message: &[u8]| {
        if let Some(fields) = fields(message) {
            collect(&fields, &prefix, MAX_DEPTH, &mut found);
        }
    };
    match framing {
        Framing::Message => each(String::new(), body),
        Framing::Frames => {
            for (number, message) in messages(body).enumerate() {
                each(format!("/{number}"), message);
            }
        }
    }
    found
}

fn collect(fields: &[Field<'_>], prefix: &str, depth: usize, found: &mut Vec<(String, Vec<u8>)>) {
    for field in fields {
        let pointer = format!("{prefix}/{}", field.number);
        match field.value {
            FieldValue::Varint(value) => found.push((pointer, value.to_string().into_bytes())),
            FieldValue::Bytes(bytes) => match inner(bytes).filter(|_| depth > 0) {
                Some(inner) => collect(&inner, &pointer, depth - 1, found),
                None if std::str::from_utf8(bytes).is_ok() => found.push((pointer, bytes.to_vec())),
                None => {}
            },
            FieldValue::Fixed64(_) | FieldValue::Fixed32(_) => {}
        }
    }
}

/// The fields of a field's value, if that is a message. A message with nothing but texts may also
/// parse as text, since the length of a UUID is a dollar sign; text that parses as such a message
/// is very rare.
fn inner(bytes: &[u8]) -> Option<Vec<Field<'_>>> {
    let has_texts_only = |all: &Vec<Field<'_>>| {
        !all.is_empty() && all.iter().all(|field| matches!(field.value, FieldValue::Bytes(_)))
    };
    inner_fields(bytes).or_else(|| fields(bytes).filter(has_texts_only))
}

/// Replaces `old` by `new` wherever it occurs at this pointer. `None` if it doesn't.
pub(super) fn with_value(
    framing: Framing,
    body: &[u8],
    pointer: &str,
    old: &[u8],
    new: &[u8],
) -> Option<Vec<u8>> {
    let mut steps = Vec::new();
    for step in pointer.split('/').skip(1) {
        steps.push(step.parse::<u32>().ok()?);
    }
    if steps.len() > MAX_DEPTH {
        return None;
    }
    match framing {
        Framing::Message => rewritten(&fields(body)?, &steps, old, new),
        Framing::Frames => {
            let (wanted, steps) = steps.split_first()?;
            let mut changed = None;
            let mut out = Vec::with_capacity(body.len());
            for (number, message) in (0..).zip(messages(body)) {
                let new =
                    if number == *wanted { rewritten(&fields(message)?, steps, old, new) } else { None };
                let message = new.as_deref().unwrap_or(message);
                out.push(0);
                out.extend_from_slice(&u32::try_from(message.len()).ok()?.to_be_bytes());
                out.extend_from_slice(message);
                changed = changed.or(new.map(drop));
            }
            changed.map(|()| out)
        }
    }
}

/// The messages of a body with uncompressed frames.
fn messages(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = body;
    std::iter::from_fn(move || {
        let (head, after) = rest.split_at_checked(HEAD)?;
        let length = u32::from_be_bytes(head[1..].try_into().ok()?);
        let (message, after) = after.split_at_checked(usize::try_from(length).ok()?)?;
        rest = after;
        Some(message)
    })
}

/// A message with a replaced value and adjusted lengths.
fn rewritten(fields: &[Field<'_>], steps: &[u32], old: &[u8], new: &[u8]) -> Option<Vec<u8>> {
    let (number, steps) = steps.split_first()?;
    let (mut out, mut changed) = (Vec::new(), false);
    for field in fields {
        let other = if field.number == *number { other(field.value, steps, old, new) } else { None };
        changed |= other.is_some();
        write(field, other, &mut out);
    }
    changed.then_some(out)
}

/// The replacement of a field's value.
enum Other {
    Varint(u64),
    Bytes(Vec<u8>),
}

fn other(value: FieldValue<'_>, steps: &[u32], old: &[u8], new: &[u8]) -> Option<Other> {
    match (value, steps) {
        (FieldValue::Varint(value), []) if value.to_string().as_bytes() == old => {
            std::str::from_utf8(new).ok()?.parse().ok().map(Other::Varint)
        }
        (FieldValue::Bytes(bytes), []) => swap(bytes, old, new).map(Other::Bytes),
        (FieldValue::Bytes(bytes), steps) => rewritten(&inner(bytes)?, steps, old, new).map(Other::Bytes),
        _ => None,
    }
}

fn write(field: &Field<'_>, other: Option<Other>, out: &mut Vec<u8>) {
    let mut tag = |wire_type: u64| varint(u64::from(field.number) << 3 | wire_type, out);
    match (field.value, other) {
        (_, Some(Other::Varint(value))) | (FieldValue::Varint(value), None) => {
            tag(0);
            varint(value, out);
        }
        (_, Some(Other::Bytes(bytes))) => {
            tag(2);
            prefixed(&bytes, out);
        }
        (FieldValue::Bytes(bytes), None) => {
            tag(2);
            prefixed(bytes, out);
        }
        (FieldValue::Fixed64(bytes), None) => {
            tag(1);
            out.extend_from_slice(&bytes);
        }
        (FieldValue::Fixed32(bytes), None) => {
            tag(5);
            out.extend_from_slice(&bytes);
        }
    }
}

fn prefixed(bytes: &[u8], out: &mut Vec<u8>) {
    varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
