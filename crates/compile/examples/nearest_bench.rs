//! What explaining a miss costs natively, with a table of 1,000,000 signatures: milliseconds, the slowest of many, which must stay below 5.
//!
//! `cargo run --release -p understudy-compile --example nearest_bench [SIGNATURES]`

use std::hint::black_box;
use std::time::Instant;
use understudy_compile::table::TableBuilder;
use understudy_core::canonical::{RequestView, Signature};
use understudy_core::engine::nearest;
use understudy_core::exchange::{Body, Exchange, Request, Response};
use understudy_core::headers::Headers;
use understudy_core::rules::Rules;
use understudy_core::table::Table;
use understudy_snapshot::Header;

/// Misses of each kind; each is another request.
const TURNS: u64 = 200;
const BACKEND: &str = "http://api.test";

/// A kind of miss: what it is called, and the request by its number.
type Miss = (&'static str, fn(u64) -> Exchange);

fn main() {
    let count = std::env::args().nth(1).map_or(1_000_000, |text| text.parse().expect("a number"));
    println!("| table | miss | µs, median | µs, slowest | named |\n|---|---|---|---|---|");
    let gets: [Miss; 4] = [
        ("one segment changed", |n| get(BACKEND, &format!("/v1/charges/ch_x{n}?expand=customer"))),
        ("one parameter changed", |n| get(BACKEND, &format!("/v1/charges/ch_{n}?expand=source"))),
        ("path unknown", |n| get(BACKEND, &format!("/v2/unknown/{n}/thing"))),
        ("nothing in common", |n| get("http://other.test", &format!("/{n}"))),
    ];
    measure("GETs", count, |n| get(BACKEND, &format!("/v1/charges/ch_{n}?expand=customer")), &gets);
    let posts: [Miss; 5] = [
        ("one leaf changed", |n| post("/v1/charges", &charge(n, "eur"))),
        ("one leaf more", |n| {
            post("/v1/charges", &charge(n, "usd").replace("{\"amount\"", "{\"new\":1,\"amount\""))
        }),
        ("300 leaves, none known", |n| post("/v1/charges", &leaves(n, 300))),
        ("path unknown", |n| post(&format!("/v2/things/{n}"), &charge(n, "usd"))),
        ("nothing in common", |n| get("http://other.test", &format!("/{n}"))),
    ];
    measure("POSTs of small JSON", count, |n| post("/v1/charges", &charge(n, "usd")), &posts);
    // Bodies as large as the table keeps them, as many as it takes.
    let large: [Miss; 2] = [
        ("one leaf changed", |n| post("/v1/batches", &format!("{{\"new\":{n},{}", &leaves(n, 300)[1..]))),
        ("300 leaves, none known", |n| post("/v1/batches", &leaves(n + 1_000_000_000, 300))),
    ];
    measure("POSTs of 300 leaves", count / 50, |n| post("/v1/batches", &leaves(n, 300)), &large);
}

fn measure(name: &str, count: u64, recorded: fn(u64) -> Exchange, misses: &[Miss]) {
    let mut builder = TableBuilder::new(&Header::default());
    (0..count).for_each(|n| builder.push(&recorded(n)).expect("room"));
    let table = builder.finish().expect("a table").bytes;
    let table = Table::open(&table[..]).expect("a table");
    for (what, miss) in misses {
        let mut named = 0;
        let mut micros: Vec<f64> = (0..TURNS)
            .map(|turn| {
                // All over the table.
                let asked = miss(turn * 7919 % count);
                let signature = Signature::of(&RequestView::from(&asked), &Rules::default());
                assert!(table.lookup(&signature.digest()).is_none(), "{what}: that is recorded");
                // The best of some: an interruption by something else takes milliseconds.
                let once = |named: &mut usize| {
                    let start = Instant::now();
                    *named = black_box(nearest(&table, &signature)).len();
                    start.elapsed().as_secs_f64() * 1e6
                };
                (0..5).map(|_| once(&mut named)).fold(f64::MAX, f64::min)
            })
            .collect();
        micros.sort_by(f64::total_cmp);
        let (median, slowest) = (micros[micros.len() / 2], micros[micros.len() - 1]);
        println!("| {count} {name} | {what} | {median:.0} | {slowest:.0} | {named} |");
    }
}

fn charge(n: u64, currency: &str) -> String {
    format!(
        r#"{{"amount":{},"currency":"{currency}","customer":"cus_{n}","source":{{"id":"card_{}","kind":"card"}},"tags":["a","b{}"]}}"#,
        n % 5000,
        n / 7,
        n % 13
    )
}

fn leaves(n: u64, count: u64) -> String {
    let members: Vec<String> = (0..count).map(|i| format!(r#""key_{i:03}":"value {} {i}""#, n + i)).collect();
    format!("{{{}}}", members.join(","))
}

fn get(backend: &str, path: &str) -> Exchange {
    exchange(backend, "GET", path, String::new())
}

fn post(path: &str, body: &str) -> Exchange {
    exchange(BACKEND, "POST", path, body.to_owned())
}

fn exchange(backend: &str, method: &str, path: &str, body: String) -> Exchange {
    let typed = (!body.is_empty()).then_some(("content-type", "application/json"));
    let answer = Body { bytes: b"{}".to_vec(), truncated: None };
    Exchange {
        id: "9f86d081884c7d65-1".into(),
        backend: backend.into(),
        request: Request {
            method: method.into(),
            path: path.into(),
            headers: Headers::from_pairs(typed),
            body: Body { bytes: body.into_bytes(), truncated: None },
            ..Request::default()
        },
        response: Some(Response { status: 200, body: answer, ..Response::default() }),
        ..Exchange::default()
    }
}
