//! Places of values in messages: finding a value in an answer, reading it, and putting another one
//! into a request. Places are named as in rules, with three more kinds: `cookie.NAME`, a segment of
//! a URL in a header, and a position in a text.

mod body;
mod message;

use memchr::memmem;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, percent_encode};
use std::borrow::Cow;
use std::fmt;
use understudy_core::exchange::{Request, Response};
use understudy_core::headers::Headers;

/// A place in a request or an answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum At {
    /// A segment of the path, counted from 1.
    Path(usize),
    /// A query parameter.
    Query(String),
    /// A header's value, without a scheme such as `Bearer`.
    Header(String),
    /// A segment of the path of the URL in a header such as `location`, counted from 1.
    HeaderPath(String, usize),
    /// A cookie.
    Cookie(String),
    /// A leaf of a JSON body by its pointer, a field of a form, or a field of a protobuf message by
    /// its field numbers.
    Body(String),
    /// The token that follows these words in a text.
    Text(String),
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(number) => write!(f, "path.{number}"),
            Self::Query(name) => write!(f, "query.{name}"),
            Self::Header(name) => write!(f, "header.{name}"),
            Self::HeaderPath(name, number) => write!(f, "header.{name}/path.{number}"),
            Self::Cookie(name) => write!(f, "cookie.{name}"),
            Self::Body(pointer) => write!(f, "body{pointer}"),
            Self::Text(before) => write!(f, "text behind {before:?}"),
        }
    }
}

impl At {
    /// Reads a place as it is written in `replay.yaml`.
    ///
    /// # Errors
    /// The text is no place; the error says what can be written.
    pub fn parse(text: &str) -> Result<Self, String> {
        let bad = || {
            format!(
                "{text:?} is no place: write path.N, query.NAME, header.NAME, cookie.NAME or body/NAME/NAME"
            )
        };
        let number = |text: &str| text.parse().ok().filter(|number| *number > 0).ok_or_else(bad);
        if let Some(rest) = text.strip_prefix("path.") {
            return Ok(Self::Path(number(rest)?));
        }
        if let Some(name) = text.strip_prefix("header.").filter(|name| !name.is_empty()) {
            return Ok(match name.split_once("/path.") {
                Some((name, rest)) => Self::HeaderPath(name.to_ascii_lowercase(), number(rest)?),
                None => Self::Header(name.to_ascii_lowercase()),
            });
        }
        let named = |prefix: &str| text.strip_prefix(prefix).filter(|name| !name.is_empty());
        if let Some(name) = named("query.") {
            Ok(Self::Query(name.to_owned()))
        } else if let Some(name) = named("cookie.") {
            Ok(Self::Cookie(name.to_owned()))
        } else if let Some(pointer) = text.strip_prefix("body").filter(|pointer| pointer.starts_with('/')) {
            Ok(Self::Body(pointer.to_owned()))
        } else {
            Err(bad())
        }
    }

    /// The last name in the place, in lower case: what the value is called.
    pub fn name(&self) -> String {
        match self {
            Self::Path(_) | Self::Text(_) => String::new(),
            Self::Query(name) | Self::Header(name) | Self::HeaderPath(name, _) | Self::Cookie(name) => {
                name.to_ascii_lowercase()
            }
            Self::Body(pointer) => {
                let names = pointer.rsplit('/').filter(|step| !step.bytes().all(|b| b.is_ascii_digit()));
                names.map(str::to_ascii_lowercase).next().unwrap_or_default()
            }
        }
    }
}

/// Headers that contain no issued value, or that the client doesn't send.
const PLAIN: [&[u8]; 16] = [
    b"accept",
    b"accept-encoding",
    b"accept-language",
    b"cache-control",
    b"connection",
    b"content-encoding",
    b"content-length",
    b"content-type",
    b"cookie",
    b"date",
    b"host",
    b"server",
    b"set-cookie",
    b"transfer-encoding",
    b"user-agent",
    b"vary",
];

/// The values in a request.
pub fn of_request(request: &Request) -> Vec<(At, Vec<u8>)> {
    let mut found = Vec::new();
    let (path, query) = split(&request.path);
    for (number, segment) in path.split(|&b| b == b'/').enumerate().skip(1) {
        found.push((At::Path(number), decode(segment, false)));
    }
    for (name, value) in pairs(query) {
        found.push((At::Query(name), value));
    }
    for (name, value) in request.headers.iter() {
        let text = String::from_utf8_lossy(name).to_ascii_lowercase();
        if text == "cookie" {
            found.extend(cookies(value).map(|(name, value)| (At::Cookie(name), value)));
        } else if !PLAIN.contains(&text.as_bytes()) {
            found.push((At::Header(text), behind_scheme(value).to_vec()));
        }
    }
    body::values(&request.headers, &request.body.bytes, &mut found);
    found
}

