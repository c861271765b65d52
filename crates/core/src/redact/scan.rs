//! Searches a text for secrets: `"name": "value"` at any place, `<name>value</name>`, and known
//! shapes. One pass, no recursion, no allocation: the text may be JSON, several JSON documents,
//! events, XML, HTML, or a part of one of these.
//!
//! In JSON inside of a JSON string, only shapes are searched for.

use super::found::{Finder, Hit, Written};
use super::names::{Kind, Names, Place, is_identifier};
use super::rules::WRAPPERS;
use super::shape;

/// Possible meaning of a byte.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Other,
    Word,
    Starts,
    Quote,
    Escape,
    Newline,
    Tag,
}

const CLASSES: [Class; 256] = classes();

const fn classes() -> [Class; 256] {
    let mut table = [Class::Other; 256];
    let mut byte = 0u8;
    #[expect(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "the compiler runs it")]
    while byte < 128 {
        table[byte as usize] = match byte {
            b'"' => Class::Quote,
            b'\\' => Class::Escape,
            b'\n' => Class::Newline,
            b'<' => Class::Tag,
            _ if shape::may_begin(byte) => Class::Starts,
            _ if byte.is_ascii_alphanumeric() => Class::Word,
            _ => Class::Other,
        };
        byte += 1;
    }
    table
}

fn class(byte: u8) -> Class {
    CLASSES.get(usize::from(byte)).copied().unwrap_or(Class::Other)
}

/// Tells of all secrets in a text.
pub(super) fn text<'a>(text: &'a [u8], names: &Names, tell: impl FnMut(Hit<'a>)) {
    let mut finder = Finder { text, tell };
    let trimmed = text.trim_ascii();
    let start = text.iter().position(|b| !b.is_ascii_whitespace()).unwrap_or(0);
    if finder.card((start, start.saturating_add(trimmed.len())), Written::Plain) {
        return;
    }
    Scan { finder, names, open: None, last: (0, 0) }.run();
}

struct Scan<'a, 'n, F> {
    finder: Finder<'a, F>,
    names: &'n Names,
    /// Beginning of the current string.
    open: Option<usize>,
    /// Range of the last name.
    last: (usize, usize),
}

impl<'a, F: FnMut(Hit<'a>)> Scan<'a, '_, F> {
    fn run(&mut self) {
        let mut at = 0usize;
        while let Some(&byte) = self.byte(at) {
            let next = match class(byte) {
                Class::Word => Some(self.end_of_word(at)),
                Class::Starts => self.word(at),
                Class::Quote => self.quote(at),
                Class::Escape => Some(at.saturating_add(2)),
                // No JSON string has a line break in it: what was taken for one wasn't.
                Class::Newline => {
                    self.open = None;
                    None
                }
                Class::Tag => self.tag(at),
                Class::Other => None,
            };
            at = next.unwrap_or(at.saturating_add(1));
        }
    }

    /// The beginning of a word that may be a secret.
    fn word(&mut self, at: usize) -> Option<usize> {
        let written = if self.open.is_some() { Written::Json } else { Written::Plain };
        let found = self.finder.shaped(at, self.finder.text.len(), written);
        // A dash is a word of its own.
        found.or_else(|| Some(self.end_of_word(at).max(at.saturating_add(1))))
    }

    fn end_of_word(&self, at: usize) -> usize {
        let rest = self.finder.text.get(at..).unwrap_or_default();
        at.saturating_add(rest.iter().take_while(|b| b.is_ascii_alphanumeric()).count())
    }

