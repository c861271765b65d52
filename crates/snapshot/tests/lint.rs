//! Tests of the linter, one fault at a time.

mod common;

use common::{body, get, snapshot};
use std::fs;
use understudy_core::exchange::{Body, Direction, End, Exchange};
use understudy_core::headers::Headers;
use understudy_snapshot::lint::{Finding, Severity, lint};
use understudy_snapshot::{EXCHANGES_FILE, HEADER_FILE, Snapshot};

/// Findings as `severity code line count`.
fn short(findings: &[Finding]) -> Vec<String> {
    let line = |finding: &Finding| finding.line.map_or("-".to_owned(), |line| line.to_string());
    findings.iter().map(|f| format!("{:?} {} {} {}", f.severity, f.code, line(f), f.count)).collect()
}

fn check(exchanges: &[Exchange], expect: &[&str]) -> Vec<Finding> {
    let (_folder, snapshot) = snapshot(exchanges);
    let findings = lint(&snapshot).unwrap();
    assert_eq!(short(&findings), expect, "{findings:#?}");
    findings
}

fn with(mut exchange: Exchange, change: impl FnOnce(&mut Exchange)) -> Exchange {
    change(&mut exchange);
    exchange
}

fn plain(id: u64) -> Exchange {
    get(&id.to_string(), id * 10_000, &format!("/{id}"), "ok")
}

#[test]
fn a_good_snapshot_has_no_findings() {
    check(&[plain(1), plain(2), get("3", 30_000, "/1", "ok")], &[]);
}

#[test]
fn unanswerable_exchanges_are_one_finding_with_their_number() {
    let cut = Body { bytes: b"x".to_vec(), truncated: Some(9) };
    let findings = check(
        &[
            plain(1),
            with(plain(2), |e| e.request.body = cut.clone()),
            with(plain(3), |e| e.response.as_mut().unwrap().body = cut.clone()),
            with(plain(4), |e| e.end = End::RequestAborted),
            with(plain(5), |e| e.end = End::ResponseAborted),
            with(plain(6), |e| (e.response, e.end) = (None, End::NoResponse)),
            with(plain(7), |e| e.response.as_mut().unwrap().status = 101),
            with(plain(8), |e| (e.direction, e.end) = (Direction::Inbound, End::RequestAborted)),
        ],
        &[
            "Warning request-truncated 2 1",
            "Warning response-truncated 3 1",
            "Warning incomplete 4 2",
            "Warning no-response 6 1",
            "Warning status 7 1",
        ],
    );
    assert_eq!(findings[0].exchange.as_deref(), Some("2"));
    assert_eq!(findings[0].backend.as_deref(), Some("http://h"));
}

#[test]
fn different_answers_to_one_request_are_a_sequence() {
    let answers = ["a", "b", "a"];
    let apart: Vec<_> = (0..).zip(answers).map(|(i, answer)| get("", i * 10_000, "/poll", answer)).collect();
    let findings = check(&apart, &["Info sequence 1 3"]);
    assert!(findings[0].message.starts_with("GET /poll was answered 3 times, with 2 different contents"));
    let together: Vec<_> = (0..).zip(answers).map(|(i, answer)| get("", i * 10, "/poll", answer)).collect();
    let findings = check(&together, &["Warning ambiguous-sequence 1 3"]);
    assert!(
        findings[0].message.contains("2 of the requests began while another was in progress"),
        "{findings:?}"
    );
}

#[test]
fn answers_that_differ_only_in_headers_are_one_finding() {
    let given: Vec<_> = (0..6u64)
        .map(|i| {
            let headers = Headers::from_pairs([("request-id", i.to_string())]);
            with(get("", i * 10, &format!("/{}", i % 2), "same"), |e| {
                e.response.as_mut().unwrap().headers = headers
            })
        })
        .collect();
    check(&given, &["Info sequence-of-headers 1 2"]);
}

#[test]
fn a_sequence_of_an_operation_names_it() {
    let target = Headers::from_pairs([("x-amz-target", "DynamoDB_20120810.GetItem")]);
    let aws =
        |id: u64| with(get("", id * 10_000, "/", &id.to_string()), |e| e.request.headers = target.clone());
    let findings = check(&[aws(1), aws(2)], &["Info sequence 1 2"]);
    assert!(findings[0].message.starts_with("GET / (DynamoDB_20120810.GetItem) was answered 2 times"));
}

#[test]
fn many_sequences_are_counted_after_the_first_fifty() {
    let many: Vec<_> =
        (0..140).map(|i| get("", i * 10_000, &format!("/{}", i % 70), &i.to_string())).collect();
    let (_folder, snapshot) = snapshot(&many);
    let findings = lint(&snapshot).unwrap();
    assert_eq!(findings.len(), 51);
    assert_eq!(findings[50].count, 20, "{:?}", findings[50]);
}

