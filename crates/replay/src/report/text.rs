//! The report for a person at a terminal. All content is escaped, so nothing can move the cursor.

use super::model::{Endpoint, Figures, How, Pair, Report, Responder};
use std::fmt::Write as _;
use understudy_core::verdict::Difference;

/// Maximum number of failures that are listed.
const LISTED: usize = 20;
/// Maximum number of differences of each failure.
const DIFFERENCES: usize = 5;

/// Microseconds as milliseconds, for people.
#[expect(clippy::cast_precision_loss, reason = "a figure with three digits")]
pub fn millis(micros: u64) -> String {
    let ms = micros as f64 / 1000.0;
    match micros {
        0..10_000 => format!("{ms:.2} ms"),
        10_000..1_000_000 => format!("{ms:.1} ms"),
        _ => format!("{:.2} s", ms / 1000.0),
    }
}

/// The report on one screen; with `all`, each pair and each ignored place.
pub fn summary(report: &Report, all: bool) -> String {
    let mut out = String::new();
    failures(report, all, &mut out);
    if let Some(responder) = &report.responder {
        responded(responder, all, &mut out);
    }
    ignored(report, all, &mut out);
    for note in &report.notes {
        let _ = writeln!(out, "note: {}", plain(note));
    }
    performance(report, &mut out);
    if all {
        endpoints(report, &mut out);
    }
    goals(report, &mut out);
    verdict(report, &mut out);
    out
}

fn failures(report: &Report, all: bool, out: &mut String) {
    let most = if all { usize::MAX } else { LISTED };
    let failed: Vec<&Pair> = report.pairs.iter().filter(|pair| pair.failed()).collect();
    for pair in failed.iter().take(most) {
        let status = |status: Option<u16>| status.map_or("–".to_owned(), |status| status.to_string());
        let what = if pair.errors > 0 { "no answer" } else { "different" };
        let times = if pair.sent > 1 {
            format!("  ({} of {})", pair.different + pair.errors, pair.sent)
        } else {
            String::new()
        };
        let _ = writeln!(
            out,
            "{what:<10} {} → {}  {} {}  #{}{times}",
            status(pair.recorded_status),
            status(pair.status),
            plain(&pair.method),
            plain(&pair.path),
            plain(&pair.exchange),
        );
        if let Some(error) = &pair.error {
            let _ = writeln!(out, "    {}", plain(error));
        }
        for difference in pair.differences.iter().take(if all { usize::MAX } else { DIFFERENCES }) {
            let _ = writeln!(out, "    {}", one_line(difference));
        }
        let more = pair.differences.len().saturating_sub(DIFFERENCES);
        if more > 0 && !all {
            let _ = writeln!(out, "    … and {more} more");
        }
    }
    if failed.len() > most {
        let _ = writeln!(out, "… and {} more that failed", failed.len() - most);
    }
}

/// A difference on one line.
pub(super) fn one_line(difference: &Difference) -> String {
    let side = |value: &Option<String>| value.as_deref().map_or("nothing".to_owned(), plain);
    format!(
        "{}: recorded {}, now {}",
        plain(&difference.key),
        side(&difference.recorded),
        side(&difference.live)
    )
}

fn responded(responder: &Responder, all: bool, out: &mut String) {
    let listed = responder.verdicts.iter().filter(|asked| all || asked.verdict != "match");
    for asked in listed.take(if all { usize::MAX } else { LISTED }) {
        let _ = writeln!(
            out,
            "{:<10} {} {}{}  {}",
            asked.verdict,
            plain(&asked.operation),
            plain(&asked.backend),
            plain(&asked.location),
            plain(asked.reason.as_deref().unwrap_or_default())
        );
        if let Some(nearest) = asked.nearest.first() {
            let _ =
                writeln!(out, "    nearest: #{} {}", plain(&nearest.exchange), plain(&nearest.in_short()));
        }
    }
    for call in
        responder.calls.iter().flat_map(|calls| &calls.changed).take(if all { usize::MAX } else { LISTED })
    {
        let what = if call.made < call.recorded { "dropped" } else { "extra" };
        let _ = writeln!(
            out,
            "{what:<10} {}{}  recorded {} times, made {} times  #{}",
            plain(&call.backend),
            plain(&call.request),
            call.recorded,
            call.made,
            plain(&call.exchange)
        );
    }
    for tunnel in &responder.not_understood {
        let _ = writeln!(out, "not understood: {}", plain(tunnel));
    }
    if let Some(why) = &responder.no_calls {
        let _ = writeln!(out, "dropped and extra calls weren't counted: {}", plain(why));
    }
}

