//! Fuzzes rules, redaction and explanations with bytes from outside.

use std::path::PathBuf;
use std::sync::LazyLock;
use understudy_core::canonical::{RequestView, Signature, json_leaves, parts};
use understudy_core::engine::nearest as nearest_in;
use understudy_core::headers::Headers;
use understudy_core::redact::{Detector, Redactor, Settings};
use understudy_core::rules::{PathPattern, Place, Rule, Rules, dates, tokens};
use understudy_core::table::{Entry, Table};
use understudy_compile::table::TableBuilder;
use understudy_snapshot::Header;

const TYPES: [&str; 20] = [
    "application/json",
    "application/x-www-form-urlencoded",
    "text/xml",
    "multipart/form-data; boundary=b",
    "application/x-protobuf",
    "application/grpc-web+proto",
    "application/graphql",
    "text/plain",
    "application/x-amz-json-1.1",
    "application/soap+xml",
    "multipart/mixed; boundary=\"a b\"",
    "application/x-ndjson",
    "application/json-seq",
    "application/cbor",
    "application/cbor-seq",
    "application/msgpack",
    "application/http",
    "multipart/mixed; boundary=b",
    "application/csp-report",
    "",
];
const ENCODINGS: [&str; 8] = ["", "", "", "gzip", "deflate", "br", "zstd", "aws-chunked, gzip"];

/// A place, by a byte: those that lead somewhere often.
const PLACES: [&str; 24] = [
    "body", "body/*", "body/*/*", "body/a", "body/a/*", "body/0", "body/1/2", "body/b/value", "body/a/@b", "body/id",
    "body/", "body/~2", "path.1", "path.2", "query.a", "query.b", "header.range", "header.x-a", "body/assertion",
    "body/*/id", "body/#text", "body/a/b/c", "body/*/*/*/*", "body/query",
];

/// Rules from two bytes each: the kind of the rule, and its place.
fn rules(bytes: &[u8]) -> Rules {
    let one = |pair: &[u8]| {
        let place = Place::parse(PLACES[usize::from(pair[1]) % PLACES.len()]).expect("a place");
        let mut rule = Rule::default();
        let list = match pair[0] % 6 {
            0 => &mut rule.mask,
            1 => &mut rule.volatile,
            2 => &mut rule.times,
            3 => &mut rule.dates,
            4 => &mut rule.ignore,
            _ => &mut rule.jwt,
        };
        list.push(place);
        rule
    };
    Rules::new(bytes.chunks_exact(2).map(one).collect())
}

/// A request: content type, encoding, rules, headers and path come first.
struct Asked<'a> {
    headers: Headers,
    path: &'a [u8],
    body: &'a [u8],
    rules: Rules,
}

fn asked(food: &[u8]) -> Option<Asked<'_>> {
    let (&[kind, coding, many, length], rest) = food.split_first_chunk::<4>()?;
    let (about, rest) = rest.split_at_checked(usize::from(many % 5) * 2)?;
    let (path, body) = rest.split_at_checked(usize::from(length % 32))?;
    let all = [
        ("content-type", TYPES[usize::from(kind) % TYPES.len()].as_bytes()),
        ("content-encoding", ENCODINGS[usize::from(coding) % ENCODINGS.len()].as_bytes()),
        ("range", path),
    ];
    let headers = Headers::from_pairs(all.into_iter().filter(|(_, value)| !value.is_empty()));
    Some(Asked { headers, path, body, rules: rules(about) })
}

impl Asked<'_> {
    fn signature(&self, rules: &Rules) -> Signature {
        let time = 1_795_248_000_000_000;
        let Self { headers, path, body, .. } = self;
        Signature::of(&RequestView { backend: b"http://h", method: b"POST", path, headers, body, time }, rules)
    }
}

/// The same bytes have the same signature. Parts that were taken out are at places that a rule
/// names.
pub fn signature(food: &[u8]) {
    let Some(asked) = asked(food) else { return };
    let made = asked.signature(&asked.rules);
    assert_eq!(made, asked.signature(&asked.rules));
    assert!(made.values().iter().all(|value| asked.rules.place(value.place).is_some()));
    drop(parts(&made));
    assert_eq!(Signature::from_bytes(made.as_bytes().to_vec()).fields().count(), made.fields().count());
}

/// Places and patterns are written as they were read.
pub fn texts(food: &[u8]) {
    let Ok(text) = std::str::from_utf8(food) else { return };
    if let Ok(place) = Place::parse(text) {
        assert_eq!(place.as_str(), text);
    }
    let (pattern, path) = text.split_once('\n').unwrap_or((text, "/a/b"));
    if let Ok(pattern) = PathPattern::try_from(pattern.to_owned()) {
        let all = PathPattern::try_from("/**".to_owned()).expect("a pattern");
        assert!(!pattern.matches(path.as_bytes()) || all.matches(path.as_bytes()));
        assert!(pattern.as_str().contains('*') || pattern.matches(pattern.as_str().as_bytes()));
    }
    drop(Header::from_yaml(&format!("version: 1\nname: s\nrecorded: 2026-11-21T08:00:00Z\nrules:\n{text}"), &PathBuf::new()));
}

