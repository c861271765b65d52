//! Merges recordings: adds the exchanges of other snapshots to a base, except for those that the
//! base holds.
//!
//! `docs/reference/snapshot-format.md`, "Merging", defines when an exchange counts as held.
//! Settings and rules of the base take precedence. The result is written atomically; the other
//! snapshots are only read.

mod held;
mod keys;

use crate::error::SnapshotError;
use crate::feed;
use crate::header::Header;
use crate::reader::Snapshot;
use crate::unsaid::unsaid;
use crate::writer::{Existing, SnapshotWriter};
use held::Held;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use understudy_core::canonical::{RequestView, Signature};
use understudy_core::exchange::Exchange;
use understudy_core::redact::Redactor;
use understudy_core::rules::{Rule, Rules};

/// Function that learns rules from a snapshot, adds those that the filter accepts, and returns the
/// added rules.
pub type Learn = fn(&mut Snapshot, &dyn Fn(&Rule) -> bool) -> Result<Vec<Rule>, SnapshotError>;

/// Result of a merge.
#[derive(Debug)]
pub struct Merged {
    /// The merged snapshot.
    pub snapshot: Snapshot,
    /// Contribution of each of the other snapshots, in their order.
    pub from: Vec<Share>,
    /// The rules that the merge added: rules written by hand in the other snapshots, then rules
    /// with evidence in the merged recording.
    pub rules: Vec<Rule>,
    /// The other snapshot whose redaction key was adopted.
    pub key_of: Option<PathBuf>,
}

/// Exchanges from one of the other snapshots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// Its folder.
    pub path: PathBuf,
    /// Number of exchanges that were added.
    pub added: u64,
    /// Number of exchanges that the base held already.
    pub held: u64,
    /// Number of exchanges with tokens of another key in parts that aren't compared.
    pub foreign: u64,
}

/// Error of merging snapshots.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MergeError {
    /// A snapshot can't be read, or the merged one can't be written.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// The snapshots were redacted with different keys, so that one secret has two tokens.
    #[error(
        "{} and {} were redacted with different keys, and {count} requests of the latter hold tokens where they are compared (the first in \
         line {line} of its exchanges.ndjson): they could never match; record them again with `understudy respond {} --on-miss capture`, \
         which takes its key, or mask these places with a rule in {}",
        base.display(), other.display(), base.display(), base.join(crate::layout::HEADER_FILE).display()
    )]
    Keys {
        /// The base.
        base: PathBuf,
        /// The snapshot with another key.
        other: PathBuf,
        /// Number of requests with tokens in compared parts.
        count: u64,
        /// Line of the first of these requests.
        line: u64,
    },
}

impl MergeError {
    /// Stable code of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Snapshot(error) => error.code(),
            Self::Keys { .. } => "merge-keys",
        }
    }
}

/// Adds the exchanges of other snapshots to those of a base and writes the result to `target`,
/// which may be the base itself. `learn` adds rules that are learned from the result.
///
/// # Errors
/// [`MergeError`]; the target is unchanged then.
pub fn merge(
    base: &Snapshot,
    others: &[Snapshot],
    target: &Path,
    existing: Existing,
    learn: Learn,
) -> Result<Merged, MergeError> {
    let (header, taken) = united(base.header(), others);
    let rules = Rules::new(header.rules.clone());
    let keys = keys::unite(base, others, &rules)?;
    let writer = SnapshotWriter::create(target, existing)?;
    let mut merge =
        Merge { writer, held: Held::new(&header, rules), ids: Ids::default(), about: BTreeSet::new() };
    let redactor = keys.settings.as_ref().map(Redactor::new);
    merge.base(base, redactor.as_ref())?;
    let mut from = Vec::new();
    for (other, foreign) in others.iter().zip(keys.foreign) {
        let (added, held) = merge.other(other, redactor.as_ref())?;
        from.push(Share { path: other.path().to_owned(), added, held, foreign });
    }
    let changed = from.iter().any(|share| share.added > 0) || !taken.is_empty();
    if !changed && is_same(base.path(), target) {
        return Ok(Merged { snapshot: base.clone(), from, rules: Vec::new(), key_of: None });
    }
    let Merge { mut writer, about, ids, .. } = merge;
    if ids.named {
        writer.keep_ids();
    }
    writer.keep_text(base.header_text()?);
    let mut snapshot = writer.finish(Header { redaction: keys.settings, ..header })?;
    let learnt = learn(&mut snapshot, &|rule| is_about(rule, &about))?;
    let rules = taken.into_iter().chain(learnt).collect();
    Ok(Merged { snapshot, from, rules, key_of: keys.key_of })
}