fn ignored(report: &Report, all: bool, out: &mut String) {
    let count: u64 = report.ignored.iter().map(|ignored| ignored.count).sum();
    if count > 0 {
        let _ = writeln!(
            out,
            "{count} differences don't count, at {} places{}",
            report.ignored.len(),
            if all { ":" } else { " (--verbose lists them)" }
        );
    }
    for ignored in report.ignored.iter().filter(|_| all) {
        let _ = writeln!(
            out,
            "    {}, {} times, first in #{}: {}",
            plain(&ignored.place),
            ignored.count,
            plain(&ignored.exchange),
            plain(&ignored.why)
        );
    }
    if !report.carried.is_empty() {
        let _ = writeln!(
            out,
            "{} values were carried from answers to later requests{}",
            report.carried.len(),
            if all { ":" } else { " (--verbose lists them)" }
        );
    }
    for carried in report.carried.iter().filter(|carried| all || carried.missing > 0) {
        let to: Vec<_> =
            carried.to.iter().take(3).map(|(exchange, at)| format!("#{exchange} {at}")).collect();
        let missing = if carried.missing > 0 {
            format!("; the answer lacked it {} times", carried.missing)
        } else {
            String::new()
        };
        let _ = writeln!(
            out,
            "    {:?} from #{} {} to {}{}{missing}",
            carried.recorded,
            plain(&carried.from),
            plain(&carried.from_at),
            plain(&to.join(", ")),
            if carried.to.len() > 3 { ", …" } else { "" }
        );
    }
}

fn performance(report: &Report, out: &mut String) {
    let rows = [("recorded", report.performance.recorded), ("replayed", report.performance.replayed)];
    if report.performance.replayed.is_none() {
        return;
    }
    let _ =
        writeln!(out, "{:<9} {:>10} {:>10} {:>10} {:>10} {:>10}", "", "p50", "p95", "p99", "max", "a second");
    for (name, figures) in rows {
        let Some(figures) = figures else { continue };
        let _ = writeln!(
            out,
            "{name:<9} {:>10} {:>10} {:>10} {:>10} {:>10.1}",
            millis(figures.p50_us),
            millis(figures.p95_us),
            millis(figures.p99_us),
            millis(figures.max_us),
            figures.per_second
        );
    }
}

fn endpoints(report: &Report, out: &mut String) {
    let p95 = |figures: Option<Figures>| figures.map_or("–".to_owned(), |figures| millis(figures.p95_us));
    let all = Endpoint::shares(&report.endpoints).filter(|endpoint| endpoint.sent > 0);
    for (number, endpoint) in all.enumerate() {
        if number == 0 {
            let _ = writeln!(out, "{:>8} {:>8} {:>22}  requests to", "sent", "failed", "p95");
        }
        let _ = writeln!(
            out,
            "{:>8} {:>8} {:>22}  {} {}",
            endpoint.sent,
            endpoint.different + endpoint.errors,
            format!("{} → {}", p95(endpoint.recorded), p95(endpoint.replayed)),
            plain(&endpoint.method),
            plain(&endpoint.path)
        );
    }
}

fn goals(report: &Report, out: &mut String) {
    for goal in &report.goals {
        let measured = goal.measured.map_or("nothing measured".to_owned(), |value| number(value, &goal.unit));
        let wanted = goal.wanted.filter(|_| goal.goal.contains("recorded"));
        let wanted = wanted.map_or(String::new(), |value| format!(" ({})", number(value, &goal.unit)));
        let sign = if goal.passed { "reached" } else { "MISSED" };
        let _ = writeln!(out, "{sign:<8} {}{wanted}: {measured}", plain(&goal.goal));
    }
}

/// A figure with its unit. Only a full share reads as 100 %.
pub fn number(value: f64, unit: &str) -> String {
    match unit {
        "%" if value < 100.0 && value > 99.9 => format!("{:.3} %", (value * 1000.0).floor() / 1000.0),
        "%" => format!("{value:.1} %"),
        "" => format!("{value}"),
        _ => format!("{value:.2} {unit}"),
    }
}

fn verdict(report: &Report, out: &mut String) {
    let success = &report.success;
    let ended = match report.end.how {
        How::Complete => String::new(),
        _ => format!("; {}", ending(report)),
    };
    let rate = success.rate.map_or("nothing was sent".to_owned(), |rate| {
        format!("{} of {} requests answered as recorded ({})", success.same, success.sent, number(rate, "%"))
    });
    let rate = if report.mode == "responder-only" { "no requests were to be sent".to_owned() } else { rate };
    let responder = match &report.responder {
        Some(Responder { rate: Some(rate), matches, requests, classes, .. }) => {
            let classes = classes.map(|classes| format!(": {classes}")).unwrap_or_default();
            format!("; responder rate {} ({matches} of {requests}){classes}", number(*rate, "%"))
        }
        Some(_) => "; no request came to a mocked backend".to_owned(),
        None => String::new(),
    };
    let not_sent =
        if success.not_sent > 0 { format!("; {} never sent", success.not_sent) } else { String::new() };
    let word = if report.passed { "PASSED" } else { "FAILED" };
    let _ = writeln!(out, "{word}: {rate}{not_sent}{responder}{ended}");
}

/// The ending, for a person.
pub(super) fn ending(report: &Report) -> String {
    let what = match report.end.how {
        How::Complete => "all was sent",
        How::Interrupted => "it was interrupted",
        How::TimedOut => "the time for it was over",
        How::NeverReady => "the service never was ready",
        How::ServiceEnded => "the service ended while it was driven",
        How::ServiceHangs => "the service hangs",
        How::ProxyEnded => "Envoy ended",
    };
    match report.end.detail.as_str() {
        "" => what.to_owned(),
        detail => format!("{what}: {}", plain(detail)),
    }
}

/// Text on one line, with characters escaped that would move a terminal's cursor.
pub(super) fn plain(text: &str) -> String {
    let escaped = |c: char| match c {
        '"' | '\'' => c.to_string(),
        _ => c.escape_debug().to_string(),
    };
    text.chars().map(escaped).collect()
}
