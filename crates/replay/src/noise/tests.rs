use super::*;
use understudy_core::exchange::Body;
use understudy_core::headers::Headers;

const TIME: u64 = 1_790_000_000_000_000;

fn step(number: u64, path: &str, asked: &str, answered: &str) -> Exchange {
    let json = || Headers::from_pairs([("content-type", "application/json")]);
    let body = |text: &str| Body { bytes: text.as_bytes().to_vec(), truncated: None };
    Exchange {
        id: number.to_string(),
        time: TIME + number * 1_000_000,
        duration: 1000,
        request: Request {
            method: b"GET".into(),
            path: path.into(),
            headers: json(),
            body: body(asked),
            ..Request::default()
        },
        response: Some(Response {
            status: 200,
            headers: json(),
            body: body(answered),
            ..Response::default()
        }),
        ..Exchange::default()
    }
}

fn places(steps: &[Exchange], told: ServiceInputs) -> Vec<String> {
    let all = learn(steps, told);
    all.iter().map(|rule| rule.places().map(ToString::to_string).collect::<Vec<_>>().join(",")).collect()
}

#[test]
fn values_made_by_the_service_are_noise_and_received_ones_are_not() {
    let own = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";
    let theirs = "6ba7b810-9dad-41d1-80b4-00c04fd430c8";
    let asked = "9b2d3a52-1d0c-4c5c-8f5e-1b2f6f1c7a11";
    let now = understudy_core::time::to_rfc3339(TIME);
    let answer = format!(
        r#"{{"own":"{own}","theirs":"{theirs}","asked":"{asked}","at":"{now}","then":"2001-01-01T00:00:00Z","n":7}}"#
    );
    let steps = [step(1, "/orders/1234", &format!(r#"{{"x":"{asked}"}}"#), &answer)];
    let mut told = ServiceInputs::default();
    told.backend(&step(2, "/", "", &format!(r#"{{"id":"{theirs}"}}"#)));
    assert_eq!(places(&steps, told), ["body/at", "body/own"]);
    let rule = &learn(&steps, ServiceInputs::default())[0];
    assert_eq!(rule.path.as_ref().map(|path| path.as_str()), Some("/orders/*"));
    assert!(rule.why.as_ref().is_some_and(|why| why.contains("in 1 of 1 answers")), "{rule:?}");
}

#[test]
fn place_with_one_other_value_is_no_noise() {
    let steps = [
        step(1, "/a", "", r#"{"id":"3f2504e0-4f89-41d3-9a0c-0305e82c3301"}"#),
        step(2, "/a", "", r#"{"id":"fixed"}"#),
    ];
    assert!(places(&steps, ServiceInputs::default()).is_empty());
}

#[test]
fn a_day_counts_from_the_day_of_the_answer() {
    let today = understudy_core::time::to_rfc3339(TIME)[..10].to_owned();
    let rules = learn(&[step(1, "/a", "", &format!(r#"{{"day":"{today}"}}"#))], ServiceInputs::default());
    assert_eq!(rules[0].dates.len(), 1, "{rules:?}");
}

#[test]
fn rule_for_a_place_includes_the_places_below() {
    let check = |place: &str, key: &str, expect: bool| {
        assert_eq!(is_at(&Place::parse(place).expect("a place"), key), expect, "{place} {key}");
    };
    check("body/items/*/id", "body/items/3/id", true);
    check("body/items", "body/items/3/id", true);
    check("body/items/*/id", "body/items/3/name", false);
    check("body", "body/x", true);
    check("body/x/y", "body/x", false);
}

#[test]
fn identifier_with_a_random_part_is_distinguished_from_a_word() {
    let check = |word: &str, expect: bool| assert_eq!(is_made_up(word.as_bytes()), expect, "{word}");
    check("card_UpfZNWxNIYxhuU", true);
    check("card_bankAccountNumber", false);
    check("cus_8wHpCOymnkcDH9", true);
    check("item_sandbox_8wHpCOymnkcDH9", true);
    check("snake_case_word_with_many", false);
    check("SCREAMING_8wHpCOymnkcDH9", false);
    check("cus_12345678901234", false);
    check("cus_8wHp", false);
    check("_8wHpCOymnkcDH9", false);
    let steps = [step(1, "/a", "", r#"{"id":"cus_8wHpCOymnkcDH9"}"#)];
    assert_eq!(places(&steps, ServiceInputs::default()), ["body/id"]);
    let url = [step(1, "/a", "", r#"{"url":"/v1/charges/ch_cHFN3K3QDO7Qu6/refunds"}"#)];
    assert_eq!(places(&url, ServiceInputs::default()), ["body/url"]);
    let same =
        |one: &str, other: &str| without_what_passes(one.as_bytes()) == without_what_passes(other.as_bytes());
    assert!(same("/v1/ch_cHFN3K3QDO7Qu6/x", "/v1/ch_zxQIlhyoLDS3ev/x"));
    assert!(!same("/v1/ch_cHFN3K3QDO7Qu6/x", "/v1/ch_zxQIlhyoLDS3ev/y"));
    assert!(!same("/v1/ch_cHFN3K3QDO7Qu6/x", "/v1/pi_zxQIlhyoLDS3ev/x"));
    let mut told = ServiceInputs::default();
    told.backend(&step(2, "/", "", r#"{"customer":{"id":"cus_8wHpCOymnkcDH9"}}"#));
    assert!(places(&steps, told).is_empty(), "a backend's comes again");
}
