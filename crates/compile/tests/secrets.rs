//! The engine never lets a secret out, and a recording without secrets still answers who knows them.

use understudy_compile::table::TableBuilder;
use understudy_core::config::Config;
use understudy_core::engine::{Action, MemoryHost, Stream, Vm};
use understudy_core::exchange::{Body, Exchange, Request, Response};
use understudy_core::headers::Headers;
use understudy_core::redact::{Redactor, Settings};
use understudy_core::rules::Rule;
use understudy_core::table::Table;
use understudy_core::v1;
use understudy_snapshot::Header;

const SECRETS: [&str; 5] =
    ["4242424242424242", "s3cr3t-of-the-client", "bearer-of-news", "sess10n", "hunter2"];
const FORM: &str = "application/x-www-form-urlencoded";
const CARD: &str = "card[number]=4242424242424242&client_secret=s3cr3t-of-the-client";
const TAP: &str = r#"{"default":"tap","collector":{"cluster":"c"},"redaction":{"key":"k"}}"#;

fn vm<'a>(table: &'a [u8], config: &str) -> Vm<&'a [u8]> {
    Vm::new(&Config::from_json(config.as_bytes()).unwrap(), Table::open(table).unwrap(), "vm".to_owned())
}

/// Sends a request; where it goes on, it is answered with the same body.
fn ask(
    vm: &mut Vm<&[u8]>,
    path: &str,
    bearer: &str,
    content_type: &str,
    body: &str,
) -> Option<(u16, String)> {
    let authorization = format!("Bearer {bearer}");
    let headers = Headers::from_pairs([
        (":method", "POST"),
        (":path", path),
        (":scheme", "http"),
        (":authority", "api.test"),
        ("authorization", &authorization),
        ("cookie", "sid=sess10n"),
        ("content-type", content_type),
    ]);
    let (mut stream, mut host) = (Stream::new(), MemoryHost::with_body(body));
    stream.request_headers(headers, false, vm, &mut host);
    let action = stream.request_body(body.len(), true, vm, &mut host);
    let answered =
        [(":status", "200"), ("set-cookie", "sid=sess10n; Path=/"), ("content-type", content_type)];
    stream.response_headers(|| Headers::from_pairs(answered), false, vm, &mut host);
    stream.response_body(body.len(), true, vm, &mut host);
    stream.end(vm, &mut host);
    match action {
        Action::Reply(reply) => Some((reply.status, String::from_utf8(reply.body).unwrap())),
        _ => None,
    }
}

/// What would go to the collector.
fn sent(vm: &mut Vm<&[u8]>) -> String {
    let mut all = String::new();
    while let Some((_, bytes)) = vm.outbox().unwrap().next(u64::MAX) {
        all.push_str(std::str::from_utf8(bytes).unwrap());
    }
    all
}

