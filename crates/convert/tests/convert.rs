//! What other tools have recorded comes in, what we have goes out, and what can't be carried over is said.

#[path = "../../snapshot/tests/common/mod.rs"]
mod common;

use flate2::Compression;
use flate2::read::GzEncoder;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use understudy_convert::{
    self as convert, ConvertError, FileFormat, FolderFormat, Format, ImportOptions, Imported, What,
};
use understudy_core::exchange::{Body, Direction, End, Exchange, Request, Response};
use understudy_core::headers::Headers;
use understudy_core::table::Sequence;
use understudy_core::time;
use understudy_snapshot::{Backend, Existing, Header, Snapshot, SnapshotWriter};

const NOW: u64 = 1_780_000_000_000_000;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn import(
    path: &Path,
    format: Format,
    backend: Option<&str>,
) -> Result<(Vec<Exchange>, Imported), ConvertError> {
    let options = ImportOptions { backend: backend.map(str::to_owned), now: NOW };
    let mut exchanges = Vec::new();
    let imported = convert::import(path, format, &options, &mut |exchange| {
        exchanges.push(exchange.clone());
        Ok(())
    })?;
    assert_eq!(imported.exchanges, exchanges.len() as u64);
    Ok((exchanges, imported))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// `METHOD BACKEND PATH BODY > STATUS BODY`.
fn line(exchange: &Exchange) -> String {
    let request = &exchange.request;
    let asked = format!(
        "{} {}{} {}",
        text(&request.method),
        exchange.backend,
        text(&request.path),
        text(&request.body.bytes)
    );
    let answer = exchange.response.as_ref();
    let answer = answer.map_or("nothing".to_owned(), |r| format!("{} {}", r.status, text(&r.body.bytes)));
    format!("{asked} > {answer}").replace("  ", " ").trim_end().to_owned()
}

fn lines(exchanges: &[Exchange]) -> Vec<String> {
    exchanges.iter().map(line).collect()
}

/// `left out|changed: ITEM: REASON`, with the fixtures' folder away.
fn said(imported: &Imported) -> Vec<String> {
    let folder = format!("{}/", fixture("").display()).replace("//", "/");
    let what = |what| if what == What::LeftOut { "left out" } else { "changed" };
    imported
        .notes
        .iter()
        .map(|n| format!("{}: {}: {}", what(n.what), n.item.replace(&folder, ""), n.reason))
        .collect()
}

fn header<'a>(headers: &'a Headers, name: &str) -> Vec<&'a str> {
    let of_name = headers.iter().filter(|(n, _)| *n == name.as_bytes());
    of_name.map(|(_, value)| std::str::from_utf8(value).unwrap()).collect()
}

