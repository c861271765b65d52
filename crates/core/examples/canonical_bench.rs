//! Measures the cost of reading a request, of its normal form and of its digest, by kind and size
//! of the body. The same program runs natively and as wasm:
//!
//! `cargo run --release -p understudy-core --example canonical_bench`, and as `scripts/bench.sh`
//! does under `bench/wasi.mjs`.

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::{Duration, Instant};
use understudy_core::canonical::Signature;
use understudy_core::facts::Facts;
use understudy_core::headers::Headers;
use understudy_core::rules::Rules;

/// A round is so short that it mostly fits between two interruptions by something else; the best
/// counts.
const ROUND: Duration = Duration::from_millis(2);
const ROUNDS: usize = 60;

/// A request: its description, headers and body.
struct Case {
    name: &'static str,
    headers: Headers,
    body: Vec<u8>,
    /// The fields that its signature has, so that nothing is measured that went another way.
    expect: &'static [u8],
}

fn main() {
    println!("| body | bytes | µs/request | MB/s | of which digest, µs |\n|---|---|---|---|---|");
    let rules = Rules::default();
    for case in cases() {
        let mut signature = Signature::default();
        let sign = |signature: &mut Signature| {
            let facts = Facts::of(&case.headers);
            signature.set_from(b"http://api.test", &facts, &case.body, 0, &rules);
        };
        let whole = micros(|| {
            sign(&mut signature);
            black_box(signature.digest());
        });
        let body = signature.get(b"body").unwrap_or_default();
        assert!(body.starts_with(case.expect), "{}: {}", case.name, String::from_utf8_lossy(body));
        let digest = micros(|| {
            black_box(signature.digest());
        });
        let bytes = case.body.len();
        println!("| {} | {bytes} | {whole:.2} | {:.0} | {digest:.2} |", case.name, bytes as f64 / whole);
    }
}

/// Microseconds for one turn.
fn micros(mut turn: impl FnMut()) -> f64 {
    let mut best = f64::MAX;
    for _ in 0..ROUNDS {
        let (start, mut turns, mut step) = (Instant::now(), 0u32, 1u32);
        while start.elapsed() < ROUND {
            (0..step).for_each(|_| turn());
            turns += step;
            // The clock costs something too.
            step = (step * 2).min(256);
        }
        best = best.min(start.elapsed().as_secs_f64() * 1e6 / f64::from(turns));
    }
    best
}

fn cases() -> Vec<Case> {
    let json = "application/json";
    let gzipped = [("content-encoding", "gzip")];
    vec![
        case("none (GET)", "", &[], Vec::new(), b""),
        case("JSON, 1 KB", json, &[], json_of(1 << 10), b"{\"amount\""),
        case("JSON, 16 KB", json, &[], json_of(16 << 10), b"{\"amount\""),
        case("JSON, 256 KB", json, &[], json_of(256 << 10), b"{\"amount\""),
        case("JSON, 1 KB, gzip", json, &gzipped, gzip(&json_of(1 << 10)), b"{\"amount\""),
        case("JSON, 16 KB, gzip", json, &gzipped, gzip(&json_of(16 << 10)), b"{\"amount\""),
        case("form, 1 KB", "application/x-www-form-urlencoded", &[], form(), b"amount="),
        case("multipart, 1 KB", "multipart/form-data; boundary=b0unda2y", &[], multipart(), b"("),
        case("SOAP, 1 KB", "text/xml; charset=utf-8", &[("soapaction", "\"urn:Charge\"")], soap(), b"("),
        case("GraphQL, 1 KB", json, &[], graphql(), b"{\"operationName"),
        case("protobuf, 1 KB", "application/x-protobuf", &[], protobuf(), b"{"),
        case("bytes, 1 KB", "application/octet-stream", &[], vec![0xA5; 1 << 10], b"\xA5"),
        case("bytes, 256 KB", "application/octet-stream", &[], vec![0xA5; 256 << 10], b"\xA5"),
    ]
}