#[test]
fn large_bodies_are_findings() {
    let large = body(vec![b'x'; (512 << 10) + 1]);
    check(
        &[
            with(plain(1), |e| e.request.body = large.clone()),
            with(plain(2), |e| e.response.as_mut().unwrap().body = large.clone()),
        ],
        &["Warning request-over-cap 1 1", "Info response-over-cap 2 1"],
    );
}

#[test]
fn secrets_are_findings_by_kind() {
    // Put together here, so that no scanner takes this file for a leak.
    let key = format!("{}{}", "sk_live_", "51H8xAbCdEfGhIj");
    let bearer = Headers::from_pairs([("authorization", "Bearer abc"), ("cookie", "redacted")]);
    let findings = check(
        &[
            with(plain(1), |e| e.request.headers = bearer.clone()),
            with(plain(2), |e| e.request.headers = bearer),
            with(plain(3), |e| e.request.path = format!("/?key={key}").into()),
            with(plain(4), |e| e.response.as_mut().unwrap().body = body(format!("{{\"key\":\"{key}\"}}"))),
            with(plain(5), |e| e.request.headers = Headers::from_pairs([("x-other", &key)])),
        ],
        &[
            "Warning secret-authorization 1 2",
            "Warning secret-request 3 1",
            "Warning secret-response 4 1",
            "Warning secret-header 5 1",
        ],
    );
    assert!(findings.iter().all(|finding| !finding.message.contains("51H8x")), "a secret is never repeated");
}

#[test]
fn backends_in_only_one_file_are_findings() {
    let odd = with(plain(2), |e| e.backend = "http://H:80".into());
    let (_folder, snapshot) = snapshot(&[plain(1), odd]);
    let file = snapshot.path().join(HEADER_FILE);
    let yaml = fs::read_to_string(&file).unwrap().replace("http://h", "http://other");
    fs::write(&file, yaml).unwrap();
    let findings = lint(&Snapshot::open(snapshot.path()).unwrap()).unwrap();
    let expect = ["Error backend-name - 1", "Warning backend-not-listed - 1", "Warning backend-unused - 0"];
    assert_eq!(short(&findings), expect, "{findings:#?}");
}

#[test]
fn sampled_recording_is_a_finding() {
    let (_folder, snapshot) = snapshot(&[plain(1), plain(2)]);
    let file = snapshot.path().join(HEADER_FILE);
    let yaml = fs::read_to_string(&file).unwrap().replace("backends:\n", "sample: 0.01\nbackends:\n");
    fs::write(&file, yaml).unwrap();
    let findings = lint(&Snapshot::open(snapshot.path()).unwrap()).unwrap();
    assert_eq!(short(&findings), ["Warning sampled - 2"], "{findings:#?}");
    assert!(findings[0].message.starts_with("1 % of the exchanges"), "{findings:#?}");
}

#[test]
fn bad_lines_are_findings_and_other_lines_are_checked() {
    let (_folder, snapshot) = snapshot(&[plain(1), plain(2), plain(3)]);
    let file = snapshot.path().join(EXCHANGES_FILE);
    let text = fs::read_to_string(&file).unwrap();
    let lines: Vec<_> = text.lines().collect();
    fs::write(&file, format!("{}\n{{\n{}\n{}\n{}\n", lines[2], lines[0], lines[0], lines[1])).unwrap();
    let findings = lint(&snapshot).unwrap();
    let expect = ["Error snapshot-line 2 1", "Error snapshot-duplicate-id 4 1", "Info out-of-order 3 2"];
    assert_eq!(short(&findings), expect, "{findings:#?}");
    assert!(findings[0].message.contains("exchanges.ndjson:2: not an exchange"), "{findings:?}");
    assert!(findings[0].message.contains("EOF while parsing an object"), "{findings:?}");
}

#[test]
fn findings_are_json_for_machines() {
    let (_folder, snapshot) = snapshot(&[with(plain(1), |e| e.end = End::ResponseAborted)]);
    let json = serde_json::to_value(lint(&snapshot).unwrap()).unwrap();
    assert_eq!(
        (&json[0]["code"], &json[0]["severity"], &json[0]["line"]),
        (&"incomplete".into(), &"warning".into(), &1.into())
    );
    assert_eq!(lint(&snapshot).unwrap()[0].severity, Severity::Warning);
}

