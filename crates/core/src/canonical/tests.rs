//! What the first rules make of requests, as tables.

use super::*;
use crate::digest;
use crate::rules::{Place, Rule};

fn view<'a>(path: &'a str, headers: &'a Headers, body: &'a [u8]) -> RequestView<'a> {
    RequestView {
        backend: b"http://h",
        method: b"POST",
        path: path.as_bytes(),
        headers,
        body,
        time: 1_795_248_000_000_000,
    }
}

#[cfg(not(target_family = "wasm"))]
fn write_json(text: &[u8], out: &mut Vec<u8>) -> bool {
    json::Tree::of_json(text).map(|tree| tree.write(&mut |_, _, _| {}, out)).is_some()
}

fn field(path: &str, headers: &[(&str, &str)], body: impl AsRef<[u8]>, key: &str) -> Option<String> {
    let headers = Headers::from_pairs(headers.iter().copied());
    let signature = Signature::of(&view(path, &headers, body.as_ref()), &Rules::default());
    signature.get(key.as_bytes()).map(|value| String::from_utf8_lossy(value).into_owned())
}

#[test]
fn fields_come_in_the_order_of_the_rules() {
    let headers =
        Headers::from_pairs([("Stripe-Account", "a"), ("content-type", "Application/JSON; charset=utf-8")]);
    let signature = Signature::of(&view("/p?b=1&a=2", &headers, b"{}"), &Rules::default());
    let fields: Vec<_> =
        signature.fields().map(|(k, v)| (str::from_utf8(k).unwrap(), str::from_utf8(v).unwrap())).collect();
    assert_eq!(
        fields,
        [
            ("backend", "http://h"),
            ("method", "POST"),
            ("path", "/p"),
            ("query", "a=2&b=1"),
            ("content-type", "application/json"),
            ("header.stripe-account", "a"),
            ("body", "{}"),
        ]
    );
}

#[test]
fn paths() {
    let check =
        |path: &str, expect: &str| assert_eq!(field(path, &[], "", "path").unwrap(), expect, "{path}");
    check("/a/%7Euser/%2fb%3A", "/a/~user/%2Fb%3A");
    check("/a/./b/../c", "/a/c");
    check("/a/..", "/");
    check("/a/b/.", "/a/b/");
    check("/a//b", "/a//b");
    check("/%zz%", "/%zz%");
    check("/%2e%2e/x", "/x");
    check("*", "*");
}

#[test]
fn queries_and_forms() {
    let query = |text: &str, expect: &str| {
        assert_eq!(field(&format!("/?{text}"), &[], "", "query").unwrap(), expect, "{text}")
    };
    query("b=2&a=1&b=1", "a=1&b=2&b=1");
    query("q=a+b", "q=a%20b");
    query("q=a%20b&&", "q=a%20b");
    query("flag&empty=", "empty=&flag");
    query("a%5Bb%5D[0]=x", "a[b][0]=x");
    query(
        "x-id=1&X-Amz-Signature=1&X-Amz-Date=2&X-Amz-Expires=3&X-Amz-Credential=4&X-Amz-Security-Token=5",
        "x-id=1",
    );
    query("X-Amz-Date=2", "X-Amz-Date=2");
    query("X%2dAmz-Signature=1&X-Amz%2DDate=2&X-Amz-Credenti%61l=3&x-id=1", "x-id=1");
    query("%41WSAccessKeyId=1&Signature=2&Expires=3&x-id=1", "x-id=1");
    // Names that end like those of a presigned URL.
    query("my-x-amz-signature=1&x-amz-date=2", "my-x-amz-signature=1&x-amz-date=2");
    let form = |text: &str, expect: &str| {
        let headers = [("content-type", "application/x-www-form-urlencoded; charset=utf-8")];
        assert_eq!(field("/", &headers, text, "body").unwrap(), expect, "{text}");
    };
    form("b=%C3%A9&a=1%2b1", "a=1%2B1&b=%C3%A9");
    form("x-amz-signature=1&x-amz-date=2", "x-amz-date=2&x-amz-signature=1");
}

