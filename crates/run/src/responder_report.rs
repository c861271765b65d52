//! The report of `respond` and `match`: the verdict on each request.
//!
//! `docs/reference/report.md` describes the file. The responder rate is matches ÷ all requests to
//! mocked backends.

use crate::store::each_record;
use crate::text::count;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::Path;
use understudy_collector::RecordKind;
use understudy_compile::table;
use understudy_core::rules::Rules;
use understudy_core::v1::{self, Record};
use understudy_core::verdict::{Class, ClassCounts, Kind};
use understudy_core::{canonical, digest};
use understudy_snapshot::Snapshot;

/// Version of the report's format.
const VERSION: u32 = 1;
/// Maximum number of requests of each kind that the text lists.
const LISTED: usize = 50;

/// Sums over all requests.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ResponderSummary {
    /// The snapshot's name.
    pub snapshot: String,
    /// The table's digest.
    pub table: String,
    /// Requests to mocked backends.
    pub requests: u64,
    /// Requests that were answered from the table.
    pub matches: u64,
    /// The matches by their certainty, without those that a rule answered with a fault of its own.
    pub classes: ClassCounts,
    /// Matches whose answer a rule changed into a fault.
    pub faults: u64,
    /// Requests that were refused.
    pub misses: u64,
    /// Requests that were sent on.
    pub passthroughs: u64,
    /// `matches / requests`, in percent. `None` without requests: a rate of nothing must not pass
    /// for a good one.
    pub responder_rate: Option<f64>,
    /// True if every verdict is in the report.
    pub complete: bool,
    /// Counts by backend.
    pub backends: BTreeMap<String, VerdictCounts>,
    /// Changes of verdicts, if the requests have earlier ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changes: Option<VerdictChanges>,
}

/// Earlier verdicts compared with present ones. A passthrough counts as a miss.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct VerdictChanges {
    missed_then_matches_now: u64,
    matched_then_misses_now: u64,
    unchanged: u64,
}

/// A request with its verdict, and the verdict that it had before.
pub struct JudgedRequest {
    /// The request and its verdict.
    pub record: Record,
    /// The earlier verdict, where one is known.
    pub then: Option<Kind>,
}

impl JudgedRequest {
    fn kind(&self) -> Option<Kind> {
        self.record.verdict.as_ref().map(|verdict| verdict.kind)
    }

    /// Returns whether the request matched before, and whether it matches now.
    fn change(&self) -> Option<(bool, bool)> {
        let matched = |kind| kind == Kind::Match;
        Some((matched(self.then?), matched(self.kind()?)))
    }
}

/// Verdicts of one backend's requests, counted.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct VerdictCounts {
    matches: u64,
    misses: u64,
    passthroughs: u64,
}

/// Verdicts on all requests to mocked backends.
pub struct ResponderReport {
    /// Sums over all requests.
    pub summary: ResponderSummary,
    /// The requests, ordered by time.
    records: Vec<JudgedRequest>,
}

impl ResponderReport {
    /// Reads the verdicts in a collector's store.
    pub(crate) async fn read(
        store: &Path,
        snapshot: &Snapshot,
        built: &table::Built,
        complete: bool,
    ) -> anyhow::Result<Self> {
        let mut records = Vec::new();
        each_record(store, RecordKind::Verdict, |record| {
            records.push(JudgedRequest { record, then: None });
            Ok(())
        })
        .await?;
        Ok(Self::new(records, snapshot, built, complete))
    }

    /// The report of these verdicts. `complete`: whether no verdict is missing.
    pub fn new(
        mut records: Vec<JudgedRequest>,
        snapshot: &Snapshot,
        built: &table::Built,
        complete: bool,
    ) -> Self {
        records.sort_by_key(|judged| judged.record.exchange.time);
        let mut summary = ResponderSummary {
            snapshot: snapshot.header().name.clone(),
            table: digest::hex(&built.digest),
            complete,
            ..ResponderSummary::default()
        };
        for judged in &records {
            let tally = summary.backends.entry(judged.record.exchange.backend.clone()).or_default();
            match judged.kind() {
                Some(Kind::Match) => tally.matches += 1,
                Some(Kind::Miss) => tally.misses += 1,
                Some(Kind::Passthrough) => tally.passthroughs += 1,
                None => {}
            }
        }
        let verdicts = || records.iter().filter_map(|judged| judged.record.verdict.as_ref());
        for matched in verdicts().filter_map(|verdict| verdict.matched.as_ref()) {
            summary.classes.add(matched.class);
        }
        summary.faults = verdicts().filter(|verdict| verdict.fault.is_some()).count() as u64;
        for change in records.iter().filter_map(JudgedRequest::change) {
            let changes = summary.changes.get_or_insert_default();
            match change {
                (false, true) => changes.missed_then_matches_now += 1,
                (true, false) => changes.matched_then_misses_now += 1,
                _ => changes.unchanged += 1,
            }
        }
        for tally in summary.backends.values() {
            summary.matches += tally.matches;
            summary.misses += tally.misses;
            summary.passthroughs += tally.passthroughs;
        }
        summary.requests = summary.matches + summary.misses + summary.passthroughs;
        summary.responder_rate = rate(summary.matches, summary.requests);
        Self { summary, records }
    }

