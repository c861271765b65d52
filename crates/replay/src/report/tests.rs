use super::*;
use base64::Engine as _;
use understudy_core::verdict::{Change, Difference};

const GOLDEN_1: &str = include_str!("../../tests/golden/v1/report.json");
const GOLDEN: &str = include_str!("../../tests/golden/v2/report.json");

fn golden() -> Report {
    serde_json::from_str(GOLDEN).expect("a report")
}

/// Text with which a recording may try to break out of a report's format.
const HOSTILE: &str = "</script><script>alert(1)</script>\"'`&|\u{1b}[31m\u{0}\u{fffe}]]>\n## x";

fn hostile() -> Report {
    let mut report = golden();
    for text in [&mut report.snapshot, &mut report.notes[0], &mut report.end.detail] {
        *text = HOSTILE.to_owned();
    }
    report.build_tag = Some(HOSTILE.to_owned());
    for pair in &mut report.pairs {
        (pair.method, pair.path, pair.exchange) = (HOSTILE.into(), HOSTILE.into(), HOSTILE.into());
        for difference in &mut pair.differences {
            (difference.key, difference.live) = (HOSTILE.into(), Some(HOSTILE.into()));
        }
    }
    for asked in report.responder.iter_mut().flat_map(|responder| &mut responder.verdicts) {
        (asked.location, asked.operation) = (HOSTILE.into(), HOSTILE.into());
    }
    report.logs = Some(Logs { text: HOSTILE.to_owned(), left_out: 0 });
    report.endpoints = vec![endpoint(HOSTILE, 2000, 90_000); 200];
    report
}

fn endpoint(path: &str, then: u64, now: u64) -> Endpoint {
    let figures = |p95_us| Some(Figures { count: 1, p95_us, ..Figures::default() });
    Endpoint {
        method: "GET".to_owned(),
        path: path.to_owned(),
        sent: 1,
        same: 1,
        recorded: figures(then),
        replayed: figures(now),
        ..Endpoint::default()
    }
}

#[test]
fn comparison_names_endpoints_with_another_latency() {
    let (mut old, mut new) = (golden(), golden());
    old.endpoints =
        vec![endpoint("/slower", 0, 10_000), endpoint("/same", 0, 10_000), endpoint("/fast", 0, 90)];
    let mut goal = endpoint("/same", 0, 99_000);
    goal.asked_for = true;
    new.endpoints = vec![
        endpoint("/slower", 0, 30_000),
        endpoint("/same", 0, 11_000),
        endpoint("/fast", 0, 900),
        endpoint("/new", 0, 900_000),
        goal,
    ];
    let text = versus(&old, &new).text;
    let told: Vec<_> = text.lines().filter(|line| line.contains(" x)  GET")).collect();
    assert_eq!(
        told,
        ["p95 10.0 ms → 30.0 ms  (3.00 x)  GET /slower"],
        "a new one, and what is noise, aren't: {text}"
    );
    let page = html(&new);
    assert_eq!(page.matches("GET /same</code>").count(), 1, "a goal's requests are shown once");
    assert!(summary(&new, true).contains("       1        0      0.00 ms → 30.0 ms  GET /slower\n"));
}

#[test]
fn report_of_each_version_reads_as_written() {
    for text in [GOLDEN_1, GOLDEN] {
        let report: Report = serde_json::from_str(text).expect("a report");
        let mut out = Vec::new();
        report.write(&mut out).expect("memory");
        assert_eq!(String::from_utf8(out).expect("text"), text);
    }
    let whole = |text: &str| {
        let report: Report = serde_json::from_str(text).expect("a report");
        report.responder.expect("calls").verdicts[0].whole.clone()
    };
    assert_eq!(whole(GOLDEN_1), None);
    let asked = whole(GOLDEN).expect("the request").0;
    assert_eq!(
        (asked.backend.as_str(), &asked.request.body.bytes[..]),
        ("http://stock.test", &b"\xff\0"[..])
    );
}

#[test]
fn totals_are_read_without_the_lists() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("r.json");
    std::fs::write(&file, GOLDEN).expect("a file");
    let head = head(&file).expect("sums");
    assert_eq!(
        (head.passed, head.build_tag.as_deref(), head.success.rate),
        (false, Some("v1.2"), Some(33.5))
    );
    assert_eq!(head.responder.expect("calls").misses, 1);
}