#[test]
fn rrpairs_come_in_from_markdown_and_json_lines() {
    let path = fixture("rrpair");
    assert_eq!(convert::detect(&path).unwrap(), Format::Rrpair);
    let (exchanges, imported) = import(&path, Format::Rrpair, None).unwrap();
    assert_eq!(
        lines(&exchanges),
        [
            "POST https://dynamodb.test/?a=1 {} > 200 {}",
            "GET http://web:8080/health > nothing",
            // What the readable sections say overrides; the body that INTERNAL has is laid out otherwise, and the same.
            "POST https://shop.test:8443/orders?dry=1 {\"item\":\"tea\",\"count\":12345678901234567890} > 201 { \"id\" : \"o-1\" }",
            "GET http://shop.test/plain > 204",
        ]
    );
    assert_eq!(
        said(&imported),
        [
            "left out: rrpair/README.md: it is no RRPair: it doesn't begin with ### REQUEST ###",
            "left out: rrpair/action.jsonl: its pairs stand in raw.jsonl too",
            "left out: rrpair/raw.jsonl:4 (three): mysql isn't HTTP",
            "left out: rrpair/raw.jsonl:5: token is no RRPair",
            "changed: rrpair/shop.test/1.md:1 (00112233-4455-6677-8899-aabbccddeeff): its tags aren't kept",
            "changed: rrpair/shop.test/1.md:1 (00112233-4455-6677-8899-aabbccddeeff): the body is kept decoded, as it stands there: content-encoding dropped",
            "changed: rrpair/shop.test/1.md:1 (00112233-4455-6677-8899-aabbccddeeff): another pair has its uuid too: it got a number behind",
        ]
    );
    assert_eq!((imported.service.as_deref(), imported.keep_ids), (Some("web"), true));
    let [first, inbound, order, plain] = exchanges.as_slice() else { panic!("{exchanges:?}") };
    assert_eq!(first.id, "00112233-4455-6677-8899-aabbccddeeff");
    assert_eq!((first.protocol.as_str(), first.duration), ("HTTP/2", 7000));
    assert_eq!(header(&first.request.headers, "content-length"), Vec::<&str>::new());
    assert_eq!(header(&first.response.as_ref().unwrap().headers, "x-amz-crc32"), ["2745614147"]);
    assert_eq!((inbound.direction, inbound.end), (Direction::Inbound, End::NoResponse));
    assert_eq!(time::to_rfc3339(order.time), "2026-06-12T18:12:15.434167Z");
    assert_eq!((order.direction, order.duration), (Direction::Outbound, 21_000));
    assert_eq!(header(&order.request.headers, "accept"), ["text/html, application/json", "*/*"]);
    let cookies = header(&order.response.as_ref().unwrap().headers, "set-cookie");
    assert_eq!(cookies, ["a=1; expires=Fri, 12-Jun-2026", "b=2"]);
    assert_eq!(plain.id, "imported-4");
}

#[test]
fn an_archive_comes_in() {
    let path = fixture("shop.har");
    assert_eq!(convert::detect(&path).unwrap(), Format::Har);
    let (exchanges, imported) = import(&path, Format::Har, None).unwrap();
    assert_eq!(
        lines(&exchanges),
        [
            "GET https://shop.test/a?b=%20c > 200 hello",
            "POST http://shop.test:8080/form q=a%20b%26c&r= > 200 \u{fffd}PNG",
        ]
    );
    assert_eq!(
        said(&imported),
        [
            "changed: entry 1 (GET https://shop.test/a?b=%20c#top): the body is kept decoded, as it stands there: content-encoding dropped",
            "left out: entry 3 (GET https://ads.test/): it was blocked or aborted: there is no answer (net::ERR_BLOCKED_BY_CLIENT)",
            "left out: entry 4 (GET https://shop.test/lost): its body of 77 bytes isn't in the file; save the HAR with contents",
            "left out: entry 5 (GET wss://shop.test/live): wss: isn't HTTP",
            "left out: entry 6 (POST http://shop.test/up): the body of its multipart request isn't in the file",
        ]
    );
    let first = &exchanges[0];
    let pairs: Vec<_> =
        first.response.as_ref().unwrap().headers.iter().map(|(n, v)| (text(n), text(v))).collect();
    let expect = [("content-type", "text/plain"), ("set-cookie", "x=1"), ("set-cookie", "y=2")];
    assert_eq!(pairs, expect.map(|(n, v)| (n.to_owned(), v.to_owned())));
    assert_eq!(
        (time::to_rfc3339(first.time).as_str(), first.duration),
        ("2026-01-02T09:00:00.250000Z", 12_500)
    );
    assert_eq!(first.protocol, "HTTP/2");
    assert_eq!(header(&first.request.headers, "cookie"), ["s=1"]);
    assert_eq!(header(&exchanges[1].request.headers, "content-type"), ["application/x-www-form-urlencoded"]);
}