/// Merges the headers, and returns the rules that come from the other snapshots. Learned rules
/// aren't adopted but learned again: a value that is random in one recording may be issued by an
/// answer of another.
fn united(base: &Header, others: &[Snapshot]) -> (Header, Vec<Rule>) {
    let (mut header, mut taken) = (base.clone(), Vec::new());
    for other in others.iter().map(Snapshot::header) {
        header.service = header.service.take().or_else(|| other.service.clone());
        for (name, backend) in &other.backends {
            header.backends.entry(name.clone()).or_insert(*backend);
        }
        for (name, inbound) in &other.inbound {
            header.inbound.entry(name.clone()).or_insert_with(|| inbound.clone());
        }
        for rule in other.rules.iter().filter(|rule| rule.exchanges.is_none()) {
            if let Some(rule) = unsaid(&header.rules, rule) {
                header.rules.push(rule.clone());
                taken.push(rule);
            }
        }
    }
    (header, taken)
}

/// Returns whether a rule applies to one of these requests.
fn is_about(rule: &Rule, about: &BTreeSet<About>) -> bool {
    let rules = Rules::new(vec![rule.clone()]);
    about.iter().any(|(backend, method, path, operation)| {
        !rules.apply(backend, method, path, operation.as_deref()).is_empty()
    })
}

fn is_same(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

/// Properties of a request that rules select by: backend, method, path, operation.
type About = (Vec<u8>, Vec<u8>, Vec<u8>, Option<Vec<u8>>);

struct Merge {
    writer: SnapshotWriter,
    held: Held,
    ids: Ids,
    about: BTreeSet<About>,
}

impl Merge {
    fn base(&mut self, base: &Snapshot, redactor: Option<&Redactor>) -> Result<(), SnapshotError> {
        feed::each(base, |located| {
            let exchange = redacted(&located?.exchange, redactor);
            self.ids.take(&exchange.id);
            self.held.add(&exchange);
            self.writer.push(&exchange)
        })
    }

    /// Adds another snapshot's exchanges. Returns the number of added ones and of those that were
    /// held.
    fn other(&mut self, other: &Snapshot, redactor: Option<&Redactor>) -> Result<(u64, u64), SnapshotError> {
        let (mut added, mut held) = (0, 0);
        let mut news = self.held.besides();
        feed::each(other, |located| {
            news.look(&mut self.held, &redacted(&located?.exchange, redactor));
            Ok::<_, SnapshotError>(())
        })?;
        let mut taken = Vec::new();
        let mut signature = Signature::default();
        feed::each(other, |located| {
            let mut exchange = redacted(&located?.exchange, redactor);
            if self.held.has(&exchange, &news) {
                held += 1;
                return Ok(());
            }
            added += 1;
            taken.push(self.held.key(&exchange));
            signature.set(&RequestView::from(&exchange), &Rules::default());
            let text = |key: &[u8]| signature.get(key).map(<[u8]>::to_vec);
            let about = |key| text(key).unwrap_or_default();
            self.about.insert((about(b"backend"), about(b"method"), about(b"path"), text(b"operation")));
            exchange.id = self.ids.free(exchange.id);
            self.writer.push(&exchange)
        })?;
        // Insert the keys only now, so that a request recorded twice in the other snapshot is added
        // twice.
        taken.into_iter().for_each(|key| self.held.insert(key));
        Ok((added, held))
    }
}

fn redacted(exchange: &Exchange, redactor: Option<&Redactor>) -> Exchange {
    let mut exchange = exchange.clone();
    if let Some(redactor) = redactor {
        redactor.exchange(&mut exchange);
    }
    exchange
}

/// Identifiers in use.
#[derive(Default)]
struct Ids {
    /// True if an identifier is a name, and not just a line's number.
    named: bool,
    used: BTreeSet<String>,
}

impl Ids {
    fn take(&mut self, id: &str) {
        self.named |= id.is_empty() || !id.bytes().all(|b| b.is_ascii_digit());
        self.used.insert(id.to_owned());
    }

    /// Returns the identifier, with a number appended if it is in use.
    fn free(&mut self, id: String) -> String {
        let mut number = 1u64;
        let mut free = id.clone();
        while !self.used.insert(free.clone()) {
            number += 1;
            free = format!("{id}-{number}");
        }
        free
    }
}
