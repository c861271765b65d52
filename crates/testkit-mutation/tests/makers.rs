//! The maker of a value decides whether it counts, whatever its look and its place in the request.
//! Each maker is tried at each kind of place: path, query, header, and each kind of body.

use understudy_analyse::learn;
use understudy_compile::matcher::Matcher;
use understudy_compile::table;
use understudy_core::exchange::{Body, Direction, Exchange, Request, Response};
use understudy_core::headers::Headers;
use understudy_core::time;
use understudy_core::verdict::{Class, Kind, Reason, Verdict};
use understudy_snapshot::{Existing, Header, Snapshot, SnapshotWriter};

/// The start of the recording, in microseconds since 1970.
const START: u64 = 1_795_248_000_000_000;
const SECOND: u64 = 1_000_000;
const HOUR: u64 = 3600 * SECOND;

/// A request with a value at one kind of place.
struct Position {
    name: &'static str,
    build: fn(&str) -> Request,
}

fn request(method: &str, path: String, headers: &[(&str, &str)], body: Vec<u8>) -> Request {
    Request {
        method: method.into(),
        path: path.into_bytes(),
        headers: Headers::from_pairs(headers.iter().copied()),
        body: Body { bytes: body, truncated: None },
        trailers: Headers::new(),
    }
}

fn post(content_type: &str, body: Vec<u8>) -> Request {
    request("POST", "/things".to_owned(), &[("content-type", content_type)], body)
}

/// A CBOR map of one text to another (RFC 8949, 3.1), both shorter than 256 bytes.
fn cbor(value: &str) -> Vec<u8> {
    let length = u8::try_from(value.len()).unwrap();
    [&[0xa1, 0x61, b'v', 0x78, length][..], value.as_bytes()].concat()
}

