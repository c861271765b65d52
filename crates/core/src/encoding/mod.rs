//! Content encodings undone: what was sent, before it was compressed or cut into chunks (RFC 9110, 8.4).
//!
//! Each stage has a hard limit on what it may give, which holds while it runs: a small body that would become a huge one costs the limit,
//! not its size. Nothing is guessed: data that is malformed, truncated, or followed by something else is not undone.

mod aws_chunked;
mod brotli;
mod deflate;
mod messages;
mod zstd;

pub use messages::{are_messages, undo_messages};

use std::borrow::Cow;

/// How many encodings may lie upon each other. Each costs a pass; real bodies have one or two.
const MAX_STAGES: usize = 4;

/// Undoes the encodings that a `content-encoding` names.
///
/// `encodings` is the header's value: names separated by commas, the one that was applied last at the end. Known are `gzip`, `deflate`,
/// `br`, `zstd`, `aws-chunked` and `identity`. `cap` is how many bytes any stage may give. `None` where an encoding is unknown, the
/// data isn't what it claims to be, or a stage would give more than `cap`.
///
/// `aws-chunked` is undone first, wherever it stands: it frames what is sent, yet Amazon S3's documents put it first ("Signature
/// calculations for the Authorization header: transferring payload in multiple chunks", `Content-Encoding: aws-chunked,gzip`).
pub fn undo<'a>(encodings: &[u8], body: &'a [u8], cap: usize) -> Option<Cow<'a, [u8]>> {
    let names = || encodings.split(|&b| b == b',').map(<[u8]>::trim_ascii).filter(|name| !is_nothing(name));
    if names().count() > MAX_STAGES {
        return None;
    }
    let is_chunked = |name: &&[u8]| name.eq_ignore_ascii_case(b"aws-chunked");
    let mut data = Cow::Borrowed(body);
    for _ in names().filter(is_chunked) {
        data = aws_chunked::undo(&data, cap)?.into();
    }
    for name in names().rev().filter(|name| !is_chunked(name)) {
        data = stage(name, &data, cap)?.into();
    }
    Some(data)
}

/// An element of the list that says nothing: empty ones are to be ignored (RFC 9110, 5.6.1.2).
fn is_nothing(name: &[u8]) -> bool {
    name.is_empty() || name.eq_ignore_ascii_case(b"identity")
}

fn stage(name: &[u8], data: &[u8], cap: usize) -> Option<Vec<u8>> {
    let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
    // `x-gzip` is the same as `gzip` (RFC 9110, 8.4.1.3).
    if is(b"gzip") || is(b"x-gzip") {
        deflate::gunzip(data, cap)
    } else if is(b"deflate") {
        deflate::undo(data, cap)
    } else if is(b"br") {
        brotli::undo(data, cap)
    } else if is(b"zstd") {
        zstd::undo(data, cap)
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
