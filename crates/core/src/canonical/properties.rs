//! What holds of every request: a normal form is its own, what counts counts, and no rule and no body makes it fall.

use super::{RequestView, Signature, json_leaves, parts};
use crate::headers::Headers;
use crate::rules::{HeaderName, PathPattern, Place, Rule, Rules, dates, tokens};
use proptest::prelude::*;
use serde_json::{Map, Value};

fn signature(path: &[u8], headers: &[(&str, &[u8])], body: &[u8], rules: &Rules) -> Signature {
    let headers = Headers::from_pairs(headers.iter().copied());
    let time = 1_795_248_000_000_000;
    Signature::of(
        &RequestView { backend: b"http://h", method: b"POST", path, headers: &headers, body, time },
        rules,
    )
}

fn of_type(content_type: &str, body: &[u8]) -> Signature {
    signature(b"/", &[("content-type", content_type.as_bytes())], body, &Rules::default())
}

const TYPES: [&str; 16] = [
    "application/json",
    "application/x-www-form-urlencoded",
    "text/xml",
    "multipart/form-data; boundary=b",
    "application/x-protobuf",
    "application/grpc-web",
    "application/graphql",
    "text/plain",
    "application/x-ndjson",
    "application/json-seq",
    "application/cbor",
    "application/cbor-seq",
    "application/msgpack",
    "application/http",
    "multipart/mixed; boundary=b",
    "",
];