#[test]
fn mappings_come_in() {
    let path = fixture("wiremock");
    assert_eq!(convert::detect(&path).unwrap(), Format::Wiremock);
    let (exchanges, imported) = import(&path, Format::Wiremock, Some("http://api.test")).unwrap();
    assert_eq!(
        lines(&exchanges),
        [
            "GET http://api.test/a?x=1&y=%20 > 200 A",
            "GET http://api.test/q?n=a%20b&m=1&m=2 > 200 {\"b\":[1.0,10000000000000000000001]}",
            "POST http://api.test/j {\"k\":1} > 201 \0\u{fffd}",
            "PUT http://api.test/t hi > 200 from a file",
            "POST http://api.test/b \0\u{1} > 204",
            "GET https://other.test:8443/e > 200",
            "GET http://api.test/s > 200 1",
            "GET http://api.test/s > 200 2",
            "GET http://api.test/s > 200 3",
            "DELETE http://api.test/d > 404",
        ]
    );
    let mut expect = [
        "changed: exact.json: mapping 4 (text): its header accept isn't compared here",
        "changed: exact.json: mapping 4 (text): its delay (`fixedDelayMilliseconds`) isn't carried",
        "changed: single.json: mapping 1 (8c5db8b0-2db4-4ad7-a99f-38c9b00da3f7): it matches any query there, and none here",
        "left out: exact.json: mapping 6 (loser): mappings/exact.json: mapping 1 (url) answers the same request",
        "left out: left.json: mapping 1 (pattern): `request.urlPattern` is no exact match",
        "left out: left.json: mapping 2 (any): it matches any method",
        "left out: left.json: mapping 3 (contains): its body is matched by `contains`, which is no exact match",
        "left out: left.json: mapping 4 (loose): its JSON body is matched with `ignoreExtraElements`",
        "left out: left.json: mapping 5 (template): its answer is a template",
        "left out: left.json: mapping 6 (fault): its answer is a `fault`",
        "left out: left.json: mapping 7 (proxy): its answer is a `proxyBaseUrl`",
        "left out: left.json: mapping 8 (range): its header range is no exact match",
        "left out: left.json: mapping 9 (gone): its body \"gone.txt\" isn't in __files",
        "left out: scenario.json: mapping 4 (never): its scenario never comes into the state that it requires",
    ];
    let folder = format!("{}/", fixture("wiremock").display());
    let mut said: Vec<_> = said(&imported)
        .iter()
        .map(|s| s.replace(&folder, "").replacen("wiremock/mappings/", "", 1).replace("wiremock/", ""))
        .collect();
    said.sort();
    expect.sort_unstable();
    assert_eq!(said, expect);
    assert_eq!(imported.sequences.get("http://api.test"), Some(&Sequence::StickLast), "as WireMock does");
    let first = &imported.rules[0];
    assert_eq!(first.ignore.iter().map(|place| place.as_str()).collect::<Vec<_>>(), ["header.*"]);
    assert_eq!(header(&exchanges[3].request.headers, "content-type"), ["text/plain"]);
    assert_eq!(header(&exchanges[0].response.as_ref().unwrap().headers, "x-two"), ["2", "3"]);
}

#[test]
fn a_simulation_comes_in() {
    let path = fixture("hoverfly.json");
    assert_eq!(convert::detect(&path).unwrap(), Format::Hoverfly);
    let (exchanges, imported) = import(&path, Format::Hoverfly, None).unwrap();
    assert_eq!(
        lines(&exchanges),
        [
            "GET https://shop.test/a?n=a%20b&m=1&m=2 > 200 \0\u{fffd}",
            "POST http://shop.test/j {\"k\":1.0} > 201 made",
            "POST http://shop.test/f q=a%20b > 200 formed",
            "GET http://shop.test/s > 200 1",
            "GET http://shop.test/s > 200 2",
        ]
    );
    assert_eq!(
        said(&imported),
        [
            "changed: hoverfly.json: pair 2: its delay (`fixedDelay`) isn't carried",
            "changed: hoverfly.json: pair 3: it matches http and https there, and http here",
            "left out: hoverfly.json: pair 6: its path is matched by `regex`, which is no exact match",
            "left out: hoverfly.json: pair 7: its answer is a template",
            "left out: hoverfly.json: pair 8: it removes a state, which is no step in a sequence",
            "left out: hoverfly.json: globalActions.delays: delays aren't carried",
        ]
    );
    assert_eq!(imported.sequences.get("http://shop.test"), Some(&Sequence::StickLast));
}

