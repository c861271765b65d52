//! JSON in normal form: object keys sorted, arrays in order, numbers as written, duplicate keys
//! kept as sent.
//!
//! The text is read once into a tape of nodes (RFC 8259, strictly), then written in order. Neither
//! step recurses: depth costs memory in proportion to the text, never stack. In between, rules mark
//! the nodes that don't count.
//!
//! The other structured bodies (XML, multipart, protobuf, CBOR and others) come here as *tree
//! text*: JSON whose strings may hold any bytes, and with ordered objects, `(` members `)`, which
//! keep the order of their members.

mod maps;
mod parse;
mod tape;
mod text;
mod write;

use crate::rules::Step;
use parse::Parser;
use tape::{Kind, Node, Tape, index};
pub(super) use tape::{Mark, Replace};
pub use text::json_text;
#[cfg(test)]
pub(super) use text::plain_end;
pub(super) use text::write_string;
use write::Writer;

/// The strictness of reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    /// RFC 8259, strictly.
    Json,
    /// JSON with the additions of encoders in use: `NaN`, `Infinity`, `-Infinity`, and a comma
    /// before the end of a container.
    Loose,
    /// Tree text.
    Tree,
}

/// A text that has been read.
pub(super) struct Tree<'a> {
    text: &'a [u8],
    nodes: Vec<Node>,
    maps: bool,
}

impl<'a> Tree<'a> {
    /// Reads JSON. `None` where it isn't.
    pub(super) fn of_json(text: &'a [u8]) -> Option<Self> {
        std::str::from_utf8(text).ok()?;
        Self::read(text, Dialect::Json).map(|(tree, _)| tree)
    }

    /// Reads JSON and what encoders take for JSON; see [`Dialect::Loose`]. Besides, whether a comma
    /// stands before the end of a container, which strict readers refuse.
    pub(super) fn of_loose_json(text: &'a [u8]) -> Option<(Self, bool)> {
        std::str::from_utf8(text).ok()?;
        Self::read(text, Dialect::Loose)
    }

    /// Reads several JSON values, one per line, as an array of them.
    pub(super) fn of_lines(text: &'a [u8]) -> Option<Self> {
        Self::of_several(text, Parser::parse_lines)
    }

    /// Reads a JSON text sequence (RFC 7464) as an array of its values.
    pub(super) fn of_sequence(text: &'a [u8]) -> Option<Self> {
        Self::of_several(text, Parser::parse_sequence)
    }

    fn of_several(text: &'a [u8], parse: impl Fn(&'a [u8]) -> Option<Vec<Node>>) -> Option<Self> {
        std::str::from_utf8(text).ok()?;
        u32::try_from(text.len()).ok()?;
        Some(Self { text, nodes: parse(text)?, maps: false })
    }

    /// Reads tree text.
    pub(super) fn of_tree_text(text: &'a [u8]) -> Option<Self> {
        Self::read(text, Dialect::Tree).map(|(tree, _)| tree)
    }

    fn read(text: &'a [u8], dialect: Dialect) -> Option<(Self, bool)> {
        u32::try_from(text.len()).ok()?;
        let (nodes, trailing_comma) = Parser::parse(text, dialect)?;
        Some((Self { text, nodes, maps: false }, trailing_comma))
    }

    /// Marks all nodes that the steps lead to; gives how many.
    pub(super) fn mark(&mut self, steps: &[Step], mark: Mark) -> usize {
        let found = self.find(steps);
        for &at in &found {
            if let Some(node) = self.nodes.get_mut(index(at)) {
                node.mark = mark;
            }
        }
        found.len()
    }

    /// Marks the strings at the steps as GraphQL documents; those that are none are written like
    /// any other.
    pub(super) fn mark_graphql(&mut self, steps: &[Step]) {
        for at in self.find(steps) {
            let node = self.nodes.get_mut(index(at));
            if let Some(node) = node.filter(|node| matches!(node.kind, Kind::Plain | Kind::Escaped)) {
                node.mark = Mark::GraphQl;
            }
        }
    }

    /// Lets the entries of what looks like protobuf maps come in any order.
    pub(super) fn sort_maps(&mut self) {
        self.maps = true;
    }

    /// The strings that stand at the steps, without their escapes.
    pub(super) fn strings(&self, steps: &[Step]) -> Vec<Vec<u8>> {
        self.find(steps).into_iter().filter_map(|at| self.string(at)).collect()
    }

    /// The texts of the leaves at the steps: strings without their escapes, anything else as
    /// written.
    pub(super) fn texts(&self, steps: &[Step]) -> Vec<Vec<u8>> {
        let text = |at: u32| {
            let node = self.nodes.get(index(at))?;
            match node.kind {
                Kind::Literal => self.text.get(index(node.start)..index(node.end)).map(<[u8]>::to_vec),
                _ => self.string(at),
            }
        };
        self.find(steps).into_iter().filter_map(text).collect()
    }

    /// Whether the text is an object with such a member.
    pub(super) fn has(&self, name: &[u8]) -> bool {
        let tape = Tape { text: self.text, nodes: &self.nodes };
        let mut has = false;
        tape.children(0, |_, key, _| has = has || key.is_some_and(|key| *tape.key(key) == *name));
        has
    }

    /// Whether the text is an array.
    pub(super) fn is_array(&self) -> bool {
        self.nodes.first().is_some_and(|node| node.kind == Kind::Array)
    }

    /// Returns whether the text is an object or an array.
    pub(super) fn is_container(&self) -> bool {
        self.nodes.first().is_some_and(|node| node.kind.is_container())
    }

    /// The number of values in an array, and whether each of them is an object or an array.
    pub(super) fn elements(&self) -> (usize, bool) {
        let tape = Tape { text: self.text, nodes: &self.nodes };
        let (mut count, mut containers) = (0usize, true);
        tape.children(0, |_, _, value| {
            count = count.saturating_add(1);
            containers &= tape.nodes.get(index(value)).is_some_and(|node| node.kind.is_container());
        });
        (count, containers)
    }

    /// Appends the normal form, with no rule applied.
    pub(super) fn write_plain(&self, out: &mut Vec<u8>) {
        self.write(&mut |_, _, _| {}, out);
    }

    /// Appends the normal form.
    pub(super) fn write(&self, replace: Replace<'_>, out: &mut Vec<u8>) {
        let tape = Tape { text: self.text, nodes: &self.nodes };
        let (members, open) = (Vec::new(), Vec::new());
        Writer { tape, out, members, open, maps: self.maps, replace }.write(0);
    }

    fn string(&self, at: u32) -> Option<Vec<u8>> {
        let node = self.nodes.get(index(at))?;
        let tape = Tape { text: self.text, nodes: &self.nodes };
        matches!(node.kind, Kind::Plain | Kind::Escaped).then(|| tape.key(at).into_owned())
    }

    /// The nodes that the steps lead to.
    fn find(&self, steps: &[Step]) -> Vec<u32> {
        let tape = Tape { text: self.text, nodes: &self.nodes };
        let mut found = vec![0];
        for step in steps {
            let mut next = Vec::new();
            let wanted_number = match step {
                Step::Key(wanted) => number_of(wanted),
                Step::Any => None,
            };
            for at in found {
                tape.children(at, |number, key, value| {
                    let fits = match (step, key) {
                        (Step::Any, _) => true,
                        (Step::Key(wanted), Some(key)) => *tape.key(key) == **wanted,
                        (Step::Key(_), None) => wanted_number == Some(number),
                    };
                    if fits {
                        next.push(value);
                    }
                });
            }
            found = next;
        }
        found
    }
}

