//! gRPC messages ("Protocol Buffers: Encoding"; "gRPC over HTTP2"), read and written without the
//! code under test, and their changes. The tree is an array of messages, each with its fields by
//! number; a leaf has its wire type before its value.

use crate::change::{Changes, Meaning, values};
use crate::json::nodes;
use crate::said::Said;
use crate::tree::Tree;

/// Maximum number of nodes of one body that are changed, spread over the body.
const NODES_MAX: usize = 250;
const DEPTH_MAX: usize = 60;

/// Reads a body of uncompressed frames.
pub(super) fn read(mut body: &[u8]) -> Option<Tree> {
    let mut messages = Vec::new();
    while !body.is_empty() {
        let (head, rest) = body.split_first_chunk::<5>()?;
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        let (message, rest) = rest.split_at_checked(length).filter(|_| head[0] == 0)?;
        messages.push(Tree::Object(fields(message, DEPTH_MAX)?));
        body = rest;
    }
    Some(Tree::Array(messages))
}

/// Writes a body.
pub(super) fn write(body: &Tree, frame: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let Tree::Array(messages) = body else { panic!("a body is its messages") };
    messages.iter().flat_map(|message| frame(&encoded(message))).collect()
}

/// A message in its frame.
pub(super) fn frame(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).expect("a message");
    [&[0][..], &length.to_be_bytes(), message].concat()
}

fn fields(mut message: &[u8], depth: usize) -> Option<Vec<(String, Tree)>> {
    let mut fields = Vec::new();
    while !message.is_empty() {
        let tag = varint(&mut message)?;
        let number = tag >> 3;
        if number == 0 || number >= 1 << 29 {
            return None;
        }
        let value = match tag & 7 {
            0 => Tree::Text(format!("v:{}", varint(&mut message)?).into_bytes()),
            1 => fixed(&mut message, 8, "d:")?,
            5 => fixed(&mut message, 4, "f:")?,
            2 => {
                let length = usize::try_from(varint(&mut message)?).ok()?;
                let (bytes, rest) = message.split_at_checked(length)?;
                message = rest;
                bytes_of(bytes, depth)
            }
            _ => return None,
        };
        fields.push((number.to_string(), value));
    }
    Some(fields)
}

fn bytes_of(bytes: &[u8], depth: usize) -> Tree {
    let odd = |c: char| c.is_control() && !"\t\n\r".contains(c);
    if std::str::from_utf8(bytes).is_ok_and(|text| !text.contains(odd)) {
        return Tree::Text([b"s:", bytes].concat());
    }
    let nested = if depth > 0 { fields(bytes, depth - 1) } else { None };
    let nested = nested.map(|fields| {
        let numbers: Vec<u64> = fields.iter().map(|(number, _)| number.parse().expect("a number")).collect();
        if numbers.is_sorted() { Tree::Object(fields) } else { Tree::Ordered(fields) }
    });
    // Bytes that aren't reproduced by writing the parsed message may be anything.
    nested.filter(|nested| encoded(nested) == bytes).unwrap_or_else(|| Tree::Text([b"b:", bytes].concat()))
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let length = rest.iter().take(10).position(|byte| byte & 0x80 == 0)? + 1;
    let (bytes, after) = rest.split_at(length);
    *rest = after;
    let value = bytes.iter().rev().fold(0u128, |value, byte| value << 7 | u128::from(byte & 0x7f));
    u64::try_from(value).ok()
}

fn fixed(rest: &mut &[u8], length: usize, kind: &str) -> Option<Tree> {
    let (bytes, after) = rest.split_at_checked(length)?;
    *rest = after;
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Some(Tree::Text(format!("{kind}{digits}").into_bytes()))
}

fn encoded(message: &Tree) -> Vec<u8> {
    let (Tree::Object(fields) | Tree::Ordered(fields)) = message else { panic!("a message has fields") };
    let mut out = Vec::new();
    for (number, value) in fields {
        let number: u64 = number.parse().expect("a number");
        let with_length = |out: &mut Vec<u8>, bytes: &[u8]| {
            put(out, number << 3 | 2);
            put(out, bytes.len() as u64);
            out.extend_from_slice(bytes);
        };
        let Tree::Text(text) = value else {
            with_length(&mut out, &encoded(value));
            continue;
        };
        let (kind, value) = text.split_at(2);
        let digits = || std::str::from_utf8(value).expect("digits");
        let hex = || digits().as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).expect("digits"));
        let bytes = || hex().map(|pair| u8::from_str_radix(pair, 16).expect("digits"));
        match kind {
            b"v:" => {
                put(&mut out, number << 3);
                put(&mut out, digits().parse().expect("a number"));
            }
            b"d:" => {
                put(&mut out, number << 3 | 1);
                out.extend(bytes());
            }
            b"f:" => {
                put(&mut out, number << 3 | 5);
                out.extend(bytes());
            }
            _ => with_length(&mut out, value),
        }
    }
    out
}

fn put(out: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// The changes of each field, of each message, and of how they are written.
pub(super) fn changes(body: &Tree, said: &Said<'_>, now: u64) -> Changes {
    let mut out = Changes::default();
    let all = nodes(body, said);
    for node in all.iter().skip(1).step_by(all.len().div_ceil(NODES_MAX)) {
        let counts = if node.above.is_none() { Meaning::Counts } else { Meaning::Reference };
        let mut push = |what: &str, meaning, change: &dyn Fn(&mut Tree)| {
            let mut changed = body.clone();
            change(&mut changed);
            out.push(format!("{} {what}", node.place), write(&changed, frame), meaning);
        };
        if let Tree::Text(old) = body.clone().at(&node.way) {
            let with = |new: Vec<u8>| move |tree: &mut Tree| *tree.at(&node.way) = Tree::Text(new.clone());
            match old.split_at(2) {
                (b"v:", number) => {
                    let number: u64 = String::from_utf8_lossy(number).parse().expect("a number");
                    push("counted on", counts, &with(format!("v:{}", number ^ 1).into_bytes()));
                }
                (b"s:", text) => {
                    for (what, new, meaning) in values(node.above, text, now) {
                        push(&what, meaning, &with([b"s:", &new[..]].concat()));
                    }
                }
                (kind, value) => {
                    let mut other = value.to_vec();
                    if let Some(last) = other.last_mut() {
                        *last = if *last == b'0' { b'1' } else { b'0' };
                    }
                    push("another", counts, &with([kind, &other].concat()));
                }
            }
        }
        let Some((last, above)) = node.way.split_last() else { continue };
        push("removed", Meaning::Reference, &|tree| match tree.at(above) {
            Tree::Array(messages) => drop(messages.remove(*last)),
            Tree::Object(fields) | Tree::Ordered(fields) => drop(fields.remove(*last)),
            Tree::Text(_) | Tree::Literal(_) => {}
        });
        push("twice", Meaning::Reference, &|tree| {
            let again = tree.at(&node.way).clone();
            match tree.at(above) {
                Tree::Array(messages) => messages.insert(*last, again),
                Tree::Object(fields) | Tree::Ordered(fields) => {
                    let number = fields[*last].0.clone();
                    fields.insert(*last, (number, again));
                }
                Tree::Text(_) | Tree::Literal(_) => {}
            }
        });
    }
    let mut reordered = body.clone();
    if let Tree::Array(messages) = &mut reordered {
        for message in messages {
            // Fields of the same number keep their order.
            if let Tree::Object(fields) = message {
                fields.sort_by(|(a, _), (b, _)| b.cmp(a));
            }
        }
    }
    out.push("fields reordered".to_owned(), write(&reordered, frame), Meaning::Volatile);
    out
}
