//! Decoding of content encodings: compression and chunks (RFC 9110, 8.4).
//!
//! Each stage has a hard limit on its output, which holds while it runs: a decompression bomb costs
//! the limit, not its full size. Nothing is guessed: data that is malformed, truncated, or followed
//! by other data is not decoded.

mod aws_chunked;
mod brotli;
mod deflate;
mod messages;
mod zstd;

pub use messages::{are_messages, undo_messages};

use std::borrow::Cow;

/// The maximum number of encodings of one body. Each costs a pass. Real bodies have one or two.
const MAX_STAGES: usize = 4;

/// Decodes the encodings that a `content-encoding` names.
///
/// `encodings` is the header's value: names separated by commas, in the order of application. Known
/// encodings are `gzip`, `deflate`, `br`, `zstd`, `aws-chunked` and `identity`. `cap` is the
/// maximum output of each stage, in bytes. `None`: an encoding is unknown, the data doesn't have
/// it, or a stage's output would exceed `cap`.
///
/// `aws-chunked` is decoded first, wherever it stands: it frames the body on the wire, yet Amazon
/// S3's documents list it first ("Signature calculations for the Authorization header: transferring
/// payload in multiple chunks", `Content-Encoding: aws-chunked,gzip`).
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

/// Returns whether an element of the list has no effect. Empty elements are ignored (RFC 9110,
/// 5.6.1.2).
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
