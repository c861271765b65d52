//! Every parser that eats bytes from outside. The first byte chooses the parser, or the variable
//! `PARSER` does; the rest is its food. None may panic, and what can be checked about the outcome
//! is.
#![no_main]

mod ruled;

use libfuzzer_sys::fuzz_target;
use std::path::PathBuf;
use std::sync::LazyLock;
use understudy_core::canonical::{RequestView, Signature, parts, readable};
use understudy_core::rules::Rules;
use understudy_core::config::Config;
use understudy_core::headers::Headers;
use understudy_core::table::Table;
use understudy_core::v1;
use understudy_compile::bundle;
use understudy_snapshot::{Exchanges, Header};

static PARSER: LazyLock<Option<u8>> = LazyLock::new(|| std::env::var("PARSER").ok()?.parse().ok());

fuzz_target!(|data: &[u8]| {
    let Some((&which, food)) = data.split_first() else { return };
    match PARSER.unwrap_or(which % 18) {
        0 => line(food),
        1 => body(food, "application/json"),
        2 => body(food, "application/x-www-form-urlencoded"),
        3 => path(food),
        4 => table(food),
        5 => drop(bundle::inspect(food).is_ok()),
        6 => drop(understudy_collector::Batch::parse(bytes::Bytes::copy_from_slice(food)).is_ok()),
        7 => encoding(food),
        8 => ruled::signature(food),
        9 => ruled::texts(food),
        10 => ruled::tokens_and_days(food),
        11 => ruled::secrets(food),
        12 => ruled::nearest(food),
        13 => ruled::echoes(food),
        14 => body(food, "text/plain"),
        15 => binary(food),
        16 => drop(readable(food)),
        _ => texts(food),
    }
});

/// A line that is read is read the same again once it is written.
fn line(food: &[u8]) {
    drop(Exchanges::new(food, PathBuf::new()).take(100).count());
    if let Ok(record) = v1::read_record(food) {
        let mut written = Vec::new();
        v1::write_record(&record.exchange, record.verdict.as_ref(), &mut written);
        let again = v1::read_record(&written).expect("what we write we read");
        assert_eq!(again.exchange.request, record.exchange.request);
    }
}

/// A body in normal form is its own normal form.
fn body(food: &[u8], content_type: &str) {
    let headers = Headers::from_pairs([("content-type", content_type)]);
    let canonical = |body: &[u8]| {
        let signature = Signature::of(&RequestView {
            backend: b"b",
            method: b"POST",
            path: b"/",
            headers: &headers,
            body,
            time: 0,
        }, &Rules::default());
        signature.get(b"body").unwrap_or_default().to_vec()
    };
    let once = canonical(food);
    assert_eq!(canonical(&once), once);
}

/// Bytes of the binary formats: the tree isn't longer than a constant times the body.
fn binary(food: &[u8]) {
    for content_type in ["application/cbor", "application/cbor-seq", "application/msgpack"] {
        let headers = Headers::from_pairs([("content-type", content_type)]);
        let signature = Signature::of(&RequestView {
            backend: b"b",
            method: b"POST",
            path: b"/",
            headers: &headers,
            body: food,
            time: 0,
        }, &Rules::default());
        assert!(signature.as_bytes().len() <= food.len() * 18 + 256);
        drop(parts(&signature));
    }
}

fn path(food: &[u8]) {
    let headers = Headers::from_block(food.to_vec());
    let signature = Signature::of(&RequestView {
        backend: b"b",
        method: b"GET",
        path: food,
        headers: &headers,
        body: b"",
        time: 0,
    }, &Rules::default());
    assert!(signature.get(b"path").is_some());
}

fn table(food: &[u8]) {
    if let Ok(table) = Table::open(food) {
        drop(table.verify().is_ok());
        drop(table.lookup(&[0; 20]).map(|entry| ruled::answers(&table, &entry)));
        drop(understudy_core::engine::nearest(&table, &Signature::default()));
    }
}

/// No decoder exceeds its limit.
fn encoding(food: &[u8]) {
    const CAP: usize = 1 << 16;
    for name in ["gzip", "deflate", "br", "zstd", "aws-chunked", "aws-chunked, gzip"] {
        if let Some(undone) = understudy_core::encoding::undo(name.as_bytes(), food, CAP) {
            assert!(undone.len() <= CAP);
        }
        if let Some(undone) = understudy_core::encoding::undo_messages(name.as_bytes(), food, CAP) {
            assert!(undone.len() <= CAP);
        }
    }
}

fn texts(food: &[u8]) {
    drop(Config::from_json(food).is_ok());
    if let Ok(text) = std::str::from_utf8(food)
        && let Ok(header) = Header::from_yaml(text, &PathBuf::new())
    {
        assert_eq!(
            Header::from_yaml(&header.to_yaml(), &PathBuf::new()).expect("what we write we read"),
            header
        );
    }
}