/// Values that are easily taken for each other.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        (-2i64..12).prop_map(Value::from),
        "[0-2]|true|null|\\PC{0,3}|\\[\\]|\\{\\}|\\*".prop_map(Value::String),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::vec(("[ab]{0,2}|\"|\\\\", inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// Pieces of all formats, so that some of what is made of them is nearly one.
fn body() -> impl Strategy<Value = Vec<u8>> {
    const PIECES: [&str; 46] = [
        "{",
        "}",
        "[",
        "]",
        "\"a\"",
        "\"b\":",
        ":",
        ",",
        "1",
        "-0.5e3",
        "\"2026-11-21\"",
        "true",
        "\\u0041",
        "\"1795248000\"",
        "\"f47ac10b-58cc-4372-a567-0e02b2c3d479\"",
        "a=1",
        "&",
        "b=%41+",
        "<a>",
        "</a>",
        "<b c='d'/>",
        "<![CDATA[x]]>",
        "<!--",
        "&amp;",
        "--b",
        "--",
        "\r\n",
        "\r\n\r\n",
        "Content-Disposition: form-data; name=\"a\"",
        "query A { a(b: 1) }",
        "\n\u{1}\u{2}",
        "\u{0}\u{0}\u{0}\u{0}\u{2}\u{8}\u{1}",
        "\"x.eyJpc3MiOiIxIn0.y\"",
        " ",
        "\n",
        "{}\n",
        "\u{1e}",
        "\u{feff}",
        "NaN",
        "*",
        "(\"a\":",
        "POST /a?b=1 HTTP/1.1\r\n",
        "Content-Type: application/http\r\n\r\n",
        "Content-Transfer-Encoding: base64\n",
        "\"ZjQ3YWMxMGItNThjYy00MzcyLWE1NjctMGUwMmIyYzNkNDc5\"",
        "\u{1}\u{61}\u{41}",
    ];
    let piece = prop_oneof![
        12 => prop::sample::select(PIECES.map(|piece| piece.as_bytes().to_vec()).to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..6),
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

fn place() -> impl Strategy<Value = Place> {
    let step = "a|b|c|0|1|\\*|@c|value|#text|~0|~1|";
    let body = prop::collection::vec(step, 0..4).prop_map(|steps| match steps.is_empty() {
        true => "body".to_owned(),
        false => format!("body/{}", steps.join("/")),
    });
    let place =
        prop_oneof![6 => body, 1 => "path\\.[1-3]", 1 => "query\\.(a|b)", 1 => "header\\.(range|x-a)"];
    place.prop_map(|text| Place::parse(&text).expect("a place"))
}

fn rule() -> impl Strategy<Value = Rule> {
    let places = || prop::collection::vec(place(), 0..3);
    let about = (
        prop::option::of("http://h|http://i"),
        prop::option::of("POST|GET"),
        prop::option::of("/(\\*|a)?|/\\*\\*"),
        prop::option::of("A|a\\*|\\*"),
        prop::collection::vec("range|x-a|accept", 0..2),
    );
    (about, places(), places(), places(), places(), places(), places()).prop_map(
        |((backend, method, path, operation, require), mask, volatile, times, dates, ignore, jwt)| Rule {
            backend,
            method,
            path: path.map(|path| PathPattern::try_from(path).expect("a pattern")),
            operation,
            mask,
            volatile,
            times,
            dates,
            ignore,
            jwt,
            require: require.into_iter().map(|name| HeaderName::try_from(name).expect("a name")).collect(),
            ..Rule::default()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// Equal signatures, equal values: no two that differ are taken for each other, and none that don't are told apart.
    #[test]
    fn json_that_differs_is_told_apart(a in value(), b in value()) {
        let (one, other) = (of_type("application/json", a.to_string().as_bytes()), of_type("application/json", b.to_string().as_bytes()));
        prop_assert_eq!(one == other, a == b, "{} {}", a, b);
        let spaced = serde_json::to_string_pretty(&a).expect("a value");
        prop_assert_eq!(one, of_type("application/json", spaced.as_bytes()));
    }

    /// The same under types that say nothing, and line by line.
    #[test]
    fn json_without_its_type_is_told_apart(a in prop::collection::vec(value(), 1..4), b in prop::collection::vec(value(), 1..4)) {
        let lines = |all: &[Value]| all.iter().map(|value| format!("{value}\n")).collect::<String>();
        let array = |all: &[Value]| Value::from(all.to_vec()).to_string();
        let ndjson = |text: &str| of_type("application/x-ndjson", text.as_bytes());
        prop_assert_eq!(ndjson(&lines(&a)) == ndjson(&lines(&b)), a == b);
        for content_type in ["application/json", "text/plain", ""] {
            let of = |text: &str| of_type(content_type, text.as_bytes());
            prop_assert_eq!(of(&array(&a)) == of(&array(&b)), a == b);
            // One value alone is what it is under its own type.
            if a.len() > 1 {
                prop_assert!(of(&lines(&a)) != of(&array(&b)));
            }
            if a != b && content_type == "application/json" {
                prop_assert!(of(&lines(&a)) != of(&lines(&b)));
            }
        }
    }

    /// A part is told from another by whatever tells two bodies of its type.
    #[test]
    fn parts_are_told_apart_like_bodies(kind in 0usize..16, a in body(), b in body()) {
        let part = |content: &[u8]| {
            let head = format!("--xyzzy\r\nContent-Type: {}\r\n\r\n", TYPES[kind]);
            [head.as_bytes(), content, b"\r\n--xyzzy--"].concat()
        };
        let of = |content: &[u8]| of_type("multipart/mixed; boundary=xyzzy", &part(content));
        let bodies_differ = of_type(TYPES[kind], &a) != of_type(TYPES[kind], &b);
        if bodies_differ && !TYPES[kind].is_empty() {
            prop_assert!(of(&a) != of(&b), "{}", TYPES[kind]);
        }
    }

    /// Only where the normal form is a body of the same type is it the same body: of JSON and
    /// forms. Anywhere else, bytes that are written like a tree aren't taken for it.
    #[test]
    fn normal_form_is_not_taken_for_the_body(kind in 0usize..16, bytes in body()) {
        let one = of_type(TYPES[kind], &bytes);
        let normal = one.get(b"body").unwrap_or_default().to_vec();
        let is_own = matches!(TYPES[kind], "application/json" | "application/x-www-form-urlencoded" | "text/plain" | "");
        if normal != bytes && !is_own {
            prop_assert!(one != of_type(TYPES[kind], &normal), "{} {:?}", TYPES[kind], String::from_utf8_lossy(&bytes));
        }
    }

    /// The normal form of a form, a query and a path is its own normal form.
    #[test]
    fn normal_forms_are_their_own(text in "[a-c=&%+0-9A-F./~\\[\\] \\PC]{0,30}") {
        let form = |text: &[u8]| of_type("application/x-www-form-urlencoded", text).get(b"body").unwrap_or_default().to_vec();
        let once = form(text.as_bytes());
        prop_assert_eq!(&form(&once), &once);
        let path = |text: &[u8]| {
            let signature = signature(text, &[], b"", &Rules::default());
            (signature.get(b"path").unwrap_or_default().to_vec(), signature.get(b"query").unwrap_or_default().to_vec())
        };
        let (once, query) = path(format!("/{}?{text}", text.replace('?', "")).as_bytes());
        let again = [&once[..], b"?", &query].concat();
        prop_assert_eq!(path(&again), (once, query));
    }

    /// Another value of one pair is another form, another path and another query.
    #[test]
    fn pairs_that_differ_are_told_apart(values in prop::collection::vec("[ab&=%+ ]{0,3}", 1..4), at in any::<prop::sample::Index>(), new in "[ab&=%+ ]{0,3}") {
        let escaped = |text: &str| text.bytes().map(|b| format!("%{b:02x}")).collect::<String>();
        let write = |values: &[String]| {
            values.iter().map(|value| format!("n={}", escaped(value))).collect::<Vec<_>>().join("&")
        };
        let mut changed = values.clone();
        changed[at.index(values.len())].clone_from(&new);
        let same = changed == values;
        let of = |text: &str| (
            of_type("application/x-www-form-urlencoded", text.as_bytes()),
            signature(format!("/?{text}").as_bytes(), &[], b"", &Rules::default()),
        );
        let ((form, query), (other_form, other_query)) = (of(&write(&values)), of(&write(&changed)));
        prop_assert_eq!((form == other_form, query == other_query), (same, same));
    }

    /// Whatever rules say of whatever is sent: no panic, the same each time, as many values as there were taken, and the parts can be told.
    #[test]
    fn any_rules_apply_to_any_body(rules in prop::collection::vec(rule(), 0..4), kind in 0usize..16, bytes in body(), path in "/[a1%?=&.]{0,8}") {
        let rules = Rules::new(rules);
        let headers = [("content-type", TYPES[kind].as_bytes()), ("range", b"2026-11-21T08:00:00Z"), ("x-a", b"1")];
        let headers = &headers[usize::from(TYPES[kind].is_empty())..];
        let mut made = signature(path.as_bytes(), headers, &bytes, &rules);
        prop_assert_eq!(&made, &signature(path.as_bytes(), headers, &bytes, &rules));
        for value in made.values().iter() {
            prop_assert!(rules.place(value.place).is_some());
        }
        drop(parts(&made));
        // Buffers that are used again leave nothing behind.
        let fresh = made.clone();
        let pairs = Headers::from_pairs(headers.iter().copied());
        let view = RequestView { backend: b"http://h", method: b"POST", path: path.as_bytes(), headers: &pairs, body: &bytes, time: 1_795_248_000_000_000 };
        made.set(&view, &rules);
        prop_assert_eq!(made, fresh);
    }

    /// Tokens and days lie in the text, apart from each other; leaves too.
    #[test]
    fn what_is_found_lies_in_the_text(bytes in body()) {
        let mut end = 0;
        for token in tokens(&bytes) {
            prop_assert!(end <= token.range.start && token.range.start < token.range.end && token.range.end <= bytes.len());
            end = token.range.end;
        }
        end = 0;
        for (range, _) in dates(&bytes) {
            prop_assert!(end <= range.start && range.end <= bytes.len());
            end = range.end;
        }
        json_leaves(&bytes, |_, _, range| assert!(range.end <= bytes.len()));
    }
}
