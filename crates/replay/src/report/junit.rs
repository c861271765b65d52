//! The report as JUnit XML, as CI systems read it: a suite of the requests, one of the calls to backends, and one of the goals.

use super::text::{ending, number, one_line};
use super::{How, Report};
use std::fmt::Write as _;

/// So many differences are in one failure's text.
const DIFFERENCES: usize = 50;

struct Case {
    class: String,
    name: String,
    seconds: f64,
    /// `failure` or `error`, its message and its text.
    problem: Option<(&'static str, String, String)>,
}

/// The report as JUnit XML.
pub fn junit(report: &Report) -> String {
    let suites = [("requests", requests(report)), ("responder", responder(report)), ("goals", goals(report))];
    let all = || suites.iter().flat_map(|(_, cases)| cases);
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let name = format!("replay of {}", report.snapshot);
    let _ = writeln!(out, "<testsuites name=\"{}\" {}>", escape(&name), counts(all(), report));
    for (suite, cases) in &suites {
        if cases.is_empty() {
            continue;
        }
        let _ = writeln!(
            out,
            "  <testsuite name=\"{suite}\" timestamp=\"{}\" {}>",
            escape(report.started.split('.').next().unwrap_or_default()),
            counts(cases.iter(), report)
        );
        cases.iter().for_each(|case| write(case, &mut out));
        out.push_str("  </testsuite>\n");
    }
    out.push_str("</testsuites>\n");
    out
}

fn counts<'a>(cases: impl Iterator<Item = &'a Case> + Clone, report: &Report) -> String {
    let of =
        |kind: &str| cases.clone().filter(|case| case.problem.as_ref().is_some_and(|p| p.0 == kind)).count();
    #[expect(clippy::cast_precision_loss, reason = "seconds")]
    let seconds = report.duration_us as f64 / 1e6;
    format!(
        "tests=\"{}\" failures=\"{}\" errors=\"{}\" time=\"{seconds:.6}\"",
        cases.clone().count(),
        of("failure"),
        of("error")
    )
}

fn requests(report: &Report) -> Vec<Case> {
    let mut cases: Vec<Case> = report
        .pairs
        .iter()
        .filter(|pair| pair.sent > 0)
        .map(|pair| {
            let differences: Vec<String> = pair.differences.iter().take(DIFFERENCES).map(one_line).collect();
            let problem = match &pair.error {
                Some(error) => Some(("error", error.clone(), error.clone())),
                None if pair.failed() => {
                    let first = differences.first().cloned().unwrap_or_default();
                    Some(("failure", first, differences.join("\n")))
                }
                None => None,
            };
            #[expect(clippy::cast_precision_loss, reason = "seconds")]
            let seconds = pair.latency_us as f64 / 1e6;
            let name = format!("{} {} #{}", pair.method, pair.path, pair.exchange);
            Case { class: format!("{}.requests", report.snapshot), name, seconds, problem }
        })
        .collect();
    if report.end.how != How::Complete {
        let text = ending(report);
        let class = format!("{}.requests", report.snapshot);
        let problem = Some(("error", text.clone(), text));
        cases.push(Case { class, name: "the run".to_owned(), seconds: 0.0, problem });
    }
    cases
}

fn responder(report: &Report) -> Vec<Case> {
    let Some(responder) = &report.responder else { return Vec::new() };
    let class = format!("{}.responder", report.snapshot);
    let case = |name: String, problem| Case { class: class.clone(), name, seconds: 0.0, problem };
    let mut cases = Vec::new();
    let rate = responder.rate.map_or("nothing".to_owned(), |rate| number(rate, "%"));
    cases.push(case(
        format!("{} of {} requests answered, {rate}", responder.matches, responder.requests),
        None,
    ));
    for asked in responder.verdicts.iter().filter(|asked| asked.verdict == "miss") {
        let reason = asked.reason.clone().unwrap_or_default();
        let nearest: Vec<String> = asked.nearest.iter().map(|nearest| nearest.in_short()).collect();
        let name = format!("{} {}{}", asked.operation, asked.backend, asked.location);
        cases.push(case(name, Some(("failure", reason, nearest.join("\n")))));
    }
    for call in responder.calls.iter().flat_map(|calls| &calls.changed) {
        let text = format!("recorded {} times, made {} times", call.recorded, call.made);
        let name = format!("{}{} #{}", call.backend, call.request, call.exchange);
        let dropped = call.made < call.recorded;
        cases.push(case(name, dropped.then_some(("failure", text.clone(), text))));
    }
    cases
}

fn goals(report: &Report) -> Vec<Case> {
    let case = |goal: &super::GoalResult| {
        let measured = goal.measured.map_or("nothing was measured".to_owned(), |value| {
            format!("measured {}", number(value, &goal.unit))
        });
        let problem = (!goal.passed).then(|| ("failure", measured.clone(), measured));
        Case { class: format!("{}.goals", report.snapshot), name: goal.goal.clone(), seconds: 0.0, problem }
    };
    report.goals.iter().map(case).collect()
}

fn write(case: &Case, out: &mut String) {
    let _ = write!(
        out,
        "    <testcase classname=\"{}\" name=\"{}\" time=\"{:.6}\"",
        escape(&case.class),
        escape(&case.name),
        case.seconds
    );
    let _ = match &case.problem {
        None => writeln!(out, "/>"),
        Some((kind, message, text)) => {
            writeln!(out, "><{kind} message=\"{}\">{}</{kind}></testcase>", escape(message), escape(text))
        }
    };
}

/// Text as XML takes it: what has a meaning is escaped, and what no XML may hold (XML 1.0, 2.2) is replaced.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            '\t' => out.push_str("&#9;"),
            '\r' => out.push_str("&#13;"),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c if c.is_control() && c < ' ' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