#[test]
fn bad_input_says_where_and_why() {
    let check = |name: &str, format: Format, content: &[u8], expect: &str, code: &str| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(folder.path().join("secret"), "x").unwrap();
        fs::write(&path, content).unwrap();
        let error = import(&path, format, Some("http://api.test")).unwrap_err();
        let said = error.to_string();
        assert!(said.contains(expect) && said.contains(name), "{said}");
        assert_eq!(error.code(), code, "{said}");
    };
    let bad = "convert-input";
    let deep = format!("{{\"log\":{{\"entries\":[{}1{}]}}}}", "[".repeat(100_000), "]".repeat(100_000));
    check("a.har", Format::Har, deep.as_bytes(), "a.har:1: not an entry of a HAR: ", bad);
    check("a.har", Format::Har, b"{\"log\":\n{\"entries\":\n7}}", "a.har:3: not a HAR: invalid type", bad);
    check(
        "a.har",
        Format::Har,
        b"{\"log\":{\"version\":\"2.0\",\"entries\":[]}}",
        "version \"2.0\" of HAR is unknown",
        "convert-version",
    );
    let entry = |url: &str, time: &str, content: &str| {
        format!(
            "{{\"log\":{{\"entries\":[\n\n{{\"startedDateTime\":\"{time}\",\"time\":1e400,\"request\":{{\"method\":\"GET\",\"url\":\"{url}\"}},\"response\":{{\"status\":200,\"content\":{content}}}}}]}}}}"
        )
    };
    let good = "2026-01-01T00:00:00Z";
    check(
        "a.har",
        Format::Har,
        entry("http://h/", good, "{}").as_bytes(),
        "a.har:3: not an entry of a HAR: number out of range",
        bad,
    );
    let entry = |time: &str, content: &str| entry("http://h/", time, content).replace("1e400", "1e300");
    check(
        "a.har",
        Format::Har,
        entry("now", "{}").as_bytes(),
        "a.har:3: `startedDateTime`: \"now\" is no time",
        bad,
    );
    let wrong = entry(good, "{\"text\":\"!\",\"encoding\":\"base64\"}");
    check("a.har", Format::Har, wrong.as_bytes(), "a.har:3: `content.text`: not base64", bad);
    check("a.har", Format::Har, b"{\"log\"\xff", "isn't UTF-8", bad);

    let pair =
        |more: &str| format!("\n{{\"msgType\":\"rrpair\",\"http\":{{\"req\":{{\"host\":\"h\"{more}}}}}}}");
    check(
        "a.jsonl",
        Format::Rrpair,
        pair(",\"bodyBase64\":\"?\"").as_bytes(),
        "a.jsonl:2: `req.bodyBase64`: not base64",
        bad,
    );
    check(
        "a.jsonl",
        Format::Rrpair,
        pair(",\"headers\":{\"a\":1}").as_bytes(),
        "a.jsonl:2: not an RRPair: invalid type",
        bad,
    );
    check(
        "a.jsonl",
        Format::Rrpair,
        b"{\"msgType\":\"rrpair\",\"http\":{\"req\":{}}}\nx",
        "a.jsonl:2: not an RRPair",
        bad,
    );
    check(
        "a.jsonl",
        Format::Rrpair,
        b"{\"version\":\"7\",\"http\":{\"req\":{}}}",
        "version \"7\" of RRPair",
        "convert-version",
    );
    check(
        "a.jsonl",
        Format::Rrpair,
        b"{\"direction\":\"UP\",\"http\":{\"req\":{}}}",
        "neither IN nor OUT",
        bad,
    );
    check(
        "a.md",
        Format::Rrpair,
        b"### REQUEST ###\n```\nnonsense\n```\n",
        "a.md:3: the request has no first line",
        bad,
    );
    check(
        "a.md",
        Format::Rrpair,
        b"### REQUEST ###\n```\nGET http://h/ HTTP/1.1\nbody\n```\n",
        "a.md:4: \"body\" is no header",
        bad,
    );
    check(
        "a.md",
        Format::Rrpair,
        b"### REQUEST ###\n```\nGET /x HTTP/1.1\n```\n",
        "a.md:3: \"/x\" is no absolute URL",
        bad,
    );
    check("a.md", Format::Rrpair, b"### REQUEST ###\n", "the request has no first line", bad);

    check("mappings/a.json", Format::Wiremock, b"[]", "not a file of mappings", bad);
    check(
        "mappings/a.json",
        Format::Wiremock,
        b"{\"mappings\":[\n{\"request\":7}]}",
        "a.json:2: not a request of a mapping",
        bad,
    );
    for name in ["../secret", "/etc/passwd", "a/../../secret", "link", "a\\\\..\\\\secret"] {
        let mapping = format!(
            "{{\"request\":{{\"method\":\"GET\",\"url\":\"/\"}},\"response\":{{\"bodyFileName\":\"{name}\"}}}}"
        );
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("__files")).unwrap();
        fs::write(folder.path().join("secret"), "x").unwrap();
        std::os::unix::fs::symlink("../secret", folder.path().join("__files/link")).unwrap();
        fs::write(folder.path().join("a.json"), mapping).unwrap();
        let error = import(folder.path(), Format::Wiremock, Some("http://api.test")).unwrap_err();
        assert_eq!(error.code(), "convert-outside", "{name}: {error}");
    }
    let json = "{\"request\":{\"method\":\"POST\",\"url\":\"/\",\"bodyPatterns\":[{\"equalToJson\":\"{\"}]}}";
    check("a.json", Format::Wiremock, json.as_bytes(), "`equalToJson` isn't JSON", bad);
    check(
        "a.json",
        Format::Hoverfly,
        b"{\"data\":{},\"meta\":{\"schemaVersion\":\"v6\"}}",
        "version \"v6\" of Hoverfly",
        "convert-version",
    );
    check("a.json", Format::Hoverfly, b"{\"data\":{}}", "version \"\" of Hoverfly", "convert-version");
    let encoded = b"{\"data\":{\"pairs\":[{\"request\":{\"method\":[{\"value\":\"GET\"}],\"path\":[{\"value\":\"/\"}]},\"response\":{\"body\":\"!\",\"encodedBody\":true}}]},\"meta\":{\"schemaVersion\":\"v5\"}}";
    check("a.json", Format::Hoverfly, encoded, "`body`: not base64", bad);
    let no_backend = import(&fixture("wiremock"), Format::Wiremock, None).unwrap_err();
    assert_eq!(no_backend.code(), "convert-no-backend", "{no_backend}");
    assert_eq!(convert::detect(&fixture("../convert.rs")).unwrap_err().code(), "convert-unknown");
}