/// The values in an answer, except those within texts.
pub fn of_response(response: &Response) -> Vec<(At, Vec<u8>)> {
    let mut found = Vec::new();
    for (name, value) in response.headers.iter() {
        let text = String::from_utf8_lossy(name).to_ascii_lowercase();
        if text == "set-cookie" {
            found.extend(cookies(value).take(1).map(|(name, value)| (At::Cookie(name), value)));
        } else if matches!(text.as_str(), "location" | "content-location") {
            for (number, segment) in url_path(value).split(|&b| b == b'/').enumerate().skip(1) {
                found.push((At::HeaderPath(text.clone(), number), decode(segment, false)));
            }
        } else if !PLAIN.contains(&text.as_bytes()) {
            found.push((At::Header(text), behind_scheme(value).to_vec()));
        }
    }
    body::values(&response.headers, &response.body.bytes, &mut found);
    found
}

/// The value at a place of an answer.
pub fn read(response: &Response, at: &At) -> Option<Vec<u8>> {
    let at_place = || of_response(response).into_iter().find(|(place, _)| place == at);
    read_text(response, at).or_else(|| at_place().map(|(_, value)| value))
}

/// The value at a place of an answer's text.
pub fn read_text(response: &Response, at: &At) -> Option<Vec<u8>> {
    let At::Text(before) = at else { return None };
    behind(&plain(response)?, before.as_bytes()).map(<[u8]>::to_vec)
}

/// An answer's body without its content encoding. `None` if the encoding can't be undone.
pub fn plain(response: &Response) -> Option<Cow<'_, [u8]>> {
    body::plain(&response.headers, &response.body.bytes)
}

/// The words before a value in a text, by which the value is found again.
pub fn words_before(text: &[u8], value: &[u8]) -> Option<String> {
    let at = memmem::find_iter(text, value).find(|at| {
        let after = text.get(at + value.len());
        after.is_none_or(|byte| !is_token(*byte)) && at.checked_sub(1).is_some_and(|at| !is_token(text[at]))
    })?;
    let line = text[..at].rsplit(|&b| b == b'\n').next().unwrap_or_default();
    let words = std::str::from_utf8(&line[line.len().saturating_sub(48)..]).ok()?;
    // The words must lead to this value, and not to an earlier one.
    (!words.trim().is_empty() && behind(text, words.as_bytes()) == Some(value)).then(|| words.to_owned())
}

fn behind<'a>(text: &'a [u8], words: &[u8]) -> Option<&'a [u8]> {
    let rest = &text[memmem::find(text, words)? + words.len()..];
    let end = rest.iter().position(|&b| !is_token(b)).unwrap_or(rest.len());
    (end > 0).then(|| &rest[..end])
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.=+/~%".contains(&byte)
}

/// Replaces `old` by `new` at one place of a request. Returns whether `old` was there.
pub fn replace(request: &mut Request, at: &At, old: &[u8], new: &[u8]) -> bool {
    match at {
        At::Path(number) => replace_segment(&mut request.path, *number, old, new),
        At::Query(name) => {
            let (path, query) = split(&request.path);
            let Some(query) = with_pair(query, name, old, new) else { return false };
            request.path = [path, b"?", &query].concat();
            true
        }
        At::Header(name) => replace_header(&mut request.headers, name, |value| swap(value, old, new)),
        At::Cookie(name) => {
            replace_header(&mut request.headers, "cookie", |value| with_cookie(value, name, old, new))
        }
        At::Body(pointer) => body::replace(request, pointer, old, new),
        At::HeaderPath(..) | At::Text(_) => false,
    }
}

/// Sets the value at a place. A header or cookie that doesn't exist is added. Returns whether the
/// value is set.
pub fn set(request: &mut Request, at: &At, new: &[u8]) -> bool {
    match at {
        At::Header(name) => {
            let others = request.headers.iter().filter(|(n, _)| !n.eq_ignore_ascii_case(name.as_bytes()));
            let all: Vec<_> = others.chain([(name.as_bytes(), new)]).collect();
            request.headers = Headers::from_pairs(all);
            true
        }
        _ => {
            let old = of_request(request).into_iter().find(|(place, _)| place == at).map(|(_, value)| value);
            old.is_some_and(|old| replace(request, at, &old, new))
        }
    }
}

fn replace_segment(path: &mut Vec<u8>, number: usize, old: &[u8], new: &[u8]) -> bool {
    let (before, query) = split(path);
    let mut segments: Vec<Vec<u8>> = before.split(|&b| b == b'/').map(<[u8]>::to_vec).collect();
    let Some(segment) = segments.get_mut(number) else { return false };
    let Some(changed) = swap(&decode(segment, false), old, new) else { return false };
    *segment = encode(&changed);
    let mut out = segments.join(&b'/');
    if path.contains(&b'?') {
        out.push(b'?');
        out.extend_from_slice(query);
    }
    *path = out;
    true
}

