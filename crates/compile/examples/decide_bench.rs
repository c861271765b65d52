//! What a verdict costs natively, step by step: nanoseconds for a GET and a 1 KB JSON POST, with tables of 1 to 1,000,000 signatures, and
//! with rules.
//!
//! `cargo run --release -p understudy-compile --example decide_bench [MOST]`

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Instant;
use understudy_compile::table::TableBuilder;
use understudy_core::canonical::Signature;
use understudy_core::config::Config;
use understudy_core::engine::{MemoryHost, Stream, Vm};
use understudy_core::exchange::{Body, Exchange, Request, Response};
use understudy_core::facts::Facts;
use understudy_core::headers::Headers;
use understudy_core::rules::{Place, Rule, Rules};
use understudy_core::table::Table;
use understudy_snapshot::Header;

/// Turns of a round, which is so short that it mostly fits between two interruptions by something else; the best counts.
const TURNS: u64 = 2000;
const ROUNDS: usize = 100;

fn main() {
    let most = std::env::args().nth(1).map_or(1_000_000, |text| text.parse().expect("a number"));
    for post in [false, true] {
        let kind = if post { "POST 1 KB JSON" } else { "GET" };
        let requests: Vec<Exchange> = (0..1000).map(|i| exchange(i, post)).collect();
        let headers: Vec<Headers> = requests.iter().map(live_headers).collect();
        per_turn(&format!("{kind}: headers read"), |i| {
            black_box(Facts::of(&headers[i]));
        });
        let mut signature = Signature::default();
        per_turn(&format!("{kind}: signature"), |i| {
            signature.set_from(
                b"http://api.test",
                &Facts::of(&headers[i]),
                &requests[i].request.body.bytes,
                0,
                &Rules::default(),
            );
        });
        per_turn(&format!("{kind}: signature and digest"), |i| {
            signature.set_from(
                b"http://api.test",
                &Facts::of(&headers[i]),
                &requests[i].request.body.bytes,
                0,
                &Rules::default(),
            );
            black_box(signature.digest());
        });
        with_rules(kind, post, &requests, &headers);
        for count in [1000, most] {
            let mut builder = TableBuilder::new(&Header::default());
            (0..count).for_each(|i| builder.push(&exchange(i, post)).expect("room"));
            let table = builder.finish().expect("a table").bytes;
            let mut vm =
                Vm::new(&Config::default(), Table::open(&table[..]).expect("a table"), String::new());
            per_turn(&format!("{kind}: whole verdict, {count} signatures"), |i| {
                let mut stream = Stream::new();
                let body = &requests[i].request.body.bytes;
                let mut host = MemoryHost::with_body(body.clone());
                let mut action =
                    stream.request_headers(headers[i].clone(), body.is_empty(), &mut vm, &mut host);
                if !body.is_empty() {
                    action = stream.request_body(body.len(), true, &mut vm, &mut host);
                }
                black_box(action);
                stream.end(&mut vm, &mut host);
            });
        }
    }
}

/// Signature, digest and look-up with no rule, one, and twenty.
fn with_rules(kind: &str, post: bool, requests: &[Exchange], headers: &[Headers]) {
    let others = || (0..20).map(other);
    let sets = [
        ("no rule", Vec::new()),
        ("1 rule, about this", vec![own(post)]),
        ("20 rules, about others", others().collect()),
        ("20 rules, the last about this", others().take(19).chain([own(post)]).collect()),
    ];
    for (name, rules) in sets {
        let header = Header { rules: rules.clone(), ..Header::default() };
        let mut builder = TableBuilder::new(&header);
        requests.iter().for_each(|exchange| builder.push(exchange).expect("room"));
        let table = builder.finish().expect("a table").bytes;
        let (table, rules) = (Table::open(&table[..]).expect("a table"), Rules::new(rules));
        let mut signature = Signature::default();
        per_turn(&format!("{kind}: digest and look-up, {name}"), |i| {
            let body = &requests[i].request.body.bytes;
            signature.set_from(b"http://api.test", &Facts::of(&headers[i]), body, 0, &rules);
            assert!(table.lookup(&signature.digest()).is_some());
        });
    }
}

/// A rule with two places, about what is asked here.
fn own(post: bool) -> Rule {
    let places: &[&str] =
        if post { &["body/metadata/key_07", "body/metadata/z"] } else { &["query.t", "header.x-request-id"] };
    rule(if post { ("POST", "/v1/charges") } else { ("GET", "/v1/charges/*") }, places)
}

/// A rule about another endpoint of the same backend.
fn other(number: usize) -> Rule {
    rule(("POST", &format!("/v1/things_{number}/*")), &["body/id", "body/created"])
}

fn rule((method, path): (&str, &str), places: &[&str]) -> Rule {
    Rule {
        backend: Some("http://api.test".into()),
        method: Some(method.into()),
        path: Some(path.to_owned().try_into().expect("a pattern")),
        mask: places.iter().map(|place| Place::parse(place).expect("a place")).collect(),
        ..Rule::default()
    }
}

fn per_turn(name: &str, mut turn: impl FnMut(usize)) {
    let mut best = f64::MAX;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        (0..TURNS).for_each(|i| turn((i % 1000) as usize));
        best = best.min(start.elapsed().as_secs_f64());
    }
    println!("{name:<60} {:>8.0} ns", best * 1e9 / TURNS as f64);
}

fn live_headers(exchange: &Exchange) -> Headers {
    let request = &exchange.request;
    let pseudo: [(&[u8], &[u8]); 4] = [
        (b":method", &request.method),
        (b":path", &request.path),
        (b":scheme", b"http"),
        (b":authority", b"api.test"),
    ];
    Headers::from_pairs(pseudo.into_iter().chain(request.headers.iter()))
}

fn exchange(i: u64, post: bool) -> Exchange {
    let mut body = String::new();
    if post {
        let _ = write!(body, r#"{{"customer": "cus_{i}", "amount": 100, "currency": "usd", "metadata": {{"#);
        for n in 0..24 {
            let _ = write!(body, r#""key_{:02}": "value of some length {n}", "#, 24 - n);
        }
        body.push_str(r#""z": [1, 2, 3]}}"#);
    }
    let path = if post { "/v1/charges".to_owned() } else { format!("/v1/charges/ch_{i}") };
    let headers = [("user-agent", "bench/1"), ("accept", "*/*"), ("authorization", "Bearer sk_test_0")];
    let typed = post.then_some(("content-type", "application/json"));
    Exchange {
        id: i.to_string(),
        time: i,
        backend: "http://api.test".into(),
        request: Request {
            method: if post { b"POST".to_vec() } else { b"GET".to_vec() },
            path: path.into_bytes(),
            headers: Headers::from_pairs(headers.into_iter().chain(typed)),
            body: Body { bytes: body.into_bytes(), truncated: None },
            ..Request::default()
        },
        response: Some(Response {
            status: 200,
            headers: Headers::from_pairs([("content-type", "application/json")]),
            body: Body { bytes: format!(r#"{{"id":"ch_{i}","amount":100}}"#).into_bytes(), truncated: None },
            ..Response::default()
        }),
        ..Exchange::default()
    }
}