    fn byte(&self, at: usize) -> Option<&'a u8> {
        self.finder.text.get(at)
    }

    /// Handles a quote: a string begins, or it ends and is a name or a value. Returns the position
    /// to continue at.
    fn quote(&mut self, at: usize) -> Option<usize> {
        let Some(start) = self.open.take() else {
            self.open = Some(at.saturating_add(1));
            return None;
        };
        let after = self.skip_space(at.saturating_add(1));
        if self.byte(after) != Some(&b':') {
            let (from, to) = self.last;
            if !is_identifier(self.finder.part(from, to)) {
                self.finder.card((start, at), Written::Json);
            }
            return None;
        }
        self.last = (start, at);
        let name = self.finder.part(start, at);
        let kind = self.names.field(name, Place::Body)?;
        self.value(kind, name, self.skip_space(after.saturating_add(1)))
    }

    /// Handles the value after the name of a secret.
    fn value(&mut self, kind: Kind, name: &'a [u8], at: usize) -> Option<usize> {
        match self.byte(at)? {
            b'"' => self.string(kind, name, at),
            b'[' => self.list(kind, name, at),
            b'{' => self.wrapped(kind, name, at),
            b'0'..=b'9' if matches!(kind, Kind::Card | Kind::MaybeCard | Kind::Digits) => {
                let length = self.finder.text.get(at..)?.iter().take_while(|b| b.is_ascii_digit()).count();
                let end = at.saturating_add(length);
                let is_whole = !matches!(self.byte(end), Some(b'.' | b'e' | b'E'));
                let found = is_whole && self.finder.value(kind, name, (at, end), Written::JsonNumber);
                found.then_some(end)
            }
            _ => None,
        }
    }

    /// Handles the string that begins with this quote. Returns the position after it if it was a
    /// secret.
    fn string(&mut self, kind: Kind, name: &'a [u8], quote: usize) -> Option<usize> {
        let start = quote.saturating_add(1);
        let end = self.end_of_string(start);
        let found = self.finder.value(kind, name, (start, end), Written::Json);
        found.then_some(end.saturating_add(usize::from(self.byte(end) == Some(&b'"'))))
    }

    /// Handles strings in brackets. Returns the position to continue at.
    fn list(&mut self, kind: Kind, name: &'a [u8], bracket: usize) -> Option<usize> {
        let mut at = bracket.saturating_add(1);
        loop {
            at = self.skip_space(at);
            match self.byte(at) {
                Some(b',') => at = at.saturating_add(1),
                Some(b'"') => {
                    at = match self.string(kind, name, at) {
                        Some(after) => after,
                        None => {
                            let start = at.saturating_add(1);
                            let end = self.end_of_string(start);
                            self.finder.shapes(start, end, Written::Json);
                            end.saturating_add(usize::from(self.byte(end) == Some(&b'"')))
                        }
                    };
                }
                _ => return Some(at),
            }
        }
    }

    /// `{"S": "value"}`: how DynamoDB and Firestore write a text.
    fn wrapped(&mut self, kind: Kind, name: &'a [u8], brace: usize) -> Option<usize> {
        let quote = self.skip_space(brace.saturating_add(1));
        let rest = self.finder.text.get(quote..)?.strip_prefix(b"\"")?;
        let wrapper = WRAPPERS
            .iter()
            .find(|known| rest.strip_prefix(**known).is_some_and(|after| after.starts_with(b"\"")))?;
        let colon = self.skip_space(quote.saturating_add(wrapper.len()).saturating_add(2));
        let value = self.skip_space(colon.saturating_add(1));
        let is_string = self.byte(colon) == Some(&b':') && self.byte(value) == Some(&b'"');
        if is_string { self.string(kind, name, value) } else { None }
    }

    /// `<name>value<`, with attributes and a prefix perhaps.
    fn tag(&mut self, at: usize) -> Option<usize> {
        let start = at.saturating_add(1);
        let rest = self.finder.text.get(start..)?;
        let head = rest.get(..rest.len().min(256)).unwrap_or(rest);
        let length = head.iter().position(|b| b"> /\t\r\n<\"".contains(b)).filter(|length| *length > 0)?;
        // Search only up to the next tag, so that each tag is examined once.
        let close = head.iter().position(|b| matches!(b, b'>' | b'<'))?;
        let value = start.saturating_add(close).saturating_add(1);
        // `<a></a>` has no value.
        if head.get(close) != Some(&b'>') || matches!(self.byte(value), None | Some(b'<')) {
            return None;
        }
        let name = self.finder.part(start, start.saturating_add(length));
        let kind = self.names.field(name, Place::Body);
        let is_digit = self.byte(value).is_some_and(u8::is_ascii_digit);
        if kind.is_none() && (!is_digit || is_identifier(name)) {
            return None;
        }
        let rest = self.finder.text.get(value..)?;
        let length = rest.iter().position(|b| matches!(b, b'<' | b'"')).unwrap_or(rest.len());
        let end = value.saturating_add(length);
        let found = match kind {
            Some(kind) => self.finder.value(kind, name, (value, end), Written::Plain),
            None => self.finder.card((value, end), Written::Plain),
        };
        found.then_some(end)
    }

    fn skip_space(&self, at: usize) -> usize {
        let rest = self.finder.text.get(at..).unwrap_or_default();
        at.saturating_add(rest.iter().take_while(|b| b.is_ascii_whitespace()).count())
    }

    /// End of a string whose inside begins here: its quote, a line break, or the end of the text.
    fn end_of_string(&self, start: usize) -> usize {
        let mut at = start;
        while let Some(byte) = self.byte(at) {
            match byte {
                b'"' | b'\n' => return at,
                b'\\' => at = at.saturating_add(2),
                _ => at = at.saturating_add(1),
            }
        }
        self.finder.text.len()
    }
}
