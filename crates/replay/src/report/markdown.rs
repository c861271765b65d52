//! The report as Markdown, short enough for a comment or a job's summary.

use super::model::{How, Report};
use super::text::{ending, millis, number, one_line};
use std::fmt::Write as _;

/// Maximum number of failures that are listed.
const LISTED: usize = 20;

/// The report as Markdown.
pub fn markdown(report: &Report) -> String {
    let mut out = String::new();
    let sign = if report.passed { "✅ passed" } else { "❌ failed" };
    let _ = writeln!(out, "### Replay of {}: {sign}\n", escape(&report.snapshot));
    if let Some(build) = &report.build_tag {
        let _ = writeln!(out, "Build {}.\n", escape(build));
    }
    if report.end.how != How::Complete {
        let _ = writeln!(out, "{}.\n", escape(&ending(report)));
    }
    out.push_str("| goal | measured | |\n|---|---|---|\n");
    for goal in &report.goals {
        let measured = goal.measured.map_or("nothing".to_owned(), |value| number(value, &goal.unit));
        let sign = if goal.passed { "✅" } else { "❌" };
        let _ = writeln!(out, "| {} | {} | {sign} |", escape(&goal.goal), escape(&measured));
    }
    latency(report, &mut out);
    let failed: Vec<_> = report.pairs.iter().filter(|pair| pair.failed()).collect();
    if !failed.is_empty() {
        out.push_str("\n| request | what |\n|---|---|\n");
    }
    for pair in failed.iter().take(LISTED) {
        let what = match (&pair.error, pair.differences.first()) {
            (Some(error), _) => error.clone(),
            (None, Some(difference)) => one_line(difference),
            (None, None) => String::new(),
        };
        let request = format!("{} {}", pair.method, pair.path);
        let _ = writeln!(out, "| {} | {} |", escape(&request), escape(&what));
    }
    if failed.len() > LISTED {
        let _ = writeln!(out, "\nand {} more that failed", failed.len() - LISTED);
    }
    calls(report, &mut out);
    out
}

fn latency(report: &Report, out: &mut String) {
    let rows = [("recorded", report.performance.recorded), ("replayed", report.performance.replayed)];
    if rows.iter().all(|(_, figures)| figures.is_none()) {
        return;
    }
    out.push_str("\n| | p50 | p95 | p99 | a second |\n|---|---|---|---|---|\n");
    for (name, figures) in rows {
        let Some(figures) = figures else { continue };
        let [p50, p95, p99] = [figures.p50_us, figures.p95_us, figures.p99_us].map(millis);
        let _ = writeln!(out, "| {name} | {p50} | {p95} | {p99} | {:.1} |", figures.per_second);
    }
}

fn calls(report: &Report, out: &mut String) {
    let Some(responder) = &report.responder else { return };
    let missed = responder.verdicts.iter().filter(|asked| asked.verdict == "miss").map(|asked| {
        (format!("{} {}{}", asked.operation, asked.backend, asked.location), "missed".to_owned())
    });
    let changed = responder.calls.iter().flat_map(|calls| &calls.changed).map(|call| {
        let times = format!("recorded {} times, made {} times", call.recorded, call.made);
        (format!("{}{}", call.backend, call.request), times)
    });
    let all: Vec<_> = missed.chain(changed).collect();
    if !all.is_empty() {
        out.push_str("\n| call | what |\n|---|---|\n");
    }
    for (call, what) in all.iter().take(LISTED) {
        let _ = writeln!(out, "| {} | {} |", escape(call), escape(what));
    }
}

/// Text on one line, without markup.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '@' => out.push_str("&#64;"),
            '#' => out.push_str("&#35;"),
            '|' | '\\' | '`' | '*' | '_' | '[' | ']' | '!' | '~' | '$' => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