fn exchanges(sent: &str) -> Vec<Exchange> {
    let lines = sent.lines().filter(|line| !line.contains(r#""type":"batch""#));
    let mut found: Vec<_> = lines.map(|line| v1::read_record(line.as_bytes()).unwrap().exchange).collect();
    (0..).zip(&mut found).for_each(|(time, exchange)| exchange.time = time);
    found
}

fn table(exchanges: &[Exchange], key: &str) -> Vec<u8> {
    let redaction = Some(Settings { key: key.into(), ..Settings::default() });
    let mut builder = TableBuilder::new(&Header { redaction, ..Header::default() });
    exchanges.iter().for_each(|exchange| builder.push(exchange).unwrap());
    builder.finish().unwrap().bytes
}

fn assert_clean(text: &str) {
    for secret in SECRETS {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}

/// A recording of a payment with this card, and the calls that led to it.
fn recording() -> Vec<Exchange> {
    let mut tap = vm(&[], TAP);
    assert_eq!(ask(&mut tap, "/pay?access_token=bearer-of-news", "bearer-of-news", FORM, CARD), None);
    assert_eq!(ask(&mut tap, "/json", "x", "application/json", r#"{"password":"hunter2","n":1}"#), None);
    let sent = sent(&mut tap);
    assert_clean(&sent);
    assert!(sent.contains("Bearer redacted-") && sent.contains("sid=redacted-"), "{sent}");
    exchanges(&sent)
}

#[test]
fn what_is_recorded_without_secrets_answers_who_knows_them_and_nobody_else() {
    let table = table(&recording(), "k");
    for config in ["{}", r#"{"redaction":{"enabled":false}}"#, r#"{"redaction":{"key":"another"}}"#] {
        let mut mock = vm(&table, config);
        let mut status = |path: &str, content_type: &str, body: &str| {
            ask(&mut mock, path, "other-credentials", content_type, body).unwrap().0
        };
        let pay = "/pay?access_token=bearer-of-news";
        assert_eq!(status(pay, FORM, CARD), 200, "the same card, whoever asks");
        assert_eq!(
            status(pay, FORM, &CARD.replace("4242424242424242", "5555555555554444")),
            404,
            "another card"
        );
        assert_eq!(status("/pay?access_token=other", FORM, CARD), 404, "another token");
        assert_eq!(status("/json", "application/json", r#"{"n":1,"password":"hunter2"}"#), 200);
        assert_eq!(status("/json", "application/json", r#"{"n":1,"password":"hunter3"}"#), 404);
        // A token that the service got in an answer, and sends back.
        let recorded = String::from_utf8(recording()[0].request.path.clone()).unwrap();
        assert!(recorded.starts_with("/pay?access_token=redacted-"), "{recorded}");
        assert_eq!(status(&recorded, FORM, CARD), 200);
    }
}

#[test]
fn under_another_key_nothing_with_a_secret_matches() {
    let table = table(&recording(), "not k");
    let mut mock = vm(&table, "{}");
    assert_eq!(ask(&mut mock, "/pay?access_token=bearer-of-news", "x", FORM, CARD).unwrap().0, 404);
}

#[test]
fn verdicts_and_misses_show_no_secret() {
    // With tokens in the recording, and with a recording that has secrets itself.
    let mut kept = recording();
    kept.truncate(1);
    kept[0].request.path = b"/pay".to_vec();
    kept[0].request.body.bytes = b"a=1".to_vec();
    for table in [table(&recording(), "k"), table(&kept, "")] {
        let mut mock = vm(&table, r#"{"collector":{"cluster":"c"},"redaction":{"key":"k"}}"#);
        let (status, told) =
            ask(&mut mock, "/pay?access_token=bearer-of-news&x=1", "bearer-of-news", FORM, CARD).unwrap();
        assert_eq!(status, 404);
        assert_clean(&told);
        assert!(told.contains("redacted-") && told.contains("nearest"), "{told}");
        let sent = sent(&mut mock);
        assert!(sent.contains(r#""verdict":"miss""#), "{sent}");
        assert_clean(&sent);
    }
}

#[test]
fn a_captured_miss_and_a_match_leave_without_secrets() {
    let table = table(&recording(), "k");
    let mut mock = vm(&table, r#"{"collector":{"cluster":"c"},"on_miss":"capture"}"#);
    assert_eq!(ask(&mut mock, "/more?password=hunter2", "bearer-of-news", FORM, CARD), None);
    assert!(ask(&mut mock, "/pay?access_token=bearer-of-news", "bearer-of-news", FORM, CARD).is_some());
    let sent = sent(&mut mock);
    assert_eq!(sent.matches(r#""type":"verdict""#).count(), 2, "{sent}");
    assert_eq!(sent.matches(r#""type":"exchange""#).count(), 1, "{sent}");
    assert_clean(&sent);
}

#[test]
fn secrets_leave_where_that_is_asked_for() {
    let mut tap = vm(&[], &TAP.replace(r#""key":"k""#, r#""enabled":false"#));
    ask(&mut tap, "/pay", "bearer-of-news", FORM, CARD);
    let sent = sent(&mut tap);
    assert!(SECRETS[..4].iter().all(|secret| sent.contains(secret)), "{sent}");
}

#[test]
fn only_backends_with_tokens_are_marked() {
    let mut all = recording();
    all[1].backend = "http://other.test".into();
    all[1].request.body.bytes = b"{}".to_vec();
    let table = table(&all, "k");
    let meta = Table::open(&table[..]).unwrap().meta().clone();
    let marked: Vec<_> = meta.backends.iter().map(|b| (b.name.as_str(), b.redacted)).collect();
    assert_eq!(marked, [("http://api.test", true), ("http://other.test", false)]);
    assert_eq!(meta.redaction.unwrap().key, "k");
}

/// A secret in a compressed body is found, in what leaves and in what is asked.
#[test]
fn compressed_bodies_leave_without_secrets_and_match() {
    use std::io::Write as _;
    let gzip = |text: &str| {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(text.as_bytes()).unwrap();
        gzip.finish().unwrap()
    };
    let redactor = Redactor::new(&Settings { key: "k".into(), ..Settings::default() });
    let json = |text: &str, coded: bool| {
        let coding = coded.then_some(("content-encoding", "gzip"));
        let headers = [("content-type", "application/json")].into_iter().chain(coding);
        let bytes = if coded { gzip(text) } else { text.into() };
        (Headers::from_pairs(headers), Body { bytes, truncated: None })
    };
    let exchange = |card: &str| {
        let (headers, body) = json(&format!(r#"{{"number":"{card}"}}"#), true);
        let request =
            Request { method: b"POST".to_vec(), path: b"/".to_vec(), headers, body, ..Request::default() };
        let (headers, body) = json(r#"{"access_token":"bearer-of-news"}"#, true);
        let response = Response { status: 200, headers, body, ..Response::default() };
        Exchange {
            backend: "http://api.test".into(),
            request,
            response: Some(response),
            ..Exchange::default()
        }
    };
    let mut recorded = exchange("4242424242424242");
    redactor.exchange(&mut recorded);
    for (headers, body) in [
        (&recorded.request.headers, &recorded.request.body),
        (&recorded.response.as_ref().unwrap().headers, &recorded.response.as_ref().unwrap().body),
    ] {
        assert_eq!(headers.get(b"content-encoding"), None);
        assert!(String::from_utf8_lossy(&body.bytes).contains("redacted-"));
    }
    let table = table(&[recorded], "k");
    let mut vm = vm(&table, r#"{"default":"mock"}"#);
    let mut status = |card: &str| {
        let live = exchange(card).request;
        let pseudo = [(":method", "POST"), (":path", "/"), (":scheme", "http"), (":authority", "api.test")];
        let pseudo = pseudo.map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        let headers = Headers::from_pairs(pseudo.into_iter().chain(live.headers.iter()));
        let (mut stream, mut host) = (Stream::new(), MemoryHost::with_body(live.body.bytes.clone()));
        stream.request_headers(headers, false, &mut vm, &mut host);
        match stream.request_body(live.body.bytes.len(), true, &mut vm, &mut host) {
            Action::Reply(reply) => reply.status,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(status("4242424242424242"), 200);
    assert_eq!(status("4000000000000002"), 404);
}

/// A rule makes a secret header count: its token does, whatever the key.
#[test]
fn a_header_that_counts_is_compared_by_its_token() {
    let rule = Rule { require: vec!["cookie".to_owned().try_into().unwrap()], ..Rule::default() };
    let settings = Settings { key: "k".into(), ..Settings::default() };
    let request = |sid: &str| Headers::from_pairs([("cookie", format!("sid={sid}; lang=de"))]);
    let get = Request {
        method: b"GET".to_vec(),
        path: b"/".to_vec(),
        headers: request("s3cr3t-of-ada"),
        ..Request::default()
    };
    let response = Some(Response { status: 200, ..Response::default() });
    let mut recorded =
        Exchange { backend: "http://api.test".into(), request: get, response, ..Exchange::default() };
    Redactor::new(&settings).exchange(&mut recorded);
    let mut builder =
        TableBuilder::new(&Header { redaction: Some(settings), rules: vec![rule], ..Header::default() });
    builder.push(&recorded).unwrap();
    let table = builder.finish().unwrap().bytes;
    let mut vm = vm(&table, r#"{"default":"mock"}"#);
    let mut ask = |sid: &str| {
        let pseudo = [(":method", "GET"), (":path", "/"), (":scheme", "http"), (":authority", "api.test")];
        let pseudo = pseudo.map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        let headers = request(sid);
        let headers = Headers::from_pairs(pseudo.into_iter().chain(headers.iter()));
        match Stream::new().request_headers(headers, true, &mut vm, &mut MemoryHost::default()) {
            Action::Reply(reply) => (reply.status, String::from_utf8(reply.body).unwrap()),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(ask("s3cr3t-of-ada").0, 200);
    let (status, told) = ask("s3cr3t-of-eve");
    assert!(status == 404 && told.contains("header.cookie") && !told.contains("s3cr3t"), "{told}");
}
