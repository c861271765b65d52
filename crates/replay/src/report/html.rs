//! The report as one self-contained page: no script, no network, readable in light and dark. The
//! template escapes all content. The page stays below 5 MB; it names what it leaves to the report's
//! file.

use super::model::{Call, JudgedCall, Pair, Report};
use super::text::millis;
use super::view::{Drawn, Goal, Sides, ending_line, facts, goals, raw, responder_line, sides, success};
use askama::Template;

const STYLE: &str =
    concat!(include_str!("../../templates/report.css"), include_str!("../../templates/chart.css"));
/// SHA-256 of the only style that applies (Content Security Policy 3, "hash-source"). A test
/// computes it.
const STYLE_HASH: &str = "DJoDfEyCtKPGeOJNzdHt9obHY8FMzxLYISOj4MtOTLY=";
/// Maximum length of a page, in bytes.
const MAX: usize = 5_000_000;
/// Maximum number of characters of a text.
const TEXT: usize = 300;

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    style: &'static str,
    style_hash: &'static str,
    report: &'a Report,
    verdict: &'static str,
    verdict_class: &'static str,
    headline: String,
    facts: Vec<(&'static str, String)>,
    goals: Vec<Goal>,
    drawn: Drawn,
    success: String,
    failures: Vec<Failure>,
    failures_left: String,
    same: Vec<Same>,
    same_title: String,
    same_left: String,
    carried: Vec<Carried>,
    responder_line: String,
    calls: Vec<&'a Call>,
    asked: Vec<Request<'a>>,
    asked_left: String,
    logs_text: String,
}

struct Failure {
    open: bool,
    what: &'static str,
    statuses: String,
    request: String,
    exchange: String,
    times: String,
    error: String,
    differences: Vec<Sides>,
    more: String,
    messages: Vec<(&'static str, String)>,
}

struct Same {
    request: String,
    status: String,
    recorded: String,
    now: String,
}

struct Carried {
    recorded: String,
    from: String,
    to: String,
    note: String,
}

struct Request<'a> {
    time: &'a str,
    operation: &'a str,
    backend: &'a str,
    location: String,
    signature: Vec<(String, String)>,
    nearest: Vec<(String, Vec<Sides>)>,
    request: String,
    status: String,
    class: &'static str,
    verdict: &'a str,
    note: String,
}

/// Maximum number of shown items of each list.
#[derive(Clone, Copy)]
struct Limits {
    failures: usize,
    details: usize,
    same: usize,
    asked: usize,
    signatures: usize,
    logs: usize,
}

/// The page. It shows fewer items until it is short enough.
pub fn html(report: &Report) -> String {
    let mut limits =
        Limits { failures: 2000, details: 200, same: 10_000, asked: 5000, signatures: 500, logs: 256 << 10 };
    loop {
        // Rendering into memory doesn't fail.
        let page = page(report, limits).render().unwrap_or_default();
        if page.len() <= MAX || limits.failures == 0 {
            return page;
        }
        let half = |limit: usize| limit / 2;
        limits = Limits {
            failures: half(limits.failures),
            details: half(limits.details),
            same: half(limits.same),
            asked: half(limits.asked),
            signatures: half(limits.signatures),
            logs: half(limits.logs),
        };
    }
}

fn page(report: &Report, limits: Limits) -> Page<'_> {
    let failed = report.pairs.iter().filter(|pair| pair.failed());
    let same = report.pairs.iter().filter(|pair| pair.sent > 0 && !pair.failed());
    let (failed_count, same_count) = (failed.clone().count(), same.clone().count());
    let left = |count: usize, shown: usize, what: &str| match count.saturating_sub(shown) {
        0 => String::new(),
        more => format!("{more} more {what} in the report's file."),
    };
    let responder = report.responder.as_ref();
    let verdicts = responder.map_or(&[][..], |responder| &responder.verdicts);
    let not_listed =
        usize::try_from(responder.map_or(0, |responder| responder.not_listed)).unwrap_or(usize::MAX);
    Page {
        style: STYLE,
        style_hash: STYLE_HASH,
        report,
        verdict: if report.passed { "PASSED" } else { "FAILED" },
        verdict_class: if report.passed { "passed" } else { "failed" },
        headline: ending_line(report),
        facts: facts(report),
        goals: goals(report),
        drawn: Drawn::of(report),
        success: success(report),
        failures: failed
            .enumerate()
            .take(limits.failures)
            .map(|(number, pair)| failure(pair, number, limits.details))
            .collect(),
        failures_left: left(failed_count, limits.failures, "failures are"),
        same: same.take(limits.same).map(same_row).collect(),
        same_title: format!("Answered as recorded: {same_count} requests"),
        same_left: left(same_count, limits.same, "are"),
        carried: report.carried.iter().take(limits.failures).map(carried).collect(),
        responder_line: responder.map(responder_line).unwrap_or_default(),
        calls: responder
            .and_then(|responder| responder.calls.as_ref())
            .map(|calls| calls.changed.iter().take(limits.failures).collect())
            .unwrap_or_default(),
        asked: verdicts
            .iter()
            .take(limits.asked)
            .enumerate()
            .map(|(number, asked)| request(asked, number < limits.signatures))
            .collect(),
        asked_left: left(
            verdicts.len().saturating_add(not_listed),
            limits.asked,
            "requests were made; those listed are",
        ),
        logs_text: report.logs.as_ref().map(|logs| tail(&logs.text, limits.logs)).unwrap_or_default(),
    }
}