fn replace_header(headers: &mut Headers, name: &str, change: impl Fn(&[u8]) -> Option<Vec<u8>>) -> bool {
    let mut changed = false;
    let pairs: Vec<(Vec<u8>, Vec<u8>)> = headers
        .iter()
        .map(|(n, value)| {
            let new = if n.eq_ignore_ascii_case(name.as_bytes()) { change(value) } else { None };
            changed |= new.is_some();
            (n.to_vec(), new.unwrap_or_else(|| value.to_vec()))
        })
        .collect();
    if changed {
        *headers = Headers::from_pairs(pairs);
    }
    changed
}

fn with_pair(text: &[u8], name: &str, old: &[u8], new: &[u8]) -> Option<Vec<u8>> {
    let mut changed = false;
    let all: Vec<Vec<u8>> = text
        .split(|&b| b == b'&')
        .map(|pair| {
            let (own, value) = halves(pair, b'=');
            let swapped = if decode(own, true) == name.as_bytes() {
                swap(&decode(value, true), old, new)
            } else {
                None
            };
            match swapped {
                Some(value) => {
                    changed = true;
                    [own, b"=", &encode(&value)].concat()
                }
                None => pair.to_vec(),
            }
        })
        .collect();
    changed.then(|| all.join(&b'&'))
}

fn with_cookie(header: &[u8], name: &str, old: &[u8], new: &[u8]) -> Option<Vec<u8>> {
    let mut changed = false;
    let all: Vec<Vec<u8>> = header
        .split(|&b| b == b';')
        .map(|cookie| {
            let (own, value) = halves(cookie, b'=');
            let swapped = if own.trim_ascii() == name.as_bytes() { swap(value, old, new) } else { None };
            changed |= swapped.is_some();
            swapped.map_or_else(|| cookie.to_vec(), |value| [own, b"=", &value].concat())
        })
        .collect();
    changed.then(|| all.join(&b';'))
}

/// Replaces `old` by `new` throughout a text. `None` if the text doesn't contain `old`.
pub(crate) fn swap(text: &[u8], old: &[u8], new: &[u8]) -> Option<Vec<u8>> {
    if old.is_empty() {
        return None;
    }
    let at = memmem::find(text, old)?;
    let mut out = text[..at].to_vec();
    let mut rest = &text[at..];
    while let Some(at) = memmem::find(rest, old) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(new);
        rest = &rest[at + old.len()..];
    }
    out.extend_from_slice(rest);
    Some(out)
}

/// The value after a scheme such as `Bearer`, or the whole value without one.
fn behind_scheme(value: &[u8]) -> &[u8] {
    match value.iter().position(|&b| b == b' ') {
        Some(at) if value[..at].iter().all(u8::is_ascii_alphabetic) && !value[at + 1..].contains(&b' ') => {
            &value[at + 1..]
        }
        _ => value,
    }
}

fn cookies(header: &[u8]) -> impl Iterator<Item = (String, Vec<u8>)> + '_ {
    header.split(|&b| b == b';').filter_map(|cookie| {
        let (name, value) = halves(cookie.trim_ascii(), b'=');
        (!name.is_empty()).then(|| (String::from_utf8_lossy(name).into_owned(), value.to_vec()))
    })
}

/// The path of a URL or of a reference.
fn url_path(url: &[u8]) -> &[u8] {
    let behind_scheme = match memmem::find(url, b"://") {
        Some(at) => {
            let rest = &url[at + 3..];
            &rest[rest.iter().position(|&b| b == b'/').unwrap_or(rest.len())..]
        }
        None => url,
    };
    behind_scheme.split(|&b| b == b'?' || b == b'#').next().unwrap_or_default()
}

fn split(path: &[u8]) -> (&[u8], &[u8]) {
    halves(path, b'?')
}

fn halves(text: &[u8], at: u8) -> (&[u8], &[u8]) {
    match text.iter().position(|&b| b == at) {
        Some(found) => (&text[..found], &text[found + 1..]),
        None => (text, b""),
    }
}

fn pairs(text: &[u8]) -> impl Iterator<Item = (String, Vec<u8>)> + '_ {
    text.split(|&b| b == b'&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = halves(pair, b'=');
        (String::from_utf8_lossy(&decode(name, true)).into_owned(), decode(value, true))
    })
}

/// Undoes percent-encoding (RFC 3986, 2.1); with `plus`, `+` is a space, as in forms.
fn decode(text: &[u8], plus: bool) -> Vec<u8> {
    let space = |byte: &u8| if plus && *byte == b'+' { b' ' } else { *byte };
    let text: Vec<u8> = text.iter().map(space).collect();
    percent_decode(&text).collect()
}

/// Percent-encodes a path segment or a parameter's value.
fn encode(text: &[u8]) -> Vec<u8> {
    const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'_')
        .remove(b'.')
        .remove(b'~')
        .remove(b':')
        .remove(b'@')
        .remove(b'!')
        .remove(b'$')
        .remove(b'\'')
        .remove(b'(')
        .remove(b')')
        .remove(b'*')
        .remove(b',')
        .remove(b';');
    percent_encode(text, ENCODED).to_string().into_bytes()
}

#[cfg(test)]
mod tests;
