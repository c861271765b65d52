//! The reading of contents under each type, and the proof that two readings never have one
//! signature.

use crate::canonical::{RequestView, Signature, parts};
use crate::headers::Headers;
use crate::rules::{Place, Rule, Rules};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

fn signed(content_type: &str, body: &[u8], rules: &Rules) -> Signature {
    let pairs = [("content-type", content_type)];
    let headers = Headers::from_pairs(pairs.into_iter().filter(|(_, value)| !value.is_empty()));
    let time = 1_795_248_000_000_000;
    let view =
        RequestView { backend: b"http://h", method: b"POST", path: b"/", headers: &headers, body, time };
    Signature::of(&view, rules)
}

fn of(content_type: &str, body: impl AsRef<[u8]>) -> Signature {
    signed(content_type, body.as_ref(), &Rules::default())
}

fn text(signature: &Signature, key: &[u8]) -> String {
    String::from_utf8_lossy(signature.get(key).unwrap_or_default()).into_owned()
}

fn check(content_type: &str, body: impl AsRef<[u8]>, format: &str, expect: &str) {
    let (body, signature) = (body.as_ref(), of(content_type, body.as_ref()));
    let shown = String::from_utf8_lossy(body);
    assert_eq!(
        (text(&signature, b"format").as_str(), text(&signature, b"body").as_str()),
        (format, expect),
        "{content_type}: {shown}"
    );
}

fn keys(signature: &Signature) -> Vec<String> {
    parts(signature).into_iter().map(|part| part.key).filter(|key| key.starts_with("body")).collect()
}

