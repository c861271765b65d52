//! Tables with rules, echoes and answers in two encodings, each byte of them damaged: the engine that answers from them serves something
//! or misses, and never panics. What a damaged table says is noticed elsewhere, before it is served.

mod common;

use common::{body, get, header, table};
use flate2::{Compression, write::GzEncoder};
use std::collections::BTreeMap;
use std::io::Write;
use understudy_core::config::Config;
use understudy_core::digest;
use understudy_core::engine::{Action, MemoryHost, Stream, Vm};
use understudy_core::exchange::Exchange;
use understudy_core::headers::Headers;
use understudy_core::rules::{Place, Rule};
use understudy_core::table::Table;

const RECORDED: &str = r#"{"id":"f47ac10b-58cc-4372-a567-0e02b2c3d479","day":"2026-11-21","n":1}"#;
const LIVE: &str = r#"{"n":1,"id":"018c6d1e-7c3a-4b9a-8c3a-0123456789ab","day":"2026-11-21"}"#;

fn post(id: &str, n: u32) -> Exchange {
    let answer = format!(r#"{{"echo":"f47ac10b-58cc-4372-a567-0e02b2c3d479","n":{n}}}"#);
    let mut exchange = get(id, u64::from(n), "/a?page=1", "");
    exchange.request.method = b"POST".to_vec();
    exchange.request.headers = Headers::from_pairs([
        ("content-type", "application/json"),
        ("accept-encoding", "gzip"),
        ("idempotency-key", "key-of-then"),
    ]);
    exchange.request.body = body(RECORDED);
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(answer.as_bytes()).unwrap();
    let response = exchange.response.as_mut().unwrap();
    response.headers = Headers::from_pairs([
        ("content-type", "application/json"),
        ("content-encoding", "gzip"),
        ("idempotency-key", "key-of-then"),
    ]);
    response.body = body(encoder.finish().unwrap());
    response.trailers = Headers::from_pairs([("x-sum", "1")]);
    exchange
}

fn good() -> Vec<u8> {
    let place = |text: &str| vec![Place::parse(text).unwrap()];
    let rule = Rule {
        volatile: place("body/id"),
        dates: place("body/day"),
        mask: place("query.page"),
        ..Rule::default()
    };
    let header = understudy_snapshot::Header { rules: vec![rule], ..header("s") };
    table(&header, &[post("1", 1), post("2", 2), get("3", 3, "/b", "three")])
}

/// Requests what was recorded, with other values, and what wasn't. The host remembers `known` values.
/// Returns the answer to the first request.
fn ask(table: Table<&[u8]>, known: &BTreeMap<u64, u64>) -> Option<Vec<u8>> {
    let config = br#"{"collector":{"cluster":"c"}}"#;
    let mut vm = Vm::new(&Config::from_json(config).unwrap(), table, "vm".to_owned());
    let mut answers = [("/a?page=2", LIVE), ("/a?page=2", "{}"), ("/c", LIVE)].map(|(path, body)| {
        let mut host = MemoryHost {
            clock: 1_795_248_000_000_000,
            backend_answered: false,
            fixed_turn: Some(1),
            recorded_values: known.clone(),
            ..MemoryHost::with_body(body)
        };
        let headers = Headers::from_pairs([
            (":method", "POST"),
            (":path", path),
            (":scheme", "http"),
            (":authority", "h"),
            ("content-type", "application/json"),
            ("idempotency-key", "key-of-now"),
        ]);
        let mut stream = Stream::new();
        stream.request_headers(headers, false, &mut vm, &mut host);
        let action = stream.request_body(body.len(), true, &mut vm, &mut host);
        stream.end(&mut vm, &mut host);
        match action {
            Action::Reply(reply) if reply.status == 200 => Some(reply.body),
            _ => None,
        }
    });
    answers[0].take()
}

#[test]
fn the_whole_table_answers_with_live_values() {
    let good = good();
    let answer = ask(Table::open(&good[..]).unwrap(), &BTreeMap::new());
    assert_eq!(
        String::from_utf8(answer.unwrap()).unwrap(),
        r#"{"echo":"018c6d1e-7c3a-4b9a-8c3a-0123456789ab","n":2}"#
    );
}

#[test]
fn a_damaged_table_never_makes_the_engine_fall() {
    let good = good();
    // A damaged table can claim that the live values stand for recorded ones.
    let live = ["018c6d1e-7c3a-4b9a-8c3a-0123456789ab", "2"];
    let hash = |value: &str| digest::prefix(&digest::sha1(value.as_bytes())).max(1);
    let remembered = live.map(|value| (hash(value), hash(value))).into();
    for at in 0..good.len() {
        for change in [1, 0x80, 0xff] {
            let mut bad = good.clone();
            bad[at] ^= change;
            if let Ok(table) = Table::open(&bad[..]) {
                assert!(table.verify().is_err(), "byte {at} changed by {change}");
                for known in [&BTreeMap::new(), &remembered] {
                    drop(ask(Table::open(&bad[..]).unwrap(), known));
                }
            }
        }
    }
}
