//! The entries of protobuf maps in order of their keys.
//!
//! On the wire a map is a repeated field of messages, each with a key in field 1 and a value in field 2, in any order ("Language guide
//! (proto 3)", "Maps"). Lists of other messages may look the same, whose order means something: so this is done only where a rule says it.

use super::tape::{Kind, Tape, index};
use std::borrow::Cow;

/// Sorts the entries of maps among the members of a message, which are in order of their field numbers.
pub(super) fn sort(tape: Tape<'_>, members: &mut [(u32, u32)]) {
    for field in members.chunk_by_mut(|(a, _), (b, _)| tape.key(*a) == tape.key(*b)) {
        let keyed: Option<Vec<_>> =
            field.iter().map(|&member| Some((entry_key(tape, member.1)?, member))).collect();
        let Some(mut keyed) = keyed.filter(|keyed| keyed.len() > 1) else { continue };
        keyed.sort_by(|(a, _), (b, _)| a.cmp(b));
        // A map has each key once.
        if keyed.windows(2).all(|pair| matches!(pair, [(a, _), (b, _)] if a != b)) {
            field.iter_mut().zip(keyed).for_each(|(member, (_, sorted))| *member = sorted);
        }
    }
}

/// The key of what may be an entry: a message of a key, which is no message, and perhaps a value.
fn entry_key(tape: Tape<'_>, at: u32) -> Option<Cow<'_, [u8]>> {
    let is_message = |at: u32| tape.nodes.get(index(at)).is_none_or(|node| node.kind == Kind::Object);
    let (mut key, mut fits) = (None, is_message(at));
    tape.children(at, |number, name, value| {
        let name = name.map(|name| tape.key(name));
        match (number, name.as_deref()) {
            (0, Some(b"1")) if !is_message(value) => key = Some(tape.key(value)),
            (1, Some(b"2")) => {}
            _ => fits = false,
        }
    });
    key.filter(|_| fits)
}
