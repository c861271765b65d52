//! Compares two reports: new failures, requests that work again, changed latencies.

use super::model::{Endpoint, Pair, Report};
use super::text::{millis, number, one_line, plain};
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

/// Maximum number of requests of each kind that are listed.
const LISTED: usize = 50;
/// Maximum number of endpoints with changed latency that are listed.
const SLOWEST: usize = 10;
/// Smallest difference of latencies that counts, in microseconds.
const NOISE: u64 = 2000;

/// The differences between two reports.
pub struct Versus {
    /// The differences, for a person.
    pub text: String,
    /// True if something fails that didn't fail before.
    pub worse: bool,
}

/// Compares two reports.
pub fn versus(old: &Report, new: &Report) -> Versus {
    let mut text = String::new();
    let tag = |report: &Report| report.build_tag.clone().unwrap_or_else(|| report.started.clone());
    let _ = writeln!(text, "{} → {}", plain(&tag(old)), plain(&tag(new)));
    if old.snapshot != new.snapshot {
        let _ =
            writeln!(text, "note: of two snapshots, {} and {}", plain(&old.snapshot), plain(&new.snapshot));
    }
    let before: HashMap<&str, &Pair> = old.pairs.iter().map(|pair| (pair.exchange.as_str(), pair)).collect();
    let was = |pair: &Pair| before.get(pair.exchange.as_str()).map(|old| old.failed());
    let fails = |then: Option<bool>| {
        new.pairs.iter().filter(move |pair| pair.failed() && was(pair) == then).collect::<Vec<_>>()
    };
    let (newly, unknown) = (fails(Some(false)), fails(None));
    let again: Vec<&Pair> =
        new.pairs.iter().filter(|pair| !pair.failed() && pair.sent > 0 && was(pair) == Some(true)).collect();
    list(&mut text, "fails now", &newly);
    list(&mut text, "fails, and wasn't in the old one", &unknown);
    list(&mut text, "works again", &again);
    let still = fails(Some(true)).len();
    if still > 0 {
        let _ = writeln!(text, "{still} fail as before");
    }
    let misses = misses(old, new, &mut text);
    figures(old, new, &mut text);
    endpoints(old, new, &mut text);
    Versus { text, worse: !newly.is_empty() || !unknown.is_empty() || misses || (old.passed && !new.passed) }
}

fn list(text: &mut String, what: &str, pairs: &[&Pair]) {
    for pair in pairs.iter().take(LISTED) {
        let _ = writeln!(
            text,
            "{what}: {} {}  #{}",
            plain(&pair.method),
            plain(&pair.path),
            plain(&pair.exchange)
        );
        if let Some(error) = &pair.error {
            let _ = writeln!(text, "    {}", plain(error));
        }
        for difference in pair.differences.iter().filter(|_| pair.failed()).take(3) {
            let _ = writeln!(text, "    {}", one_line(difference));
        }
    }
    if pairs.len() > LISTED {
        let _ = writeln!(text, "… and {} more", pairs.len() - LISTED);
    }
}

/// New misses, by request.
fn misses(old: &Report, new: &Report, text: &mut String) -> bool {
    let of = |report: &Report| {
        let verdicts = report.responder.iter().flat_map(|responder| &responder.verdicts);
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for asked in verdicts.filter(|asked| asked.verdict == "miss") {
            *counts.entry(format!("{} {}{}", asked.operation, asked.backend, asked.location)).or_default() +=
                1;
        }
        counts
    };
    let (before, now) = (of(old), of(new));
    let mut worse = false;
    for (call, count) in &now {
        let then = before.get(call).copied().unwrap_or(0);
        if *count > then {
            worse = true;
            let _ = writeln!(text, "misses now: {}  {then} times → {count} times", plain(call));
        }
    }
    for (call, _) in before.iter().filter(|(call, _)| !now.contains_key(*call)) {
        let _ = writeln!(text, "misses no more: {}", plain(call));
    }
    worse
}

/// Endpoints with a changed 95th percentile, the largest change first.
fn endpoints(old: &Report, new: &Report, text: &mut String) {
    let p95 = |endpoint: &Endpoint| endpoint.replayed.map(|figures| figures.p95_us.max(1));
    let name = |endpoint: &'_ Endpoint| (endpoint.method.clone(), endpoint.path.clone());
    let before: HashMap<_, u64> =
        Endpoint::shares(&old.endpoints).filter_map(|then| Some((name(then), p95(then)?))).collect();
    let mut changed: Vec<(f64, u64, u64, &Endpoint)> = Endpoint::shares(&new.endpoints)
        .filter_map(|endpoint| {
            let (then, now) = (*before.get(&name(endpoint))?, p95(endpoint)?);
            #[expect(clippy::cast_precision_loss, reason = "a factor with two digits")]
            let factor = now as f64 / then as f64;
            let counts = then.abs_diff(now) > NOISE && !(0.8..=1.25).contains(&factor);
            counts.then_some((factor, then, now, endpoint))
        })
        .collect();
    changed.sort_by_key(|(_, then, now, _)| std::cmp::Reverse(then.abs_diff(*now)));
    for (factor, then, now, endpoint) in changed.iter().take(SLOWEST) {
        let _ = writeln!(
            text,
            "p95 {} → {}  ({factor:.2} x)  {} {}",
            millis(*then),
            millis(*now),
            plain(&endpoint.method),
            plain(&endpoint.path)
        );
    }
}

fn figures(old: &Report, new: &Report, text: &mut String) {
    let rate = |rate: Option<f64>| rate.map_or("nothing".to_owned(), |rate| number(rate, "%"));
    let _ = writeln!(text, "success    {} → {}", rate(old.success.rate), rate(new.success.rate));
    let responder = |report: &Report| rate(report.responder.as_ref().and_then(|responder| responder.rate));
    if old.responder.is_some() || new.responder.is_some() {
        let _ = writeln!(text, "responder  {} → {}", responder(old), responder(new));
    }
    if let (Some(then), Some(now)) = (old.performance.replayed, new.performance.replayed) {
        let rows = [
            ("p50", then.p50_us, now.p50_us),
            ("p95", then.p95_us, now.p95_us),
            ("p99", then.p99_us, now.p99_us),
        ];
        for (name, then, now) in rows {
            #[expect(clippy::cast_precision_loss, reason = "a factor with two digits")]
            let factor = now as f64 / then.max(1) as f64;
            let _ = writeln!(text, "{name}        {} → {}  ({factor:.2} x)", millis(then), millis(now));
        }
    }
}
