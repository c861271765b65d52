//! Looks through queries and form bodies: `name=value&name=value`, with `%XX` and `+`.

use super::decode::decode_url;
use super::found::{Finder, Hit, Written};
use super::names::{Names, Place, is_identifier};
use std::borrow::Cow;

/// Tells of all secrets in the pairs from `start` on.
pub(super) fn pairs<'a>(
    text: &'a [u8],
    start: usize,
    place: Place,
    names: &Names,
    tell: impl FnMut(Hit<'a>),
) {
    let mut finder = Finder { text, tell };
    let mut at = start;
    while at < text.len() {
        let pair = text.get(at..).unwrap_or_default();
        let length = pair.iter().position(|b| matches!(b, b'&' | b'#')).unwrap_or(pair.len());
        let end = at.saturating_add(length);
        let pair = pair.get(..length).unwrap_or_default();
        match pair.iter().position(|&b| b == b'=') {
            Some(equals) => {
                let value = (at.saturating_add(equals).saturating_add(1), end);
                one(&mut finder, pair.get(..equals).unwrap_or_default(), value, place, names);
            }
            None => finder.shapes(at, end, Written::Url),
        }
        at = end.saturating_add(1);
    }
}

fn one<'a, F: FnMut(Hit<'a>)>(
    finder: &mut Finder<'a, F>,
    name: &'a [u8],
    value: (usize, usize),
    place: Place,
    names: &Names,
) {
    let decoded = if name.contains(&b'%') { Cow::Owned(decode_url(name)) } else { Cow::Borrowed(name) };
    let kind = names.field(&decoded, place);
    if kind.is_some_and(|kind| finder.value(kind, name, value, Written::Url)) {
        return;
    }
    if is_identifier(&decoded) || !finder.card(value, Written::Url) {
        finder.shapes(value.0, value.1, Written::Url);
    }
}
