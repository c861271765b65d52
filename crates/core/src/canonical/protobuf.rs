//! Protobuf messages, and gRPC's frames of them, as trees of field numbers ("Protocol Buffers: Encoding"; "gRPC over HTTP2").
//!
//! A body that is declared to be a message is one, so that the order of its fields and longer forms of its varints mean nothing: both are
//! gone. Fields of one number keep their order.
//!
//! What is *in* a field can only be guessed, since the schema isn't here: bytes that read as a message may be a hash, or a packed list of
//! numbers, of which `08 01 10 02` and `10 02 08 01` are two. A guess must never make two values equal. So bytes are shown as a message
//! only where they could be made again from what is shown: each varint has its shortest form, and fields that aren't in ascending order
//! keep theirs (an ordered object). The price is a needless miss where two encoders order the fields of a nested message, or the entries
//! of a map, each in their own way. Each encoder keeps an order of its own, but some shuffle maps: a rule can mask those.
//!
//! Values carry their wire type: `v:` a varint in decimal, `d:` and `f:` eight and four bytes in hexadecimal as they stand, `s:` text, `b:`
//! other bytes, an object for a message. Groups, which nothing has written for a decade, aren't read. Nothing recurses.

use super::json::write_string;
use crate::digest::hex;
use crate::encoding;
use crate::facts::is_grpc;
use crate::headers::Headers;
use std::borrow::Cow;

/// Messages deeper than this are shown as bytes; protobuf's own readers give up at 100.
const MAX_DEPTH: usize = 64;

/// What the messages of one body may come to when decompressed: the size that gRPC's readers accept for one by default.
const MAX_DECOMPRESSED: usize = 4 << 20;

/// The largest field number ("Language guide (proto 3)", "Assigning field numbers").
const MAX_NUMBER: u32 = (1 << 29) - 1;

/// How a body holds protobuf messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// It is one.
    Message,
    /// Each with a flag and its length before it, as gRPC has them.
    Frames,
}

impl Framing {
    /// That of a media type; `None` where it isn't protobuf's.
    pub fn of(media_type: &[u8]) -> Option<Self> {
        // Nobody has registered one; these are in use.
        const MESSAGES: [&[u8]; 5] = [
            // Connect's ("Connect protocol", "Unary-Request").
            b"application/proto",
            b"application/x-protobuf",
            b"application/protobuf",
            b"application/vnd.google.protobuf",
            b"application/x-google-protobuf",
        ];
        let is = |name: &[u8]| media_type.eq_ignore_ascii_case(name);
        let starts = |prefix: &[u8]| {
            media_type.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
        };
        if is_grpc(media_type)
            || starts(b"application/grpc-web") && !starts(b"application/grpc-web-text")
            // Connect's streams have the same frames ("Connect protocol", "Streaming-Request").
            || is(b"application/connect+proto")
        {
            Some(Self::Frames)
        } else if MESSAGES.iter().any(|known| is(known)) {
            Some(Self::Message)
        } else {
            None
        }
    }
}

/// What compresses the messages of frames: the header of gRPC, or of Connect.
pub fn message_coding(headers: &Headers) -> Option<&[u8]> {
    headers.get(b"grpc-encoding").or_else(|| headers.get(b"connect-content-encoding"))
}

/// Appends the tree text of a message. Gives `false`, and appends nothing, where the bytes aren't one.
pub(super) fn write(message: &[u8], out: &mut Vec<u8>) -> bool {
    if shape(message).is_none() {
        return false;
    }
    let start = out.len();
    let written = Writer { out, open: Vec::new() }.message(message).is_some();
    if !written {
        out.truncate(start);
    }
    written
}

/// Appends the tree text of a gRPC body: an array of its messages. `encoding` is the value of `grpc-encoding`. Gives `false`, and appends
/// nothing, where the body isn't whole frames of messages.
pub(super) fn write_grpc(body: &[u8], encoding: Option<&[u8]>, out: &mut Vec<u8>) -> bool {
    let start = out.len();
    let written = frames(body, encoding, out).is_some();
    if !written {
        out.truncate(start);
    }
    written
}

