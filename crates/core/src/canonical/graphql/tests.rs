//! What is a document, and what its normal form is.

use super::*;

fn normal(text: impl AsRef<[u8]>) -> Option<String> {
    let mut out = b"before".to_vec();
    let written = write(text.as_ref(), &mut out);
    let normal = out.strip_prefix(b"before").unwrap().to_vec();
    assert!(written || normal.is_empty());
    assert_eq!(written, is_document(text.as_ref()));
    written.then(|| String::from_utf8_lossy(&normal).into_owned())
}

fn check(text: &str, expect: &str) {
    assert_eq!(normal(text).as_deref(), Some(expect), "{text}");
    assert_eq!(normal(expect).as_deref(), Some(expect), "{text}");
}

#[test]
fn what_is_ignored_is_gone() {
    check("{ a }", "{a}");
    check("\u{feff}{a,b\n  c # d\r}", "{a b c}");
    check(
        "query Q ( $id : ID! = 1 , $n: [Int!]! = [1, 2] ) @d { user ( id : $id ) { ...F , name } }\nfragment F on User { id }",
        "query Q($id:ID!=1$n:[Int!]!=[1 2])@d{user(id:$id){...F name}}fragment F on User{id}",
    );
    check("{a(x:-1.5e+3,y:[0 1],z:{k:E})}", "{a(x:-1.5e+3 y:[0 1]z:{k:E})}");
    check("subscription{a{... on B{c}}}", "subscription{a{...on B{c}}}");
    check("mutation M{a:b(c:true)@skip(if:$d)}", "mutation M{a:b(c:true)@skip(if:$d)}");
    check("query Q{a}query R{b}", "query Q{a}query R{b}");
}

