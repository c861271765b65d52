use super::*;
use crate::report::{Calls, Figures, Responder};

fn report() -> Report {
    let text = include_str!("../../tests/golden/v1/report.json");
    let mut report: Report = serde_json::from_str(text).expect("a report");
    report.success.rate = Some(99.5);
    report.success.errors = 2;
    report.performance.recorded =
        Some(Figures { count: 10, p95_us: 100_000, per_second: 5.0, ..Figures::default() });
    report.performance.replayed =
        Some(Figures { count: 10, p95_us: 120_000, per_second: 4.0, ..Figures::default() });
    let calls = Some(Calls { dropped: 1, ..Calls::default() });
    report.responder = Some(Responder { rate: Some(100.0), calls, ..Responder::default() });
    report
}

#[test]
fn a_goal_is_reached_or_not() {
    let report = report();
    #[track_caller]
    fn check(report: &Report, text: &str, expect: bool) {
        assert_eq!(Goal::must(text).expect("a goal").judge(report).passed, expect, "{text}");
        assert_eq!(Goal::must_not(text).expect("a goal").judge(report).passed, !expect, "not {text}");
    }
    check(&report, "success >= 100%", false);
    check(&report, "success ≥ 99.5 %", true);
    check(&report, "responder = 100%", true);
    check(&report, "errors < 3", true);
    check(&report, "errors > 2", false);
    check(&report, "dropped-calls == 0", false);
    check(&report, "p95 <= 1.2 x recorded", true);
    check(&report, "p95 <= 1.1x recorded", false);
    check(&report, "p95 ≤ recorded", false);
    check(&report, "p95 <= 120ms", true);
    check(&report, "p95 < 0.1s", false);
    check(&report, "p95 != 120000us", false);
    check(&report, "throughput >= 0.8 x recorded", true);
    check(&report, "rps >= 5/s", false);
}

#[test]
fn goal_for_some_requests_ignores_others() {
    let mut report = report();
    let endpoint = |path: &str, asked_for, same, p95_us| Endpoint {
        method: "GET".to_owned(),
        path: path.to_owned(),
        asked_for,
        sent: 4,
        same,
        different: 4 - same,
        recorded: Some(Figures { count: 4, p95_us: 10_000, ..Figures::default() }),
        replayed: Some(Figures { count: 4, p95_us, ..Figures::default() }),
        ..Endpoint::default()
    };
    report.endpoints = vec![
        endpoint("/a/*", false, 0, 90_000),
        endpoint("/a/*", true, 4, 12_000),
        endpoint("/b", true, 3, 1),
    ];
    let check = |text: &str, expect: bool| {
        assert_eq!(Goal::must(text).expect("a goal").judge(&report).passed, expect, "{text}");
    };
    check("GET /a/*: success >= 100%", true);
    check("GET /b: success >= 100%", false);
    check("GET /b: different <= 1", true);
    check("GET /a/*: p95 <= 12ms", true);
    check("GET /a/*: p95 <= 1.1 x recorded", false);
    // Nothing was sent to it, or it isn't there.
    check("POST /a/*: success >= 0%", false);
    assert!(Goal::must("GET /a/*: p95 <= 1s").expect("a goal").requests().is_some());
    assert!(Goal::must("p95 <= 1s").expect("a goal").requests().is_none());
}

#[test]
fn goal_without_a_measurement_is_missed() {
    let mut report = report();
    (report.responder, report.success.rate, report.performance.replayed) = (None, None, None);
    for text in ["responder >= 0%", "success >= 0%", "p95 <= 1h", "dropped-calls <= 0"] {
        let Ok(goal) = Goal::must(text) else {
            assert_eq!(text, "p95 <= 1h", "there is no such unit");
            continue;
        };
        assert!(!goal.judge(&report).passed, "{text}");
    }
    assert!(Goal::must_not("p95 > 1s").expect("a condition").judge(&report).passed, "nothing was too slow");
}

#[test]
fn invalid_condition_is_refused_with_advice() {
    #[track_caller]
    fn check(text: &str, says: &str) {
        let error = Goal::must(text).expect_err(text).to_string();
        assert!(error.contains(says), "{error}");
    }
    check("", "METRIC OP VALUE");
    check("success", "METRIC OP VALUE");
    check("speed > 3", "there are success, responder");
    check("success >= lots", "no value for success");
    check("success >= 1.2 x recorded", "no value for success");
    check("GET: p95 <= 1s", "write METHOD PATH, as in");
    check("GET /a: responder >= 100%", "isn't measured of some requests alone; there are success, errors");
    check("p95 <= NaN", "no value for p95");
    check("p95 <= inf", "no value for p95");
}
