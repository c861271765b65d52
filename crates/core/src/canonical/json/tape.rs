//! The tape of nodes that a text is read into.

use super::text::unescape;

/// One value on the tape.
#[derive(Clone, Copy)]
pub(super) struct Node {
    pub(super) kind: Kind,
    /// Range of a leaf's text; empty for a container.
    pub(super) start: u32,
    pub(super) end: u32,
    /// The tape index after this value and all that it holds.
    pub(super) next: u32,
    pub(super) mark: Mark,
}

/// The instruction of the rules for a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::canonical) enum Mark {
    /// Nothing: it is compared.
    None,
    /// It isn't there.
    Gone,
    /// The caller's text replaces it: the number tells it which node this is.
    Replaced(u16),
    /// It is a GraphQL document, if it can be read as one.
    GraphQl,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Object,
    /// An object whose members keep their order: of tree text alone.
    Ordered,
    Array,
    /// A string with no escapes: its text is its normal form.
    Plain,
    /// A string with escapes.
    Escaped,
    /// A number, `true`, `false` or `null`.
    Literal,
}

impl Kind {
    pub(super) fn is_container(self) -> bool {
        matches!(self, Self::Object | Self::Ordered | Self::Array)
    }
}

/// Writes what stands in the place of a value that a rule replaces: its number, its normal form,
/// and where to write to.
pub(in crate::canonical) type Replace<'r> = &'r mut dyn FnMut(u16, &[u8], &mut Vec<u8>);

#[derive(Clone, Copy)]
pub(super) struct Tape<'a> {
    pub(super) text: &'a [u8],
    pub(super) nodes: &'a [Node],
}

impl<'a> Tape<'a> {
    pub(super) fn key(self, at: u32) -> std::borrow::Cow<'a, [u8]> {
        match self.nodes.get(index(at)) {
            Some(node) if node.kind == Kind::Escaped => unescape(self.slice(node)).into(),
            Some(node) => self.slice(node).into(),
            None => Vec::new().into(),
        }
    }

    /// Hands over each value that a container holds: its number, its key in an object, and itself.
    pub(super) fn children(self, at: u32, mut each: impl FnMut(usize, Option<u32>, u32)) {
        let Some(node) = self.nodes.get(index(at)) else { return };
        if !node.kind.is_container() {
            return;
        }
        let (mut next, mut number) = (at.saturating_add(1), 0usize);
        while next < node.next {
            let key = (node.kind != Kind::Array).then_some(next);
            let value = if key.is_some() { self.next(next, node.next) } else { next };
            each(number, key, value);
            number = number.saturating_add(1);
            next = self.next(value, node.next);
        }
    }

    pub(super) fn next(self, at: u32, end: u32) -> u32 {
        self.nodes.get(index(at)).map_or(end, |node| node.next)
    }

    /// The range of a leaf, including a string's quotes.
    pub(super) fn range(self, node: &Node) -> std::ops::Range<usize> {
        let quotes = usize::from(matches!(node.kind, Kind::Plain | Kind::Escaped));
        index(node.start).saturating_sub(quotes)..index(node.end).saturating_add(quotes)
    }

    pub(super) fn slice(self, node: &Node) -> &'a [u8] {
        self.text.get(index(node.start)..index(node.end)).unwrap_or_default()
    }
}

pub(super) fn opening(kind: Kind) -> u8 {
    match kind {
        Kind::Object => b'{',
        Kind::Ordered => b'(',
        _ => b'[',
    }
}

pub(super) fn closing(kind: Kind) -> u8 {
    match kind {
        Kind::Object => b'}',
        Kind::Ordered => b')',
        _ => b']',
    }
}

/// A tape index or text offset as `usize`: 32 bits at least on every target.
pub(super) fn index(at: u32) -> usize {
    usize::try_from(at).unwrap_or(usize::MAX)
}
