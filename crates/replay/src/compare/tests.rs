use super::*;
use crate::carry::CarryRules;
use understudy_core::exchange::Body;
use understudy_core::redact::Settings;

struct Answer<'a>(u16, &'a [(&'a str, &'a str)], &'a [u8], &'a [(&'a str, &'a str)]);

fn exchange(Answer(status, headers, body, trailers): Answer<'_>) -> Exchange {
    Exchange {
        id: "1".to_owned(),
        request: Request { method: b"GET".into(), path: b"/a".into(), ..Request::default() },
        response: Some(Response {
            status,
            headers: Headers::from_pairs(headers.iter().copied()),
            body: Body { bytes: body.to_vec(), truncated: None },
            trailers: Headers::from_pairs(trailers.iter().copied()),
        }),
        ..Exchange::default()
    }
}

fn compare(comparer: &Comparer, old: Answer<'_>, new: Answer<'_>) -> Compared {
    let (carries, given) = (Carries::learn(&[], &CarryRules::default()), LiveValues::default());
    let context = Context { carries: &carries, given: &given };
    comparer.compare(&exchange(old), &mut exchange(new), context)
}

fn comparer() -> Comparer {
    Comparer { headers: crate::settings::Settings::default().headers, ..Comparer::default() }
}

#[track_caller]
fn check(old: Answer<'_>, new: Answer<'_>, expect: &[&str]) {
    let compared = compare(&comparer(), old, new);
    let keys: Vec<_> = compared.differences.iter().map(|difference| difference.key.as_str()).collect();
    assert_eq!(keys, expect, "{compared:?}");
}

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];