#[test]
fn json_bodies() {
    let json = |text: &str, expect: &str| {
        let headers = [("content-type", "application/vnd.api+json")];
        assert_eq!(field("/", &headers, text, "body").unwrap(), expect, "{text}");
    };
    json(
        r#" { "b" : [ 1 , 2.0, -0e+1 ], "a" : { "d":null, "c":true } } "#,
        r#"{"a":{"c":true,"d":null},"b":[1,2.0,-0e+1]}"#,
    );
    json(r#"{"a":1,"a":0}"#, r#"{"a":1,"a":0}"#);
    json(r#"{"\u0061":"\/\u00e9\ud83d\ude00\n"}"#, "{\"a\":\"/é😀\\n\"}");
    json("123456789012345678901234567890", "123456789012345678901234567890");
    json("[]", "[]");
    json("[[],{},[{}]]", "[[],{},[{}]]");
    // What isn't JSON is compared as bytes.
    for text in [
        "",
        " ",
        "{",
        "[,1]",
        "[1,,]",
        "{,}",
        "{\"a\"}",
        "{a:1}",
        "01",
        "1.",
        "+1",
        "nul",
        "[1] x",
        "\"\t\"",
        "\"\\x\"",
        "{\"a\":1]",
    ] {
        let expect = (!text.is_empty()).then(|| text.to_owned());
        assert_eq!(field("/", &[("content-type", "application/json")], text, "body"), expect, "{text}");
    }
}

#[test]
fn json_values_that_differ_stay_different() {
    let body = |text: &str| field("/", &[("content-type", "application/json")], text, "body").unwrap();
    let texts = [
        "1",
        "1.0",
        "\"1\"",
        "10e-1",
        "[1,2]",
        "[2,1]",
        r#"{"a":1}"#,
        r#"{"a":"1"}"#,
        r#"{"a":1,"b":null}"#,
        "null",
        "\"\"",
        r#""\\ud800""#,
        "\"\u{fffd}\"",
    ];
    for (i, a) in texts.iter().enumerate() {
        for b in &texts[i + 1..] {
            assert_ne!(body(a), body(b));
        }
    }
    let bytes = |text: &str| {
        let headers = Headers::from_pairs([("content-type", "application/json")]);
        Signature::of(&view("/", &headers, text.as_bytes()), &Rules::default()).get(b"body").unwrap().to_vec()
    };
    assert_ne!(bytes(r#""\ud800""#), bytes(r#""\\ud800""#));
    assert_ne!(bytes(r#""\ud800""#), bytes(r#""\ud801""#));
    assert_eq!(bytes(r#""\uD83D\uDE00""#), bytes("\"😀\""));
}

#[test]
fn depth_costs_no_stack() {
    let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    assert_eq!(field("/", &[("content-type", "application/json")], &deep, "body").unwrap(), deep);
    let objects = format!("{}1{}", "{\"b\":0,\"a\":".repeat(50_000), "}".repeat(50_000));
    assert!(
        field("/", &[("content-type", "application/json")], &objects, "body")
            .unwrap()
            .starts_with("{\"a\":{\"a\":")
    );
}

#[test]
fn operations() {
    let check = |path: &str, headers: &[(&str, &str)], body: &str, expect: Option<&str>| {
        assert_eq!(field(path, headers, body, "operation").as_deref(), expect);
    };
    let form = ("content-type", "application/x-www-form-urlencoded");
    check("/", &[("X-Amz-Target", "DynamoDB_20120810.PutItem")], "{}", Some("DynamoDB_20120810.PutItem"));
    check("/", &[("SOAPAction", "\"urn:a#B\"")], "", Some("urn:a#B"));
    check("/", &[form], "Version=2011-06-15&Action=GetCallerIdentity", Some("GetCallerIdentity"));
    check("/?Action=ListUsers&Version=2010-05-08", &[], "", Some("ListUsers"));
    check("/", &[form], "Action=x", None);
    check("/", &[form], "MyAction=x&Version=1", None);
    check("/", &[], "Action=x&Version=1", None);
}

#[test]
fn only_what_matters_is_in_the_signature() {
    let digest = |headers: &[(&str, &str)]| {
        let headers = Headers::from_pairs(headers.iter().copied());
        Signature::of(&view("/", &headers, b"x"), &Rules::default()).digest()
    };
    let plain = digest(&[]);
    for ignored in [
        "authorization",
        "cookie",
        "date",
        "user-agent",
        "x-amz-date",
        "traceparent",
        "idempotency-key",
        "accept-encoding",
    ] {
        assert_eq!(digest(&[(ignored, "1")]), plain, "{ignored}");
    }
    for name in ["x-amz-target", "stripe-account", "stripe-version", "range", "if-none-match", "content-type"]
    {
        assert_ne!(digest(&[(name, "1")]), plain, "{name}");
        assert_ne!(digest(&[(name, "1")]), digest(&[(name, "2")]), "{name}");
    }
    assert_ne!(digest(&[("range", "1"), ("range", "2")]), digest(&[("range", "2")]));
}

/// These digests are part of the table format: were one to change, the tag has to change.
#[test]
fn digest_vectors() {
    let headers = Headers::from_pairs([
        ("content-type", "application/json"),
        ("x-amz-target", "DynamoDB_20120810.GetItem"),
    ]);
    let signature = Signature::of(&view("/p?b=1&a=2", &headers, br#"{"b":1,"a":[]}"#), &Rules::default());
    assert_eq!(digest::hex(&signature.digest()), "9efa906fc66d55d804ba85f4b301a5cca46c86d4");
    let empty = Signature::of(
        &RequestView { backend: b"", method: b"", path: b"", headers: &Headers::new(), body: b"", time: 0 },
        &Rules::default(),
    );
    assert_eq!(digest::hex(&empty.digest()), "319399e4e58c4f8eaad564bc076559b34a69efe0");
}

fn digest_of(headers: &[(&str, &str)], body: impl AsRef<[u8]>, rules: &Rules) -> String {
    let headers = Headers::from_pairs(headers.iter().copied());
    digest::hex(&Signature::of(&view("/", &headers, body.as_ref()), rules).digest())
}

/// Bodies that mean the same are the same, and no others.
#[test]
fn each_kind_of_body_is_compared_as_what_it_is() {
    let check = |content_type: &str, a: &[u8], b: &[u8], same: bool| {
        let digest = |body: &[u8]| digest_of(&[("content-type", content_type)], body, &Rules::default());
        let text = |body| String::from_utf8_lossy(body).into_owned();
        assert_eq!(digest(a) == digest(b), same, "{content_type}: {} / {}", text(a), text(b));
    };
    check(
        "text/xml",
        b"<a x='1' y='2'> <b/> </a>",
        b"<?xml version='1.0'?><a y=\"2\" x=\"1\"><b></b></a>",
        true,
    );
    check("application/soap+xml", b"<a><b/><c/></a>", b"<a><c/><b/></a>", false);
    check("application/graphql", b"{ a, b # c\n }", b"{a b}", true);
    check("application/json", br#"{"query":"query Q { a }"}"#, br#"{"query":"query Q{a}"}"#, true);
    check("application/json", br#"{"query":"select  a"}"#, br#"{"query":"select a"}"#, false);
    check("application/x-protobuf", b"\x08\x01\x10\x02", b"\x10\x02\x08\x01", true);
    check("application/x-protobuf", b"\x08\x01\x10\x02", b"\x08\x02\x10\x01", false);
    check("application/grpc", b"\0\0\0\0\x02\x08\x01", b"\0\0\0\0\x02\x08\x02", false);
    check("text/plain", b"a b", b"a  b", false);
}

#[test]
fn a_boundary_plays_no_role() {
    let body = |boundary: &str, value: &str| {
        let headers =
            Headers::from_pairs([("content-type", format!("multipart/form-data; boundary={boundary}"))]);
        let json = "Content-Disposition: form-data; name=\"j\"\r\nContent-Type: application/json";
        let text = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n{value}\r\n--{boundary}\r\n{json}\r\n\r\n{{\"b\": 1}}\r\n--{boundary}--\r\n"
        );
        Signature::of(&view("/", &headers, text.as_bytes()), &Rules::default())
    };
    assert_eq!(body("x", "1"), body("yyy", "1"));
    assert_ne!(body("x", "1"), body("x", "2"));
    let parts: Vec<_> = parts(&body("x", "1")).into_iter().map(|part| part.key).collect();
    assert_eq!(
        parts,
        ["method", "path.1", "content-type", "body/a", "body/j/content-type", "body/j/value/b"]
    );
}

#[test]
fn an_encoding_is_undone_before_anything_is_compared() {
    let plain = digest_of(&[("content-type", "application/json")], "{}", &Rules::default());
    let chunked = "2;chunk-signature=0123\r\n{}\r\n0;chunk-signature=4567\r\n\r\n";
    for headers in [
        &[("content-encoding", "aws-chunked")][..],
        &[("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER")],
    ] {
        let all: Vec<_> =
            [("content-type", "application/json")].into_iter().chain(headers.iter().copied()).collect();
        assert_eq!(digest_of(&all, chunked, &Rules::default()), plain);
    }
    // What isn't what it says is compared as it was sent.
    let bad = [("content-type", "application/json"), ("content-encoding", "gzip")];
    assert_eq!(digest_of(&bad, "{}", &Rules::default()), plain);
}

#[test]
fn operations_of_json_protocols() {
    let check = |body: &str, expect: Option<&str>| {
        let found = field("/", &[("content-type", "application/json")], body, "operation");
        assert_eq!(found.as_deref(), expect, "{body}");
    };
    check(r#"{"jsonrpc":"2.0","id":1,"method":"tools/call"}"#, Some("tools/call"));
    check(r#"[{"jsonrpc":"2.0","method":"a"},{"jsonrpc":"2.0","method":"b"}]"#, Some("a,b"));
    check(r#"{"method":"x"}"#, None);
    check(r#"{"query":"query Q { a }"}"#, Some("Q"));
    check(r#"{"query":"{ a }","operationName":"N"}"#, Some("N"));
    check(r#"{"query":"{ a }"}"#, None);
    check(r#"{"operationName":"N","extensions":{"persistedQuery":{"sha256Hash":"x"}}}"#, Some("N"));
    check(r#"{"query":"hello","operationName":"N"}"#, None);
    assert_eq!(field("/?query=%7B+a+%7D&operationName=G", &[], "", "operation").as_deref(), Some("G"));
    assert_eq!(field("/?query=%7B+a+%7D", &[], "", "query").as_deref(), Some("query=%7Ba%7D"));
}

#[test]
fn presigned_uploads_and_urls_of_both_versions() {
    let v2 = "AWSAccessKeyId=1&Signature=2&Expires=3";
    assert_eq!(field(&format!("/?a=1&{v2}"), &[], "", "query").as_deref(), Some("a=1"));
    assert_eq!(field(&format!("/?{v2}"), &[], "", "query"), None);
    assert_eq!(field("/?Expires=3", &[], "", "query").as_deref(), Some("Expires=3"));
    let post = |signature: &str| {
        let part = |name: &str, value: &str| {
            format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        };
        let body = [
            part("key", "k"),
            part("policy", signature),
            part("x-amz-signature", signature),
            "--b--".to_owned(),
        ];
        field("/", &[("content-type", "multipart/form-data; boundary=b")], body.concat(), "body")
    };
    assert_eq!(post("1").as_deref(), Some(r#"("key":"k")"#));
    assert_eq!(post("1"), post("2"));
}

fn rules(rule: Rule) -> Rules {
    Rules::new(vec![rule])
}

fn places(texts: &[&str]) -> Vec<Place> {
    texts.iter().map(|text| Place::parse(text).unwrap()).collect()
}

#[test]
fn rules_leave_values_out() {
    let check = |rule: Rule,
                 path: &str,
                 headers: &[(&str, &str)],
                 body: &str,
                 key: &str,
                 expect: Option<&str>,
                 values: &[&str]| {
        let headers = Headers::from_pairs(headers.iter().copied());
        let signature = Signature::of(&view(path, &headers, body.as_bytes()), &rules(rule.clone()));
        let found = signature.get(key.as_bytes()).map(|value| String::from_utf8_lossy(value).into_owned());
        assert_eq!(found.as_deref(), expect, "{rule:?}");
        let left: Vec<_> =
            signature.values().iter().map(|v| String::from_utf8_lossy(v.bytes).into_owned()).collect();
        assert_eq!(left, values, "{rule:?}");
    };
    let mask = |texts: &[&str]| Rule { mask: places(texts), ..Rule::default() };
    let ignore = |texts: &[&str]| Rule { ignore: places(texts), ..Rule::default() };
    let volatile = |texts: &[&str]| Rule { volatile: places(texts), ..Rule::default() };
    let json = [("content-type", "application/json")];
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let body = r#"{"id":"x","items":[{"n":1,"t":"a"},{"n":2,"t":{"z":1,"y":2}}]}"#;
    check(
        mask(&["body/id", "body/items/*/t"]),
        "/",
        &json,
        body,
        "body",
        Some(r#"{"id":*,"items":[{"n":1,"t":*},{"n":2,"t":*}]}"#),
        &["\"x\"", "\"a\"", r#"{"y":2,"z":1}"#],
    );
    check(
        ignore(&["body/items/0", "body/none"]),
        "/",
        &json,
        body,
        "body",
        Some(r#"{"id":"x","items":[{"n":2,"t":{"y":2,"z":1}}]}"#),
        &[],
    );
    check(
        mask(&["body"]),
        "/",
        &json,
        body,
        "body",
        Some("*"),
        &[r#"{"id":"x","items":[{"n":1,"t":"a"},{"n":2,"t":{"y":2,"z":1}}]}"#],
    );
    check(ignore(&["body"]), "/", &json, body, "body", None, &[]);
    check(mask(&["body"]), "/", &form, "b=1&a=2", "body", Some("*"), &["b=1&a=2"]);
    check(mask(&["body/a"]), "/", &form, "b=1&a=2&a=3", "body", Some("a=*&a=*&b=1"), &["2", "3"]);
    check(ignore(&["body/a"]), "/", &form, "b=1&a=2", "body", Some("b=1"), &[]);
    check(mask(&["query.n"]), "/?n=1&m=2", &[], "", "query", Some("m=2&n=*"), &["1"]);
    check(ignore(&["query.n"]), "/?n=1", &[], "", "query", None, &[]);
    check(mask(&["query.n"]), "/?n=1", &[], "", "query", Some("n=*"), &["1"]);
    check(mask(&["path.2"]), "/a/17/b", &[], "", "path", Some("/a/*/b"), &["17"]);
    // A word isn't an identifier, and a star isn't what is left out.
    check(mask(&["path.2"]), "/a/search/b", &[], "", "path", Some("/a/search/b"), &[]);
    check(mask(&["path.2"]), "/a/*/b", &[], "", "path", Some("/a/%2A/b"), &[]);
    check(mask(&["header.range"]), "/", &[("range", "x")], "", "header.range", Some("*"), &["x"]);
    let required = Rule { require: vec!["X-Tenant".to_owned().try_into().unwrap()], ..Rule::default() };
    check(required, "/", &[("x-tenant", "t")], "", "header.x-tenant", Some("t"), &[]);
    let text = r#"{"m":"order 7 f47ac10b-58cc-4372-a567-0e02b2c3d479 at 2026-11-21T08:00:00Z","n":1795248000,"k":"a"}"#;
    check(
        volatile(&["body/m", "body/n", "body/k"]),
        "/",
        &json,
        text,
        "body",
        Some(r#"{"k":"a","m":"order 7 <uuid> at <time>","n":<time>}"#),
        &["f47ac10b-58cc-4372-a567-0e02b2c3d479", "2026-11-21T08:00:00Z", "1795248000"],
    );
    check(
        volatile(&["body/m"]),
        "/",
        &form,
        "m=x+1795248000&n=1",
        "body",
        Some("m=x%20%3Ctime%3E&n=1"),
        &["1795248000"],
    );
    let nested = r#"{"m":"{\"at\":\"2026-11-21T08:00:00Z\\n1795248000\",\"n\":1}"}"#;
    check(
        volatile(&["body/m"]),
        "/",
        &json,
        nested,
        "body",
        Some(r#"{"m":"{\"at\":\"<time>\\n1795248000\",\"n\":1}"}"#),
        &["2026-11-21T08:00:00Z"],
    );
}

#[test]
fn days_count_by_their_distance() {
    let rules = rules(Rule { dates: places(&["body/from", "body/to", "query.day"]), ..Rule::default() });
    let headers = Headers::from_pairs([("content-type", "application/json")]);
    let body = |time: u64, body: &str| {
        let view = RequestView { time: time * 86_400_000_000 + 5, ..view("/", &headers, body.as_bytes()) };
        let signature = Signature::of(&view, &rules);
        String::from_utf8(signature.get(b"body").unwrap().to_vec()).unwrap()
    };
    let today = body(20_778, r#"{"from":"2026-10-22","to":"2026-11-21","x":"2026-11-21"}"#);
    assert_eq!(today, r#"{"from":"<today-30>","to":"<today+0>","x":"2026-11-21"}"#);
    assert_eq!(body(20_779, r#"{"from":"2026-10-23","to":"2026-11-22","x":"2026-11-21"}"#), today);
    assert_ne!(body(20_779, r#"{"from":"2026-10-22","to":"2026-11-22","x":"2026-11-21"}"#), today);
    assert_eq!(
        body(0, r#"{"from":"x 1970-01-03, 1970-13-01 11970-01-01","to":1}"#),
        r#"{"from":"x <today+2>, 1970-13-01 11970-01-01","to":1}"#
    );
}

#[test]
fn of_a_token_the_lasting_claims_count() {
    use base64::Engine as _;
    let token = |claims: &str, signature: &str| {
        let code = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
        format!("{}.{}.{}", code(r#"{"alg":"RS256"}"#), code(claims), code(signature))
    };
    let rule = || Rule { jwt: places(&["body/assertion"]), ..Rule::default() };
    let digest = |claims: &str, signature: &str| {
        let form = format!("grant_type=x&assertion={}", token(claims, signature));
        digest_of(&[("content-type", "application/x-www-form-urlencoded")], form, &rules(rule()))
    };
    let one = digest(r#"{"iss":"a","scope":"s","iat":1,"exp":2,"jti":"x"}"#, "1");
    assert_eq!(one, digest(r#"{"scope":"s","iss":"a","iat":5,"exp":6,"jti":"y"}"#, "2"));
    assert_ne!(one, digest(r#"{"iss":"a","scope":"t","iat":1,"exp":2,"jti":"x"}"#, "1"));
    let json = |token: &str| {
        digest_of(
            &[("content-type", "application/json")],
            format!(r#"{{"assertion":"{token}"}}"#),
            &rules(rule()),
        )
    };
    assert_eq!(json(&token(r#"{"iss":"a","iat":1}"#, "1")), json(&token(r#"{"iss":"a","iat":2}"#, "2")));
    assert_ne!(json("a.b.c"), json("a.b.d"));
}

/// Only where a rule says it, and only what may be a map: each key once, and neither other fields nor messages as keys.
#[test]
fn the_entries_of_protobuf_maps_may_come_in_any_order() {
    let check = |parts: [&[u8]; 3], expect: bool| {
        let field = |content: &[u8]| [&[0x1a, u8::try_from(content.len()).unwrap()], content].concat();
        let digest = |order: [usize; 3], maps: bool| {
            let map: Vec<u8> = order.iter().flat_map(|at| field(parts[*at])).collect();
            // A message in a message, with something before and after.
            let body =
                [&b"\x08\x01"[..], &[0x12, u8::try_from(map.len() + 2).unwrap()], b"\x08\x02", &map].concat();
            let rule = Rule { protobuf_maps: maps.then_some(true), ..Rule::default() };
            digest_of(&[("content-type", "application/x-protobuf")], body, &rules(rule))
        };
        for other in [[0, 2, 1], [2, 1, 0], [1, 2, 0]] {
            assert_eq!(digest([0, 1, 2], true) == digest(other, true), expect, "{parts:?} {other:?}");
            assert_ne!(digest([0, 1, 2], false), digest(other, false), "{parts:?} {other:?}");
        }
    };
    check([b"\x0a\x01a\x12\x02\x08\x01", b"\x0a\x01b\x12\x01x", b"\x0a\x01c\x10\x05"], true);
    // Numbers as keys; an entry without a value.
    check([b"\x08\x07\x10\x01", b"\x08\x08\x10\x02", b"\x08\x09"], true);
    // A key twice, another field, a message as key, a text.
    check([b"\x0a\x01a\x10\x01", b"\x0a\x01b\x10\x02", b"\x0a\x01a\x10\x03"], false);
    check([b"\x0a\x01a\x10\x01", b"\x0a\x01b\x10\x02", b"\x0a\x01c\x18\x03"], false);
    check([b"\x0a\x02\x08\x01\x10\x01", b"\x0a\x01b\x10\x02", b"\x0a\x01c\x10\x03"], false);
    check([b"one", b"two", b"three"], false);
}

#[cfg(not(target_family = "wasm"))]
proptest::proptest! {
    #[test]
    fn canonical_json_is_its_own_normal_form(text in r#"[\[\]{}",:a1 \\u]{0,40}"#) {
        let mut once = Vec::new();
        if write_json(text.as_bytes(), &mut once) {
            let mut twice = Vec::new();
            proptest::prop_assert!(write_json(&once, &mut twice));
            proptest::prop_assert_eq!(once, twice);
        } else {
            proptest::prop_assert!(once.is_empty());
        }
    }

    #[test]
    fn our_reader_agrees_with_serde_json(text in r#"[\[\]{}",:a1 .eE+\\utrf-]{0,24}"#) {
        // serde_json refuses lone surrogates and numbers out of range; all else is the same grammar.
        let theirs = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
        proptest::prop_assert_eq!(write_json(text.as_bytes(), &mut Vec::new()), theirs, "{}", text);
    }

    #[test]
    fn eight_bytes_at_once_end_where_one_by_one_would(mut text: Vec<u8>, from in 0usize..8, at in 0usize..64, special: u8) {
        text.iter_mut().for_each(|b| *b = (*b).max(0x23));
        text.retain(|b| *b != b'\\');
        if let Some(place) = text.get_mut(at) {
            *place = special;
        }
        let from = from.min(text.len());
        let naive = text[from..].iter().position(|b| matches!(b, b'"' | b'\\' | 0..=0x1f)).map_or(text.len(), |n| from + n);
        proptest::prop_assert_eq!(json::plain_end(&text, from), naive);
    }

    #[test]
    fn any_request_has_a_signature_whose_fields_can_be_read(path: Vec<u8>, value: Vec<u8>, body: Vec<u8>) {
        let headers = Headers::from_pairs([(&b"content-type"[..], &value[..]), (b"range", &value)]);
        proptest::prop_assume!(!matches!(value.trim_ascii().first(), Some(b'{' | b'[')));
        let request = RequestView { backend: b"b", method: b"M", path: &path, headers: &headers, body: &body, time: 0 };
        let signature = Signature::of(&request, &Rules::default());
        proptest::prop_assert_eq!(signature.get(b"header.range").unwrap(), value.trim_ascii());
        let again = Signature::from_bytes(signature.as_bytes().to_vec());
        proptest::prop_assert_eq!(again.fields().count(), signature.fields().count());
    }
}
