//! Measures redaction natively, in nanoseconds for the headers of a request and for bodies of 1 KB
//! and 100 KB.
//!
//! `cargo run --release -p understudy-core --example redact_bench`

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Instant;
use understudy_core::exchange::{Body, Exchange, Request, Response};
use understudy_core::headers::Headers;
use understudy_core::redact::{Redactor, Settings};

const TURNS: u32 = 20_000;

fn main() {
    let redactor = Redactor::new(&Settings { key: "0123456789abcdef".into(), ..Settings::default() });
    let json = |length: usize, secrets: bool| {
        let mut body = String::from("{");
        for n in 0.. {
            if body.len() > length {
                break;
            }
            let _ = write!(body, "\"name_{n:02}\": \"value of some length {n}\", \"amount\": {n}, ");
            if secrets && n % 8 == 0 {
                let _ = write!(body, "\"client_secret\": \"s3cr3t-{n}\", ");
            }
        }
        body + "\"z\": [1, 2, 3]}"
    };
    per_turn("16 headers, none with a secret", || drop(black_box(redactor.headers(&headers(&[])))));
    let built = headers(&[]);
    per_turn("16 headers, none with a secret, made before", || drop(black_box(redactor.headers(&built))));
    let secret =
        headers(&[("authorization", "Bearer sk_test_0123456789"), ("cookie", "a=1; sid=0123456789abcdef")]);
    per_turn("18 headers, bearer and two cookies", || drop(black_box(redactor.headers(&secret))));
    per_turn("path with 4 parameters", || {
        drop(black_box(
            redactor.path(b"/v1/charges?limit=10&starting_after=ch_123&expand[]=data&created=12"),
        ));
    });
    for (name, length) in [("1 KB", 1000), ("100 KB", 100_000)] {
        for secrets in [false, true] {
            let body = json(length, secrets).into_bytes();
            let what = if secrets { "with secrets" } else { "without" };
            per_turn(&format!("JSON of {name} {what}"), || {
                drop(black_box(redactor.body(Some(b"application/json"), &body)));
            });
        }
    }
    let body = |length| Body { bytes: json(length, false).into_bytes(), truncated: None };
    let typed = [("content-type", "application/json"), ("authorization", "Bearer sk_test_0123456789")];
    let exchange = Exchange {
        request: Request {
            path: b"/v1/charges".to_vec(),
            headers: headers(&typed),
            body: body(1000),
            ..Request::default()
        },
        response: Some(Response { headers: headers(&typed[..1]), body: body(1000), ..Response::default() }),
        ..Exchange::default()
    };
    per_turn("an exchange, copied", || drop(black_box(exchange.clone())));
    per_turn("an exchange with 1 KB each way, copied and redacted", || {
        let mut copy = exchange.clone();
        redactor.exchange(&mut copy);
        black_box(copy);
    });
}

fn headers(more: &[(&str, &str)]) -> Headers {
    let usual = [
        ("user-agent", "Boto3/1.40.0 md/Botocore#1.40.0 ua/2.1 os/linux#6.1 lang/python#3.12"),
        ("accept", "*/*"),
        ("accept-encoding", "gzip, deflate, br"),
        ("x-request-id", "1c831053-c4b5-4e0a-9d7b-0d2f6a1b3c4d"),
        ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        ("date", "Sat, 21 Nov 2026 08:00:00 GMT"),
        ("server", "nginx"),
        ("vary", "Origin"),
        ("cache-control", "no-cache, no-store"),
        ("connection", "keep-alive"),
        ("content-length", "1000"),
        ("x-amz-target", "DynamoDB_20120810.GetItem"),
        ("x-amz-date", "20261121T080000Z"),
        ("amz-sdk-request", "attempt=1"),
        ("amz-sdk-invocation-id", "1c831053-c4b5-4e0a-9d7b-0d2f6a1b3c4d"),
        ("strict-transport-security", "max-age=63072000; includeSubDomains; preload"),
    ];
    Headers::from_pairs(usual.iter().chain(more).copied())
}

fn per_turn(name: &str, mut turn: impl FnMut()) {
    let mut best = f64::MAX;
    for _ in 0..5 {
        let start = Instant::now();
        (0..TURNS / 20).for_each(|_| turn());
        best = best.min(start.elapsed().as_secs_f64());
    }
    println!("{name:<55} {:>9.0} ns", best * 1e9 / f64::from(TURNS / 20));
}
