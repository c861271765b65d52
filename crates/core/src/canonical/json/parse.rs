//! Reads a text into a tape of nodes.

use super::Dialect;
use super::tape::{Kind, Mark, Node, closing, index};
use super::text::plain_end;

/// Reads a text into a tape. An object's members are a key and a value each, one after the other.
pub(super) struct Parser<'a> {
    text: &'a [u8],
    at: usize,
    tape: Vec<Node>,
    /// The tape indices of the containers that are open.
    open: Vec<u32>,
    dialect: Dialect,
    /// True if some container ends in a comma.
    trailing_comma: bool,
}

/// The record separator that begins each value of a JSON text sequence (RFC 7464, 2.2).
const SEPARATOR: u8 = 0x1e;

impl<'a> Parser<'a> {
    fn new(text: &'a [u8], dialect: Dialect) -> Self {
        let tape = Vec::with_capacity(text.len() / 8);
        Self { text, at: 0, tape, open: Vec::new(), dialect, trailing_comma: false }
    }

    /// The nodes of a text, and whether some container in it ends in a comma.
    pub(super) fn parse(text: &'a [u8], dialect: Dialect) -> Option<(Vec<Node>, bool)> {
        let mut parser = Self::new(text, dialect);
        parser.all()?;
        (parser.at == text.len()).then_some((parser.tape, parser.trailing_comma))
    }

    /// The nodes of an array of the values that stand one per line. Blank lines don't count. `None`
    /// where a value isn't alone on one line.
    pub(super) fn parse_lines(text: &'a [u8]) -> Option<Vec<Node>> {
        let mut parser = Self::new(text, Dialect::Json);
        parser.leaf(Kind::Array, 0, 0)?;
        loop {
            parser.space();
            if parser.at == text.len() {
                return parser.into_array();
            }
            let start = parser.at;
            parser.one()?;
            if text.get(start..parser.at)?.contains(&b'\n') {
                return None;
            }
            while matches!(parser.peek(), Some(b' ' | b'\t' | b'\r')) {
                parser.skip();
            }
            if !matches!(parser.peek(), None | Some(b'\n')) {
                return None;
            }
        }
    }

    /// The nodes of an array of the values of a JSON text sequence (RFC 7464, 2). `None` where one
    /// of them may be cut: a number or a word without white space behind it.
    pub(super) fn parse_sequence(text: &'a [u8]) -> Option<Vec<Node>> {
        let mut parser = Self::new(text, Dialect::Json);
        parser.leaf(Kind::Array, 0, 0)?;
        while parser.at < text.len() {
            if parser.peek() != Some(SEPARATOR) {
                return None;
            }
            while parser.peek() == Some(SEPARATOR) {
                parser.skip();
                parser.space();
            }
            if parser.at == text.len() {
                break;
            }
            parser.one()?;
            let is_literal = parser.tape.last().is_some_and(|node| node.kind == Kind::Literal);
            let is_closed = text.get(parser.at.checked_sub(1)?).is_some_and(|b| b"]}\"".contains(b));
            let after = parser.at;
            parser.space();
            if is_literal && !is_closed && parser.at == after {
                return None;
            }
        }
        parser.into_array()
    }

    /// Ends the array that the tape begins with.
    fn into_array(mut self) -> Option<Vec<Node>> {
        let next = u32::try_from(self.tape.len()).ok()?;
        self.tape.first_mut()?.next = next;
        Some(self.tape)
    }

    /// The nodes of a text that may be cut, or may have marks in it. A container that isn't closed
    /// ends with the tape; a member without its value isn't there.
    pub(super) fn parse_as_far_as_it_goes(text: &'a [u8]) -> Vec<Node> {
        let mut parser = Self::new(text, Dialect::Tree);
        if parser.all().is_none() {
            let end = u32::try_from(parser.tape.len()).unwrap_or(u32::MAX);
            while let Some(container) = parser.open.pop() {
                if let Some(node) = parser.tape.get_mut(index(container)) {
                    node.next = end;
                }
            }
        }
        parser.tape
    }

    fn all(&mut self) -> Option<()> {
        self.one()?;
        self.space();
        Some(())
    }

    /// Reads one value with all that it holds.
    fn one(&mut self) -> Option<()> {
        self.value()?;
        while let Some(&container) = self.open.last() {
            self.member(container)?;
        }
        Some(())
    }