/// Length-prefixed messages: a flag, four bytes of length, the message ("gRPC over HTTP2", "Requests").
fn frames(body: &[u8], encoding: Option<&[u8]>, out: &mut Vec<u8>) -> Option<()> {
    let mut rest = body;
    let mut left = MAX_DECOMPRESSED;
    out.push(b'[');
    while !rest.is_empty() {
        let (&[flag, a, b, c, d], after) = rest.split_first_chunk::<5>()?;
        let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).ok()?;
        let (data, after) = after.split_at_checked(length)?;
        let message = match flag {
            0 => Cow::Borrowed(data),
            1 => {
                let message = decompress(encoding?, data, left)?;
                left = left.saturating_sub(message.len());
                message
            }
            _ => return None,
        };
        if rest.len() != body.len() {
            out.push(b',');
        }
        write(&message, out).then_some(())?;
        rest = after;
    }
    out.push(b']');
    Some(())
}

/// Undoes a message's compression. A flag without an encoding is an error ("gRPC over HTTP2", "Requests").
fn decompress<'a>(encoding: &[u8], data: &'a [u8], cap: usize) -> Option<Cow<'a, [u8]>> {
    let encoding = encoding.trim_ascii();
    let is_known = ["gzip", "deflate", "zstd"].iter().any(|name| encoding == name.as_bytes());
    if is_known { encoding::undo(encoding, data, cap) } else { None }
}

/// A field of a message as the wire has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// Its number.
    pub number: u32,
    /// What it says.
    pub value: FieldValue<'a>,
    /// Each varint in it has its shortest form.
    is_shortest: bool,
}

/// What a field says, by its wire type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldValue<'a> {
    /// A number of up to 64 bits, signs not undone.
    Varint(u64),
    /// Eight bytes, the lowest first.
    Fixed64([u8; 8]),
    /// Four bytes, the lowest first.
    Fixed32([u8; 4]),
    /// Text, bytes, a message or packed numbers.
    Bytes(&'a [u8]),
}

/// The fields of a message, in their order. `None` where the bytes aren't one.
pub fn fields(message: &[u8]) -> Option<Vec<Field<'_>>> {
    let (mut fields, mut rest) = (Vec::new(), message);
    while !rest.is_empty() {
        fields.push(field(&mut rest)?);
    }
    Some(fields)
}

/// The fields of bytes that stand in a field and are shown as a message.
pub fn inner_fields(bytes: &[u8]) -> Option<Vec<Field<'_>>> {
    let inner = if is_text(bytes) { None } else { fields(bytes) };
    inner.filter(|fields| fields.iter().all(|field| field.is_shortest))
}

/// What there is to know of a message before it is written.
struct Shape {
    is_ascending: bool,
    is_shortest: bool,
}

/// Reads a message's fields, but not what is in them. `None` where the bytes aren't fields to the end.
fn shape(message: &[u8]) -> Option<Shape> {
    let mut shape = Shape { is_ascending: true, is_shortest: true };
    let mut rest = message;
    let mut last = 0;
    while !rest.is_empty() {
        let field = field(&mut rest)?;
        shape.is_ascending &= field.number >= last;
        shape.is_shortest &= field.is_shortest;
        last = field.number;
    }
    Some(shape)
}

fn field<'a>(rest: &mut &'a [u8]) -> Option<Field<'a>> {
    let (tag, mut is_shortest) = varint(rest)?;
    let number = u32::try_from(tag >> 3).ok().filter(|number| (1..=MAX_NUMBER).contains(number))?;
    let value = match tag & 7 {
        0 => {
            let (value, is_shortest_value) = varint(rest)?;
            is_shortest &= is_shortest_value;
            FieldValue::Varint(value)
        }
        1 => FieldValue::Fixed64(*fixed(rest)?),
        2 => {
            let (length, is_shortest_length) = varint(rest)?;
            is_shortest &= is_shortest_length;
            let (bytes, after) = rest.split_at_checked(usize::try_from(length).ok()?)?;
            *rest = after;
            FieldValue::Bytes(bytes)
        }
        5 => FieldValue::Fixed32(*fixed(rest)?),
        _ => return None,
    };
    Some(Field { number, value, is_shortest })
}