#[test]
fn strings_stay_as_written() {
    check(r#"{a(s:"  # , \" \\ \u00e9 é")}"#, r#"{a(s:"  # , \" \\ \u00e9 é")}"#);
    check(
        "{a(s:\"\"\"\n  x, # \\\"\"\" y\n\"\"\"  ,t:\"\")}",
        "{a(s:\"\"\"\n  x, # \\\"\"\" y\n\"\"\"t:\"\")}",
    );
    check(r#"{a(s:["" "x"])}"#, r#"{a(s:["" "x"])}"#);
    check(r#"{a(s:["a","b",1,"c"])}"#, r#"{a(s:["a" "b"1"c"])}"#);
    check(r#"{a(s:"\u{1F600}")}"#, r#"{a(s:"\u{1F600}")}"#);
}

#[test]
fn what_is_no_document_is_not_read() {
    for text in [
        "",
        " # only a comment",
        "SELECT * FROM a",
        "select a from b",
        "query",
        "query me",
        "query the { database",
        "queryA{a}",
        "query A B{a}",
        "query for all {users}",
        "query A@{a}",
        "mutation of @ {genes}",
        "{",
        "}",
        "{}",
        "{a}}",
        "{a{}}",
        "{a(}",
        "{a(x:[)])}",
        "{a(x:1}",
        "{a b",
        "{\"a\":1}",
        "{a:1}",
        "{a:\"b\"}",
        "{a:[b]}",
        "{1}",
        "{$a}",
        "{{a}}",
        "{a}x",
        "{a;b}",
        "{a.b}",
        "{a..b}",
        "{a(x:01)}",
        "{a(x:1x)}",
        "{a(x:1.)}",
        "{a(x:1.2.3)}",
        "{a(x:1...)}",
        "{a(x:-)}",
        "{a(x:\"b\n\")}",
        "{a(x:\"\\x\")}",
        "{a(x:\"\\u12g4\")}",
        "{a(x:\"\\u{}\")}",
        "{a(x:\"b)}",
        "{a(x:\"\"\"b\"\")}",
        "{é}",
        "schema{query:Q}",
        "type A{b:C}",
        "status:error AND {a}",
    ] {
        assert_eq!(normal(text), None, "{text}");
    }
    assert_eq!(normal(b"{a\0}"), None);
    assert_eq!(normal(b"{a(s:\"\xff\")}").as_deref(), Some("{a(s:\"\u{fffd}\")}"));
}

#[test]
fn documents_that_differ_stay_different() {
    let texts = [
        "{a}",
        "{ab}",
        "{a b}",
        "{b a}",
        "{a{b}}",
        "{a:b}",
        "{...a}",
        "query{a}",
        "query a{a}",
        "query A{a}",
        "mutation{a}",
        "{a(x:1)}",
        "{a(x:\"1\")}",
        "{a(x:\"\"\"1\"\"\")}",
        "{a(x:\"1 \")}",
        "{a(x:1.0)}",
        "{a(x:[1 0])}",
        "{a(x:[10])}",
        "{a(x:[\"\" \"a\"])}",
        "{a(x:[\"\"\"a\"\"\"])}",
        "{a(x:[-1 -0])}",
    ];
    for (i, a) in texts.iter().enumerate() {
        for b in &texts[i + 1..] {
            assert_ne!(normal(a).unwrap(), normal(b).unwrap(), "{a} {b}");
        }
    }
}

#[test]
fn the_only_operation_names_a_document() {
    let check = |text: &str, expect: Option<&str>| {
        assert_eq!(operation_name(text.as_bytes()).as_deref(), expect.map(str::as_bytes), "{text}");
    };
    check("query Q{a}", Some("Q"));
    check("fragment F on T{a} mutation M($a:B){c} fragment G on T{a}", Some("M"));
    check("query query{a}", Some("query"));
    check("query Q{query{mutation}}", Some("Q"));
    check("{a}", None);
    check("query{a}", None);
    check("query($a:B){c}", None);
    check("query@a{c}", None);
    check("query Q{a}query R{b}", None);
    check("query Q{a}{b}", None);
    check("fragment F on T{a}", None);
    check("query Q{a", None);
}

#[test]
fn hostile_texts_cost_no_more_than_their_size() {
    let deep = 200_000;
    assert!(normal(format!("{}{}", "{a".repeat(deep), "}".repeat(deep))).is_some());
    assert!(normal(format!("{{a(x:{}{})}}", "[".repeat(deep), "]".repeat(deep))).is_some());
    for piece in ["{a", "(", "\"", "\"\"\"\\", "#", ",", "1", "-", "a", "...", "{a(x:\"\\u{"] {
        assert_eq!(normal(format!("query Q{{{}", piece.repeat(1_000_000 / piece.len()))), None, "{piece}");
    }
}

#[cfg(not(target_family = "wasm"))]
mod properties {
    use super::*;
    use proptest::prelude::*;

    const TOKENS: [&str; 18] = [
        "{",
        "}",
        "{",
        "}",
        "(",
        ")",
        "[",
        "]",
        "a",
        "on",
        "x:",
        "$v",
        "...",
        "1",
        "-0.5e1",
        "\"s , #\"",
        "\"\"",
        "@d",
    ];

    fn tokens() -> impl Strategy<Value = Vec<&'static str>> {
        proptest::collection::vec(proptest::sample::select(&TOKENS[..]), 0..12)
    }

    proptest! {
        #[test]
        fn what_is_between_tokens_makes_no_difference(
            tokens in tokens(),
            values in proptest::collection::vec(proptest::sample::select(&TOKENS[8..]), 0..6),
            ignored in proptest::sample::select(&["  ", ",", "\n#{\n", "\u{feff}\t"][..]),
        ) {
            let plain = format!("{{ a ( x : {} ) }} query {{ {} }}", values.join(" "), tokens.join(" "));
            let other = plain.replace(" ( ", "(").split_inclusive(' ').fold(String::new(), |mut text, token| {
                text.push_str(token);
                // Not into a string.
                if text.matches('"').count().is_multiple_of(2) {
                    text.push_str(ignored);
                }
                text
            });
            prop_assert_eq!(normal(&plain), normal(&other), "{}", other);
            if let Some(once) = normal(&plain) {
                prop_assert_eq!(normal(&once).unwrap(), once);
            }
        }

        #[test]
        fn another_token_makes_a_difference(a in tokens(), b in tokens()) {
            let text = |tokens: &[&str]| format!("{{a(x:[{}])}}", tokens.join(" "));
            if let (Some(one), Some(other)) = (normal(text(&a)), normal(text(&b))) {
                prop_assert_eq!(a == b, one == other);
            }
        }

        #[test]
        fn no_text_is_too_strange(bytes: Vec<u8>, text in "[{}()\\[\\]a1.\"\\\\u#:$@!-]{0,40}") {
            normal(bytes);
            normal(&text);
            normal(format!("query Q{{a(x:{text})}}"));
            operation_name(text.as_bytes());
        }
    }
}
