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
fn the_values_of_a_request() {
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
fn a_value_is_replaced_where_it_stands_and_nowhere_else() {
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
fn what_is_not_there_is_not_replaced() {
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
fn the_values_of_an_answer() {
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
