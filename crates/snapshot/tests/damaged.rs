//! Tables with rules, echoes and answers in two encodings, each byte of them damaged: the engine that answers from them serves something
//! or misses, and never panics. What a damaged table says is noticed elsewhere, before it is served.

mod common;

use common::{body, get, header, table};
use flate2::{Compression, write::GzEncoder};
use std::io::Write;
use understudy_core::config::Config;
use understudy_core::digest::Digest;
use understudy_core::engine::{Action, Host, Side, Stream, Vm};
use understudy_core::exchange::Exchange;
use understudy_core::headers::Headers;
use understudy_core::rules::{Place, Rule};
use understudy_core::table::Table;

struct Fake(Vec<u8>);

impl Host for Fake {
    fn now(&mut self) -> u64 {
        1_795_248_000_000_000
    }
    fn remove_request_header(&mut self, _: &str) {}

    fn body(&mut self, _: Side, start: usize, max: usize) -> Vec<u8> {
        self.0.iter().skip(start).take(max).copied().collect()
    }
    fn protocol(&mut self) -> String {
        "HTTP/1.1".to_owned()
    }
    fn backend_answered(&mut self) -> bool {
        false
    }
    fn client_left(&mut self) -> bool {
        false
    }
    fn turn(&mut self, _: &Digest, _: &Digest) -> u64 {
        1
    }
    fn recorded_value(&mut self, _: &Digest, live: u64) -> Option<u64> {
        live.is_multiple_of(2).then_some(live)
    }
    fn stands_for(&mut self, _: &Digest, _: u64, _: u64) {}
    fn reset_turns(&mut self, _: &Digest) {}
}

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

/// Asks for what is recorded, with other values, and for what isn't. Gives the answer to the first.
fn ask(table: Table<&[u8]>) -> Option<Vec<u8>> {
    let config = br#"{"collector":{"cluster":"c"}}"#;
    let mut vm = Vm::new(&Config::from_json(config).unwrap(), table, "vm".to_owned());
    let mut answers = [("/a?page=2", LIVE), ("/a?page=2", "{}"), ("/c", LIVE)].map(|(path, body)| {
        let mut host = Fake(body.as_bytes().to_vec());
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
    let answer = ask(Table::open(&good()[..]).unwrap()).unwrap();
    assert_eq!(
        String::from_utf8(answer).unwrap(),
        r#"{"echo":"018c6d1e-7c3a-4b9a-8c3a-0123456789ab","n":2}"#
    );
}

#[test]
fn a_damaged_table_never_makes_the_engine_fall() {
    let good = good();
    for at in 0..good.len() {
        for change in [1, 0x80, 0xff] {
            let mut bad = good.clone();
            bad[at] ^= change;
            if let Ok(table) = Table::open(&bad[..]) {
                assert!(table.verify().is_err(), "byte {at} changed by {change}");
                drop(ask(table));
            }
        }
    }
}