/// Tokens and days are inside of the text, in order and without overlaps.
pub fn tokens_and_days(food: &[u8]) {
    let mut end = 0;
    for token in tokens(food) {
        assert!(end <= token.range.start && token.range.start < token.range.end && token.range.end <= food.len());
        end = token.range.end;
    }
    end = 0;
    for (range, _) in dates(food) {
        assert!(end <= range.start && range.end <= food.len());
        end = range.end;
    }
    json_leaves(food, |_, _, range| assert!(range.start <= range.end && range.end <= food.len()));
}

/// A text without secrets stays without them, and the search for secrets agrees.
pub fn secrets(food: &[u8]) {
    static REDACTOR: LazyLock<Redactor> = LazyLock::new(|| Redactor::new(&Settings { key: "k".into(), ..Settings::default() }));
    let Some((&kind, text)) = food.split_first() else { return };
    let content_type = Some(TYPES[usize::from(kind) % TYPES.len()].as_bytes());
    let mut found = 0;
    Detector::default().body(content_type, text, |_| found += 1);
    let without = REDACTOR.body(content_type, text);
    assert_eq!(without.is_some(), found > 0);
    if let Some(without) = without {
        assert_eq!(REDACTOR.body(content_type, &without), None);
    }
    if let Some(path) = REDACTOR.path(text) {
        assert_eq!(REDACTOR.path(&path), None);
    }
    drop((REDACTOR.header(b"authorization", text), REDACTOR.header(b"cookie", text), REDACTOR.header(b"location", text)));
}

/// Two requests, one of them in a table: a miss names the other, and the differences.
pub fn nearest(food: &[u8]) {
    let Some((&at, rest)) = food.split_first() else { return };
    let Some((one, other)) = rest.split_at_checked(usize::from(at)) else { return };
    let (Some(one), Some(other)) = (asked(one), asked(other)) else { return };
    let exchange = recorded(&one, b"answer");
    let mut builder = TableBuilder::new(&Header::default());
    builder.push(&exchange).expect("it is small");
    let built = builder.finish().expect("it is small");
    let table = Table::open(&built.bytes[..]).expect("it is one");
    for near in nearest_in(&table, &other.signature(&Rules::default())) {
        assert!(!near.differs.is_empty() && near.score <= 100);
    }
    // Any bytes may stand for a signature in a table that is damaged.
    let damaged = Signature::from_bytes(food.to_vec());
    drop((parts(&damaged), nearest_in(&table, &damaged)));
}

/// A recorded answer into which live values are put.
pub fn echoes(food: &[u8]) {
    let Some((&at, rest)) = food.split_first() else { return };
    let Some((one, answer)) = rest.split_at_checked(usize::from(at)) else { return };
    let Some(one) = asked(one) else { return };
    let header = Header { rules: one.rules.all().to_vec(), ..Header::default() };
    let mut builder = TableBuilder::new(&header);
    builder.push(&recorded(&one, answer)).expect("it is small");
    let built = builder.finish().expect("it is small");
    let table = Table::open(&built.bytes[..]).expect("it is one");
    if let Some(entry) = table.lookup(&one.signature(&one.rules).digest()) {
        assert!(answers(&table, &entry), "an echo lies in what is served");
    }
}

/// Reads everything that an entry refers to. Returns whether all echoes are inside of their bodies.
pub fn answers(table: &Table<&[u8]>, entry: &Entry) -> bool {
    let mut all = true;
    for answer in &entry.answers {
        let plain = answer.plain.iter().flat_map(|plain| [plain.headers, plain.body]);
        for blob in [answer.headers, answer.body, answer.trailers, answer.exchange].into_iter().chain(plain) {
            drop(table.blob(blob));
        }
        let body = answer.plain.as_ref().map_or(answer.body, |plain| plain.body);
        let length = table.blob(body).map_or(0, |body| body.len() as u64);
        for echo in table.echoes(answer.echoes) {
            all &= echo.header.is_some() || u64::from(echo.offset) + u64::from(echo.length) <= length;
        }
    }
    all
}

fn recorded(asked: &Asked<'_>, answer: &[u8]) -> understudy_core::exchange::Exchange {
    use understudy_core::exchange::{Body, Exchange, Request, Response};
    let body = |bytes: &[u8]| Body { bytes: bytes.to_vec(), truncated: None };
    Exchange {
        id: "1".to_owned(),
        time: 1_795_248_000_000_000,
        backend: "http://h".to_owned(),
        request: Request {
            method: b"POST".to_vec(),
            path: asked.path.to_vec(),
            headers: asked.headers.clone(),
            body: body(asked.body),
            ..Request::default()
        },
        response: Some(Response {
            status: 200,
            headers: Headers::from_pairs([("content-type", "application/json")]),
            body: body(answer),
            ..Response::default()
        }),
        ..Exchange::default()
    }
}
