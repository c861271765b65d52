//! The tokens of a GraphQL document (GraphQL specification, October 2021, 2.1 and appendix B.1). It knows no grammar.

/// A token, with its text.
#[derive(Clone, Copy)]
pub(super) enum Token<'a> {
    Punctuator(&'a [u8]),
    Name(&'a [u8]),
    Number(&'a [u8]),
    /// A string or a block string, with its quotes.
    String(&'a [u8]),
}

impl<'a> Token<'a> {
    pub(super) fn text(self) -> &'a [u8] {
        match self {
            Self::Punctuator(text) | Self::Name(text) | Self::Number(text) | Self::String(text) => text,
        }
    }
}

pub(super) struct Lexer<'a> {
    rest: &'a [u8],
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self { rest: text }
    }

    /// The next token; the inner `None` at the end of the text, the outer where there is no token.
    pub(super) fn next(&mut self) -> Option<Option<Token<'a>>> {
        self.ignored();
        let Some(&first) = self.rest.first() else { return Some(None) };
        let token = match first {
            b'!' | b'$' | b'&' | b'(' | b')' | b':' | b'=' | b'@' | b'[' | b']' | b'{' | b'|' | b'}' => {
                Token::Punctuator(self.advance(1))
            }
            b'.' if self.rest.starts_with(b"...") => Token::Punctuator(self.advance(3)),
            b'"' => {
                let length = if self.rest.starts_with(b"\"\"\"") { self.block() } else { self.string() };
                Token::String(self.advance(length?))
            }
            b'-' | b'0'..=b'9' => {
                let length = number(self.rest)?;
                Token::Number(self.advance(length))
            }
            _ if is_name_start(first) => Token::Name(self.advance(name_length(self.rest))),
            _ => return None,
        };
        Some(Some(token))
    }

    /// Goes past what is ignored: white space, line ends, commas, comments, the byte order mark (2.1.1 to 2.1.5, 2.1.7).
    fn ignored(&mut self) {
        loop {
            match self.rest {
                [b' ' | b'\t' | b'\n' | b'\r' | b',', rest @ ..] | [0xef, 0xbb, 0xbf, rest @ ..] => {
                    self.rest = rest;
                }
                [b'#', ..] => {
                    let is_end = |&b: &u8| matches!(b, b'\n' | b'\r');
                    let length = self.rest.iter().position(is_end).unwrap_or(self.rest.len());
                    self.advance(length);
                }
                _ => return,
            }
        }
    }

    /// The length of a string: one line, its escapes as the specification has them (2.9.4); `\u{...}` is of later ones.
    fn string(&self) -> Option<usize> {
        let mut at = 1usize;
        loop {
            let rest = self.rest.get(at..)?;
            let length = match rest {
                [b'"', ..] => return at.checked_add(1),
                [b'\\', b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => 2,
                [b'\\', b'u', b'{', digits @ ..] => {
                    let length =
                        digits.iter().take(9).position(|&b| b == b'}').filter(|&length| length > 0)?;
                    digits
                        .get(..length)?
                        .iter()
                        .all(u8::is_ascii_hexdigit)
                        .then_some(length.checked_add(4)?)?
                }
                [b'\\', b'u', a, b, c, d, ..] => {
                    [a, b, c, d].iter().all(|digit| digit.is_ascii_hexdigit()).then_some(6)?
                }
                [b'\\' | 0..=8 | 0x0a..=0x1f, ..] | [] => return None,
                _ => 1,
            };
            at = at.checked_add(length)?;
        }
    }

    /// The length of a block string: up to three quotes that no backslash stands before (2.9.4).
    fn block(&self) -> Option<usize> {
        let mut at = 3usize;
        loop {
            let length = match self.rest.get(at..)? {
                [b'"', b'"', b'"', ..] => return at.checked_add(3),
                [b'\\', b'"', b'"', b'"', ..] => 4,
                [] => return None,
                _ => 1,
            };
            at = at.checked_add(length)?;
        }
    }

    fn advance(&mut self, length: usize) -> &'a [u8] {
        let (text, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, b""));
        self.rest = rest;
        text
    }
}

/// The length of a number; no name, digit or dot may follow it (2.9.1 and 2.9.2).
fn number(text: &[u8]) -> Option<usize> {
    let digits = |text: &[u8]| text.iter().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
    let mut rest = text.strip_prefix(b"-").unwrap_or(text);
    let whole = digits(rest);
    if whole == 0 || whole > 1 && rest.first() == Some(&b'0') {
        return None;
    }
    rest = rest.get(whole..)?;
    if let [b'.', after @ ..] = rest
        && digits(after) > 0
    {
        rest = after.get(digits(after)..)?;
    }
    if let [b'e' | b'E', b'+' | b'-', after @ ..] | [b'e' | b'E', after @ ..] = rest
        && digits(after) > 0
    {
        rest = after.get(digits(after)..)?;
    }
    let is_over = rest.first().is_none_or(|&b| b != b'.' && !is_name_start(b));
    is_over.then_some(text.len().checked_sub(rest.len())?)
}

fn is_name_start(byte: u8) -> bool {
    byte == b'_' || byte.is_ascii_alphabetic()
}

fn name_length(text: &[u8]) -> usize {
    text.iter().position(|&b| !is_name_start(b) && !b.is_ascii_digit()).unwrap_or(text.len())
}
