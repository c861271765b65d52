//! The explanation of a miss: the nearest recorded requests and their differences. The cost is
//! bounded: only requests from the table's index of features are compared, never the whole table.

use crate::canonical::{Part, Signature, parts};
use crate::table::{Features, Record, Segment, Table};
use crate::verdict::{Change, Difference, Nearest};

/// The maximum number of requests in the result.
const SHOWN: usize = 10;
/// The maximum number of requests that are compared part by part.
const COMPARED: usize = 24;
/// The number of compared parts after which no further request is compared: large bodies take long.
const PARTS: usize = 4000;
/// The maximum number of differences in the result, per request. The score counts all of them.
const DIFFERENCES: usize = 20;
/// The maximum length of a value in the result, in bytes.
const VALUE_MAX: usize = 200;

/// The recorded requests that are nearest to a signature, with the fewest differences first.
pub fn nearest<S: Segment>(table: &Table<S>, live: &Signature) -> Vec<Nearest> {
    let live_parts = Sorted::of(live);
    let mut found: Vec<Compared> = Vec::new();
    let mut left = PARTS;
    for record in table.nearest(&Features::of(live), COMPARED) {
        if left == 0 {
            break;
        }
        if let Some(compared) = Compared::of(table, record, live, &live_parts) {
            left = left.saturating_sub(compared.parts.0.len());
            found.push(compared);
        }
    }
    found.sort_by_key(|compared| compared.distance);
    found.into_iter().take(SHOWN).filter_map(|compared| compared.describe(table, live, &live_parts)).collect()
}

/// The differences between recorded and live parts, ordered by name. Parts of the same name are
/// compared in order: the first with the first, and so on.
pub fn differences(mut recorded: Vec<Part>, mut live: Vec<Part>) -> Vec<Difference> {
    recorded.sort_by(|a, b| a.key.cmp(&b.key));
    live.sort_by(|a, b| a.key.cmp(&b.key));
    let mut found = Vec::new();
    compare(&Sorted(recorded), &Sorted(live), |key, old, new| found.extend(difference_of(key, old, new)));
    found
}

/// A signature's parts, sorted by name. Parts of the same name keep their order.
struct Sorted(Vec<Part>);

impl Sorted {
    fn of(signature: &Signature) -> Self {
        let mut parts = parts(signature);
        parts.sort_by(|a, b| a.key.cmp(&b.key));
        Self(parts)
    }
}

/// A recorded request, compared with the live one.
struct Compared {
    record: Record,
    recorded: Signature,
    parts: Sorted,
    /// The number of equal parts.
    same: usize,
    /// The number of different parts.
    differ: usize,
    /// The weighted number of different parts: backend, method and operation weigh more.
    distance: usize,
}

impl Compared {
    fn of<S: Segment>(
        table: &Table<S>,
        record: Record,
        live: &Signature,
        live_parts: &Sorted,
    ) -> Option<Self> {
        let recorded = Signature::from_bytes(table.blob(record.signature)?);
        let parts = Sorted::of(&recorded);
        let other_backend = usize::from(recorded.get(b"backend") != live.get(b"backend"));
        let (mut same, mut differ, mut heavy) = (0usize, other_backend, other_backend);
        compare(&parts, live_parts, |key, old, new| match (old, new) {
            (Some(old), Some(new)) if old == new => same = same.saturating_add(1),
            _ => {
                differ = differ.saturating_add(1);
                heavy = heavy.saturating_add(usize::from(matches!(key, "method" | "operation" | "backend")));
            }
        });
        // The signatures differ. If all parts are equal, one of them was cut.
        differ = differ.max(1);
        let distance = heavy.saturating_mul(3).saturating_add(differ);
        Some(Self { record, recorded, parts, same, differ, distance })
    }

    fn describe<S: Segment>(
        self,
        table: &Table<S>,
        live: &Signature,
        live_parts: &Sorted,
    ) -> Option<Nearest> {
        let exchange = table.blob(self.record.exchange)?;
        let field = |key: &[u8]| self.recorded.get(key).unwrap_or_default();
        let text = |key: &[u8]| String::from_utf8_lossy(field(key)).into_owned();
        let mut differs = Vec::new();
        if self.recorded.get(b"backend") != live.get(b"backend") {
            let live = live.get(b"backend").unwrap_or_default();
            let (old, new) = (shown(field(b"backend"), 0), shown(live, 0));
            differs.push(difference("backend", Change::Changed, Some(old), Some(new)));
        }
        compare(&self.parts, live_parts, |key, old, new| {
            if differs.len() < DIFFERENCES {
                differs.extend(difference_of(key, old, new));
            }
        });
        if differs.is_empty() {
            // The difference is behind the cut.
            let cut = Some("… (cut in the table)".to_owned());
            differs.push(difference("body", Change::Changed, cut, None));
        }
        let all = self.same.saturating_add(self.differ);
        let score = self.same.saturating_mul(100).checked_div(all).and_then(|score| u8::try_from(score).ok());
        Some(Nearest {
            exchange: String::from_utf8_lossy(&exchange).into_owned(),
            request: format!("{} {}", text(b"method"), text(b"path")),
            score: score.unwrap_or(0),
            differs,
        })
    }
}

/// Calls `each` for every part with its recorded and its live value, in order of the names.
fn compare<'a>(
    recorded: &'a Sorted,
    live: &'a Sorted,
    mut each: impl FnMut(&str, Option<&'a [u8]>, Option<&'a [u8]>),
) {
    let (mut old, mut new) = (recorded.0.iter().peekable(), live.0.iter().peekable());
    loop {
        let order = match (old.peek(), new.peek()) {
            (Some(a), Some(b)) => a.key.cmp(&b.key),
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (None, None) => return,
        };
        let a = if order.is_le() { old.next() } else { None };
        let b = if order.is_ge() { new.next() } else { None };
        if let Some(part) = a.or(b) {
            each(&part.key, a.map(|a| &a.value[..]), b.map(|b| &b.value[..]));
        }
    }
}

fn difference_of(key: &str, old: Option<&[u8]>, new: Option<&[u8]>) -> Option<Difference> {
    match (old, new) {
        (Some(old), Some(new)) if old == new => None,
        (Some(old), Some(new)) => {
            let (old, new) = cut_where_they_differ(old, new);
            Some(difference(key, Change::Changed, Some(old), Some(new)))
        }
        (Some(old), None) => Some(difference(key, Change::Removed, Some(shown(old, 0)), None)),
        (None, Some(new)) => Some(difference(key, Change::Added, None, Some(shown(new, 0)))),
        (None, None) => None,
    }
}

fn difference(key: &str, change: Change, recorded: Option<String>, live: Option<String>) -> Difference {
    Difference { key: key.to_owned(), change, recorded, live }
}

/// Both values, cut around the first byte in which they differ.
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
