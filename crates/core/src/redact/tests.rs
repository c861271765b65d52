use super::*;
use crate::exchange::{Request, Response};

fn redactor() -> Redactor {
    Redactor::new(&Settings { key: "k".into(), ..Settings::default() })
}

/// Replaces tokens by `{secret}`.
fn named(bytes: Vec<u8>, secrets: &[&str]) -> String {
    let mut text = String::from_utf8(bytes).unwrap();
    for secret in secrets {
        let token = String::from_utf8(redactor().token(secret.as_bytes())).unwrap();
        text = text.replace(&token, &format!("{{{secret}}}"));
    }
    text
}

const SECRETS: [&str; 12] = [
    "hunter2",
    "se\"cret é",
    "0123456789abcdef01",
    "4242424242424242",
    "123",
    "abc",
    "user",
    "sig",
    "a b&c",
    "AKID",
    "t1",
    "t2",
];

#[track_caller]
fn body(content_type: &str, text: &str, expect: &str) {
    let content_type = Some(content_type.as_bytes()).filter(|text| !text.is_empty());
    let new = redactor().body(content_type, text.as_bytes());
    let changed = new.is_some();
    let new = new.unwrap_or_else(|| text.as_bytes().to_vec());
    assert_eq!(redactor().body(content_type, &new), None, "a second time: {}", String::from_utf8_lossy(&new));
    assert_eq!(named(new, &SECRETS), expect);
    assert_eq!(changed, expect != text, "{text}");
}

#[test]
fn hash_equals_the_vectors_of_the_rfc() {
    // RFC 2202, 3: test cases 2 and 6, the latter with a key longer than a block.
    let token = |key: &str, text: &[u8]| {
        let redactor = Redactor::new(&Settings { key: key.into(), ..Settings::default() });
        String::from_utf8(redactor.token(text)).unwrap()
    };
    assert_eq!(token("Jefe", b"what do ya want for nothing?"), "redacted-effcdf6ae5eb2fa2");
    assert_ne!(token("a", b"s"), token("b", b"s"));
    assert_eq!(token(&"a".repeat(65), b"s").len(), 25);
}