fn case(
    name: &'static str,
    content_type: &str,
    more: &[(&str, &str)],
    body: Vec<u8>,
    expect: &'static [u8],
) -> Case {
    let method = if body.is_empty() { "GET" } else { "POST" };
    let usual = [
        (":method", method),
        (":path", "/v1/charges/ch_1?expand=customer"),
        (":scheme", "http"),
        (":authority", "api.test"),
        ("user-agent", "bench/1"),
        ("accept", "*/*"),
        ("authorization", "Bearer sk_test_0"),
    ];
    let typed = Some(("content-type", content_type)).filter(|_| !content_type.is_empty());
    let headers = Headers::from_pairs(usual.into_iter().chain(typed).chain(more.iter().copied()));
    Case { name, headers, body, expect }
}

/// JSON of some length, keys out of order, three levels deep.
fn json_of(length: usize) -> Vec<u8> {
    let mut body = String::from(r#"{"customer": "cus_1", "currency": "usd", "amount": 100, "items": ["#);
    for n in 0.. {
        let _ = write!(
            body,
            r#"{{"sku": "item_{n}", "quantity": {n}, "note": "text of some length, {n}", "gift": false}}"#
        );
        if body.len() + 20 > length {
            break;
        }
        body.push_str(", ");
    }
    body.push_str("], \"z\": [1, 2, 3]}");
    body.into_bytes()
}

fn form() -> Vec<u8> {
    let pairs: Vec<String> =
        (0..26).map(|n| format!("metadata[key_{:02}]=value%20of+some%2Clength+{n}", 26 - n)).collect();
    format!("{}&amount=100", pairs.join("&")).into_bytes()
}

fn multipart() -> Vec<u8> {
    let mut body = String::new();
    for n in 0..8 {
        let _ = write!(
            body,
            "--b0unda2y\r\nContent-Disposition: form-data; name=\"field_{n}\"\r\n\r\na value of some length, {n}, and more\r\n"
        );
    }
    body.push_str("--b0unda2y--\r\n");
    body.into_bytes()
}

fn soap() -> Vec<u8> {
    let mut body = String::from(
        "<?xml version=\"1.0\"?>\n<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\">\n <s:Body>\n  <m:Charge xmlns:m=\"urn:m\">\n",
    );
    for n in 0..17 {
        let _ = writeln!(body, "   <m:Item sku=\"item_{n}\"><m:Quantity>{n}</m:Quantity></m:Item>");
    }
    body.push_str("  </m:Charge>\n </s:Body>\n</s:Envelope>\n");
    body.into_bytes()
}

fn graphql() -> Vec<u8> {
    let mut document = String::from("query Orders($first: Int!, $after: String) {\\n");
    for n in 0..18 {
        let _ = write!(document, "  orders{n}(first: $first, after: $after) {{ id total, }} # comment\\n");
    }
    document.push('}');
    format!(r#"{{"query": "{document}", "variables": {{"first": 10}}, "operationName": "Orders"}}"#)
        .into_bytes()
}

/// Fields 1 to 15, numbers and strings, in messages of their own (protobuf, "Encoding").
fn protobuf() -> Vec<u8> {
    let mut body = Vec::new();
    for n in 0..24u8 {
        let mut item = vec![0x08, n, 0x12, 30];
        item.extend_from_slice(b"a value of some length, thirty");
        item.extend_from_slice(&[0x19, 1, 2, 3, 4, 5, 6, 7, n]);
        body.extend_from_slice(&[0x0a + 8 * (n % 4), item.len().try_into().unwrap_or(0)]);
        body.extend_from_slice(&item);
    }
    body
}

/// One member (RFC 1952).
fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut checksum = u32::MAX;
    for byte in plain {
        checksum ^= u32::from(*byte);
        (0..8).for_each(|_| checksum = (checksum >> 1) ^ (0xedb8_8320 & (checksum & 1).wrapping_neg()));
    }
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    out.extend(miniz_oxide::deflate::compress_to_vec(plain, 6));
    out.extend_from_slice(&(!checksum).to_le_bytes());
    out.extend_from_slice(&u32::try_from(plain.len()).unwrap_or(0).to_le_bytes());
    out
}
