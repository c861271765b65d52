//! GraphQL documents in normal form: what is ignored between tokens is gone (GraphQL specification, October 2021, 2.1.2 to 2.1.7).
//!
//! Strings stay as written, block strings too: their indentation is worked out by the server. No name is changed and nothing is sorted.
//! Only documents that can be executed are read, and only as far as it takes to tell them from other texts (an SQL statement, a search
//! expression, a JSON object): types, names and arguments may be any. Nothing recurses.

mod lexer;

use lexer::{Lexer, Token};

/// Whether the text is a document: operations and fragments, all of it tokens, each bracket with its other half.
pub(super) fn is_document(text: &[u8]) -> bool {
    read(text, |_| {}).is_some()
}

/// Appends the normal form of a document. Gives `false`, and appends nothing, where the text isn't one.
pub(super) fn write(text: &[u8], out: &mut Vec<u8>) -> bool {
    let start = out.len();
    let mut before = None;
    let written = read(text, |token| {
        if before.is_some_and(|before| needs_space(before, token)) {
            out.push(b' ');
        }
        out.extend_from_slice(token.text());
        before = Some(token);
    });
    if written.is_none() {
        out.truncate(start);
    }
    written.is_some()
}

/// The name of the document's only operation. `None` where it has none, there are several, or the text isn't a document.
pub(super) fn operation_name(text: &[u8]) -> Option<Vec<u8>> {
    let found = read(text, |_| {})?;
    (found.operations == 1).then_some(found.name)?.map(<[u8]>::to_vec)
}

/// Whether two tokens, side by side, would be read as others: names and numbers; a number before dots; strings, since two quotes and
/// one more begin a block string.
fn needs_space(before: Token<'_>, token: Token<'_>) -> bool {
    match (before, token) {
        (Token::Name(_) | Token::Number(_), Token::Name(_) | Token::Number(_)) => true,
        (Token::String(_), Token::String(_)) => true,
        (Token::Number(_), Token::Punctuator(text)) => text == b"...",
        _ => false,
    }
}

/// What a document has been found to hold.
#[derive(Default)]
struct Found<'a> {
    operations: usize,
    /// The name of the operation that came last.
    name: Option<&'a [u8]>,
}

/// Where in a document a token stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Between definitions.
    Outside,
    /// After an operation's keyword: its name, if it has one, comes next.
    Keyword,
    /// After a fragment's keyword: its name, and the type it is on.
    Fragment,
    /// Before a definition's selections.
    Head,
    /// There, after an `@`.
    Directive,
    /// In a selection set.
    Selections,
    /// At the start of a selection set, which may not be empty (2.4).
    First,
}

/// Reads a document token by token. Of its grammar (2.2 to 2.12) it asks for as much as tells one from other texts: definitions begin
/// with their keyword or a brace; a selection begins with a name or dots; values stand in parentheses.
fn read<'a>(text: &'a [u8], mut token: impl FnMut(Token<'a>)) -> Option<Found<'a>> {
    let mut reader = Reader { open: Vec::new(), values: 0, place: Place::Outside, found: Found::default() };
    let mut lexer = Lexer::new(text);
    let mut is_empty = true;
    while let Some(next) = lexer.next()? {
        reader.take(next)?;
        token(next);
        is_empty = false;
    }
    (!is_empty && reader.place == Place::Outside && reader.open.is_empty()).then_some(reader.found)
}

struct Reader<'a> {
    /// The brackets that are open.
    open: Vec<u8>,
    /// How many of them hold values, from the first parenthesis on.
    values: usize,
    place: Place,
    found: Found<'a>,
}

impl<'a> Reader<'a> {
    fn take(&mut self, token: Token<'a>) -> Option<()> {
        if self.values > 0 {
            return self.value(token);
        }
        match (self.place, token) {
            (Place::Outside, Token::Name(b"query" | b"mutation" | b"subscription")) => {
                self.operation();
                self.place = Place::Keyword;
            }
            (Place::Outside, Token::Name(b"fragment")) => self.place = Place::Fragment,
            (Place::Outside, Token::Punctuator(b"{")) => {
                self.operation();
                self.selections();
            }
            (Place::Keyword, Token::Name(name)) => {
                self.found.name = Some(name);
                self.place = Place::Head;
            }
            (Place::Keyword | Place::Head | Place::Selections, Token::Punctuator(b"(")) => {
                self.open.push(b')');
                self.values = 1;
                if self.place == Place::Keyword {
                    self.place = Place::Head;
                }
            }
            (Place::Keyword | Place::Head | Place::Fragment, Token::Punctuator(b"@")) => {
                self.place = Place::Directive;
            }
            (Place::Directive, Token::Name(_)) => self.place = Place::Head,
            (Place::Fragment, Token::Name(_)) => {}
            (Place::Keyword | Place::Head | Place::Fragment | Place::Selections, Token::Punctuator(b"{")) => {
                self.selections();
            }
            (Place::First | Place::Selections, Token::Name(_) | Token::Punctuator(b"...")) => {
                self.place = Place::Selections;
            }
            (Place::Selections, Token::Punctuator(b":" | b"@")) => {}
            (Place::Selections, Token::Punctuator(b"}")) => {
                self.open.pop();
                if self.open.is_empty() {
                    self.place = Place::Outside;
                }
            }
            _ => return None,
        }
        Some(())
    }

    /// A token in parentheses: variables or arguments.
    fn value(&mut self, token: Token<'a>) -> Option<()> {
        let Token::Punctuator(text) = token else { return Some(()) };
        let end = match text {
            b"(" => b')',
            b"[" => b']',
            b"{" => b'}',
            b")" | b"]" | b"}" => {
                self.values = self.values.saturating_sub(1);
                return (self.open.pop().as_ref() == text.first()).then_some(());
            }
            // Two that stand in type systems alone.
            b"&" | b"|" | b"..." => return None,
            _ => return Some(()),
        };
        self.open.push(end);
        self.values = self.values.saturating_add(1);
        Some(())
    }

    fn operation(&mut self) {
        self.found.operations = self.found.operations.saturating_add(1);
        self.found.name = None;
    }

    fn selections(&mut self) {
        self.open.push(b'}');
        self.place = Place::First;
    }
}

#[cfg(test)]
mod tests;