/// Places in requests that may create something.
const WRITES: [Position; 9] = [
    Position { name: "query", build: |v| request("POST", format!("/things?v={v}"), &[], Vec::new()) },
    Position {
        name: "header",
        build: |v| request("POST", "/things".to_owned(), &[("x-thing", v)], Vec::new()),
    },
    Position { name: "JSON", build: |v| post("application/json", format!(r#"{{"v":"{v}","n":1}}"#).into()) },
    Position {
        name: "JSON as text",
        build: |v| post("text/plain", format!(r#"{{"v":"{v}","n":1}}"#).into()),
    },
    Position {
        name: "JSON lines",
        build: |v| post("application/x-ndjson", format!("{{\"v\":\"{v}\"}}\n{{\"n\":1}}\n").into()),
    },
    Position {
        name: "form",
        build: |v| post("application/x-www-form-urlencoded", format!("v={v}&n=1").into()),
    },
    Position {
        name: "multipart",
        build: |v| {
            let part = format!("--b\r\ncontent-disposition: form-data; name=\"v\"\r\n\r\n{v}\r\n--b--\r\n");
            post("multipart/form-data; boundary=b", part.into())
        },
    },
    Position { name: "XML", build: |v| post("application/xml", format!("<a><v>{v}</v></a>").into()) },
    Position { name: "CBOR", build: |v| post("application/cbor", cbor(v)) },
];

/// Places in requests that read.
const READS: [Position; 4] = [
    Position { name: "path", build: |v| request("GET", format!("/things/{v}"), &[], Vec::new()) },
    Position { name: "query of a GET", build: |v| request("GET", format!("/things?v={v}"), &[], Vec::new()) },
    Position {
        name: "header of a GET",
        build: |v| request("GET", "/things".to_owned(), &[("x-thing", v)], Vec::new()),
    },
    Position {
        name: "body of a search",
        build: |v| {
            let body = format!(r#"{{"v":"{v}"}}"#).into_bytes();
            request("POST", "/things/_search".to_owned(), &[("content-type", "application/json")], body)
        },
    },
];

fn everywhere() -> impl Iterator<Item = &'static Position> {
    WRITES.iter().chain(&READS)
}

fn exchange(number: u64, request: Request, answer: &str) -> Exchange {
    Exchange {
        id: number.to_string(),
        direction: Direction::Outbound,
        time: START + number * SECOND,
        duration: 1000,
        backend: "http://api.test".into(),
        protocol: "HTTP/1.1".into(),
        request,
        response: Some(Response {
            status: 200,
            headers: Headers::from_pairs([("content-type", "application/json")]),
            body: Body { bytes: answer.into(), truncated: None },
            trailers: Headers::new(),
        }),
        ..Exchange::default()
    }
}

/// The verdicts on requests, each at its time, by a table of the recorded exchanges with the rules
/// that they give evidence for.
fn judge(recorded: &[Exchange], asked: &[(u64, Request)]) -> Vec<Verdict> {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = SnapshotWriter::create(folder.path().join("s"), Existing::Refuse).unwrap();
    recorded.iter().for_each(|exchange| writer.push(exchange).unwrap());
    let mut snapshot: Snapshot = writer.finish(Header { name: "s".into(), ..Header::default() }).unwrap();
    learn::apply(&mut snapshot, &|_| true).unwrap();
    let table = table::build(&snapshot).unwrap();
    let mut matcher = Matcher::new(&table.bytes).unwrap();
    let mut verdict = |(time, request): &(u64, Request)| {
        let asked = Exchange { time: *time, response: None, ..exchange(1, request.clone(), "") };
        matcher.judge(&asked).unwrap().unwrap().verdict.unwrap()
    };
    asked.iter().map(&mut verdict).collect()
}

const IDS: [&str; 4] = [
    "0f8b6a52-5f1c-4c7e-9d43-2b7d1c9e4a10",
    "7c9e6679-7425-40de-944b-e07fc1f90ae7",
    "f47ac10b-58cc-4372-a567-0e02b2c3d479",
    "3f2504e0-4f89-41d3-9a0c-0305e82c3301",
];

/// A UUID of version 7, which carries its time (RFC 9562, 5.7).
fn uuid7(time: u64, rest: u64) -> String {
    let millis = time / 1000;
    format!(
        "{:08x}-{:04x}-7{:03x}-9abc-{:012x}",
        millis >> 16,
        millis & 0xffff,
        rest & 0xfff,
        0x1234_5678_9a00 + rest
    )
}

#[test]
fn value_issued_by_an_answer_counts() {
    for Position { name, build } in everywhere() {
        let start = request("POST", "/start".to_owned(), &[], Vec::new());
        let issued = exchange(1, start, &format!(r#"{{"id":"{}"}}"#, IDS[0]));
        let recorded = [issued, exchange(2, build(IDS[0]), "{}")];
        let verdicts = judge(&recorded, &[(START + HOUR, build(IDS[0])), (START + HOUR, build(IDS[1]))]);
        assert_eq!(verdicts[0].kind, Kind::Match, "{name}");
        assert_eq!(verdicts[1].kind, Kind::Miss, "{name}");
    }
}

#[test]
fn value_that_is_read_first_counts() {
    for Position { name, build } in &READS {
        let recorded = [exchange(1, build(IDS[0]), r#"{"of":1}"#), exchange(2, build(IDS[1]), r#"{"of":2}"#)];
        let asked: Vec<_> = IDS.iter().map(|id| (START + HOUR, build(id))).collect();
        let kinds: Vec<_> = judge(&recorded, &asked).iter().map(|verdict| verdict.kind).collect();
        assert_eq!(kinds, [Kind::Match, Kind::Match, Kind::Miss, Kind::Miss], "{name}");
    }
}

#[test]
fn identifier_with_the_time_of_its_request_does_not_count() {
    for Position { name, build } in everywhere() {
        let at = |number: u64| START + number * SECOND;
        let recorded: Vec<_> = (1..4).map(|n| exchange(n, build(&uuid7(at(n), n)), "{}")).collect();
        let later = START + 26 * HOUR;
        let verdicts = judge(&recorded, &[(later, build(&uuid7(later, 9)))]);
        assert_eq!(verdicts[0].kind, Kind::Match, "{name}");
        assert_eq!(verdicts[0].matched.as_ref().unwrap().class, Class::Proved, "{name}");
    }
}

#[test]
fn name_that_a_write_introduces_matches_by_assumption() {
    for Position { name, build } in &WRITES {
        let recorded = [exchange(1, build(IDS[0]), r#"{"ok":1}"#), exchange(2, build(IDS[1]), r#"{"ok":1}"#)];
        let verdicts = judge(&recorded, &[(START + HOUR, build(IDS[2]))]);
        assert_eq!(verdicts[0].kind, Kind::Match, "{name}");
        assert_eq!(verdicts[0].matched.as_ref().unwrap().class, Class::Assumed, "{name}");
    }
}

#[test]
fn name_that_nothing_introduced_misses() {
    let read = |id: &str| request("GET", format!("/things/{id}"), &[], Vec::new());
    for Position { name, build } in &WRITES {
        let recorded = [
            exchange(1, build(IDS[0]), r#"{"ok":1}"#),
            exchange(2, build(IDS[1]), r#"{"ok":1}"#),
            exchange(3, read(IDS[0]), r#"{"of":"first"}"#),
            exchange(4, read(IDS[1]), r#"{"of":"second"}"#),
        ];
        let later = START + HOUR;
        let asked =
            [(later, build(IDS[2])), (later, read(IDS[2])), (later, read(IDS[3])), (later, read(IDS[1]))];
        let verdicts = judge(&recorded, &asked);
        let exchange = |at: usize| verdicts[at].matched.as_ref().map(|matched| matched.exchange.as_str());
        assert_eq!(exchange(1), Some("3"), "{name}: the live name stands for the first recorded one");
        assert_eq!((verdicts[2].kind, verdicts[2].reason), (Kind::Miss, Some(Reason::UnknownName)), "{name}");
        assert_eq!(exchange(3), Some("4"), "{name}: a recorded name");
    }
}

#[test]
fn time_of_the_request_does_not_count_and_other_times_do() {
    for Position { name, build } in everywhere() {
        let text = |time: u64| time::to_rfc3339(time).replace(':', "%3A");
        // In queries and forms a colon may be escaped; elsewhere it is itself.
        let text = |time: u64| match *name {
            "query" | "query of a GET" | "form" => text(time),
            _ => time::to_rfc3339(time),
        };
        let at = |number: u64| START + number * SECOND;
        let recorded: Vec<_> = (1..4).map(|n| exchange(n, build(&text(at(n))), "{}")).collect();
        let later = START + 26 * HOUR;
        let far = later - 40 * 24 * HOUR;
        let verdicts = judge(&recorded, &[(later, build(&text(later))), (later, build(&text(far)))]);
        assert_eq!(verdicts[0].kind, Kind::Match, "{name}");
        assert_eq!(verdicts[1].kind, Kind::Miss, "{name}");
    }
}

#[test]
fn time_far_from_the_request_counts() {
    for Position { name, build } in everywhere() {
        let recorded = [exchange(1, build("1990-05-01"), "{}")];
        let later = START + 26 * HOUR;
        let verdicts = judge(&recorded, &[(later, build("1990-05-01")), (later, build("1990-05-02"))]);
        assert_eq!(verdicts[0].kind, Kind::Match, "{name}");
        assert_eq!(verdicts[1].kind, Kind::Miss, "{name}");
    }
}