#[test]
fn secrets_in_json_fields_are_replaced() {
    let json = |text: &str, expect: &str| body("application/json", text, expect);
    json(r#"{"password":"hunter2"}"#, r#"{"password":"{hunter2}"}"#);
    json(
        r#"{"a" : {"clientSecret"	:
 "hunter2" , "b":1}}"#,
        r#"{"a" : {"clientSecret"	:
 "{hunter2}" , "b":1}}"#,
    );
    json(r#"{"password":"se\"cret \u00e9"}"#, r#"{"password":"{se"cret é}"}"#);
    json(r#"{"password":"se\"cret é"}"#, r#"{"password":"{se"cret é}"}"#);
    json(
        r#"{"password":"","secret":null,"api_key":true,"token_type":"Bearer"}"#,
        r#"{"password":"","secret":null,"api_key":true,"token_type":"Bearer"}"#,
    );
    json(r#"{"access_tokens":["t1", "t2"],"x":["t1"]}"#, r#"{"access_tokens":["{t1}", "{t2}"],"x":["t1"]}"#);
    json(
        r#"{"password":{"S":"hunter2"},"secret":{"stringValue": "abc"},"token":{"id":"abc"}}"#,
        r#"{"password":{"S":"{hunter2}"},"secret":{"stringValue": "{abc}"},"token":{"id":"abc"}}"#,
    );
    json(
        r#"{"token":"Hello","tokens":[{"token":"quick"}],"max_tokens":12}"#,
        r#"{"token":"Hello","tokens":[{"token":"quick"}],"max_tokens":12}"#,
    );
    json(r#"{"token":"0123456789abcdef01"}"#, r#"{"token":"{0123456789abcdef01}"}"#);
    json(
        r#"{"next_page_token":"0123456789abcdef01","key":"0123456789abcdef01abc"}"#,
        r#"{"next_page_token":"0123456789abcdef01","key":"0123456789abcdef01abc"}"#,
    );
    // An answer of an echo service.
    json(
        r#"{"headers":{"Authorization":"Bearer abc","Cookie":"a=t1; b=t2"}}"#,
        r#"{"headers":{"Authorization":"Bearer {abc}","Cookie":"a={t1}; b={t2}"}}"#,
    );
    json(
        r#"{"type":"password","password":"redacted","secret":"***","a":"password"}"#,
        r#"{"type":"password","password":"redacted","secret":"***","a":"password"}"#,
    );
}

#[test]
fn secrets_in_truncated_or_repeated_json_are_replaced() {
    body("", r#"{"a":1,"password":"hunter2"#, r#"{"a":1,"password":"{hunter2}"#);
    body(
        "",
        "{\"secret\":\"abc\"}\n{\"secret\":\"t1\"}\n",
        "{\"secret\":\"{abc}\"}\n{\"secret\":\"{t1}\"}\n",
    );
    // A stray quote affects only its own line.
    body(
        "text/event-stream",
        ": it\"s\ndata: {\"secret\":\"abc\"}\n\n",
        ": it\"s\ndata: {\"secret\":\"{abc}\"}\n\n",
    );
    body(
        "text/html",
        "<script>var c = {\"secret\": \"abc\"}</script>",
        "<script>var c = {\"secret\": \"{abc}\"}</script>",
    );
    for odd in [
        "",
        "\"",
        "\\",
        "{\"",
        "\"password\"",
        "\"password\":",
        "\"password\":[",
        "\"password\":{\"S\"",
        "<",
        "<a",
        "<password>",
        "\"password\": \"",
    ] {
        body("", odd, odd);
    }
}

#[test]
fn card_numbers_are_replaced() {
    let card = "{4242424242424242}";
    body(
        "",
        r#"{"number":"4242 4242 4242 4242","cvc":"123"}"#,
        &format!(r#"{{"number":"{card}","cvc":"{{123}}"}}"#),
    );
    body(
        "",
        r#"{"number":4242424242424242,"cvc":123,"n":12}"#,
        &format!(r#"{{"number":"{card}","cvc":"{{123}}","n":12}}"#),
    );
    body("", r#"["4242-4242-4242-4242"]"#, &format!(r#"["{card}"]"#));
    body(
        "",
        r#"{"order_id":"4242424242424242","number":4242424242424241}"#,
        r#"{"order_id":"4242424242424242","number":4242424242424241}"#,
    );
    body("", r#"{"text":"pay with 4242424242424242"}"#, r#"{"text":"pay with 4242424242424242"}"#);
    body("text/plain", " 4242424242424242\n", &format!(" {card}\n"));
    body("text/xml", "<a><n>4242424242424242</n></a>", &format!("<a><n>{card}</n></a>"));
    let form =
        |text: &str, expect: &str| body("application/x-www-form-urlencoded; charset=utf-8", text, expect);
    form(
        "card[number]=4242424242424242&card%5Bcvc%5D=123&card[exp_year]=2030",
        &format!("card[number]={card}&card%5Bcvc%5D={{123}}&card[exp_year]=2030"),
    );
    form("x=4242+4242+4242+4242&amount=1200", &format!("x={card}&amount=1200"));
}

#[test]
fn secrets_in_forms_and_queries_are_replaced() {
    let form = |text: &str, expect: &str| body("application/x-www-form-urlencoded", text, expect);
    form(
        "grant_type=password&password=a+b%26c&client_secret=abc&scope=x",
        "grant_type=password&password={a b&c}&client_secret={abc}&scope=x",
    );
    form("client_secret=redacted%2D0123456789abcdef", "client_secret=redacted%2D0123456789abcdef");
    form("client_secret=%72edacted-0123456789abcdef", "client_secret=%72edacted-0123456789abcdef");
    form("auth[api_key]=abc&tokens[0]=a&a&&=&password", "auth[api_key]={abc}&tokens[0]=a&a&&=&password");
    let path = |text: &str, expect: &str| {
        let new = redactor().path(text.as_bytes()).unwrap_or_else(|| text.as_bytes().to_vec());
        assert_eq!(redactor().path(&new), None);
        assert_eq!(named(new, &SECRETS), expect);
    };
    path("/a/b?access_token=abc&x=1#f", "/a/b?access_token={abc}&x=1#f");
    path("/a?password=", "/a?password=");
    path(
        "/a?pageToken=0123456789abcdef01&after=abc&key=short",
        "/a?pageToken=0123456789abcdef01&after=abc&key=short",
    );
    path(
        "/b/k?X-Amz-Credential=AKID%2F20261121%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Signature=sig&X-Amz-Date=1",
        "/b/k?X-Amz-Credential={AKID}%2F20261121%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Signature={sig}&X-Amz-Date=1",
    );
    path("/", "/");
}

#[test]
fn secrets_in_headers_are_replaced() {
    let check = |name: &str, value: &str, expect: &str| {
        let new = redactor().header(name.as_bytes(), value.as_bytes());
        let new = new.unwrap_or_else(|| value.as_bytes().to_vec());
        assert_eq!(redactor().header(name.as_bytes(), &new), None, "{value}");
        assert_eq!(named(new, &SECRETS), expect);
    };
    check("Authorization", "Bearer abc", "Bearer {abc}");
    check("authorization", "basic  abc", "basic  {abc}");
    check("authorization", "abc", "{abc}");
    check("authorization", "abc t1", &named(redactor().token(b"abc t1"), &[]));
    check("authorization", "", "");
    check(
        "authorization",
        "AWS4-HMAC-SHA256 Credential=AKID/20261121/us-east-1/dynamodb/aws4_request, SignedHeaders=host;x, Signature=sig",
        "AWS4-HMAC-SHA256 Credential={AKID}/20261121/us-east-1/dynamodb/aws4_request, SignedHeaders=host;x, Signature={sig}",
    );
    check(
        "cookie",
        "a=t1; b=\"t2\"; c=; d",
        &format!(
            "a={{t1}}; b={}; c=; {}",
            named(redactor().token(b"\"t2\""), &[]),
            named(redactor().token(b"d"), &[])
        ),
    );
    check("set-cookie", "sid=t1; Path=/; HttpOnly", "sid={t1}; Path=/; HttpOnly");
    check("plaid-client-id", "abc", "abc");
    check("x-api-key", "abc", "{abc}");
    check("location", "https://h/cb?code=1&access_token=abc", "https://h/cb?code=1&access_token={abc}");
    check("idempotency-key", "0123456789abcdef01", "0123456789abcdef01");
    check("x-amz-target", "DynamoDB_20120810.GetItem", "DynamoDB_20120810.GetItem");
    check(":path", "/?password=a", "/?password=a");
}

const SIGNED: &str = "eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJhIn0.c2lnbmF0dXJlLXNpZ25hdHVyZQ";

#[test]
fn shapes_are_replaced_at_any_place() {
    let live = format!("{}{}", "sk_live_", "51H8xAbCdEfGhIj");
    let token = String::from_utf8(redactor().token(live.as_bytes())).unwrap();
    body("", &format!(r#"{{"text":"use {live}, please"}}"#), &format!(r#"{{"text":"use {token}, please"}}"#));
    body("", &format!(r#"{{"a":"x\n{live}"}}"#), &format!(r#"{{"a":"x\n{token}"}}"#));
    body("text/plain", &format!("key={live}\n"), &format!("key={token}\n"));
    body("text/plain", &format!("a{live}"), &format!("a{live}"));
    assert_eq!(
        redactor().path(format!("/hook/{live}/x").as_bytes()).unwrap(),
        format!("/hook/{token}/x").into_bytes()
    );
    assert_eq!(redactor().header(b"x-other", live.as_bytes()).unwrap(), token.clone().into_bytes());
    let jwt = String::from_utf8(redactor().token(SIGNED.as_bytes())).unwrap();
    assert!(jwt.starts_with("redacted-jwt-"), "{jwt}");
    body("", &format!(r#"{{"a":"{SIGNED}"}}"#), &format!(r#"{{"a":"{jwt}"}}"#));
    assert_eq!(
        redactor().header(b"authorization", format!("Bearer {SIGNED}").as_bytes()).unwrap(),
        format!("Bearer {jwt}").into_bytes()
    );
    // An assertion states who requests what, so that it is compared.
    let signature = String::from_utf8(redactor().token(b"c2lnbmF0dXJlLXNpZ25hdHVyZQ")).unwrap();
    let (says, _) = SIGNED.rsplit_once('.').unwrap();
    body(
        "application/x-www-form-urlencoded",
        &format!("assertion={SIGNED}"),
        &format!("assertion={says}.{signature}"),
    );
    let url = format!("https://b/k?X-Amz-Signature={}\\u0026x=1", "a".repeat(64));
    let token = String::from_utf8(redactor().token("a".repeat(64).as_bytes())).unwrap();
    body(
        "",
        &format!(r#"{{"url":"{url}"}}"#),
        &format!(r#"{{"url":"https://b/k?X-Amz-Signature={token}\u0026x=1"}}"#),
    );
}

#[test]
fn a_private_key_has_one_token_however_it_is_written() {
    let (begin, end) =
        (format!("{0}BEGIN RSA PRIVATE KEY{0}", "-----"), format!("{0}END RSA PRIVATE KEY{0}", "-----"));
    let lines = format!("{begin}\nMIIE\nabc=\n{end}");
    let token = |text: &[u8], before: &str, after: &str| {
        let text = String::from_utf8(redactor().body(None, text).unwrap()).unwrap();
        text.strip_prefix(before).unwrap().strip_suffix(after).unwrap().to_owned()
    };
    let plain = token(format!("{lines}\n").as_bytes(), "", "\n");
    assert!(is_token(plain.as_bytes()));
    let escaped = format!("{{\"pem\":\"{}\\n\"}}", lines.replace('\n', "\\n"));
    assert_eq!(token(escaped.as_bytes(), "{\"pem\":\"", "\\n\"}"), plain);
}

#[test]
fn secrets_in_xml_elements_are_replaced() {
    body(
        "text/xml",
        "<r><AccessKeyId>AKID</AccessKeyId><sts:SessionToken x='1'>abc</sts:SessionToken><NextToken>abc</NextToken><Secret/><password></password></r>",
        "<r><AccessKeyId>{AKID}</AccessKeyId><sts:SessionToken x='1'>{abc}</sts:SessionToken><NextToken>abc</NextToken><Secret/><password></password></r>",
    );
}

#[test]
fn binary_body_stays() {
    let check = |content_type: &str, bytes: &[u8]| {
        assert_eq!(redactor().body(Some(content_type.as_bytes()), bytes), None);
    };
    check("application/json", b"\x1f\x8b\x08{\"password\":\"hunter2\"}");
    check("application/x-protobuf", b"\n {\"password\":\"hunter2\"}        ");
    check("application/grpc", b"{\"password\":\"hunter2\"}");
    check("application/json", b"");
}

#[test]
fn configuration_adds_and_removes_names() {
    let settings = Settings {
        fields: vec!["pin".into()],
        headers: vec!["x-mine".into()],
        allow: vec!["id_token".into(), "cookie".into()],
        ..Settings::default()
    };
    let redactor = Redactor::new(&settings);
    assert!(redactor.body(None, br#"{"PIN":"1"}"#).is_some());
    assert!(redactor.header(b"X-Mine", b"1").is_some());
    assert_eq!(redactor.body(None, br#"{"id_token":"1"}"#), None);
    assert_eq!(redactor.header(b"cookie", b"a=1"), None);
}

#[test]
fn exchange_has_one_token_per_secret_and_fitting_lengths() {
    let body = |text: &str| Body { bytes: text.into(), truncated: None };
    let mut exchange = Exchange {
        request: Request {
            path: b"/a?access_token=hunter2".to_vec(),
            headers: Headers::from_pairs([
                ("Authorization", "Bearer hunter2"),
                ("content-type", "application/x-www-form-urlencoded"),
                ("Content-Length", "16"),
            ]),
            body: body("password=hunter2"),
            ..Request::default()
        },
        response: Some(Response {
            headers: Headers::from_pairs([
                ("set-cookie", "a=hunter2"),
                ("x-amz-crc32", "1"),
                ("content-length", "22"),
                ("etag", "x"),
            ]),
            body: body(r#"{"password":"hunter2"}"#),
            ..Response::default()
        }),
        ..Exchange::default()
    };
    redactor().exchange(&mut exchange);
    let token = String::from_utf8(redactor().token(b"hunter2")).unwrap();
    assert_eq!(exchange.request.path, format!("/a?access_token={token}").into_bytes());
    assert_eq!(exchange.request.headers.get(b"authorization"), Some(format!("Bearer {token}").as_bytes()));
    assert_eq!(exchange.request.headers.get(b"content-length"), Some(&b"34"[..]));
    assert_eq!(exchange.request.body.bytes, format!("password={token}").into_bytes());
    let response = exchange.response.as_ref().unwrap();
    let expect =
        [("set-cookie", format!("a={token}")), ("content-length", "40".into()), ("etag", "x".into())];
    assert_eq!(response.headers, Headers::from_pairs(expect));
    assert_eq!(response.body.bytes, format!(r#"{{"password":"{token}"}}"#).into_bytes());
    let again = exchange.clone();
    redactor().exchange(&mut exchange);
    assert_eq!(exchange, again);
}

#[cfg(not(target_family = "wasm"))]
mod properties {
    use super::*;
    use proptest::prelude::*;

    /// Pieces that mean something to the scanner, in any order.
    fn text() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            proptest::sample::select(vec![
                "\"",
                "\\",
                "\"password\"",
                "\"token\"",
                ":",
                "{",
                "}",
                "[",
                "]",
                ",",
                "\n",
                " ",
                "<password>",
                "<",
                ">",
                "/",
                "4242424242424242",
                "12",
                "abcdefghijklmnop",
                "0123456789abcdef",
                "redacted-",
                "redacted-0123456789abcdef",
                "S",
                "eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJhIn0.",
                "c2lnbmF0dXJlLXNpZ25hdHVyZQ",
                "-----BEGIN PRIVATE KEY-----",
                "-----END ",
                "glpat-",
                "X-Amz-Signature=",
                "&",
                "=",
                "password",
                "assertion",
                "card[number]",
                "%20",
                "+",
                "Bearer ",
                ";",
                "?",
                "é",
                "AWS4-HMAC-SHA256 Credential=",
                "Signature=",
                "Authorization",
                "Cookie",
                "\"number\":",
                "\"cvc\":",
            ])
            .prop_map(|text| text.as_bytes().to_vec()),
            proptest::collection::vec(any::<u8>(), 0..4),
        ];
        proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
    }

    fn again(look: impl Fn(&[u8]) -> Option<Vec<u8>>, text: &[u8]) -> Result<(), TestCaseError> {
        if let Some(once) = look(text) {
            let twice = look(&once);
            prop_assert_eq!(
                twice.as_ref().map(|b| String::from_utf8_lossy(b)),
                None,
                "{}",
                String::from_utf8_lossy(&once)
            );
        }
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn redacting_twice_changes_nothing(text in text()) {
            let r = redactor();
            again(|text| r.body(None, text), &text)?;
            again(|text| r.body(Some(b"application/x-www-form-urlencoded"), text), &text)?;
            again(|text| r.path(text), &text)?;
            for name in ["authorization", "cookie", "set-cookie", "x-api-key", "location", "x"] {
                again(|text| r.header(name.as_bytes(), text), &text)?;
            }
        }

        #[test]
        fn redacted_json_stays_json_with_its_other_values(secret in "[!-~]{1,40}", before: String, after: String) {
            prop_assume!(!is_placeholder(secret.as_bytes()) && !contains_token(secret.as_bytes()));
            let quiet = |text: &String| serde_json::to_string(&text.replace(|c: char| c.is_ascii_graphic(), ".")).unwrap();
            let json = format!(r#"{{"a":{},"client_secret":{},"b":{}}}"#, quiet(&before), serde_json::to_string(&secret).unwrap(), quiet(&after));
            prop_assume!(is_text(json.as_bytes()));
            let token = String::from_utf8(redactor().token(secret.as_bytes())).unwrap();
            let expect = format!(r#"{{"a":{},"client_secret":"{token}","b":{}}}"#, quiet(&before), quiet(&after));
            prop_assert_eq!(String::from_utf8(redactor().body(None, json.as_bytes()).unwrap()).unwrap(), expect);
            // The same secret in a form has the same token.
            let form: String = secret.bytes().map(|b| format!("%{b:02X}")).collect();
            let new = redactor().body(Some(b"application/x-www-form-urlencoded"), format!("client_secret={form}&x=1").as_bytes());
            prop_assert_eq!(String::from_utf8(new.unwrap()).unwrap(), format!("client_secret={token}&x=1"));
        }

        #[test]
        fn truncated_body_leaks_no_secret(secret in "[a-w0-9]{24,40}", cut in 0usize..24) {
            let (before, kept) = (r#"{"x":1,"client_secret":""#, &secret[..secret.len() - cut]);
            let new = redactor().body(None, format!("{before}{kept}").as_bytes()).unwrap();
            let token = String::from_utf8(redactor().token(kept.as_bytes())).unwrap();
            prop_assert_eq!(String::from_utf8(new).unwrap(), format!("{before}{token}"));
        }
    }

    #[test]
    fn hostile_text_takes_linear_time() {
        let pieces = [
            "\"",
            "\"\\",
            "\"password\"",
            "\"password\":",
            "\"password\":[",
            "\"token\":[\"a\",",
            "\"a\"  ",
            "<",
            "<a ",
            "<token>",
            "<token>a",
            "-----BEGIN PRIVATE KEY-----",
            "-",
            "eyJ",
            "eyJ.",
            "eyJ-",
            "sk_live_",
            "sk_live_EXAMPLE.",
            "X-Amz-Signature=",
            "redacted-",
            "4",
            "password=&",
            "%",
            "token=",
            "-----BEGIN PRIVATE KEY-----redacted-0123456789abcdef",
            " ",
            "\n",
            "e",
            "\"secret\":{\"S\":",
        ];
        for piece in pieces {
            let long = piece.repeat((1 << 20) / piece.len());
            let start = std::time::Instant::now();
            redactor().body(None, long.as_bytes());
            redactor().body(Some(b"application/x-www-form-urlencoded"), long.as_bytes());
            redactor().path(long.as_bytes());
            redactor().header(b"authorization", long.as_bytes());
            redactor().header(b"cookie", long.as_bytes());
            // A text that was looked at again from each byte on would take minutes.
            assert!(start.elapsed().as_secs() < 20, "{piece:?}: {:?}", start.elapsed());
        }
    }
}