/// Checks the findings about rules of a snapshot, as `severity code line: beginning of the
/// message`.
fn check_rules(rules: &str, exchanges: &[Exchange], expect: &[&str]) {
    let (_folder, snapshot) = snapshot(exchanges);
    let file = snapshot.path().join(HEADER_FILE);
    let header = fs::read_to_string(&file).unwrap();
    let before = header.lines().count() as u64;
    fs::write(&file, format!("{header}{rules}")).unwrap();
    let findings = lint(&Snapshot::open(snapshot.path()).unwrap()).unwrap();
    let about = findings.iter().filter(|f| f.file == HEADER_FILE);
    let found: Vec<_> = about
        .map(|f| {
            let start: String = f.message.chars().take(48).collect();
            format!("{:?} {} +{}: {start}", f.severity, f.code, f.line.unwrap() - before)
        })
        .collect();
    assert_eq!(found, expect, "{findings:#?}");
}

#[test]
fn rules_without_effect_are_findings_with_their_line() {
    let order = |id: &str, body_text: &str| {
        with(get(id, 1000, "/orders/4711?page=2", "ok"), |e| {
            e.request.method = b"POST".to_vec();
            e.request.headers = Headers::from_pairs([("content-type", "application/json"), ("x-a", "1")]);
            e.request.body = body(body_text);
        })
    };
    let orders = [order("1", r#"{"at":"2026-11-21T08:00:00Z","n":"x","list":[{"d":"2026-11-21"}]}"#)];
    let good = "rules:\n- path: /orders/*\n  mask: [path.2, query.page, body/n, header.x-a]\n  times: [body/at]\n  dates: ['body/list/*/d']\n  require: [x-a]\n";
    check_rules(good, &orders, &[]);
    let bad = "rules:\n- path: /order/*\n  mask: [body/n]\n- method: POST\n- method: POST\n  mask: [path.1, query.pages, body/nope]\n  volatile: [body/n]\n  dates: [body/n/x]\n  jwt: [body/at]\n  require: [x-b]\n  ignore: [header.x-c]\n- backend: http://h\n  mask: [body/at]\n";
    check_rules(
        bad,
        &orders,
        &[
            "Warning rule-matches-nothing +2: the rule applies to no recorded request: check i",
            "Warning rule-says-nothing +4: the rule has no effect: name places, or remove i",
            "Warning rule-place-nothing +5: none of its requests has the header x-b: it can'",
            "Warning rule-place-nothing +5: path.1: this segment looks like an identifier in",
            "Warning rule-place-nothing +5: none of its requests has query.pages",
            "Warning rule-place-nothing +5: none of its requests has body/nope",
            "Warning rule-place-nothing +5: none of its requests has body/n/x",
            "Warning rule-place-nothing +5: none of its requests has header.x-c",
            "Warning rule-volatile-nothing +5: body/n never has a value for `volatile` (a UUID,",
            "Warning rule-volatile-nothing +5: body/at never has a value for `jwt` (a JSON Web ",
            "Warning rule-shadowed +12: body/at is listed here under `mask` and in the r",
        ],
    );
}

#[test]
fn rules_that_make_requests_with_different_answers_equal_are_findings() {
    let pages: Vec<_> = (1..=3)
        .map(|n| get(&n.to_string(), n * 10_000, &format!("/a?page={n}"), &format!("page {n}")))
        .collect();
    let rule = "rules:\n- path: /a\n  mask: [query.page]\n";
    let by_hand = "Warning collision +2: GET /a?page=2 and requests that differ from it o";
    check_rules(rule, &pages, &[by_hand]);
    // For a learned rule with evidence, it is only a note.
    let learnt = format!("{rule}  exchanges: 3\n");
    check_rules(&learnt, &pages, &[&by_hand.replace("Warning", "Info")]);
    // Unless the same value has the same answer again.
    let again = get("4", 40_000, "/a?page=1", "page 1");
    let all: Vec<_> = pages.iter().cloned().chain([again]).collect();
    check_rules(&learnt, &all, &[by_hand]);
    // Equal answers have no effect.
    let same: Vec<_> =
        (1..=3).map(|n| get(&n.to_string(), n * 10_000, &format!("/a?page={n}"), "ok")).collect();
    check_rules(rule, &same, &[]);
}

#[test]
fn answers_that_repeat_their_request_are_noted() {
    let order = with(get("1", 1000, "/a", r#"{"ref":"8d1f0a77-aaaa-4bbb-8ccc-0123456789ab"}"#), |e| {
        e.request.headers = Headers::from_pairs([("x-request-id", "8d1f0a77-aaaa-4bbb-8ccc-0123456789ab")]);
    });
    check(&[order], &["Info echo 1 1"]);
}