fn tail(text: &str, most: usize) -> String {
    let mut from = text.len().saturating_sub(most);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    text[from..].to_owned()
}

fn failure(pair: &Pair, number: usize, details: usize) -> Failure {
    let status = |status: Option<u16>| status.map_or("–".to_owned(), |status| status.to_string());
    let messages = pair.detail.as_ref().filter(|_| number < details).map(|detail| {
        let all = [
            ("Request", Some(&detail.request)),
            ("Recorded answer", detail.recorded.as_ref()),
            ("Answer now", detail.live.as_ref()),
        ];
        all.into_iter().filter_map(|(title, message)| Some((title, raw(message?)))).collect()
    });
    Failure {
        open: number == 0,
        what: if pair.errors > 0 { "no answer" } else { "different" },
        statuses: format!("{} → {}", status(pair.recorded_status), status(pair.status)),
        request: cut(&format!("{} {}", pair.method, pair.path)),
        exchange: pair.exchange.clone(),
        times: if pair.sent > 1 {
            format!("({} of {})", pair.different + pair.errors, pair.sent)
        } else {
            String::new()
        },
        error: pair.error.clone().unwrap_or_default(),
        differences: pair.differences.iter().map(sides).collect(),
        more: pair.more.map(|more| format!("and {more} more differences")).unwrap_or_default(),
        messages: messages.unwrap_or_default(),
    }
}

fn same_row(pair: &Pair) -> Same {
    Same {
        request: cut(&format!("{} {}", pair.method, pair.path)),
        status: pair.status.map_or(String::new(), |status| status.to_string()),
        recorded: millis(pair.recorded_us),
        now: millis(pair.latency_us),
    }
}

fn carried(carried: &super::model::Carried) -> Carried {
    let to: Vec<String> =
        carried.to.iter().take(5).map(|(exchange, at)| format!("#{exchange} {at}")).collect();
    let more = carried.to.len().saturating_sub(5);
    let note = match (carried.told, carried.missing) {
        (_, 1..) => format!("the answer lacked it {} times", carried.missing),
        (true, 0) => "replay.yaml says so".to_owned(),
        (false, 0) => String::new(),
    };
    Carried {
        recorded: carried.recorded.clone(),
        from: format!("#{} {}", carried.from, carried.from_at),
        to: if more > 0 { format!("{} and {more} more", to.join(", ")) } else { to.join(", ") },
        note,
    }
}

fn request(asked: &JudgedCall, in_full: bool) -> Request<'_> {
    let nearest = asked.nearest.iter().map(|nearest| {
        let title = format!("#{} {}, {} % the same", nearest.exchange, nearest.request, nearest.score);
        (title, nearest.differs.iter().map(sides).collect())
    });
    let note = match (&asked.reason, &asked.exchange) {
        (Some(reason), _) => format!(": {reason}"),
        (None, Some(exchange)) => format!(" #{exchange}"),
        (None, None) => String::new(),
    };
    Request {
        // The top of the page has the date.
        time: asked.time.split_once('T').map_or(&asked.time, |(_, time)| time.trim_end_matches('Z')),
        operation: &asked.operation,
        backend: &asked.backend,
        location: cut(&asked.location),
        signature: if in_full { asked.signature.clone() } else { Vec::new() },
        nearest: if in_full { nearest.collect() } else { Vec::new() },
        request: asked.request.as_ref().filter(|_| in_full).map(raw).unwrap_or_default(),
        status: asked.status.map_or(String::new(), |status| status.to_string()),
        class: if asked.verdict == "match" { "good" } else { "bad" },
        verdict: &asked.verdict,
        note,
    }
}

fn cut(text: &str) -> String {
    let mut short: String = text.chars().take(TEXT).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}
