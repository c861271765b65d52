//! Self-describing binary formats, CBOR and MessagePack, as trees: what both write is the same kind
//! of items, one after another.
//!
//! Texts, integers, `true`, `false`, `null`, arrays and maps are those of JSON. A float always has
//! a point or an exponent. What JSON hasn't got is an ordered object, which no map becomes: `bytes`
//! where bytes are readable text, else `hex`; `tag` and `value`; `simple`; `extension` and `hex`;
//! `seconds` and `nanoseconds` of a time. A key that isn't a text is `#` and its tree text; a text
//! that begins with `#` has another one before it. So no two values that differ have one tree text,
//! but for lengths and numbers that are only encoded in another way.
//!
//! The order of a map's entries doesn't count; repeated keys stay. A map whose key is an array, a
//! map or tagged isn't read. Nothing recurses.

use super::json::write_string;
use crate::digest::hex;
use std::borrow::Cow;

/// Containers deeper than this aren't read.
const DEPTH_MAX: usize = 256;

/// One item, as the bytes have it.
pub(super) enum Item<'a> {
    Null,
    Bool(bool),
    Unsigned(u64),
    /// The number -1 - n.
    Negative(u64),
    Float(f64),
    /// A float that is no number and isn't the usual one; its bytes.
    OddNan(&'a [u8]),
    Text(Cow<'a, [u8]>),
    /// A text that isn't UTF-8.
    RawText(&'a [u8]),
    Bytes(Cow<'a, [u8]>),
    Simple(u8),
    Tag(u64),
    Extension(i8, &'a [u8]),
    /// A time since 1970.
    Time {
        seconds: i64,
        nanoseconds: u32,
    },
    /// This many items; `None`: until a [`Self::Break`].
    Array(Option<u64>),
    /// This many pairs of items; `None`: until a [`Self::Break`].
    Map(Option<u64>),
    Break,
}

/// Takes the next item from the bytes. `None` where there is none.
pub(super) type Next = for<'a> fn(&mut &'a [u8]) -> Option<Item<'a>>;

/// Appends the tree text of the only item of `bytes`. Gives `false`, and appends nothing, where the
/// bytes aren't one item to their end.
pub(super) fn write(bytes: &[u8], next: Next, out: &mut Vec<u8>) -> bool {
    let start = out.len();
    let mut rest = bytes;
    let written = one(&mut rest, next, out).is_some() && rest.is_empty();
    if !written {
        out.truncate(start);
    }
    written
}

/// The same for items one after another: an array of them.
pub(super) fn write_sequence(bytes: &[u8], next: Next, out: &mut Vec<u8>) -> bool {
    let start = out.len();
    let mut rest = bytes;
    out.push(b'[');
    while !rest.is_empty() {
        if rest.len() < bytes.len() {
            out.push(b',');
        }
        if one(&mut rest, next, out).is_none() {
            out.truncate(start);
            return false;
        }
    }
    out.push(b']');
    true
}

/// A container that is being written.
struct Open {
    kind: Kind,
    /// The number of items that are left; `None`: until a break.
    left: Option<u64>,
    /// True if nothing has been written into it.
    is_first: bool,
    /// True if the next item of a map is a value.
    has_key: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Array,
    Map,
    Tag,
}

/// Appends one item with all that it holds.
fn one(rest: &mut &[u8], next: Next, out: &mut Vec<u8>) -> Option<()> {
    let mut open: Vec<Open> = Vec::new();
    loop {
        let item = next(rest)?;
        if matches!(item, Item::Break) {
            let container = open.last_mut().filter(|open| open.left.is_none() && !open.has_key)?;
            container.left = Some(0);
        } else if let Some(container) = open.last_mut().filter(|open| open.kind == Kind::Map && !open.has_key)
        {
            separate(container, out);
            write_key(&item, out)?;
            container.has_key = true;
        } else {
            if let Some(container) = open.last_mut() {
                match container.kind {
                    Kind::Array => separate(container, out),
                    Kind::Map => container.has_key = false,
                    Kind::Tag => {}
                }
                container.left = container.left.map(|left| left.saturating_sub(1));
            }
            if let Some(container) = begin(&item, out) {
                if open.len() >= DEPTH_MAX {
                    return None;
                }
                open.push(container);
            } else {
                write_leaf(&item, out)?;
            }
        }
        while let Some(container) = open.pop_if(|open| open.left == Some(0) && !open.has_key) {
            out.push(match container.kind {
                Kind::Array => b']',
                Kind::Map => b'}',
                Kind::Tag => b')',
            });
        }
        if open.is_empty() {
            return Some(());
        }
    }
}

fn separate(container: &mut Open, out: &mut Vec<u8>) {
    if !std::mem::replace(&mut container.is_first, false) {
        out.push(b',');
    }
}

/// Begins a container, if the item is one.
fn begin(item: &Item<'_>, out: &mut Vec<u8>) -> Option<Open> {
    let (kind, left) = match item {
        Item::Array(left) => {
            out.push(b'[');
            (Kind::Array, *left)
        }
        Item::Map(left) => {
            out.push(b'{');
            (Kind::Map, *left)
        }
        Item::Tag(number) => {
            out.extend_from_slice(format!("(\"tag\":{number},\"value\":").as_bytes());
            (Kind::Tag, Some(1))
        }
        _ => return None,
    };
    Some(Open { kind, left, is_first: true, has_key: false })
}

/// Appends a key and its colon. `None` for a key that isn't a leaf.
fn write_key(item: &Item<'_>, out: &mut Vec<u8>) -> Option<()> {
    match item {
        Item::Text(text) if text.first() != Some(&b'#') => write_string(text, out),
        Item::Text(text) => write_string(&[b"#", &**text].concat(), out),
        other => {
            let mut key = b"#".to_vec();
            write_leaf(other, &mut key)?;
            write_string(&key, out);
        }
    }
    out.push(b':');
    Some(())
}

/// Appends an item that holds no other. `None` where it isn't one.
fn write_leaf(item: &Item<'_>, out: &mut Vec<u8>) -> Option<()> {
    match item {
        Item::Null => out.extend_from_slice(b"null"),
        Item::Bool(true) => out.extend_from_slice(b"true"),
        Item::Bool(false) => out.extend_from_slice(b"false"),
        Item::Unsigned(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Item::Negative(number) => match number.checked_add(1) {
            Some(size) => out.extend_from_slice(format!("-{size}").as_bytes()),
            None => out.extend_from_slice(b"-18446744073709551616"),
        },
        Item::Float(number) if number.is_nan() => out.extend_from_slice(b"NaN"),
        Item::Float(number) if number.is_infinite() => {
            out.extend_from_slice(if *number > 0.0 { b"Infinity" } else { b"-Infinity" });
        }
        // The shortest digits that name this number alone, with a point or an exponent.
        Item::Float(number) => out.extend_from_slice(format!("{number:?}").as_bytes()),
        Item::OddNan(bytes) => named("nan", bytes, out),
        Item::Text(text) => write_string(text, out),
        Item::RawText(bytes) => named("text", bytes, out),
        Item::Bytes(bytes) if is_readable(bytes) => {
            out.extend_from_slice(b"(\"bytes\":");
            write_string(bytes, out);
            out.push(b')');
        }
        Item::Bytes(bytes) => named("hex", bytes, out),
        Item::Simple(number) => out.extend_from_slice(format!("(\"simple\":{number})").as_bytes()),
        Item::Extension(kind, bytes) => {
            let text = format!("(\"extension\":{kind},\"hex\":\"{}\")", hex(bytes));
            out.extend_from_slice(text.as_bytes());
        }
        Item::Time { seconds, nanoseconds } => {
            let text = format!("(\"seconds\":{seconds},\"nanoseconds\":{nanoseconds})");
            out.extend_from_slice(text.as_bytes());
        }
        Item::Tag(_) | Item::Array(_) | Item::Map(_) | Item::Break => return None,
    }
    Some(())
}

/// Bytes in hexadecimal, under a name.
fn named(name: &str, bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(format!("(\"{name}\":\"{}\")", hex(bytes)).as_bytes());
}

/// Returns whether bytes read as text: characters, and no control characters but those of lines.
fn is_readable(bytes: &[u8]) -> bool {
    let is_strange = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r');
    std::str::from_utf8(bytes).is_ok_and(|text| !text.chars().any(is_strange))
}

/// Takes so many bytes.
pub(super) fn take<'a>(rest: &mut &'a [u8], length: u64) -> Option<&'a [u8]> {
    let (taken, after) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    *rest = after;
    Some(taken)
}

/// Takes one byte.
pub(super) fn take_byte(rest: &mut &[u8]) -> Option<u8> {
    let (&byte, after) = rest.split_first()?;
    *rest = after;
    Some(byte)
}

/// Takes an unsigned number of one to eight bytes, the highest first.
pub(super) fn take_number(rest: &mut &[u8], bytes: u64) -> Option<u64> {
    Some(take(rest, bytes)?.iter().fold(0u64, |number, &byte| (number << 8) | u64::from(byte)))
}

/// A float of four bytes. Every such number is one of eight bytes too.
pub(super) fn float32(bytes: &[u8]) -> Option<Item<'_>> {
    let number = f32::from_be_bytes(*bytes.first_chunk::<4>()?);
    Some(if number.is_nan() && number.to_bits() != 0x7fc0_0000 {
        Item::OddNan(bytes)
    } else {
        Item::Float(f64::from(number))
    })
}

/// A float of eight bytes.
pub(super) fn float64(bytes: &[u8]) -> Option<Item<'_>> {
    let number = f64::from_be_bytes(*bytes.first_chunk::<8>()?);
    let odd = number.is_nan() && number.to_bits() != 0x7ff8_0000_0000_0000;
    Some(if odd { Item::OddNan(bytes) } else { Item::Float(number) })
}
