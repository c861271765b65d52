//! JSON in normal form: object keys sorted, arrays in order, numbers as written, duplicate keys kept as sent.
//!
//! The text is read once into a tape of nodes (RFC 8259, strictly), then written in order. Neither step recurses: depth costs memory in
//! proportion to the text, never stack.

/// One value on the tape.
#[derive(Clone, Copy)]
struct Node {
    kind: Kind,
    /// Of a leaf: its text. Of a container: nothing.
    start: u32,
    end: u32,
    /// The tape index after this value and all that it holds.
    next: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Object,
    Array,
    /// A string with no escapes: its text is its normal form.
    Plain,
    /// A string with escapes.
    Escaped,
    /// A number, `true`, `false` or `null`.
    Literal,
}

/// Appends the normal form of a JSON text. Gives `false`, and appends nothing, where the text isn't JSON.
pub(super) fn write(text: &[u8], out: &mut Vec<u8>) -> bool {
    if std::str::from_utf8(text).is_err() || u32::try_from(text.len()).is_err() {
        return false;
    }
    match Parser::parse(text) {
        Some(tape) => {
            let tape = Tape { text, nodes: &tape };
            Writer { tape, out, members: Vec::new(), open: Vec::new() }.write();
            true
        }
        None => false,
    }
}

/// Reads a text into a tape. An object's members are a key and a value each, one after the other.
struct Parser<'a> {
    text: &'a [u8],
    at: usize,
    tape: Vec<Node>,
    /// The tape indices of the containers that are open.
    open: Vec<u32>,
}

impl<'a> Parser<'a> {
    fn parse(text: &'a [u8]) -> Option<Vec<Node>> {
        let mut parser = Self { text, at: 0, tape: Vec::with_capacity(text.len() / 8), open: Vec::new() };
        parser.value()?;
        while let Some(&container) = parser.open.last() {
            parser.member(container)?;
        }
        parser.space();
        (parser.at == text.len()).then_some(parser.tape)
    }

    /// Reads the next member of the innermost container, or its end.
    fn member(&mut self, container: u32) -> Option<()> {
        let kind = self.tape.get(index(container))?.kind;
        let empty = index(container).checked_add(1)? == self.tape.len();
        let close = if kind == Kind::Object { b'}' } else { b']' };
        self.space();
        let mut byte = self.peek()?;
        if byte == close {
            self.skip();
            self.open.pop();
            let next = u32::try_from(self.tape.len()).ok()?;
            self.tape.get_mut(index(container))?.next = next;
            return Some(());
        }
        if !empty {
            if byte != b',' {
                return None;
            }
            self.skip();
            self.space();
            byte = self.peek()?;
        }
        if kind == Kind::Object {
            if byte != b'"' {
                return None;
            }
            self.string()?;
            self.space();
            if self.peek()? != b':' {
                return None;
            }
            self.skip();
        }
        self.value()
    }

    fn value(&mut self) -> Option<()> {
        self.space();
        match self.peek()? {
            b'{' => self.container(Kind::Object),
            b'[' => self.container(Kind::Array),
            b'"' => self.string(),
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            b'n' => self.word(b"null"),
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
        self.tape.push(Node { kind, start: u32::try_from(start).ok()?, end: u32::try_from(end).ok()?, next });
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

#[derive(Clone, Copy)]
struct Tape<'a> {
    text: &'a [u8],
    nodes: &'a [Node],
}

impl<'a> Tape<'a> {
    fn key(self, at: u32) -> std::borrow::Cow<'a, [u8]> {
        match self.nodes.get(index(at)) {
            Some(node) if node.kind == Kind::Escaped => unescape(self.slice(node)).into(),
            Some(node) => self.slice(node).into(),
            None => Vec::new().into(),
        }
    }

    fn next(self, at: u32, end: u32) -> u32 {
        self.nodes.get(index(at)).map_or(end, |node| node.next)
    }

    fn slice(self, node: &Node) -> &'a [u8] {
        self.text.get(index(node.start)..index(node.end)).unwrap_or_default()
    }
}

struct Writer<'a> {
    tape: Tape<'a>,
    out: &'a mut Vec<u8>,
    /// The members of the containers that are open, innermost last: key (of an array's: the value) and value.
    members: Vec<(u32, u32)>,
    open: Vec<Open>,
}

/// A container that is being written: its members that are left, and where the first one was.
struct Open {
    object: bool,
    first: usize,
    next: usize,
    end: usize,
}