/// A number of up to 64 bits, seven to a byte, lowest first; and whether it was written as shortly as can be.
fn varint(rest: &mut &[u8]) -> Option<(u64, bool)> {
    let mut value = 0u64;
    for (shift, &byte) in (0u32..64).step_by(7).zip(rest.iter()) {
        let bits = u64::from(byte & 0x7f);
        // The tenth byte has room for one bit.
        if bits > u64::MAX >> shift {
            return None;
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            let length = usize::try_from(shift / 7).ok()?.saturating_add(1);
            *rest = rest.get(length..)?;
            return Some((value, byte != 0 || shift == 0));
        }
    }
    None
}

fn fixed<'a, const N: usize>(rest: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (value, after) = rest.split_first_chunk::<N>()?;
    *rest = after;
    Some(value)
}

struct Writer<'a, 'o> {
    out: &'o mut Vec<u8>,
    open: Vec<Open<'a>>,
}

/// A message that is being written.
struct Open<'a> {
    rest: &'a [u8],
    is_first: bool,
    close: u8,
}

impl<'a> Writer<'a, '_> {
    fn message(&mut self, message: &'a [u8]) -> Option<()> {
        self.begin(message, true);
        while let Some(open) = self.open.last_mut() {
            if open.rest.is_empty() {
                self.out.push(open.close);
                self.open.pop();
                continue;
            }
            let field = field(&mut open.rest)?;
            if !std::mem::replace(&mut open.is_first, false) {
                self.out.push(b',');
            }
            self.number(b"\"", u64::from(field.number), b"\":");
            match field.value {
                FieldValue::Varint(value) => self.number(b"\"v:", value, b"\""),
                FieldValue::Fixed64(value) => self.leaf(b"d:", hex(&value).as_bytes()),
                FieldValue::Fixed32(value) => self.leaf(b"f:", hex(&value).as_bytes()),
                FieldValue::Bytes(bytes) => self.bytes(bytes),
            }
        }
        Some(())
    }

    fn bytes(&mut self, bytes: &'a [u8]) {
        if is_text(bytes) {
            return self.leaf(b"s:", bytes);
        }
        let guess = if self.open.len() < MAX_DEPTH { shape(bytes) } else { None };
        match guess.filter(|shape| shape.is_shortest) {
            Some(shape) => self.begin(bytes, shape.is_ascending),
            None => self.leaf(b"b:", bytes),
        }
    }

    fn begin(&mut self, message: &'a [u8], is_sorted: bool) {
        let (begin, close) = if is_sorted { (b'{', b'}') } else { (b'(', b')') };
        self.out.push(begin);
        self.open.push(Open { rest: message, is_first: true, close });
    }

    /// Writes a number in decimal, with something before and after it. A message may be numbers all over, which formatting would make slow.
    fn number(&mut self, before: &[u8], number: u64, after: &[u8]) {
        self.out.extend_from_slice(before);
        let start = self.out.len();
        let mut rest = number;
        loop {
            let digit = u8::try_from(rest % 10).unwrap_or_default();
            self.out.push(b'0' | digit);
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        self.out.get_mut(start..).unwrap_or_default().reverse();
        self.out.extend_from_slice(after);
    }

    fn leaf(&mut self, kind: &[u8], text: &[u8]) {
        write_string(&[kind, text].concat(), self.out);
    }
}

/// Whether bytes are more plausibly text than a message: characters, and no control characters but those of lines.
fn is_text(bytes: &[u8]) -> bool {
    let is_strange = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r');
    std::str::from_utf8(bytes).is_ok_and(|text| !text.chars().any(is_strange))
}

#[cfg(test)]
mod tests;
