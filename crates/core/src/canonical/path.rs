//! A path in normal form.

use super::percent::{escape, is_unreserved, push_escape};
use super::shown::Shown;
use super::values::Values;
use crate::rules::{Actions, is_identifier};

/// Appends the path with percent-encoding normalised: an encoded unreserved character is decoded, all other escapes get
/// upper-case digits (RFC 3986, 6.2.2.1 and 6.2.2.2); dot segments are removed (6.2.2.3), as Envoy does.
///
/// `%2F` stays as it is: it isn't a separator.
pub(super) fn write(path: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    if path.contains(&b'%') {
        decode_unreserved(path, out);
    } else {
        out.extend_from_slice(path);
    }
    let written = out.get(start..).unwrap_or_default();
    if has_dot_segment(written) {
        let normal = remove_dot_segments(written);
        out.truncate(start);
        out.extend_from_slice(&normal);
    }
}

/// The same, without the segments that rules leave out. A segment that isn't shaped like an identifier always counts: a rule for
/// `/orders/4711` isn't meant for `/orders/search`.
pub(super) fn write_masked(path: &[u8], actions: &Actions<'_>, values: &mut Values, out: &mut Vec<u8>) {
    let mut normal = Vec::with_capacity(path.len());
    write(path, &mut normal);
    for (number, segment) in (0u32..).zip(normal.split(|&b| b == b'/')) {
        if number > 0 {
            out.push(b'/');
        }
        let rule = actions.segment(number).filter(|_| is_identifier(segment));
        match values.plain(rule, segment) {
            Shown::Masked | Shown::Gone => out.push(b'*'),
            Shown::Other(other) => out.extend_from_slice(&other),
            // So that no segment reads like one that is masked.
            Shown::Value if segment == b"*" => out.extend_from_slice(b"%2A"),
            Shown::Value => out.extend_from_slice(segment),
        }
    }
}

/// Appends text in which escapes of unreserved characters are undone and all other escapes have upper-case digits.
fn decode_unreserved(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        let escaped = if byte == b'%' { escape(after) } else { None };
        match escaped {
            Some(decoded) => {
                if is_unreserved(decoded) {
                    out.push(decoded);
                } else {
                    push_escape(decoded, out);
                }
                rest = after.get(2..).unwrap_or_default();
            }
            None => out.push(byte),
        }
    }
}

fn has_dot_segment(path: &[u8]) -> bool {
    path.contains(&b'.') && path.split(|&b| b == b'/').any(|segment| segment == b"." || segment == b"..")
}

fn remove_dot_segments(path: &[u8]) -> Vec<u8> {
    let mut kept: Vec<&[u8]> = Vec::new();
    let mut ends_open = false;
    for segment in path.split(|&b| b == b'/').skip(1) {
        ends_open = matches!(segment, b"." | b"..");
        match segment {
            b"." => {}
            b".." => {
                kept.pop();
            }
            _ => kept.push(segment),
        }
    }
    let mut out = Vec::with_capacity(path.len());
    for segment in kept {
        out.push(b'/');
        out.extend_from_slice(segment);
    }
    if ends_open || out.is_empty() {
        out.push(b'/');
    }
    out
}

/// Path and query: the query is what follows the first `?` (RFC 3986, 3.4); a fragment is never
/// sent.
pub(super) fn split_query(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().position(|&b| b == b'?') {
        Some(at) => {
            (path.get(..at).unwrap_or_default(), path.get(at.saturating_add(1)..).unwrap_or_default())
        }
        None => (path, b""),
    }
}