/// What all formats carry, and what only some do.
fn recorded() -> Vec<Exchange> {
    let exchange = |number: u64,
                    method: &str,
                    path: &str,
                    headers: &[(&str, &str)],
                    body: &[u8],
                    answer: &[u8]| Exchange {
        id: number.to_string(),
        time: NOW + number * 1_000_000,
        duration: 21_000,
        backend: "http://api.test:8080".into(),
        protocol: "HTTP/1.1".into(),
        request: Request {
            method: method.into(),
            path: path.into(),
            headers: Headers::from_pairs(headers.iter().copied()),
            body: Body { bytes: body.to_vec(), truncated: None },
            trailers: Headers::new(),
        },
        response: Some(Response {
            status: 200,
            headers: Headers::from_pairs([("content-type", "text/plain"), ("x-a", "1, 2"), ("x-a", "\\,3")]),
            body: Body { bytes: answer.to_vec(), truncated: None },
            trailers: Headers::new(),
        }),
        ..Exchange::default()
    };
    let json = [("content-type", "application/json; charset=utf-8")];
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let long = "long ".repeat(4000);
    vec![
        exchange(1, "GET", "/a?x=%20&y=", &[], b"", b"first"),
        exchange(2, "GET", "/a?x=%20&y=", &[], b"", b"second"),
        exchange(3, "GET", "/a?x=%20&y=", &[], b"", b"third"),
        exchange(
            4,
            "POST",
            "/json",
            &json,
            b"{\"n\": 12345678901234567890, \"a\": [1.0]}",
            b"{\"b\":{},\"a\":[ ]}",
        ),
        exchange(5, "POST", "/form", &form, b"a=1&b[]=%20x&a=2", long.as_bytes()),
        exchange(6, "POST", "/empty", &[], b"", b""),
        exchange(
            7,
            "GET",
            "/tags?t=1&t=2&u=a%3Bb",
            &[("range", "bytes=0-1")],
            b"",
            b"### RESPONSE ###\n```\n\n### X",
        ),
        exchange(8, "PUT", "/text", &[("content-type", "text/plain")], b"a\n\n", b"line\nline\n"),
        exchange(9, "GET", "/bytes", &[], b"", b"\0\xff\xfe"),
        exchange(10, "GET", "/bytes", &[("if-none-match", "\"1\"")], b"", b"tagged"),
        exchange(12, "DELETE", "/other", &[("stripe-version", "2020")], b"", b" {\"not\" json} "),
    ]
}

