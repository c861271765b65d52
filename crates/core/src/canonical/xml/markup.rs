//! The pieces of an XML text: names, tags, references, comments (XML 1.0, fifth edition). It keeps no state but the place it has come to.

use super::super::pairs::{self, Pair};

/// A place in a text, which is UTF-8.
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
}

/// A start tag: its attributes sorted by name, their values normalised.
pub(super) struct Tag<'a> {
    pub(super) name: &'a [u8],
    pub(super) attributes: Vec<Pair>,
    /// It ends the element too: `<a/>`.
    pub(super) is_empty: bool,
}

/// What a reference stands for.
pub(super) struct Reference {
    pub(super) text: char,
    /// It is the number of a character, which may be white space; an entity never is.
    pub(super) is_char: bool,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self { rest: text }
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// Goes past this if it stands here.
    pub(super) fn take(&mut self, what: &[u8]) -> bool {
        let after = self.rest.strip_prefix(what);
        self.rest = after.unwrap_or(self.rest);
        after.is_some()
    }

    /// Goes past white space; gives whether there was any.
    pub(super) fn space(&mut self) -> bool {
        let length = self.rest.iter().position(|&b| !is_space(b)).unwrap_or(self.rest.len());
        !self.advance(length).is_empty()
    }

    /// What comes before the first of these bytes, which are in the text.
    pub(super) fn until(&mut self, ends: &[u8]) -> Option<&'a [u8]> {
        let length = self.rest.iter().position(|b| ends.contains(b))?;
        Some(self.advance(length)).filter(|text| is_plain(text))
    }

    /// What comes before `end`, which is in the text; goes past it.
    pub(super) fn before(&mut self, end: &[u8]) -> Option<&'a [u8]> {
        let length = self.rest.windows(end.len()).position(|w| w == end)?;
        let text = self.advance(length);
        self.advance(end.len());
        Some(text).filter(|text| is_plain(text))
    }

    /// A comment, after its `<!--`: two hyphens end it (2.5).
    pub(super) fn comment(&mut self) -> Option<()> {
        self.before(b"--")?;
        self.take(b">").then_some(())
    }

    /// A name (2.3). Beyond ASCII any character will do: to be told from others it needs no more.
    pub(super) fn name(&mut self) -> Option<&'a [u8]> {
        let starts = |b: u8| b.is_ascii_alphabetic() || matches!(b, b'_' | b':' | 0x80..);
        let goes_on = |b: u8| starts(b) || b.is_ascii_digit() || matches!(b, b'-' | b'.');
        self.rest.first().filter(|&&b| starts(b))?;
        let length = self.rest.iter().position(|&b| !goes_on(b)).unwrap_or(self.rest.len());
        Some(self.advance(length))
    }

    /// The declaration, if there is one (2.8): of XML 1.0, and of an encoding that we read as it was meant.
    pub(super) fn declaration(&mut self) -> Option<()> {
        let is_one =
            self.rest.strip_prefix(b"<?xml").is_some_and(|rest| rest.first().is_some_and(|&b| is_space(b)));
        if !is_one {
            return Some(());
        }
        self.advance(b"<?xml".len());
        let attributes = self.attributes()?;
        if !self.take(b"?>") {
            return None;
        }
        let value =
            |name: &[u8]| attributes.iter().find(|(n, _)| *n == name).map(|(_, value)| value.as_slice());
        let is_ascii = self.rest.is_ascii();
        let known = value(b"encoding").is_none_or(|encoding| {
            let encoding = encoding.to_ascii_lowercase();
            let extends_ascii = ["us-ascii", "ascii", "iso-8859-", "windows-125"];
            encoding == b"utf-8"
                || encoding == b"utf8"
                || is_ascii && extends_ascii.iter().any(|name| encoding.starts_with(name.as_bytes()))
        });
        (value(b"version") == Some(b"1.0") && known).then_some(())
    }

    /// A start tag, after its `<` (3.1).
    pub(super) fn tag(&mut self) -> Option<Tag<'a>> {
        let name = self.name()?;
        let attributes = self.attributes()?;
        let is_empty = self.take(b"/");
        self.take(b">").then_some(Tag { name, attributes, is_empty })
    }

    fn attributes(&mut self) -> Option<Vec<Pair>> {
        let mut attributes = Vec::new();
        while self.space() {
            if matches!(self.rest.first(), Some(b'/' | b'>' | b'?')) {
                break;
            }
            let name = self.name()?.to_vec();
            self.space();
            if !self.take(b"=") {
                return None;
            }
            self.space();
            attributes.push((name, self.value()?));
        }
        pairs::sort(&mut attributes);
        // No name may come twice (3.1).
        let repeats = attributes.windows(2).any(|pair| matches!(pair, [(a, _), (b, _)] if a == b));
        (!repeats).then_some(attributes)
    }

    /// An attribute's value: white space is a space, unless it was written as a reference (3.3.3).
    fn value(&mut self) -> Option<Vec<u8>> {
        let quote: &[u8] = if self.take(b"\"") { b"\"" } else { b"'" };
        if quote == b"'" && !self.take(quote) {
            return None;
        }
        let mut value = Vec::new();
        loop {
            let text = self.until(&[b"<&", quote].concat())?;
            let start = value.len();
            push_lines(text, &mut value);
            for byte in value.iter_mut().skip(start).filter(|b| is_space(**b)) {
                *byte = b' ';
            }
            if self.take(quote) {
                return Some(value);
            }
            if !self.take(b"&") {
                return None;
            }
            value.extend_from_slice(self.reference()?.text.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }

    /// A reference, after its `&` (4.1 and 4.6). Without a document type there are no other entities.
    pub(super) fn reference(&mut self) -> Option<Reference> {
        let entity = |text: char| Some(Reference { text, is_char: false });
        match self.before_semicolon()? {
            b"amp" => entity('&'),
            b"lt" => entity('<'),
            b"gt" => entity('>'),
            b"quot" => entity('"'),
            b"apos" => entity('\''),
            number => {
                let number = number.strip_prefix(b"#")?;
                let (digits, radix) = number.strip_prefix(b"x").map_or((number, 10), |digits| (digits, 16));
                if !digits.iter().all(u8::is_ascii_hexdigit) {
                    return None;
                }
                let code = u32::from_str_radix(std::str::from_utf8(digits).ok()?, radix).ok()?;
                let text = char::from_u32(code).filter(|c| is_char(*c))?;
                Some(Reference { text, is_char: true })
            }
        }
    }

    /// What comes before a semicolon that is near: the longest references are numbers, which may have leading zeros.
    fn before_semicolon(&mut self) -> Option<&'a [u8]> {
        let length = self.rest.iter().take(16).position(|&b| b == b';')?;
        let text = self.advance(length);
        self.advance(1);
        Some(text)
    }

    fn advance(&mut self, length: usize) -> &'a [u8] {
        let (text, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, b""));
        self.rest = rest;
        text
    }
}

/// Appends text, each line's end made a line feed (2.11).
pub(super) fn push_lines(text: &[u8], out: &mut Vec<u8>) {
    let mut lines = text.split(|&b| b == b'\r');
    out.extend_from_slice(lines.next().unwrap_or_default());
    for line in lines {
        out.push(b'\n');
        out.extend_from_slice(line.strip_prefix(b"\n").unwrap_or(line));
    }
}

/// White space (2.3).
pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Whether no byte is a control character, which XML has none of but white space (2.2).
fn is_plain(text: &[u8]) -> bool {
    text.iter().all(|&b| b >= 0x20 || is_space(b))
}

/// Whether XML has this character (2.2).
fn is_char(c: char) -> bool {
    !matches!(c, '\0'..='\x08' | '\x0b' | '\x0c' | '\x0e'..='\x1f' | '\u{fffe}' | '\u{ffff}')
}
