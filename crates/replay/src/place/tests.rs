use super::*;
use understudy_core::exchange::Body;

fn request(path: &str, headers: &[(&str, &str)], body: &str) -> Request {
    Request {
        method: b"POST".to_vec(),
        path: path.as_bytes().to_vec(),
        headers: Headers::from_pairs(headers.iter().copied()),
        body: Body { bytes: body.as_bytes().to_vec(), truncated: None },
        ..Request::default()
    }
}

const JSON: (&str, &str) = ("content-type", "application/json");
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

#[test]
fn a_place_is_read_as_it_is_written() {
    let check =
        |text: &str| assert_eq!(At::parse(text).map(|at| at.to_string()).as_deref(), Ok(text), "{text}");
    for text in
        ["path.2", "query.page", "header.x-token", "cookie.sid", "body/a/0/id", "header.location/path.3"]
    {
        check(text);
    }
    for bad in ["path.0", "path.x", "query.", "body", "trailer.x", ""] {
        assert!(At::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn values_of_a_request_have_their_places() {
    let check = |request: &Request, at: &str, expect: Option<&str>| {
        let all = of_request(request);
        let found = all.iter().find(|(place, _)| place.to_string() == at);
        assert_eq!(
            found.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).as_deref(),
            expect,
            "{at}"
        );
    };
    let headers = [("authorization", "Bearer abc"), ("cookie", "a=1; sid=xyz"), JSON, ("user-agent", "x")];
    let one = request("/v1/a%20b?page=2+3", &headers, r#"{"o":{"id":"c\u0031","n":7,"t":true}}"#);
    check(&one, "path.2", Some("a b"));
    check(&one, "query.page", Some("2 3"));
    check(&one, "header.authorization", Some("abc"));
    check(&one, "cookie.sid", Some("xyz"));
    check(&one, "body/o/id", Some("c1"));
    check(&one, "body/o/n", Some("7"));
    check(&one, "body/o/t", None);
    check(&one, "header.user-agent", None);
    check(&request("/", &[FORM], "a%5Bb%5D=1&c=x"), "body/a[b]", Some("1"));
}

#[test]
fn value_is_replaced_only_at_its_place() {
    #[track_caller]
    fn check(
        mut request: Request,
        at: &str,
        old: &str,
        new: &str,
        expect: impl Fn(&Request) -> String,
        is: &str,
    ) {
        let at = At::parse(at).expect("a place");
        assert!(replace(&mut request, &at, old.as_bytes(), new.as_bytes()));
        assert_eq!(expect(&request), is);
    }
    let path = |request: &Request| String::from_utf8_lossy(&request.path).into_owned();
    let body = |request: &Request| String::from_utf8_lossy(&request.body.bytes).into_owned();
    let header = |name: &'static str| {
        move |request: &Request| {
            String::from_utf8_lossy(request.headers.get(name.as_bytes()).unwrap_or_default()).into_owned()
        }
    };
    check(request("/a/7/7?x=7", &[], ""), "path.2", "7", "8 9/", path, "/a/8%209%2F/7?x=7");
    check(request("/a?x=7&y=7", &[], ""), "query.y", "7", "a&b", path, "/a?x=7&y=a%26b");
    let bearer = request("/", &[("authorization", "Bearer old")], "");
    check(bearer, "header.authorization", "old", "new", header("authorization"), "Bearer new");
    let cookies = request("/", &[("cookie", "a=x; sid=x")], "");
    check(cookies, "cookie.sid", "x", "y", header("cookie"), "a=x; sid=y");
    let json = request("/", &[JSON], r#"{"a": "x", "b": ["x", 1]}"#);
    check(json.clone(), "body/b/0", "x", "q\"", body, r#"{"a": "x", "b": ["q\"", 1]}"#);
    check(json.clone(), "body/b/1", "1", "2", body, r#"{"a": "x", "b": ["x", 2]}"#);
    check(json, "body/b/1", "1", "two", body, r#"{"a": "x", "b": ["x", "two"]}"#);
    check(request("/", &[FORM], "a=1&b=1"), "body/b", "1", "2 3", body, "a=1&b=2%203");
}

#[test]
fn missing_value_is_not_replaced() {
    let mut one = request("/a/b", &[JSON], "{\"a\":1}");
    for at in ["path.9", "query.x", "header.x", "cookie.x", "body/b"] {
        assert!(!replace(&mut one, &At::parse(at).expect("a place"), b"1", b"2"), "{at}");
    }
    assert_eq!(one, request("/a/b", &[JSON], "{\"a\":1}"));
}

#[test]
fn a_value_in_a_page_is_found_again_by_the_words_before_it() {
    let page = |token: &str| format!("<p>hello</p>\n<input name=\"csrf\" value=\"{token}\">\n<p>bye</p>");
    let words = words_before(page("T0ken-1").as_bytes(), b"T0ken-1").expect("words");
    assert_eq!(words, "<input name=\"csrf\" value=\"");
    assert_eq!(behind(page("an0ther").as_bytes(), words.as_bytes()), Some(&b"an0ther"[..]));
    // Part of a longer word is another value.
    assert_eq!(words_before(page("T0ken-12").as_bytes(), b"T0ken-1"), None);
}

#[test]
fn values_of_an_answer_have_their_places() {
    let headers = [
        ("location", "https://x.test/v1/orders/ab12?x=1"),
        ("set-cookie", "sid=s1; Path=/; Max-Age=5"),
        JSON,
    ];
    let response = Response {
        status: 201,
        headers: Headers::from_pairs(headers),
        body: Body { bytes: br#"{"id":"ab12"}"#.to_vec(), truncated: None },
        ..Response::default()
    };
    let check = |at: &str, expect: Option<&str>| {
        let value = read(&response, &At::parse(at).expect("a place"));
        assert_eq!(value.as_deref(), expect.map(str::as_bytes), "{at}");
    };
    check("header.location/path.3", Some("ab12"));
    check("cookie.sid", Some("s1"));
    check("cookie.Path", None);
    check("body/id", Some("ab12"));
}

/// A field with bytes in it.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    [&[number << 3 | 2, u8::try_from(content.len()).expect("short")], content].concat()
}

fn frame(flag: u8, message: &[u8]) -> Vec<u8> {
    [&[flag][..], &u32::try_from(message.len()).expect("short").to_be_bytes(), message].concat()
}

/// A stored block of deflate in the frame of gzip: compressed for who reads it, and legible here.
fn gzip(text: &[u8]) -> Vec<u8> {
    let length = u16::try_from(text.len()).expect("short");
    let mut sum = !0u32;
    for byte in text {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = sum >> 1 ^ (0xEDB8_8320 & 0u32.wrapping_sub(sum & 1));
        }
    }
    let head = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 1];
    let (length, inverse) = (length.to_le_bytes(), (!length).to_le_bytes());
    let end = u32::from(u16::from_le_bytes(length)).to_le_bytes();
    [&head[..], &length, &inverse, text, &(!sum).to_le_bytes(), &end].concat()
}

fn with_body(headers: &[(&str, &str)], body: Vec<u8>) -> Request {
    Request { body: Body { bytes: body, truncated: None }, ..request("/", headers, "") }
}

const GRPC: (&str, &str) = ("content-type", "application/grpc+proto");

#[test]
fn values_in_protobuf_have_field_numbers_for_names() {
    let order = [field(1, b"ord_8f3kq2"), vec![2 << 3, 0xac, 2]].concat();
    let message = [field(3, &order), field(4, b"x"), field(4, b"y")].concat();
    let check = |request: &Request, prefix: &str| {
        let mut all: Vec<_> = of_request(request).into_iter().map(|(at, v)| (at.to_string(), v)).collect();
        all.retain(|(at, _)| at.starts_with("body"));
        let expect = [("/3/1", "ord_8f3kq2"), ("/3/2", "300"), ("/4", "x"), ("/4", "y")];
        let expect = expect.map(|(at, value)| (format!("body{prefix}{at}"), value.as_bytes().to_vec()));
        assert_eq!(all, expect);
    };
    check(&with_body(&[("content-type", "application/x-protobuf")], message.clone()), "");
    check(&with_body(&[GRPC], frame(0, &message)), "/0");
    check(&with_body(&[GRPC, ("grpc-encoding", "gzip")], frame(1, &gzip(&message))), "/0");
    // Cut, or no message: nothing.
    assert!(
        of_request(&with_body(&[GRPC], frame(0, &message)[1..].to_vec()))
            .iter()
            .all(|(at, _)| *at == At::Path(1))
    );
}

#[test]
fn a_value_in_a_message_is_replaced_with_the_lengths_around_it() {
    #[track_caller]
    fn check(before: &[u8], at: &str, old: &str, new: &str, after: Option<&[u8]>) {
        for (headers, of) in [
            (vec![("content-type", "application/proto")], (|m: &[u8]| m.to_vec()) as fn(&[u8]) -> Vec<u8>),
            (vec![GRPC, ("grpc-encoding", "gzip")], |m| [frame(0, b""), frame(1, &gzip(m))].concat()),
        ] {
            let is_grpc = headers.len() > 1;
            let mut request = with_body(&headers, of(before));
            let at = if is_grpc { at.replace("body", "body/1") } else { at.to_owned() };
            let at = At::parse(&at).expect("a place");
            assert_eq!(replace(&mut request, &at, old.as_bytes(), new.as_bytes()), after.is_some());
            let expect = match after {
                None => of(before),
                Some(after) if is_grpc => [frame(0, b""), frame(0, after)].concat(),
                Some(after) => after.to_vec(),
            };
            assert_eq!(request.body.bytes, expect);
        }
    }
    let nested = |id: &[u8]| [field(3, &field(1, id)), field(9, b"end")].concat();
    check(&nested(b"ord_1"), "body/3/1", "ord_1", "ord_longer", Some(&nested(b"ord_longer")));
    check(&nested(b"a/ord_1/b"), "body/3/1", "ord_1", "o2", Some(&nested(b"a/o2/b")));
    let uuid = b"3f2b8c1e-6f0a-4b7d-9c2e-1a2b3c4d5e6f";
    check(
        &nested(uuid),
        "body/3/1",
        std::str::from_utf8(uuid).expect("text"),
        "short",
        Some(&nested(b"short")),
    );
    check(&nested(b"ord_1"), "body/3/1", "ord_2", "x", None);
    check(&nested(b"ord_1"), "body/9/1", "ord_1", "x", None);
    check(&nested(b"ord_1"), "body/x", "ord_1", "x", None);
    // A number, of which no part is another number; and one that isn't a number any more.
    check(&[8, 7], "body/1", "7", "300", Some(&[8, 0xac, 2]));
    check(&[8, 77], "body/1", "7", "300", None);
    check(&[8, 7], "body/1", "7", "seven", None);
}

#[test]
fn compressed_body_is_read_and_sent_uncompressed() {
    let mut one =
        with_body(&[JSON, ("content-encoding", "gzip"), ("x-own", "1")], gzip(br#"{"id": "old-1"}"#));
    assert!(replace(&mut one, &At::parse("body/id").expect("a place"), b"old-1", b"new-22"));
    assert_eq!(one, with_body(&[JSON, ("x-own", "1")], br#"{"id": "new-22"}"#.to_vec()));
    let mut other = with_body(&[JSON, ("content-encoding", "gzip")], b"no gzip: old-1".to_vec());
    let before = other.clone();
    assert!(!replace(&mut other, &At::parse("body/id").expect("a place"), b"old-1", b"new-22"));
    assert_eq!(other, before);
}

#[test]
fn endless_nesting_is_not_followed() {
    let mut deep = b"x".to_vec();
    for _ in 0..20_000 {
        let length = u32::try_from(deep.len()).expect("short");
        // A length of five bytes is longer than it need be, and no message is shown in it.
        let spelled: Vec<u8> =
            (0..5).map(|n| (length >> (7 * n) & 0x7f) as u8 | if n < 4 { 0x80 } else { 0 }).collect();
        deep = [vec![10], spelled, deep].concat();
    }
    let bomb = with_body(&[("content-type", "application/proto")], deep);
    assert!(of_request(&bomb).len() <= 2);
    let pointer = "/1".repeat(100_000);
    assert!(!replace(&mut bomb.clone(), &At::Body(pointer), b"x", b"y"));
}