fn snapshot(folder: &Path, exchanges: &[Exchange], sequence: Option<Sequence>) -> Snapshot {
    let mut writer = SnapshotWriter::create(folder, Existing::Refuse).unwrap();
    exchanges.iter().for_each(|exchange| writer.push(exchange).unwrap());
    let backend = Backend { sequence, ..Backend::default() };
    let backends = [("http://api.test:8080".to_owned(), backend)].into();
    writer.finish(Header { name: "s".into(), recorded: NOW, backends, ..Header::default() }).unwrap()
}

/// Exports as a format and imports again.
fn there_and_back(
    format: &str,
    exchanges: &[Exchange],
    sequence: Option<Sequence>,
) -> (Vec<Exchange>, Imported) {
    let folder = tempfile::tempdir().unwrap();
    let snapshot = snapshot(&folder.path().join("s"), exchanges, sequence);
    let out = folder.path().join("out");
    let file = |format| {
        let mut content = Vec::new();
        convert::export_file(&snapshot, format, &mut content).unwrap();
        fs::write(&out, content).unwrap();
    };
    let into = |format| drop(convert::export_folder(&snapshot, format, &out).unwrap());
    match format {
        "jsonl" => file(FileFormat::RrpairJsonl),
        "har" => file(FileFormat::Har),
        "hoverfly" => file(FileFormat::Hoverfly),
        "md" => into(FolderFormat::RrpairMd),
        _ => into(FolderFormat::Wiremock),
    }
    let from = if format == "wiremock" { out.join("http-api.test_8080") } else { out };
    let backend = (format == "wiremock").then_some("http://api.test:8080");
    import(&from, convert::detect(&from).unwrap(), backend).unwrap()
}

fn sorted(headers: &Headers) -> Headers {
    let mut pairs: Vec<_> = headers.iter().collect();
    pairs.sort_by_key(|(name, _)| *name);
    Headers::from_pairs(pairs)
}