#[test]
fn kept_reports_are_the_last_and_ignored_by_git() {
    let folder = tempfile::tempdir().expect("a folder");
    let keep = |started: &str| {
        let path =
            kept::keep(folder.path(), &Report { started: started.into(), ..golden() }, 2).expect("kept");
        path.file_name().expect("a name").to_string_lossy().into_owned()
    };
    assert_eq!(keep("2026-11-21T09:00:00Z"), "20261121T090000.000000Z.json");
    assert_eq!(keep("2026-11-21T09:00:00Z"), "20261121T090000.000000Z-1.json");
    assert_eq!(keep("2026-11-21T09:00:00.5Z"), "20261121T090000.500000Z.json");
    // One that is older by the clock stays all the same: it was asked for just now.
    assert_eq!(keep("2025-01-01T00:00:00Z"), "20250101T000000.000000Z.json");
    let reports = folder.path().join(kept::FOLDER);
    let left = kept::list(&reports).expect("a list");
    assert_eq!(left.len(), 2);
    assert!(left.iter().all(|path| read(path).is_ok()));
    let git = std::fs::read_to_string(reports.join(".gitignore")).expect("a file");
    assert!(git.ends_with("\n*\n"), "{git}");
    kept::forget(folder.path()).expect("removed");
    assert!(!reports.exists());
    kept::forget(folder.path()).expect("nothing there");
    assert!(kept::list(&folder.path().join("none")).expect("none").is_empty());
}

#[test]
fn other_versions_and_other_files_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let check = |text: &str, says: &str| {
        let file = folder.path().join("r.json");
        std::fs::write(&file, text).expect("a file");
        let error = read(&file).expect_err(text).to_string();
        assert!(error.contains(says), "{error}");
    };
    check(
        &GOLDEN.replace("\"replay\",\"v\":2", "\"replay\",\"v\":4"),
        "version 4 isn't known; this Understudy reads versions 1 to 3",
    );
    check(&GOLDEN.replace("\"path\":\"/levels\"", "\"way\":\"/levels\""), "whole: ");
    check(&GOLDEN.replace("\"passed\":", "\"past\":1,\"passed\":"), "past");
    check("{\"type\":\"report\",\"v\":1}", "understudy match SNAPSHOT FILE");
    check("{}", "it is no report");
    check("", "EOF");
    assert!(read(&folder.path().join("none")).expect_err("none").to_string().contains("No such file"));
}

#[test]
fn page_allows_only_its_own_style() {
    let page = html(&golden());
    let style =
        concat!(include_str!("../../templates/report.css"), include_str!("../../templates/chart.css"));
    let hash = ring::digest::digest(&ring::digest::SHA256, style.as_bytes());
    let hash = base64::engine::general_purpose::STANDARD.encode(hash.as_ref());
    assert!(page.contains(&format!("style-src 'sha256-{hash}'")), "{hash}");
    assert!(page.contains(&format!("<style>{style}</style>")));
}

#[test]
fn page_has_the_content_of_the_report() {
    let page = html(&golden());
    for text in [
        "FAILED",
        "GET /orders/1",
        "body/total",
        "Replay of shop",
        "connection refused",
        "p95",
        "<svg",
        "polyline",
    ] {
        assert!(page.contains(text), "{text}:\n{page}");
    }
    assert!(!page.contains("<script"));
}

#[test]
fn hostile_content_is_text_in_each_format() {
    let page = html(&hostile());
    assert!(!page.contains("<script>") && !page.contains("</script>"), "{page}");
    let xml = junit(&hostile());
    assert!(!xml.contains("<script>") && !xml.contains('\u{1b}') && !xml.contains('\u{0}'), "{xml}");
    let text = summary(&hostile(), true);
    assert!(!text.contains('\u{1b}') && !text.contains('\u{0}'), "{text}");
    let markdown = markdown(&hostile());
    assert!(!markdown.contains("<script>") && !markdown.contains("\n## x"), "{markdown}");
    let versus = versus(&golden(), &hostile());
    assert!(!versus.text.contains('\u{1b}'), "{}", versus.text);
}

#[test]
fn a_page_of_ten_thousand_pairs_stays_below_its_limit() {
    let mut report = hostile();
    let pair = Pair { differences: vec![difference(); 4], different: 1, sent: 1, ..report.pairs[0].clone() };
    report.pairs = vec![pair; 10_000];
    assert!(html(&report).len() <= 5_000_000);
    for pair in &mut report.pairs {
        (pair.different, pair.same) = (0, 1);
    }
    assert!(html(&report).len() <= 5_000_000);
}

fn difference() -> Difference {
    let value = Some("<>&\"'".repeat(40));
    Difference { key: "body/x".to_owned(), change: Change::Changed, recorded: value.clone(), live: value }
}

#[test]
fn comparison_of_two_reports_names_changes() {
    let (old, mut new) = (golden(), golden());
    assert!(!versus(&old, &new).worse);
    let good = new.pairs.iter().position(|pair| !pair.failed()).expect("one that is good");
    new.pairs[good].different = 1;
    let found = versus(&old, &new);
    assert!(found.worse && found.text.contains("fails now: GET /health"), "{}", found.text);
    assert!(!versus(&new, &old).worse);
    assert!(versus(&new, &old).text.contains("works again: GET /health"));
}

#[test]
fn rate_below_100_percent_is_not_rounded_up() {
    assert_eq!(text::number(99.99999, "%"), "99.999 %");
    assert_eq!(text::number(100.0, "%"), "100.0 %");
    assert_eq!(text::number(12.34, "%"), "12.3 %");
}