#[test]
fn json_is_json_under_types_that_name_nothing() {
    for content_type in [
        "",
        "*/*",
        "json",
        "text/plain",
        "Text/Plain; charset=utf-8",
        "application/octet-stream",
        "binary/octet-stream",
        "application/csp-report",
        "application/reports+json",
        "application/x-json",
    ] {
        check(content_type, " { \"b\" : 1, \"a\" : [] } ", "", r#"{"a":[],"b":1}"#);
        check(content_type, "[1, NaN, -Infinity, Infinity]", "", "[1,NaN,-Infinity,Infinity]");
        check(content_type, "\u{feff}{\"a\": 1}", "json-bom", r#"{"a":1}"#);
        check(content_type, "{\"a\": [1, 2, ], }", "json-comma", r#"{"a":[1,2]}"#);
        check(content_type, "\u{feff}[1,]", "json-bom-comma", "[1]");
        check(content_type, "{\"a\": 1} x", "bytes", "{\"a\": 1} x");
    }
    for content_type in ["", "*/*", "text/plain", "application/octet-stream"] {
        for body in ["1", "\"a\"", "null", " x", "NaN", "1\n2", "{", "\u{feff}1"] {
            check(content_type, body, if body == "{" { "bytes" } else { "" }, body);
        }
    }
    check("application/json", "NaN", "bytes", "NaN");
    check("application/json", " 1 ", "", "1");
}

#[test]
fn types_that_name_another_format_keep_it() {
    let json = "{ \"a\": 1 }";
    for content_type in ["text/csv", "image/png", "text/html", "application/yaml", "application/vnd.acme"] {
        check(content_type, json, "bytes", json);
        check(content_type, "a", "", "a");
    }
    for content_type in
        ["application/xml", "application/x-protobuf", "multipart/mixed; boundary=b", "application/cbor"]
    {
        check(content_type, json, "bytes", json);
    }
    check("application/x-www-form-urlencoded", json, "", "%7B%20%22a%22%3A%201%20%7D");
}

#[test]
fn several_values_are_read_line_by_line() {
    let body = "{\"index\": {}}\n\n{ \"b\":1,\"a\":2 }\r\n[1]\n";
    let expect = r#"[{"index":{}},{"a":2,"b":1},[1]]"#;
    for content_type in [
        "application/x-ndjson",
        "application/ndjson",
        "application/jsonl",
        "application/jsonlines",
        "application/x-jsonlines",
        "application/json-seq",
        "application/stream+json",
        "application/json",
        "application/vnd.elasticsearch+json; compatible-with=8",
        "text/plain",
        "",
    ] {
        check(content_type, body, "json-lines", expect);
        assert_ne!(of(content_type, body), of(content_type, expect), "{content_type}");
    }
    check("application/x-ndjson", "1\n\"a\"\nnull", "json-lines", r#"[1,"a",null]"#);
    check("application/x-ndjson", "{\"a\": 1}", "json-lines", r#"[{"a":1}]"#);
    check("application/json", "1\n2", "json-lines", "[1,2]");
    assert_eq!(keys(&of("application/x-ndjson", "{\"a\":1}\n{\"b\":{\"c\":2}}")), ["body/0/a", "body/1/b/c"]);
}

#[test]
fn what_is_not_one_value_per_line_is_bytes() {
    for body in
        ["{}{}", "{\n}\n{}", "1,2\n3", "{} {}\n{}", "[1\n2]", "*\n1", "(\"a\":1)\n{}", "{}\n{", "a\nb"]
    {
        check("application/x-ndjson", body, "bytes", body);
    }
    check("application/json", "{}\n{", "bytes", "{}\n{");
    check("text/plain", "{}\n1", "bytes", "{}\n1");
    check("application/x-ndjson", "\n \n", "bytes", "\n \n");
}

#[test]
fn sequences_have_a_separator_before_each_value() {
    for content_type in ["application/json-seq", "application/geo+json-seq", "application/json", "text/plain"]
    {
        check(content_type, "\x1e{\"a\":\n1}\n\x1e[2]\n", "json-sequence", r#"[{"a":1},[2]]"#);
    }
    check("application/json-seq", "\x1e1\n\x1e\x1e\"a\"\x1etrue\n", "json-sequence", r#"[1,"a",true]"#);
    // A number without white space behind it may be cut.
    check("application/json-seq", "\x1e1\n\x1e12", "bytes", "\x1e1\n\x1e12");
    check("application/json-seq", "\x1e1 2\n", "bytes", "\x1e1 2\n");
    check("application/json-seq", "\x1e", "bytes", "\x1e");
}

/// Bodies that are alike, of which each means something else to a server.
#[test]
fn readings_are_never_mixed_up() {
    let bodies = [
        "[1]",
        "[1,]",
        "\u{feff}[1]",
        "\u{feff}[1,]",
        "1\n",
        "[1]\n[1]",
        "[[1],[1]]",
        "\x1e[1]\n\x1e[1]\n",
        "[\"NaN\"]",
        "[NaN]",
        "[*]",
        "(\"a\":\"x\")",
        "<a>x</a>",
        "<a>x",
        "\"t\"",
        "t",
    ];
    for content_type in [
        "application/json",
        "application/x-ndjson",
        "text/plain",
        "application/xml",
        "",
        "application/graphql",
        "application/cbor",
        "application/msgpack",
        "text/csv",
    ] {
        for (at, one) in bodies.iter().enumerate() {
            for other in &bodies[at + 1..] {
                assert_ne!(of(content_type, one), of(content_type, other), "{content_type}: {one} {other}");
            }
        }
    }
    // Not even where a rule leaves values out.
    let rules = Rules::new(vec![Rule { mask: vec![Place::parse("body/*").unwrap()], ..Rule::default() }]);
    let ruled = |body: &str| signed("application/json", body.as_bytes(), &rules);
    assert_ne!(ruled("[1]"), ruled("[*]"));
    assert_eq!(ruled("[1]").get(b"body"), ruled("[2]").get(b"body"));
}

#[test]
fn bytes_have_one_part_and_trees_their_leaves() {
    let uuid = "f47ac10b-58cc-4372-a567-0e02b2c3d479";
    let check = |content_type: &str, body: &str, expect: &[&str]| {
        assert_eq!(keys(&of(content_type, body)), expect, "{content_type}: {body}");
    };
    check("text/plain", &format!("{{\"id\":\"{uuid}\"}}"), &["body/id"]);
    check("text/plain", &format!("{{\"id\":\"{uuid}\"}} and more"), &["body"]);
    check("text/csv", &format!("{{\"id\":\"{uuid}\"}}"), &["body"]);
    check("application/json", "{\"id\":1", &["body"]);
    check("application/xml", "(\"id\":\"1\")", &["body"]);
    // A signature from a table says so too, even if its body was cut.
    let stored = Signature::from_bytes(of("text/csv", "[1,2]").as_bytes().to_vec());
    assert_eq!(keys(&stored), ["body"]);
}

#[test]
fn body_that_is_left_out_may_have_any_format() {
    let rules = |rule| Rules::new(vec![rule]);
    let body = || vec![Place::parse("body").unwrap()];
    for rule in [Rule { mask: body(), ..Rule::default() }, Rule { ignore: body(), ..Rule::default() }] {
        let rules = rules(rule);
        let of = |text: &str| signed("application/json", text.as_bytes(), &rules).digest();
        assert_eq!(of("{}"), of("{}\n{}"));
        assert_eq!(of("{}"), of("{"));
    }
}

#[test]
fn cbor_and_messagepack_are_read_by_their_types() {
    for content_type in ["application/cbor", "application/senml+cbor"] {
        check(content_type, b"\xa1\x61a\x01", "", r#"{"a":1}"#);
        check(content_type, b"\xa1\x61a\x01\x00", "bytes", "\u{fffd}aa\u{1}\0");
    }
    check("application/cbor-seq", b"\x01\x02", "", "[1,2]");
    for content_type in
        ["application/msgpack", "application/x-msgpack", "application/vnd.msgpack", "application/a+msgpack"]
    {
        check(content_type, b"\x81\xa1a\x01", "", r#"{"a":1}"#);
    }
    assert_eq!(keys(&of("application/cbor", b"\xa2\x61a\x01\x02\x03")), ["body/#2", "body/a"]);
    let rules = Rules::new(vec![Rule { mask: vec![Place::parse("body/#2").unwrap()], ..Rule::default() }]);
    let one = signed("application/cbor", b"\xa1\x02\x03", &rules);
    assert_eq!(one.get(b"body"), Some(&br##"{"#2":*}"##[..]));
}

const BATCH: &str = "--batch\nContent-Type: multipart/mixed; boundary=set\n\n--set\nContent-Type: application/http\nContent-Transfer-Encoding: binary\nContent-ID: 1\n\nPOST Customers(%27a%27)?b=2&a=%31 HTTP/1.1\nContent-Type: application/json;odata=verbose\nUser-Agent: x\nPrefer: return=minimal\n\n{\"Name\": \"A\"}\n--set--\n\n--batch\nContent-Type: application/http\n\nGET /Orders/%7e HTTP/1.1\nHost: h\n\n\n--batch--\n";
const BATCH_TREE: &str = r#"("0":("content-type":"multipart/mixed","value":("0":("content-type":"application/http","header.content-id":"1","value":("method":"POST","path":"Customers(%27a%27)","query":{"a":"1","b":"2"},"content-type":"application/json","header.prefer":"return=minimal","body":{"Name":"A"})))),"1":("content-type":"application/http","value":("method":"GET","path":"/Orders/~","header.host":"h")))"#;

#[test]
fn requests_of_a_batch_are_requests() {
    let expect = BATCH_TREE;
    let mixed = "multipart/mixed; boundary=batch";
    // The empty line behind the second request's headers is the body of none.
    let body = BATCH.replace("Host: h\n\n\n", "Host: h\n\n");
    check(mixed, &body, "", expect);
    check(mixed, body.replace('\n', "\r\n"), "", expect);
    check(mixed, body.replace("set", "other"), "", expect);
    check(mixed, body.replace("User-Agent: x", "User-Agent: y"), "", expect);
    check(mixed, body.replace("b=2&a=%31", "a=1&b=2"), "", expect);
    for (old, new) in [
        ("POST", "PUT"),
        ("%27a%27", "%27b%27"),
        ("b=2", "b=3"),
        ("return=minimal", "return=representation"),
        ("\"A\"", "\"B\""),
        ("GET", "HEAD"),
        ("Host: h", "Host: i"),
        ("Content-ID: 1", "Content-ID: 2"),
    ] {
        assert_ne!(of(mixed, &body), of(mixed, body.replace(old, new)), "{old}");
    }
}

#[test]
fn messages_are_read_with_and_without_headers_and_body() {
    let check = |message: &str, expect: &str| {
        check("application/http", message, "", expect);
    };
    check("GET /a HTTP/1.1", r#"("method":"GET","path":"/a")"#);
    check("GET /a HTTP/1.1\r\n", r#"("method":"GET","path":"/a")"#);
    check("\r\nGET /a/../b HTTP/1.1\r\n\r\n", r#"("method":"GET","path":"/b")"#);
    check("GET /a HTTP/1.1\r\nX-A: 1", r#"("method":"GET","path":"/a","header.x-a":"1")"#);
    check("GET https://h/a?b HTTP/1.1\n\n", r#"("method":"GET","path":"https://h/a","query":{"b":null})"#);
    check(
        "POST / HTTP/1.1\nContent-Type: application/x-www-form-urlencoded\n\nb=1&a=%41",
        r#"("method":"POST","path":"/","content-type":"application/x-www-form-urlencoded","body":{"a":"A","b":"1"})"#,
    );
    check(
        "POST / HTTP/1.1\nContent-Type: application/json\n\n{",
        r#"("method":"POST","path":"/","content-type":"application/json","format":"bytes","body":"{")"#,
    );
    for message in
        ["", "GET", "GET /a", "GET /a HTTP/1.1 x\n\n", "HTTP/1.1 200 OK\r\n\r\n", "GET  HTTP/1.1\n\n"]
    {
        let signature = of("application/http", message);
        assert_eq!(text(&signature, b"format"), if message.is_empty() { "" } else { "bytes" }, "{message}");
    }
}

#[test]
fn parts_are_read_like_bodies() {
    let part = |headers: &str, content: &str| format!("--b\r\n{headers}\r\n\r\n{content}\r\n--b--");
    let check = |headers: &str, content: &str, expect: &str| {
        check("multipart/form-data; boundary=b", part(headers, content), "", expect);
    };
    let form = "Content-Disposition: form-data; name=a";
    check(form, "{ \"b\": 1 }", r#"("a":{"b":1})"#);
    check(form, "1", r#"("a":"1")"#);
    check(form, "{}\n{}", r#"("a":("format":"json-lines","value":[{},{}]))"#);
    let typed = |name: &str| format!("{form}\r\nContent-Type: {name}");
    check(&typed("application/json"), "1", r#"("a":("content-type":"application/json","value":1))"#);
    check(
        &typed("application/json"),
        "x",
        r#"("a":("content-type":"application/json","format":"bytes","value":"x"))"#,
    );
    check(&typed("application/json"), "\"x\"", r#"("a":("content-type":"application/json","value":"x"))"#);
    check(
        &typed("application/x-ndjson"),
        "1\n2",
        r#"("a":("content-type":"application/x-ndjson","format":"json-lines","value":[1,2]))"#,
    );
    check(&typed("text/xml"), "<b> <c/> </b>", r#"("a":("content-type":"text/xml","value":("b":("c":""))))"#);
    check(&typed("application/cbor"), "\x01", r#"("a":("content-type":"application/cbor","value":1))"#);
    check(&typed("text/csv"), "{ }", r#"("a":("content-type":"text/csv","value":"{ }"))"#);
    check(
        "Content-Type: application/json\r\nContent-Transfer-Encoding: base64",
        &STANDARD.encode("{ \"a\": 1 }"),
        r#"("0":("content-type":"application/json","header.content-transfer-encoding":"base64","value":{"a":1}))"#,
    );
}

#[test]
fn contents_deeper_than_the_limit_are_bytes() {
    let nest = |depth: usize| {
        let mut body = "--b0\r\n\r\nx\r\n--b0--".to_owned();
        for level in 1..=depth {
            let inner = level - 1;
            body = format!(
                "--b{level}\r\nContent-Type: multipart/mixed; boundary=b{inner}\r\n\r\n{body}\r\n--b{level}--"
            );
        }
        of(&format!("multipart/mixed; boundary=b{depth}"), &body)
    };
    assert!(text(&nest(7), b"body").ends_with(&format!("\"value\":(\"0\":\"x\"){}", "))".repeat(7))));
    assert!(text(&nest(9), b"body").contains("\"format\":\"bytes\""));
    // Each level of the deepest is copied once only.
    assert!(text(&nest(200), b"body").len() < 20_000);
}

#[test]
fn rules_look_into_base64() {
    let uuid = |digit: char| format!("f47ac10b-58cc-4372-a567-0e02b2c3d47{digit}");
    let coded = |text: String| STANDARD.encode(text);
    let places = |text: &str| vec![Place::parse(text).unwrap()];
    let value = |rule: Rule, body: String| {
        let signature = signed("application/json", body.as_bytes(), &Rules::new(vec![rule]));
        let values: Vec<String> = signature
            .values()
            .iter()
            .map(|value| String::from_utf8_lossy(value.bytes).into_owned())
            .collect();
        (text(&signature, b"body"), values)
    };
    let body = |inner: String| format!("{{\"id\":\"{}\"}}", coded(inner));
    let volatile = || Rule { volatile: places("body/id"), ..Rule::default() };
    let (shown, values) = value(volatile(), body(format!("{{\"after\":\"{}\",\"n\":1}}", uuid('9'))));
    assert_eq!(shown, r#"{"id":"base64({\"after\":\"<uuid>\",\"n\":1})"}"#);
    assert_eq!(values, [uuid('9')]);
    let (other, _) = value(volatile(), body(format!("{{\"after\":\"{}\",\"n\":2}}", uuid('9'))));
    assert_ne!(shown, other);
    let clock = Rule { clock: places("body/id"), ..Rule::default() };
    assert_eq!(value(clock, body("at 2026-11-21T08:00:00Z".into())).0, r#"{"id":"base64(at <now>)"}"#);
    let names = Rule { names: places("body/id"), ..Rule::default() };
    assert_eq!(value(names, body(uuid('9'))).1, [uuid('9')]);
    // Nothing in it that the rule is about, and no rule: as written.
    let times = Rule { times: places("body/id"), ..Rule::default() };
    let (as_written, values) = value(times, body(uuid('9')));
    assert_eq!((as_written, values.len()), (body(uuid('9')), 0));
    assert_eq!(value(Rule::default(), body(uuid('9'))).0, body(uuid('9')));
    // In a query, a form and a header too.
    let rules = Rules::new(vec![Rule {
        volatile: ["query.block", "body/f", "header.x-cursor"].map(|p| Place::parse(p).unwrap()).to_vec(),
        ..Rule::default()
    }]);
    let of = |digit: char| {
        let (plain, escaped) = (coded(uuid(digit)), coded(uuid(digit)).replace('=', "%3D"));
        let headers = Headers::from_pairs([
            ("content-type", "application/x-www-form-urlencoded"),
            ("x-cursor", plain.as_str()),
        ]);
        let (path, body) = (format!("/?block={escaped}"), format!("f={escaped}"));
        let (path, body) = (path.as_bytes(), body.as_bytes());
        let view =
            RequestView { backend: b"http://h", method: b"PUT", path, headers: &headers, body, time: 0 };
        Signature::of(&view, &rules)
    };
    assert_eq!(of('8').digest(), of('9').digest());
    assert_eq!(of('8').values().iter().count(), 3);
}