#[test]
fn rrpairs_and_archives_carry_all_of_it() {
    for format in ["jsonl", "md", "har"] {
        let (mut back, imported) = there_and_back(format, &recorded(), None);
        assert_eq!(said(&imported), [""; 0], "{format}");
        back.sort_by_key(|exchange| exchange.time);
        assert_eq!(back.len(), recorded().len(), "{format}");
        for (number, (back, sent)) in (1..).zip(back.into_iter().zip(recorded())) {
            let mut expect = Exchange { id: back.id.clone(), ..sent };
            let mut back = back;
            for exchange in [&mut expect, &mut back] {
                exchange.request.headers = sorted(&exchange.request.headers);
                let response = exchange.response.as_mut().unwrap();
                response.headers = sorted(&response.headers);
            }
            assert_eq!(back, expect, "{format}: {number}");
        }
    }
}

#[test]
fn stubs_carry_what_is_asked_and_what_is_answered() {
    for format in ["wiremock", "hoverfly"] {
        let (back, imported) = there_and_back(format, &recorded(), None);
        assert_eq!(said(&imported), [""; 0], "{format}");
        assert_eq!(back.len(), recorded().len(), "{format}");
        for (back, sent) in back.iter().zip(recorded()) {
            assert_eq!(back.response, sent.response, "{format}");
            let signature = |exchange: &Exchange| {
                understudy_core::canonical::Signature::of(
                    &understudy_core::canonical::RequestView::from(exchange),
                    &understudy_core::rules::Rules::default(),
                )
                .digest()
            };
            let same = signature(back) == signature(&sent);
            assert!(same, "{format}: {} and {}", line(back), line(&sent));
        }
    }
}

#[test]
fn how_a_sequence_ends_is_carried_by_stubs() {
    for format in ["wiremock", "hoverfly"] {
        for (sequence, expect) in [
            (None, None),
            (Some(Sequence::Cycle), None),
            (Some(Sequence::StickLast), Some(Sequence::StickLast)),
            (Some(Sequence::Fail), Some(Sequence::Fail)),
        ] {
            let (back, imported) = there_and_back(format, &recorded()[..3], sequence);
            let answers: Vec<_> =
                back.iter().map(|e| text(&e.response.as_ref().unwrap().body.bytes)).collect();
            assert_eq!(answers, ["first", "second", "third"], "{format}");
            assert_eq!(
                imported.sequences.get("http://api.test:8080").copied(),
                expect,
                "{format}: {sequence:?}"
            );
        }
    }
}

#[test]
fn an_identifier_that_is_a_uuid_stays() {
    let id = "00112233-4455-4677-8899-aabbccddeeff";
    let folder = tempfile::tempdir().unwrap();
    let mut writer = SnapshotWriter::create(folder.path().join("s"), Existing::Refuse).unwrap();
    writer.push(&Exchange { id: id.into(), ..recorded().remove(3) }).unwrap();
    writer.push(&Exchange { id: "imported-2".into(), time: 1, ..recorded().remove(0) }).unwrap();
    writer.keep_ids();
    let snapshot = writer.finish(Header { name: "s".into(), ..Header::default() }).unwrap();
    let ids: Vec<_> = snapshot.exchanges().unwrap().map(|e| e.unwrap().exchange.id).collect();
    assert_eq!(ids, ["imported-2", id]);
    let mut content = Vec::new();
    convert::export_file(&snapshot, FileFormat::RrpairJsonl, &mut content).unwrap();
    let out = folder.path().join("out");
    fs::write(&out, &content).unwrap();
    assert_eq!(import(&out, Format::Rrpair, None).unwrap().0[1].id, id);
    // Gzipped it is the same.
    let mut packed = Vec::new();
    GzEncoder::new(content.as_slice(), Compression::fast()).read_to_end(&mut packed).unwrap();
    fs::write(&out, packed).unwrap();
    assert_eq!(convert::detect(&out).unwrap(), Format::Rrpair);
    assert_eq!(import(&out, Format::Rrpair, None).unwrap().0[1].id, id);
}