impl Writer<'_> {
    fn write(&mut self) {
        self.value(0);
        while let Some(container) = self.open.last_mut() {
            let at = container.next;
            if at >= container.end {
                self.out.push(if container.object { b'}' } else { b']' });
                self.members.truncate(container.first);
                self.open.pop();
                continue;
            }
            container.next = at.saturating_add(1);
            if at > container.first {
                self.out.push(b',');
            }
            let (object, (key, value)) =
                (container.object, self.members.get(at).copied().unwrap_or_default());
            if object {
                self.value(key);
                self.out.push(b':');
            }
            self.value(value);
        }
    }

    /// Writes a leaf, or begins a container.
    fn value(&mut self, at: u32) {
        let Some(node) = self.tape.nodes.get(index(at)) else { return };
        match node.kind {
            Kind::Object | Kind::Array => self.begin(at, node.next, node.kind == Kind::Object),
            Kind::Literal => self.out.extend_from_slice(self.tape.slice(node)),
            Kind::Plain => {
                self.out.push(b'"');
                self.out.extend_from_slice(self.tape.slice(node));
                self.out.push(b'"');
            }
            Kind::Escaped => write_string(&unescape(self.tape.slice(node)), self.out),
        }
    }

    fn begin(&mut self, at: u32, end: u32, object: bool) {
        self.out.push(if object { b'{' } else { b'[' });
        let first = self.members.len();
        let mut key = at.saturating_add(1);
        while key < end {
            let value = if object { self.tape.next(key, end) } else { key };
            self.members.push((key, value));
            key = self.tape.next(value, end);
        }
        let tape = self.tape;
        let members = self.members.get_mut(first..).unwrap_or_default();
        if object && !members.is_sorted_by_key(|(key, _)| tape.key(*key)) {
            // Stable: the order of duplicate keys means something to some readers, so that it stays.
            members.sort_by(|(a, _), (b, _)| tape.key(*a).cmp(&tape.key(*b)));
        }
        self.open.push(Open { object, first, next: first, end: self.members.len() });
    }
}

/// Where a run of bytes ends that stand for themselves in a string: at a quote, a backslash, a control character, or the end of the text.
pub(super) fn plain_end(text: &[u8], from: usize) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let mut at = from;
    // Eight bytes at once: the high bit of each byte that is zero, or less than 0x20 (Hacker's Delight, 6-1).
    while let Some(chunk) = text.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let word = u64::from_le_bytes(*chunk);
        let zero = |word: u64| word.wrapping_sub(ONES) & !word & HIGHS;
        let control = word.wrapping_sub(ONES.wrapping_mul(0x20)) & !word & HIGHS;
        let special = zero(word ^ ONES.wrapping_mul(0x22)) | zero(word ^ ONES.wrapping_mul(0x5c)) | control;
        if special != 0 {
            // Borrows go upwards: the lowest mark is right, whatever is above it.
            return at.saturating_add(index(special.trailing_zeros() / 8));
        }
        at = at.saturating_add(8);
    }
    let rest = text.get(at..).unwrap_or_default();
    let special = |b: &u8| matches!(b, b'"' | b'\\' | 0..=0x1f);
    at.saturating_add(rest.iter().position(special).unwrap_or(rest.len()))
}

/// Undoes a string's escapes. A surrogate without its other half, for which there is no character, becomes the three bytes that UTF-8
/// would give it if it could: no valid text holds them, so that it equals nothing but itself.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        let Some((&code, after)) = after.split_first() else { break };
        rest = after;
        match code {
            b'b' => out.push(8),
            b'f' => out.push(12),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'u' => rest = unescape_unicode(after, &mut out),
            other => out.push(other),
        }
    }
    out
}

/// Undoes the escape whose four digits `after` begins with, and its other half if it is half of a pair (RFC 8259, 7).
fn unescape_unicode<'a>(after: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    let unit = hex4(after);
    let rest = after.get(4..).unwrap_or_default();
    let low = rest.strip_prefix(b"\\u").map(hex4).filter(|low| (0xdc00..0xe000).contains(low));
    if let (0xd800..0xdc00, Some(low)) = (unit, low) {
        let scalar = 0x1_0000_u32.saturating_add((unit & 0x3ff) << 10).saturating_add(low & 0x3ff);
        let c = char::from_u32(scalar).unwrap_or(char::REPLACEMENT_CHARACTER);
        out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        return rest.get(6..).unwrap_or_default();
    }
    match char::from_u32(unit) {
        Some(c) => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        None => {
            let bits = |shift: u32| u8::try_from((unit >> shift) & 0x3f).unwrap_or(0);
            out.extend_from_slice(&[0xed, 0x80 | bits(6), 0x80 | bits(0)]);
        }
    }
    rest
}

fn hex4(text: &[u8]) -> u32 {
    let digits = text.iter().take(4).filter_map(|&b| char::from(b).to_digit(16));
    digits.fold(0, |value, digit| (value << 4) | digit)
}

/// Writes a string with the fewest escapes (RFC 8785, 3.2.2.2).
pub(super) fn write_string(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for &byte in text {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            8 => out.extend_from_slice(b"\\b"),
            12 => out.extend_from_slice(b"\\f"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0..=0x1f => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

/// A tape index or text offset as `usize`: 32 bits at least on every target.
fn index(at: u32) -> usize {
    usize::try_from(at).unwrap_or(usize::MAX)
}