#[test]
fn differences_are_named() {
    let json = |status, body: &'static str| Answer(status, JSON, body.as_bytes(), &[]);
    check(json(200, r#"{"a":1,"b":[1,2]}"#), json(200, r#"{"b": [1, 2], "a": 1}"#), &[]);
    check(json(200, r#"{"a":1}"#), json(201, r#"{"a":"1","c":2}"#), &["status", "body/a", "body/c"]);
    check(json(200, r#"{"b":[1,2]}"#), json(200, r#"{"b":[2,1]}"#), &["body/b/0", "body/b/1"]);
    let header = |value: &'static str| [("content-type", value)];
    let (plain, html) = (header("text/plain; charset=utf-8"), header("text/html"));
    check(Answer(200, &plain, b"x", &[]), Answer(200, &html, b"x", &[]), &["header.content-type"]);
    let loud = header("Text/Plain;Charset=UTF-8");
    check(Answer(200, &plain, b"x", &[]), Answer(200, &loud, b"y", &[]), &["body"]);
    let (here, there) = ([("location", "/a")], [("x-other", "1")]);
    check(Answer(302, &here, b"", &[]), Answer(302, &there, b"", &[]), &["header.location"]);
    check(Answer(200, &[], b"\x00\x01", &[]), Answer(200, &[], b"\x00\x02", &[]), &["body"]);
}

#[test]
fn cookies_are_the_same_by_name_and_attributes() {
    let cookie = |value: &'static str| [("set-cookie", value)];
    let one = cookie("sid=1; Path=/; HttpOnly; Expires=Mon, 01 Jan 2024 00:00:00 GMT");
    let same = cookie("sid=2; HttpOnly; path=/; expires=Tue, 02 Jan 2024 00:00:00 GMT");
    check(Answer(200, &one, b"", &[]), Answer(200, &same, b"", &[]), &[]);
    let open = cookie("sid=1; Path=/");
    check(Answer(200, &one, b"", &[]), Answer(200, &open, b"", &[]), &["cookie.sid"]);
    check(Answer(200, &one, b"", &[]), Answer(200, &[], b"", &[]), &["cookie.sid"]);
}

#[test]
fn grpc_is_compared_by_its_status_and_message() {
    let grpc: &[(&str, &str)] = &[("content-type", "application/grpc")];
    let message = |text: &[u8]| [&[0, 0, 0, 0, 5, 0x0a, 3][..], text].concat();
    let (one, two) = (message(b"abc"), message(b"abd"));
    let (ok, bad) = ([("grpc-status", "0")], [("grpc-status", "5")]);
    check(Answer(200, grpc, &one, &ok), Answer(200, grpc, &one, &ok), &[]);
    check(Answer(200, grpc, &one, &ok), Answer(200, grpc, &one, &bad), &["trailer.grpc-status"]);
    check(Answer(200, grpc, &one, &ok), Answer(200, grpc, &two, &ok), &["body/0/1"]);
}

#[test]
fn ignored_differences_have_a_reason() {
    let why = Some("told so".to_owned());
    let mask = vec![understudy_core::rules::Place::parse("body/id").expect("a place")];
    let comparer = Comparer { rules: vec![Rule { mask, why, ..Rule::default() }], ..comparer() };
    let json = |body: &'static str| Answer(200, JSON, body.as_bytes(), &[]);
    let compared = compare(&comparer, json(r#"{"id":1,"n":1}"#), json(r#"{"id":2,"n":2}"#));
    assert_eq!(compared.differences.iter().map(|d| d.key.as_str()).collect::<Vec<_>>(), ["body/n"]);
    assert_eq!(compared.ignored, [Ignored { place: "body/id".to_owned(), why: "told so".to_owned() }]);
    let gone = compare(&comparer, json(r#"{"id":1,"n":1}"#), json(r#"{"n":1}"#));
    assert_eq!(gone.differences.len(), 1, "a masked value must be there");
}

#[test]
fn baseline_excuses_values_and_not_statuses() {
    let known = [("body/at", Change::Changed), ("status", Change::Changed)];
    let known = known.map(|(key, change)| (key.to_owned(), change)).to_vec();
    let comparer = Comparer { baseline: [("1".to_owned(), known)].into(), ..comparer() };
    let json = |status, body: &'static str| Answer(status, JSON, body.as_bytes(), &[]);
    let compared = compare(&comparer, json(200, r#"{"at":1,"b":1}"#), json(500, r#"{"at":2,"b":2}"#));
    let keys: Vec<_> = compared.differences.iter().map(|d| d.key.as_str()).collect();
    assert_eq!(keys, ["status", "body/b"]);
    assert_eq!(compared.ignored[0].place, "body/at");
}

#[test]
fn secrets_are_replaced_in_reported_differences() {
    let settings = Settings { key: "k".to_owned(), ..Settings::default() };
    let redactor = Redactor::new(&settings);
    let token = String::from_utf8(redactor.token(b"then")).expect("text");
    let recorded = format!(r#"{{"access_token":"{token}","n":1}}"#);
    let comparer = Comparer { redactor: Some(redactor), ..comparer() };
    let json = |body: &'static [u8]| Answer(200, JSON, body, &[]);
    let recorded = || Answer(200, JSON, recorded.as_bytes(), &[]);
    let compared = compare(&comparer, recorded(), json(br#"{"access_token":"now-another","n":1}"#));
    assert!(compared.differences.is_empty(), "{compared:?}");
    assert_eq!(compared.ignored.len(), 1);
    let same = compare(&comparer, recorded(), json(br#"{"access_token":"then","n":1}"#));
    assert_eq!(same, Compared::default(), "the same secret is the same token");
    let gone = compare(&comparer, recorded(), json(br#"{"n":1}"#));
    assert_eq!(gone.differences.len(), 1);
}

#[test]
fn rule_excuses_only_the_named_places() {
    let place = |text: &str| vec![Place::parse(text).expect("a place")];
    let rule = |volatile: &str, times: &str| Rule {
        volatile: place(volatile),
        times: place(times),
        ..Rule::default()
    };
    let comparer = Comparer { rules: vec![rule("body/created", "body/note")], ..comparer() };
    let json = |body: &'static str| Answer(200, JSON, body.as_bytes(), &[]);
    let keys = |new: &'static str| {
        let old = r#"{"created":1790000000,"note":"at 2026-11-21T09:00:00Z","z":"b"}"#;
        let compared = compare(&comparer, json(old), json(new));
        let keys: Vec<_> = compared.differences.into_iter().map(|difference| difference.key).collect();
        (keys.join(" "), compared.ignored.len())
    };
    let check = |new: &'static str, expect: &str, ignored: usize| {
        assert_eq!(keys(new), (expect.to_owned(), ignored), "{new}");
    };
    // The text after an ignored number is still compared.
    check(r#"{"created":1790009999,"note":"at 2026-11-21T09:00:00Z","z":"c"}"#, "body/z", 1);
    check(r#"{"created":"soon","note":"at 2026-11-22T09:00:00Z","z":"b"}"#, "body/created", 1);
    check(r#"{"created":1790000000,"note":"by 2026-11-21T09:00:00Z","z":"b"}"#, "body/note", 0);
    check(r#"{"error":"no","note":"at 2026-11-21T09:00:00Z"}"#, "body/created body/error body/z", 0);
}
