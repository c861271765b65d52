//! Why nothing matched: the recorded requests that are nearest, and what differs. Its cost is bounded: it looks at what the table's coarse
//! index leads to, never at the whole table.

use crate::canonical::Signature;
use crate::table::{self, Segment, Table};
use crate::verdict::{Change, Difference, Nearest};

/// How many are named.
const SHOWN: usize = 10;
/// Values are cut to this many characters.
const VALUE_MAX: usize = 200;

/// The recorded requests that are nearest to a signature, those with the fewest differences first.
pub fn nearest<S: Segment>(table: &Table<S>, live: &Signature) -> Vec<Nearest> {
    let mut seen = Vec::new();
    let mut found: Vec<(usize, Nearest)> = Vec::new();
    for (level, key) in table::near_keys(live).into_iter().enumerate() {
        if found.len() >= SHOWN {
            break;
        }
        for place in table.near(key) {
            if seen.contains(&place) {
                continue;
            }
            seen.push(place);
            if let Some(candidate) = table.entry(place).and_then(|entry| describe(table, &entry, live)) {
                let distance = level.saturating_mul(100).saturating_add(candidate.differs.len());
                found.push((distance, candidate));
            }
        }
    }
    found.sort_by_key(|(distance, _)| *distance);
    found.into_iter().take(SHOWN).map(|(_, nearest)| nearest).collect()
}

fn describe<S: Segment>(table: &Table<S>, entry: &table::Entry, live: &Signature) -> Option<Nearest> {
    let recorded = Signature::from_bytes(table.blob(entry.signature)?);
    let exchange = table.blob(entry.answers.first()?.exchange)?;
    let text = |key: &[u8]| String::from_utf8_lossy(recorded.get(key).unwrap_or_default()).into_owned();
    Some(Nearest {
        exchange: String::from_utf8_lossy(&exchange).into_owned(),
        request: format!("{} {}", text(b"method"), text(b"path")),
        differs: differences(&recorded, live),
    })
}

/// What differs between two signatures, key by key.
fn differences(recorded: &Signature, live: &Signature) -> Vec<Difference> {
    let mut differs = Vec::new();
    for (key, old) in recorded.fields() {
        match live.get(key) {
            Some(new) if new == old => {}
            Some(new) => {
                let (old, new) = cut_where_they_differ(old, new);
                differs.push(difference(key, Change::Changed, Some(old), Some(new)));
            }
            None => differs.push(difference(key, Change::Removed, Some(shown(old, 0)), None)),
        }
    }
    for (key, new) in live.fields().filter(|(key, _)| recorded.get(key).is_none()) {
        differs.push(difference(key, Change::Added, None, Some(shown(new, 0))));
    }
    differs
}

fn difference(key: &[u8], change: Change, recorded: Option<String>, live: Option<String>) -> Difference {
    Difference { key: String::from_utf8_lossy(key).into_owned(), change, recorded, live }
}

/// Both values around the first byte in which they differ.
fn cut_where_they_differ(old: &[u8], new: &[u8]) -> (String, String) {
    let same = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let from = if old.len().max(new.len()) > VALUE_MAX { same.saturating_sub(VALUE_MAX / 4) } else { 0 };
    (shown(old, from), shown(new, from))
}

fn shown(value: &[u8], from: usize) -> String {
    let rest = value.get(from..).unwrap_or_default();
    let cut = rest.get(..VALUE_MAX).unwrap_or(rest);
    let text = String::from_utf8_lossy(cut);
    let (before, after) = (if from > 0 { "…" } else { "" }, if cut.len() < rest.len() { "…" } else { "" });
    format!("{before}{text}{after}")
}
