//! A path in normal form.

use super::form::Shown;
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

/// The byte that two hexadecimal digits at the start of `after` stand for.
pub(super) fn escape(after: &[u8]) -> Option<u8> {
    let digit = |i: usize| char::from(*after.get(i)?).to_digit(16).and_then(|d| u8::try_from(d).ok());
    Some((digit(0)? << 4) | digit(1)?)
}

/// Appends `%` and two upper-case digits.
pub(super) fn push_escape(byte: u8, out: &mut Vec<u8>) {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0').to_ascii_uppercase();
    out.push(b'%');
    out.extend([digit(byte >> 4), digit(byte & 15)].map(|c| c as u8));
}

/// RFC 3986, 2.3.
pub(super) fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
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
