//! Rules as text, and what they find.

use super::*;

#[test]
fn places_are_read_and_written() {
    for text in ["path.2", "query.a[b]", "header.x-a", "body", "body/a~1b/*/0/~2", "body/"] {
        assert_eq!(Place::parse(text).unwrap().as_str(), text);
    }
    let steps = vec![Step::Key(b"a/b*~".to_vec()), Step::Any];
    let place = Place::in_body(steps.clone());
    assert_eq!(place.as_str(), "body/a~1b~2~0/*");
    assert_eq!(*Place::parse(place.as_str()).unwrap().root(), Root::Body(steps));
    for text in [
        "",
        "path.0",
        "path.x",
        "query.",
        "header.",
        "header.a b",
        "body.a",
        "bodya",
        "body/a~",
        "body/~9",
        "body/a*",
    ] {
        assert!(Place::parse(text).is_err(), "{text}");
    }
}

#[test]
fn patterns_stand_for_paths() {
    let check = |pattern: &str, path: &str, expect: bool| {
        let pattern = PathPattern::try_from(pattern.to_owned()).unwrap();
        assert_eq!(pattern.matches(path.as_bytes()), expect, "{pattern:?} {path}");
    };
    check("/", "/", true);
    check("/a/*/c", "/a/b/c", true);
    check("/a/*/c", "/a/b/d", false);
    check("/a/*", "/a", false);
    check("/a/*", "/a/b/c", false);
    check("/a/**", "/a", true);
    check("/a/**", "/a/b/c", true);
    check("/a/**", "/ab", false);
    check("/**", "/", true);
    for pattern in ["", "a", "/a*", "/**/a", "/a?b", "/***"] {
        assert!(PathPattern::try_from(pattern.to_owned()).is_err(), "{pattern}");
    }
}

#[test]
fn the_last_rule_wins_and_each_is_about_what_it_says() {
    let rule = |backend: Option<&str>, method: Option<&str>, operation: Option<&str>, sequence| Rule {
        backend: backend.map(str::to_owned),
        method: method.map(str::to_owned),
        operation: operation.map(str::to_owned),
        sequence: Some(sequence),
        ..Rule::default()
    };
    let rules = Rules::new(vec![
        rule(None, None, None, Sequence::Fail),
        rule(Some("http://a"), Some("POST"), None, Sequence::StickLast),
        rule(None, None, Some("Put*"), Sequence::Cycle),
    ]);
    let check = |backend: &str, method: &str, operation: Option<&str>, expect| {
        let said = rules.apply(backend.as_bytes(), method.as_bytes(), b"/", operation.map(str::as_bytes));
        assert_eq!(said.sequence(), Some(expect));
    };
    check("http://b", "POST", None, Sequence::Fail);
    check("http://a", "POST", None, Sequence::StickLast);
    check("http://a", "GET", None, Sequence::Fail);
    check("http://a", "POST", Some("PutItem"), Sequence::Cycle);
    check("http://b", "GET", Some("GetItem"), Sequence::Fail);
    assert!(Rules::new(vec![rule(Some("http://a"), None, None, Sequence::Fail)]).is_empty_for(b"http://b"));
}

#[test]
fn shapes() {
    let identifier = |text: &str, expect: bool| assert_eq!(is_identifier(text.as_bytes()), expect, "{text}");
    identifier("4711", true);
    identifier("cus_9s6XKzkNRiz8i3", true);
    identifier("search", false);
    identifier("", false);
    identifier("a/1", false);
}

#[test]
fn tokens_that_pass() {
    let check = |text: &str, expect: &str| {
        let (mut out, mut done) = (String::new(), 0);
        for token in tokens(text.as_bytes()) {
            out.push_str(&text[done..token.range.start]);
            out.push_str(std::str::from_utf8(token.shape.placeholder()).unwrap());
            done = token.range.end;
        }
        out.push_str(&text[done..]);
        assert_eq!(out, expect, "{text}");
    };
    check("f47ac10b-58cc-4372-a567-0e02b2c3d479", "<uuid>");
    check("order 7 f47ac10b-58cc-4372-a567-0e02b2c3d479, 2026-11-21T08:00:00.5Z.", "order 7 <uuid>, <time>.");
    check("batch-1795248000", "batch-<time>");
    check("1795248000123 1795248000.25 1795248000123456", "<time> <time> <time>");
    check("2026-11-21 08:00:00+01:00|20261121T080000Z|2026-11-21T08:00:00+0100", "<time>|<time>|<time>");
    check(
        "01ARZ3NDEKTSV4RRFFQ69G5FAV 0ujtsYcgvSTl8PAuAdqWYSMnLOv 507f1f77bcf86cd799439011",
        "<id> <id> <hex>",
    );
    check("0123456789abcdef-x", "<hex>-x");
    // What is like them, and isn't.
    check(
        "2026-11-21 12345678901 0795248000 a1795248000 1795248000a",
        "2026-11-21 12345678901 0795248000 a1795248000 1795248000a",
    );
    check(
        "0123456789abcde 234567890123456789 internationalization",
        "0123456789abcde 234567890123456789 internationalization",
    );
    check("f47ac10b-58cc-4372-a567-0e02b2c3d479x", "f47ac10b-58cc-4372-a567-0e02b2c3d479x");
    check("2026-13-45T99:00:00Z", "2026-13-45T99:00:00Z");
}

#[test]
fn tokens_hold_times() {
    let check = |text: &str, expect: Option<u64>| {
        let found = tokens(text.as_bytes());
        assert_eq!((found.len(), found[0].time), (1, expect), "{text}");
    };
    check("2026-11-21T08:00:00.5Z", Some(1_795_248_000));
    check("20261121T080000Z", Some(1_795_248_000));
    check("1795248000.25", Some(1_795_248_000));
    check("1795248000123", Some(1_795_248_000));
    check("01ARZ3NDEKTSV4RRFFQ69G5FAV", Some(1_469_922_850));
    check("0ujtsYcgvSTl8PAuAdqWYSMnLOv", Some(1_507_608_047));
    check("507f1f77bcf86cd799439011", Some(1_350_508_407));
    check("018c6d1e-7c3a-7b9a-8c3a-0123456789ab", Some(1_702_637_763));
    check("c232ab00-9414-11ec-b3c8-9f6bdeced846", Some(1_645_557_742));
    check("f47ac10b-58cc-4372-a567-0e02b2c3d479", None);
}