    /// Reads the next member of the innermost container, or its end.
    fn member(&mut self, container: u32) -> Option<()> {
        let kind = self.tape.get(index(container))?.kind;
        let empty = index(container).checked_add(1)? == self.tape.len();
        let close = closing(kind);
        self.space();
        let mut byte = self.peek()?;
        if byte == close {
            return self.close(container);
        }
        if !empty {
            if byte != b',' {
                return None;
            }
            self.skip();
            self.space();
            byte = self.peek()?;
            if byte == close && self.dialect == Dialect::Loose {
                self.trailing_comma = true;
                return self.close(container);
            }
        }
        if kind != Kind::Array {
            if byte != b'"' {
                return None;
            }
            let before = self.tape.len();
            let value = self.key().and_then(|()| self.value());
            // A name without its value is none.
            if value.is_none() {
                self.tape.truncate(before);
            }
            return value;
        }
        self.value()
    }

    fn close(&mut self, container: u32) -> Option<()> {
        self.skip();
        self.open.pop();
        let next = u32::try_from(self.tape.len()).ok()?;
        self.tape.get_mut(index(container))?.next = next;
        Some(())
    }

    fn key(&mut self) -> Option<()> {
        self.string()?;
        self.space();
        if self.peek()? != b':' {
            return None;
        }
        self.skip();
        Some(())
    }

    fn value(&mut self) -> Option<()> {
        self.space();
        match self.peek()? {
            b'{' => self.container(Kind::Object),
            b'[' => self.container(Kind::Array),
            b'(' if self.dialect == Dialect::Tree => self.container(Kind::Ordered),
            // What stands for a value that doesn't count, in a normal form.
            b'*' if self.dialect == Dialect::Tree => self.word(b"*"),
            b'"' => self.string(),
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            b'n' => self.word(b"null"),
            b'N' if self.dialect != Dialect::Json => self.word(b"NaN"),
            b'I' if self.dialect != Dialect::Json => self.word(b"Infinity"),
            b'-' if self.dialect != Dialect::Json && self.text.get(self.at..)?.starts_with(b"-I") => {
                self.word(b"-Infinity")
            }
            _ => self.number(),
        }
    }

    fn container(&mut self, kind: Kind) -> Option<()> {
        self.open.push(u32::try_from(self.tape.len()).ok()?);
        self.skip();
        self.leaf(kind, self.at, self.at)
    }

    fn string(&mut self) -> Option<()> {
        self.skip();
        let start = self.at;
        let mut kind = Kind::Plain;
        loop {
            self.at = plain_end(self.text, self.at);
            match self.peek()? {
                b'"' => {
                    let end = self.at;
                    self.skip();
                    return self.leaf(kind, start, end);
                }
                b'\\' => {
                    kind = Kind::Escaped;
                    self.skip();
                    self.escape()?;
                }
                _ => return None,
            }
        }
    }

    /// What stands behind a backslash.
    fn escape(&mut self) -> Option<()> {
        match self.peek()? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => self.skip(),
            b'u' => {
                let digits = self.text.get(self.at.checked_add(1)?..self.at.checked_add(5)?)?;
                if !digits.iter().all(u8::is_ascii_hexdigit) {
                    return None;
                }
                self.at = self.at.checked_add(5)?;
            }
            _ => return None,
        }
        Some(())
    }

    fn word(&mut self, word: &[u8]) -> Option<()> {
        let start = self.at;
        let end = start.checked_add(word.len())?;
        if self.text.get(start..end)? != word {
            return None;
        }
        self.at = end;
        self.leaf(Kind::Literal, start, end)
    }

    fn number(&mut self) -> Option<()> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.skip();
        }
        match self.peek()? {
            b'0' => self.skip(),
            b'1'..=b'9' => self.digits(),
            _ => return None,
        }
        if self.peek() == Some(b'.') {
            self.skip();
            self.some_digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.skip();
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.skip();
            }
            self.some_digits()?;
        }
        self.leaf(Kind::Literal, start, self.at)
    }

    fn some_digits(&mut self) -> Option<()> {
        self.peek().filter(u8::is_ascii_digit)?;
        self.digits();
        Some(())
    }

    fn digits(&mut self) {
        while self.peek().is_some_and(|b| b.is_ascii_digit()) {
            self.skip();
        }
    }

    fn leaf(&mut self, kind: Kind, start: usize, end: usize) -> Option<()> {
        let next = u32::try_from(self.tape.len().checked_add(1)?).ok()?;
        let (start, end) = (u32::try_from(start).ok()?, u32::try_from(end).ok()?);
        self.tape.push(Node { kind, start, end, next, mark: Mark::None });
        Some(())
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.skip();
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn skip(&mut self) {
        self.at = self.at.saturating_add(1);
    }
}