/// A text's leaves, each with the steps to it as a pointer: `/a/0/b`. Of a text that is cut, those
/// up to the cut.
pub(super) fn leaves(text: &[u8], mut each: impl FnMut(&str, &[u8], std::ops::Range<usize>)) {
    let nodes = Parser::parse_as_far_as_it_goes(text);
    let tape = Tape { text, nodes: &nodes };
    // The position of the walk inside each open container: its node, its end, the next index, and
    // how long the pointer was.
    let mut pointer = String::new();
    let mut open: Vec<(bool, u32, u32, usize)> = Vec::new();
    let mut at = 0;
    let length = u32::try_from(nodes.len()).unwrap_or(u32::MAX);
    loop {
        while let Some((_, _, _, before)) = open.pop_if(|(_, end, ..)| at >= *end) {
            pointer.truncate(before);
        }
        if at >= length {
            return;
        }
        if let Some((object, _, number, before)) = open.last_mut() {
            pointer.truncate(*before);
            pointer.push('/');
            if *object {
                pointer.push_str(&crate::rules::escape(&String::from_utf8_lossy(&tape.key(at))));
                at = at.saturating_add(1);
            } else {
                pointer.push_str(&number.to_string());
                *number = number.saturating_add(1);
            }
        }
        let Some(node) = nodes.get(index(at)) else { return };
        let empty = node.next == at.saturating_add(1);
        match node.kind {
            Kind::Object | Kind::Ordered | Kind::Array if !empty => {
                let end = if node.next > at { node.next } else { length };
                open.push((node.kind != Kind::Array, end, 0, pointer.len()));
            }
            Kind::Object | Kind::Ordered => each(&pointer, b"{}", tape.range(node)),
            Kind::Array => each(&pointer, b"[]", tape.range(node)),
            Kind::Literal => each(&pointer, tape.slice(node), tape.range(node)),
            Kind::Plain | Kind::Escaped => {
                let mut quoted = Vec::new();
                write_string(&tape.key(at), &mut quoted);
                each(&pointer, &quoted, tape.range(node));
            }
        }
        at = at.saturating_add(1);
    }
}

/// The element's number that a step names: decimal, in its shortest form.
fn number_of(step: &[u8]) -> Option<usize> {
    let is_shortest = step.iter().all(u8::is_ascii_digit) && (step.len() == 1 || step.first() != Some(&b'0'));
    std::str::from_utf8(step).ok().filter(|_| is_shortest)?.parse().ok()
}
