//! Why nothing matched: the recorded requests that are nearest, and what differs. Its cost is bounded: it looks at what the table's index
//! of features leads to, never at the whole table.

use crate::canonical::{Part, Signature, parts};
use crate::table::{Features, Record, Segment, Table};
use crate::verdict::{Change, Difference, Nearest};

/// How many are named.
const SHOWN: usize = 10;
/// How many are compared, part by part.
const COMPARED: usize = 24;
/// How many differences of one are named; the score counts all.
const DIFFERENCES: usize = 20;
/// Values are cut to this many bytes.
const VALUE_MAX: usize = 200;

/// The recorded requests that are nearest to a signature, those with the fewest differences first.
pub fn nearest<S: Segment>(table: &Table<S>, live: &Signature) -> Vec<Nearest> {
    let live_parts = parts(live);
    let mut found: Vec<(usize, Nearest)> = Vec::new();
    for record in table.nearest(&Features::of(live), COMPARED) {
        found.extend(describe(table, record, live, &live_parts));
    }
    found.sort_by_key(|(distance, _)| *distance);
    found.into_iter().take(SHOWN).map(|(_, nearest)| nearest).collect()
}

fn describe<S: Segment>(
    table: &Table<S>,
    record: Record,
    live: &Signature,
    live_parts: &[Part],
) -> Option<(usize, Nearest)> {
    let recorded = Signature::from_bytes(table.blob(record.signature)?);
    let exchange = table.blob(record.exchange)?;
    let text = |key: &[u8]| String::from_utf8_lossy(recorded.get(key).unwrap_or_default()).into_owned();
    let recorded_parts = parts(&recorded);
    let (mut differs, mut same) = (Vec::new(), 0usize);
    if recorded.get(b"backend") != live.get(b"backend") {
        let value = |signature: &Signature| shown(signature.get(b"backend").unwrap_or_default(), 0);
        differs.push(difference("backend", Change::Changed, Some(value(&recorded)), Some(value(live))));
    }
    compare(&recorded_parts, live_parts, &mut differs, &mut same);
    if differs.is_empty() {
        // They differ where one of them was cut.
        differs.push(difference("body", Change::Changed, Some("… (cut in the table)".to_owned()), None));
    }
    let all = same.saturating_add(differs.len());
    let score = same.saturating_mul(100).checked_div(all).and_then(|score| u8::try_from(score).ok());
    // What is asked for counts more than with what.
    let heavy =
        differs.iter().filter(|d| matches!(d.key.as_str(), "method" | "operation" | "backend")).count();
    let distance = heavy.saturating_mul(3).saturating_add(differs.len());
    differs.truncate(DIFFERENCES);
    let nearest = Nearest {
        exchange: String::from_utf8_lossy(&exchange).into_owned(),
        request: format!("{} {}", text(b"method"), text(b"path")),
        score: score.unwrap_or(0),
        differs,
    };
    Some((distance, nearest))
}

/// What differs, part by part. Of several with one name the first is compared with the first, and so on.
fn compare(recorded: &[Part], live: &[Part], differs: &mut Vec<Difference>, same: &mut usize) {
    let mut old: Vec<&Part> = recorded.iter().collect();
    let mut new: Vec<&Part> = live.iter().collect();
    old.sort_by(|a, b| a.key.cmp(&b.key));
    new.sort_by(|a, b| a.key.cmp(&b.key));
    let (mut old, mut new) = (old.into_iter().peekable(), new.into_iter().peekable());
    loop {
        let order = match (old.peek(), new.peek()) {
            (Some(a), Some(b)) => a.key.cmp(&b.key),
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (None, None) => return,
        };
        let a = if order.is_le() { old.next() } else { None };
        let b = if order.is_ge() { new.next() } else { None };
        match (a, b) {
            (Some(a), Some(b)) if a.value == b.value => *same = same.saturating_add(1),
            (Some(a), Some(b)) => {
                let (old, new) = cut_where_they_differ(&a.value, &b.value);
                differs.push(difference(&a.key, Change::Changed, Some(old), Some(new)));
            }
            (Some(a), None) => {
                differs.push(difference(&a.key, Change::Removed, Some(shown(&a.value, 0)), None));
            }
            (None, Some(b)) => {
                differs.push(difference(&b.key, Change::Added, None, Some(shown(&b.value, 0))));
            }
            (None, None) => return,
        }
    }
}

fn difference(key: &str, change: Change, recorded: Option<String>, live: Option<String>) -> Difference {
    Difference { key: key.to_owned(), change, recorded, live }
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