    /// Writes the report as JSON.
    ///
    /// # Errors
    /// `out` fails.
    pub fn write(&self, mut out: impl Write) -> io::Result<()> {
        write!(out, "{{\"type\":\"report\",\"v\":{VERSION},\"summary\":")?;
        serde_json::to_writer(&mut out, &self.summary)?;
        write!(out, ",\"requests\":[")?;
        let mut line = Vec::new();
        for (i, JudgedRequest { record, .. }) in self.records.iter().enumerate() {
            line.clear();
            v1::write_record(&record.exchange, record.verdict.as_ref(), &mut line);
            out.write_all(if i == 0 { b"\n" } else { b",\n" })?;
            out.write_all(line.trim_ascii_end())?;
        }
        writeln!(out, "\n]}}")
    }

    /// The report for a person: the requests that did not match, or all of them, and the sums.
    pub fn text(&self, all: bool) -> String {
        let mut out = String::new();
        let summary = &self.summary;
        let most = if all { usize::MAX } else { LISTED };
        self.list(&mut out, most, |judged| {
            judged.kind() == Some(Kind::Match) && (all || judged.change() == Some((false, true)))
        });
        for kind in [Kind::Miss, Kind::Passthrough] {
            self.list(&mut out, most, |judged| judged.kind() == Some(kind));
        }
        let _ = writeln!(out, "{:>8} {:>8} {:>12}  backend", "match", "miss", "passthrough");
        for (backend, tally) in &summary.backends {
            let _ = writeln!(
                out,
                "{:>8} {:>8} {:>12}  {backend}",
                tally.matches, tally.misses, tally.passthroughs
            );
        }
        if summary.faults > 0 {
            let _ = writeln!(out, "faults that rules made, among the matches: {}", summary.faults);
        }
        if let Some(changes) = &summary.changes {
            let _ = writeln!(
                out,
                "missed then, match now: {}; matched then, miss now: {}; as before: {}",
                changes.missed_then_matches_now, changes.matched_then_misses_now, changes.unchanged
            );
        }
        let _ = match summary.responder_rate {
            Some(rate) => {
                let requests = count(summary.requests, "request");
                writeln!(
                    out,
                    "responder rate {rate:.1} % ({} of {requests} answered from {}): {}",
                    summary.matches, summary.snapshot, summary.classes
                )
            }
            None => writeln!(out, "no responder rate: no request came to a mocked backend"),
        };
        out
    }

    fn list(&self, out: &mut String, most: usize, which: impl Fn(&JudgedRequest) -> bool) {
        let total = self.records.iter().filter(|judged| which(judged)).count();
        for judged in self.records.iter().filter(|judged| which(judged)).take(most) {
            describe(judged, out);
        }
        if total > most {
            let _ = writeln!(out, "… and {} more", total - most);
        }
    }
}

/// Appends one request in a few lines.
fn describe(judged: &JudgedRequest, out: &mut String) {
    let record = &judged.record;
    let Some(verdict) = &record.verdict else { return };
    let request = &record.exchange.request;
    let status = verdict.status.map_or_else(|| "  -".to_owned(), |status| status.to_string());
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).escape_debug().to_string();
    let _ = write!(
        out,
        "{:<11} {status}  {} {}{}",
        word(verdict.kind),
        text(&request.method),
        record.exchange.backend,
        text(&request.path)
    );
    if let Some(operation) = operation(record) {
        let _ = write!(out, "  {operation}");
    }
    if let Some(fault) = &verdict.fault {
        let _ = write!(out, "  fault: {fault}");
    }
    if let Some(matched) = &verdict.matched {
        let _ = write!(out, "  #{}", matched.exchange);
        if let (number, count @ 2..) = matched.sequence {
            let _ = write!(out, " ({number} of {count})");
        }
        if !matched.normalised.is_empty() {
            let assumed = if matched.class == Class::Assumed { "assumed, " } else { "" };
            let places = matched.normalised.join(", ");
            let _ = write!(out, "  {assumed}other in {}", places.escape_debug());
        }
    } else if let Some(reason) = verdict.reason {
        let _ = write!(out, "  {}", reason.message());
    }
    if let Some(then) = judged.then.filter(|then| *then != verdict.kind) {
        let _ = write!(out, "  (then: {})", word(then));
    }
    out.push('\n');
    for nearest in verdict.nearest.iter().take(3) {
        let request = nearest.request.escape_debug();
        let _ = writeln!(out, "    nearest: #{} {request}, {} % the same", nearest.exchange, nearest.score);
        for difference in nearest.differs.iter().take(5) {
            let side = |value: &Option<String>| value.as_deref().map_or("(absent)".to_owned(), printable);
            let _ = writeln!(
                out,
                "      {}: recorded {}, asked {}",
                difference.key,
                side(&difference.recorded),
                side(&difference.live)
            );
        }
    }
}

/// Text on one line, with characters escaped that would move a terminal's cursor. Quotes stay: they
/// tell a string from a number.
fn printable(text: &str) -> String {
    let escaped = |c: char| match c {
        '"' | '\'' => c.to_string(),
        _ => c.escape_debug().to_string(),
    };
    text.chars().map(escaped).collect()
}

fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Match => "match",
        Kind::Miss => "miss",
        Kind::Passthrough => "passthrough",
    }
}

fn operation(record: &Record) -> Option<String> {
    let exchange = &record.exchange;
    let signature = canonical::Signature::of(&canonical::RequestView::from(exchange), &Rules::default());
    signature.get(b"operation").map(|value| String::from_utf8_lossy(value).escape_debug().to_string())
}

/// A share in percent.
#[expect(clippy::cast_precision_loss, reason = "a percentage with one digit")]
fn rate(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 * 100.0 / whole as f64)
}