#[test]
fn what_a_format_cant_hold_is_said() {
    let mut exchanges = recorded();
    exchanges.truncate(4);
    exchanges[0].direction = Direction::Inbound;
    exchanges[1].request.body.truncated = Some(99);
    exchanges[2].end = End::ResponseAborted;
    exchanges[3].response.as_mut().unwrap().trailers = Headers::from_pairs([("t", "1")]);
    exchanges[3].request.path = b"/?y".to_vec();
    let folder = tempfile::tempdir().unwrap();
    let snapshot = snapshot(&folder.path().join("s"), &exchanges, None);
    let check = |format: FileFormat, written: u64, expect: &[&str]| {
        let exported = convert::export_file(&snapshot, format, &mut Vec::new()).unwrap();
        let notes: Vec<_> = exported.notes.iter().map(|n| format!("{}: {}", n.item, n.reason)).collect();
        assert_eq!(
            (exported.exchanges, notes.as_slice()),
            (written, expect.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>().as_slice())
        );
    };
    let cut = "#2: a body of it was cut, which an RRPair can't say";
    let stopped = "#3: the stream stopped in the middle, which an RRPair can't say";
    check(FileFormat::RrpairJsonl, 2, &[cut, stopped, "#4: its trailers aren't carried"]);
    let inbound = "#1: somebody called the service, there is nobody to stand in for";
    let (cut, stopped) = ("#2: the request's body was cut", "#3: the stream stopped in the middle");
    check(FileFormat::Har, 1, &[inbound, cut, stopped, "#4: its trailers aren't carried"]);
    let query = "#4: its query has a name without `=`, which is the same as one with nothing behind it there";
    check(FileFormat::Hoverfly, 1, &[inbound, cut, stopped, query, "#4: its trailers aren't carried"]);
    let taken = convert::export_folder(&snapshot, FolderFormat::Wiremock, &folder.path().join("s"));
    assert_eq!(taken.unwrap_err().code(), "convert-target");
}

/// A stub answers requests with headers that it doesn't name, and with any content type if it names
/// none. The headers that it names count, and one that it wants absent must be absent.
#[test]
fn stub_without_header_matcher_accepts_any_header() {
    let folder = tempfile::tempdir().unwrap();
    let stubs = r#"{"mappings": [
        {"request": {"method": "GET", "url": "/any"}, "response": {"body": "any"}},
        {"request": {"method": "GET", "url": "/one", "headers": {"x-tenant": {"equalTo": "a"}, "x-none": {"absent": true}}},
         "response": {"body": "one"}},
        {"request": {"method": "POST", "url": "/json", "bodyPatterns": [{"equalToJson": "{\"a\":1}"}]},
         "response": {"body": "json"}}]}"#;
    fs::write(folder.path().join("stubs.json"), stubs).unwrap();
    let (exchanges, imported) = import(folder.path(), Format::Wiremock, Some("http://api.test")).unwrap();
    let rules = understudy_core::rules::Rules::new(imported.rules);
    let digest = |exchange: &Exchange| {
        let view = understudy_core::canonical::RequestView::from(exchange);
        understudy_core::canonical::Signature::of(&view, &rules).digest()
    };
    let check = |stub: usize, headers: &[(&str, &str)], expect: bool| {
        let mut live = exchanges[stub].clone();
        live.request.headers = Headers::from_pairs(headers.iter().copied());
        assert_eq!(digest(&live) == digest(&exchanges[stub]), expect, "{stub} {headers:?}");
    };
    check(0, &[], true);
    check(0, &[("accept", "*/*"), ("x-tenant", "b"), ("content-type", "text/plain")], true);
    check(1, &[("x-tenant", "a"), ("accept", "*/*")], true);
    check(1, &[("x-tenant", "b")], false);
    check(1, &[], false);
    check(1, &[("x-tenant", "a"), ("x-none", "1")], false);
    check(2, &[("content-type", "application/json;charset=utf-8"), ("accept", "text/plain")], true);
    check(2, &[("content-type", "application/vnd.api+json")], true);
}
