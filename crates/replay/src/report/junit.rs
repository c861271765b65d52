//! The report as JUnit XML, as CI systems read it: one suite of the requests, one of the calls to
//! backends, and one of the goals.

use super::model::{How, Report};
use super::text::{ending, number, one_line};
use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite, XmlString};
use std::time::Duration;

/// Maximum number of differences in the text of one failure.
const DIFFERENCES: usize = 50;

/// The report as JUnit XML.
pub fn junit(report: &Report) -> String {
    let duration = Duration::from_micros(report.duration_us);
    let mut all = quick_junit::Report::new(clean(&format!("replay of {}", report.snapshot)));
    all.set_time(duration);
    let suites = [("requests", requests(report)), ("responder", responder(report)), ("goals", goals(report))];
    for (name, cases) in suites {
        if cases.is_empty() {
            continue;
        }
        let mut suite = TestSuite::new(name);
        // JUnit's timestamps have neither fractions nor a zone.
        let started = report.started.split('.').next().unwrap_or_default();
        suite.extra.insert("timestamp".into(), clean(started));
        suite.set_time(duration);
        for mut case in cases {
            case.set_classname(clean(&format!("{}.{name}", report.snapshot)));
            suite.add_test_case(case);
        }
        all.add_test_suite(suite);
    }
    // Only a name or a number that isn't text can fail, and there is none.
    all.to_string().unwrap_or_default()
}

fn requests(report: &Report) -> Vec<TestCase> {
    let sent = report.pairs.iter().filter(|pair| pair.sent > 0);
    let mut cases: Vec<TestCase> = sent
        .map(|pair| {
            let differences: Vec<String> = pair.differences.iter().take(DIFFERENCES).map(one_line).collect();
            let status = match &pair.error {
                Some(error) => problem(NonSuccessKind::Error, error, error),
                None if pair.failed() => {
                    let first = differences.first().map_or("", String::as_str);
                    problem(NonSuccessKind::Failure, first, &differences.join("\n"))
                }
                None => TestCaseStatus::success(),
            };
            let name = format!("{} {} #{}", pair.method, pair.path, pair.exchange);
            let mut case = case(&name, status);
            case.set_time(Duration::from_micros(pair.latency_us));
            case
        })
        .collect();
    if report.end.how != How::Complete {
        let text = ending(report);
        cases.push(case("the run", problem(NonSuccessKind::Error, &text, &text)));
    }
    cases
}

fn responder(report: &Report) -> Vec<TestCase> {
    let Some(responder) = &report.responder else { return Vec::new() };
    let rate = responder.rate.map_or("nothing".to_owned(), |rate| number(rate, "%"));
    let sums = format!("{} of {} requests answered, {rate}", responder.matches, responder.requests);
    let mut cases = vec![case(&sums, TestCaseStatus::success())];
    for call in responder.verdicts.iter().filter(|call| call.verdict == "miss") {
        let reason = call.reason.as_deref().unwrap_or_default();
        let nearest: Vec<String> = call.nearest.iter().map(|nearest| nearest.in_short()).collect();
        let name = format!("{} {}{}", call.operation, call.backend, call.location);
        cases.push(case(&name, problem(NonSuccessKind::Failure, reason, &nearest.join("\n"))));
    }
    for call in responder.calls.iter().flat_map(|calls| &calls.changed) {
        let text = format!("recorded {} times, made {} times", call.recorded, call.made);
        let name = format!("{}{} #{}", call.backend, call.request, call.exchange);
        let status = if call.made < call.recorded {
            problem(NonSuccessKind::Failure, &text, &text)
        } else {
            TestCaseStatus::success()
        };
        cases.push(case(&name, status));
    }
    cases
}

fn goals(report: &Report) -> Vec<TestCase> {
    let goal_case = |goal: &super::model::GoalResult| {
        let measured = goal.measured.map_or("nothing was measured".to_owned(), |value| {
            format!("measured {}", number(value, &goal.unit))
        });
        let status = if goal.passed {
            TestCaseStatus::success()
        } else {
            problem(NonSuccessKind::Failure, &measured, &measured)
        };
        case(&goal.goal, status)
    };
    report.goals.iter().map(goal_case).collect()
}

fn case(name: &str, status: TestCaseStatus) -> TestCase {
    let mut case = TestCase::new(clean(name), status);
    case.set_time(Duration::ZERO);
    case
}

fn problem(kind: NonSuccessKind, message: &str, text: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_message(clean(message)).set_description(clean(text));
    status
}

/// Replaces the characters that XML can't hold (XML 1.0, 2.2), so that a reader sees that something
/// was there. [`XmlString`] would remove some of them and keep others.
fn clean(text: &str) -> XmlString {
    let allowed = |c: char| match c {
        '\n' | '\t' | '\r' => c,
        '\u{fffe}' | '\u{ffff}' => char::REPLACEMENT_CHARACTER,
        c if c < ' ' => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    XmlString::new(text.chars().map(allowed).collect::<String>())
}
