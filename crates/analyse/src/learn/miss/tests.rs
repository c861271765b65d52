use super::*;
use tempfile::TempDir;
use understudy_core::exchange::{End, Response};
use understudy_core::headers::Headers;
use understudy_snapshot::Header;
use understudy_snapshot::{Existing, SnapshotWriter};

const FROM: &str = "the replay of today";

fn post(path: &str, body: &str, answer: &str) -> Exchange {
    let mut exchange = Exchange { backend: "http://shop.test".into(), id: "1".into(), ..Exchange::default() };
    (exchange.request.method, exchange.request.path) = (b"POST".to_vec(), path.into());
    exchange.request.headers = Headers::from_pairs([("content-type", "application/json")]);
    exchange.request.body.bytes = body.into();
    exchange.response = Some(Response { status: 200, ..Response::default() });
    if let Some(response) = &mut exchange.response {
        response.body.bytes = answer.into();
    }
    exchange.end = End::Complete;
    exchange
}

fn snapshot(exchanges: &[Exchange]) -> (TempDir, Snapshot) {
    let folder = TempDir::new().unwrap();
    let mut writer = SnapshotWriter::create(folder.path().join("s"), Existing::Refuse).unwrap();
    for (number, exchange) in exchanges.iter().enumerate() {
        writer.push(&Exchange { time: number as u64, ..exchange.clone() }).unwrap();
    }
    let snapshot = writer.finish(Header { name: "s".into(), ..Header::default() }).unwrap();
    (folder, snapshot)
}

fn proposed(differs: &Differs) -> Option<Leave> {
    differs.proposed
}

#[test]
fn what_two_values_look_like_says_how_they_are_left_out() {
    #[track_caller]
    fn check(then: &str, now: &str, expect: &[&str]) {
        let offer = offer(&post("/orders", then, ""), &post("/orders", now, ""), &[]);
        let rule = offer.rule(FROM, proposed);
        let says = rule.map(|rule| rule.says()).unwrap_or_default();
        let says: Vec<_> = says.iter().map(|(key, places)| format!("{key} {}", places.join(" "))).collect();
        assert_eq!(says, expect, "{then} {now}");
    }
    check(r#"{"till":"till-7"}"#, r#"{"till":"till-8"}"#, &["mask body/till"]);
    check(
        r#"{"ref":"4fba8238-9db4-49db-801d-b754ff03bcd5"}"#,
        r#"{"ref":"23047764-f214-4fb3-882a-b8079dbe090a"}"#,
        &["volatile body/ref"],
    );
    check(r#"{"at":"2026-11-21T09:00:00Z"}"#, r#"{"at":"2026-11-22T10:00:00Z"}"#, &["times body/at"]);
    check(r#"{"on":"2026-11-21"}"#, r#"{"on":"2026-11-22"}"#, &["dates body/on"]);
    check(r#"{"a":1,"b":2}"#, r#"{"a":1}"#, &["ignore body/b"]);
    check(r#"{"l":[{"id":1},{"id":2}]}"#, r#"{"l":[{"id":3},{"id":4}]}"#, &["mask body/l/*/id"]);
    check("plain text", "another text", &[]);
}

#[test]
fn no_rule_makes_another_operation_the_same() {
    #[track_caller]
    fn check(live: &Exchange) {
        let offer = offer(&post("/orders/4711", "{}", ""), live, &[]);
        assert!(offer.rule(FROM, |_| Some(Leave::Mask)).is_none(), "{offer:?}");
    }
    check(&post("/orders/search", "{}", ""));
    check(&post("/items/4711", "{}", ""));
    check(&Exchange { backend: "http://other.test".into(), ..post("/orders/4711", "{}", "") });
    let mut get = post("/orders/4711", "{}", "");
    get.request.method = b"GET".to_vec();
    check(&get);
    // An identifier in the path is a place like others.
    let offer = offer(&post("/orders/4711", "{}", ""), &post("/orders/4712", "{}", ""), &[]);
    let rule = offer.rule(FROM, proposed).unwrap();
    assert_eq!(rule.path.as_ref().unwrap().as_str(), "/orders/*");
    assert_eq!(rule.why.as_deref(), Some("path.2: other in the replay of today than in exchange 1"));
}

#[test]
fn a_rule_is_weighed_against_all_that_was_recorded() {
    let (one, two) = (r#"{"till":"till-7","sum":1}"#, r#"{"till":"till-9","sum":1}"#);
    let asked = post("/orders", r#"{"till":"till-8","sum":1}"#, "");
    let other = post("/orders", r#"{"till":"till-5","sum":1}"#, "");
    let far = post("/orders", r#"{"till":"till-8","sum":2}"#, "");
    let weigh = |exchanges: &[Exchange]| {
        let (_folder, snapshot) = snapshot(exchanges);
        let offer = offer(&exchanges[0], &asked, &[]);
        let rule = offer.rule(FROM, proposed).unwrap();
        (super::weigh(&snapshot, &rule, &asked, &[&far, &other]).unwrap(), rule)
    };
    let (weighed, rule) = weigh(&[post("/orders", one, "a"), post("/items", two, "b")]);
    let expect = Weighed {
        about: 1,
        matched: vec!["1".into()],
        answers: 1,
        contents: 1,
        clashes: vec![],
        others: vec![1],
    };
    assert_eq!((weighed.refused(&rule), weighed), (None, expect));
    let (weighed, rule) = weigh(&[post("/orders", one, "a"), post("/orders", two, "a")]);
    assert_eq!((weighed.answers, weighed.contents, weighed.refused(&rule)), (2, 1, None));
    let (weighed, rule) = weigh(&[post("/orders", one, "a"), post("/orders", two, "b")]);
    assert_eq!(weighed.clashes, [("1".to_owned(), "2".to_owned())]);
    assert!(weighed.refused(&rule).unwrap().contains("may choose the answer"));
}

#[test]
fn random_values_with_different_answers_may_be_left_out() {
    let body = |id: &str| format!(r#"{{"ref":"{id}"}}"#);
    let ids = ["4fba8238-9db4-49db-801d-b754ff03bcd5", "23047764-f214-4fb3-882a-b8079dbe090a"];
    let (_folder, snapshot) = snapshot(&[post("/o", &body(ids[0]), "a"), post("/o", &body(ids[1]), "b")]);
    let asked = post("/o", &body("8f5e0f7c-9f1b-4b7e-9a53-0d5c5d7b6b01"), "");
    let recorded = find(&snapshot, "1").unwrap().unwrap();
    let rule = offer(&recorded, &asked, &[]).rule(FROM, proposed).unwrap();
    let weighed = weigh(&snapshot, &rule, &asked, &[]).unwrap();
    assert_eq!((weighed.clashes.len(), weighed.contents, weighed.refused(&rule)), (1, 2, None));
    assert!(find(&snapshot, "none").unwrap().is_none());
}
