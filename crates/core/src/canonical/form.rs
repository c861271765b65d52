//! Queries and form bodies: decoded, sorted by name, the order of equal names kept.
//!
//! Decoding is that of `application/x-www-form-urlencoded` (WHATWG URL, 5.1): `+` is a space, `%XX` a byte. Names stay text:
//! Stripe's `a[b][0]` is a name like any other.

use super::json::write_string;
use super::percent::{decode, is_named, is_unreserved, push_escape, split};
use super::shown::Shown;
use super::signed_url;

/// Appends a form body in normal form. `show` says for each name and value what stands there.
pub(super) fn write(form: &[u8], show: impl FnMut(&[u8], &[u8]) -> Shown, out: &mut Vec<u8>) {
    write_pairs(form, false, show, out);
}

/// Appends a query in normal form, without the parameters of a signed URL that change with each
/// signing; see [`signed_url`].
pub(super) fn write_query(query: &[u8], show: impl FnMut(&[u8], &[u8]) -> Shown, out: &mut Vec<u8>) {
    write_pairs(query, true, show, out);
}

/// The decoded value of the first pair with this name.
pub(super) fn value_of(form: &[u8], name: &[u8]) -> Option<Vec<u8>> {
    form.split(|&b| b == b'&').find_map(|pair| {
        let (pair_name, value) = split(pair);
        is_named(pair_name, |decoded| decoded == name).then(|| decode(value.unwrap_or_default()))
    })
}

fn write_pairs(text: &[u8], query: bool, mut show: impl FnMut(&[u8], &[u8]) -> Shown, out: &mut Vec<u8>) {
    if is_single_plain_pair(text) {
        let (name, value) = split(text);
        match show(name, value.unwrap_or_default()) {
            Shown::Value => out.extend_from_slice(text),
            shown => write_pair(name, value, shown, out),
        }
        return;
    }
    let start = out.len();
    for (name, value) in &sorted_pairs(text, query) {
        let shown = show(name, value.as_deref().unwrap_or_default());
        if matches!(shown, Shown::Gone) {
            continue;
        }
        if out.len() > start {
            out.push(b'&');
        }
        write_pair(name, value.as_deref(), shown, out);
    }
}

/// Appends a pair, as it is to be shown.
fn write_pair(name: &[u8], value: Option<&[u8]>, shown: Shown, out: &mut Vec<u8>) {
    if matches!(shown, Shown::Gone) {
        return;
    }
    encode(name, out);
    match (shown, value) {
        (Shown::Masked, _) => out.extend_from_slice(b"=*"),
        (Shown::Other(text), _) => {
            out.push(b'=');
            encode(&text, out);
        }
        (_, Some(value)) => {
            out.push(b'=');
            encode(value, out);
        }
        (_, None) => {}
    }
}

/// Decoded names and values, sorted by name; of a query those that change with each signing are
/// left out.
fn sorted_pairs(text: &[u8], query: bool) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
    let scheme = if query { signed_url::scheme_of(text) } else { None };
    let mut pairs: Vec<(Vec<u8>, Option<Vec<u8>>)> = text
        .split(|&b| b == b'&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = split(pair);
            (decode(name), value.map(decode))
        })
        .filter(|(name, _)| scheme.is_none_or(|scheme| !scheme.leaves_out(name)))
        .collect();
    pairs.sort_by(|(a, _), (b, _)| a.cmp(b));
    pairs
}

/// Appends a form as tree text: an object. A name without a value has `null`.
pub(super) fn write_tree(form: &[u8], out: &mut Vec<u8>) {
    write_object(&sorted_pairs(form, false), out);
}

/// Appends a query as tree text, without the parameters that change with each signing.
pub(super) fn write_query_tree(query: &[u8], out: &mut Vec<u8>) {
    write_object(&sorted_pairs(query, true), out);
}

fn write_object(pairs: &[(Vec<u8>, Option<Vec<u8>>)], out: &mut Vec<u8>) {
    out.push(b'{');
    for (at, (name, value)) in pairs.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write_string(name, out);
        out.push(b':');
        match value {
            Some(value) => write_string(value, out),
            None => out.extend_from_slice(b"null"),
        }
    }
    out.push(b'}');
}

/// Returns whether the text is one `name=value` of unreserved characters alone: then it is its own
/// normal form. (A presigned URL has more pairs.)
fn is_single_plain_pair(text: &[u8]) -> bool {
    let mut equals = 0u8;
    let plain = text.iter().all(|&b| {
        equals = equals.saturating_add(u8::from(b == b'='));
        is_unreserved(b) || b == b'='
    });
    plain && equals == 1
}

fn encode(text: &[u8], out: &mut Vec<u8>) {
    for &byte in text {
        // Brackets stay, so that `a[b]` can be read in a report.
        if is_unreserved(byte) || matches!(byte, b'[' | b']') {
            out.push(byte);
        } else {
            push_escape(byte, out);
        }
    }
}
