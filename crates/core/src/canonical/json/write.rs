//! Writes a tape in normal form.

use super::maps;
use super::tape::{Kind, Mark, Replace, Tape, closing, index, opening};
use super::text::{unescape, write_string};
use crate::canonical::graphql;

pub(super) struct Writer<'a, 'o, 'r> {
    pub(super) tape: Tape<'a>,
    pub(super) out: &'o mut Vec<u8>,
    /// The members of the containers that are open, innermost last: key (of an array's: the value) and value.
    pub(super) members: Vec<(u32, u32)>,
    pub(super) open: Vec<Open>,
    /// Whether the entries of protobuf maps are sorted.
    pub(super) maps: bool,
    pub(super) replace: Replace<'r>,
}

/// A container that is being written: its members that are left, and where the first one was.
pub(super) struct Open {
    kind: Kind,
    first: usize,
    next: usize,
    end: usize,
}

impl Writer<'_, '_, '_> {
    /// Writes the value at an index, as its mark says.
    pub(super) fn write(&mut self, at: u32) {
        self.value(at);
        self.write_open();
    }

    /// Writes the value at an index, whatever its own mark says.
    fn write_itself(&mut self, at: u32) {
        self.unmarked(at);
        self.write_open();
    }

    /// Writes what is left of the containers that are open.
    fn write_open(&mut self) {
        while let Some(container) = self.open.last_mut() {
            let at = container.next;
            if at >= container.end {
                self.out.push(closing(container.kind));
                self.members.truncate(container.first);
                self.open.pop();
                continue;
            }
            container.next = at.saturating_add(1);
            if at > container.first {
                self.out.push(b',');
            }
            let (kind, (key, value)) = (container.kind, self.members.get(at).copied().unwrap_or_default());
            if kind != Kind::Array {
                self.unmarked(key);
                self.out.push(b':');
            }
            self.value(value);
        }
    }

    /// Writes a value, as its mark says.
    fn value(&mut self, at: u32) {
        match self.tape.nodes.get(index(at)).map(|node| node.mark) {
            None | Some(Mark::Gone) => {}
            Some(Mark::None) => self.unmarked(at),
            Some(Mark::GraphQl) => {
                let (text, mut normal) = (self.tape.key(at), Vec::new());
                if graphql::write(&text, &mut normal) {
                    write_string(&normal, self.out);
                } else {
                    self.unmarked(at);
                }
            }
            Some(Mark::Replaced(number)) => {
                let mut own = Vec::new();
                let nothing: Replace<'_> = &mut |_, _, _| {};
                let (members, open) = (Vec::new(), Vec::new());
                let maps = self.maps;
                Writer { tape: self.tape, out: &mut own, members, open, maps, replace: nothing }
                    .write_itself(at);
                (self.replace)(number, &own, self.out);
            }
        }
    }

    /// Writes a leaf, or begins a container.
    fn unmarked(&mut self, at: u32) {
        let Some(node) = self.tape.nodes.get(index(at)) else { return };
        match node.kind {
            Kind::Object | Kind::Ordered | Kind::Array => self.begin(at, node.next, node.kind),
            Kind::Literal => self.out.extend_from_slice(self.tape.slice(node)),
            Kind::Plain => {
                self.out.push(b'"');
                self.out.extend_from_slice(self.tape.slice(node));
                self.out.push(b'"');
            }
            Kind::Escaped => write_string(&unescape(self.tape.slice(node)), self.out),
        }
    }

    fn begin(&mut self, at: u32, end: u32, kind: Kind) {
        self.out.push(opening(kind));
        let first = self.members.len();
        let mut key = at.saturating_add(1);
        while key < end {
            let value = if kind == Kind::Array { key } else { self.tape.next(key, end) };
            if self.tape.nodes.get(index(value)).is_some_and(|node| node.mark != Mark::Gone) {
                self.members.push((key, value));
            }
            key = self.tape.next(value, end);
        }
        let tape = self.tape;
        let members = self.members.get_mut(first..).unwrap_or_default();
        let (is_nested, has_members) = (at > 0, end > at.saturating_add(1));
        if kind == Kind::Ordered && is_nested && has_members && members.is_empty() {
            // An element of which nothing counts is like one that holds nothing.
            self.out.pop();
            self.out.extend_from_slice(b"\"\"");
            return;
        }
        if kind == Kind::Object && !members.is_sorted_by_key(|(key, _)| tape.key(*key)) {
            // Stable: the order of duplicate keys means something to some readers, so that it stays.
            members.sort_by(|(a, _), (b, _)| tape.key(*a).cmp(&tape.key(*b)));
        }
        if kind == Kind::Object && self.maps {
            maps::sort(tape, members);
        }
        self.open.push(Open { kind, first, next: first, end: self.members.len() });
    }
}
