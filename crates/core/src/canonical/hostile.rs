//! What somebody sends who means harm, or has a bug: no panic, and time and memory that its length bounds. Here and as wasm.

use super::{RequestView, Signature, parts};
use crate::headers::Headers;
use crate::redact::{Redactor, Settings};
use crate::rules::{Place, Rule, Rules, dates, tokens};
use miniz_oxide::deflate::compress_to_vec_zlib;

const MIB: usize = 1 << 20;
/// More than any of these takes, unoptimised, on a machine that is busy; less than what grows with the square of the length takes.
#[cfg(not(target_family = "wasm"))]
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(20);

const TYPES: [&str; 16] = [
    "application/json",
    "application/x-www-form-urlencoded",
    "application/xml",
    "multipart/form-data; boundary=b",
    "application/x-protobuf",
    "application/grpc-web+proto",
    "application/graphql",
    "text/plain",
    "",
    "multipart/mixed; boundary=\"",
    "application/x-ndjson",
    "application/json-seq",
    "application/cbor",
    "application/cbor-seq",
    "application/msgpack",
    "application/http",
];

/// Rules for each kind of place, of which some lead into each body.
fn rules() -> Rules {
    let places = |all: &[&str]| all.iter().map(|text| Place::parse(text).unwrap()).collect::<Vec<_>>();
    Rules::new(vec![Rule {
        mask: places(&["body/a", "body/*/id", "query.a", "path.1"]),
        volatile: places(&["body", "body/*", "body/*/*/*", "header.range"]),
        times: places(&["body/0"]),
        dates: places(&["body/0/0", "query.b"]),
        ignore: places(&["body/*/x"]),
        jwt: places(&["body/assertion", "body/1"]),
        ..Rule::default()
    }])
}

/// All that is made of a request, with and without rules. Gives the length of the signature without.
fn all_of_it(content_type: &str, encoding: &str, body: &[u8]) -> usize {
    #[cfg(not(target_family = "wasm"))]
    let start = std::time::Instant::now();
    let all = [("content-type", content_type), ("content-encoding", encoding), ("range", "bytes=0-1")];
    let headers = Headers::from_pairs(all.into_iter().filter(|(_, value)| !value.is_empty()));
    let request = RequestView {
        backend: b"http://h",
        method: b"POST",
        path: b"/a/1?a=1&b=2026-11-21",
        headers: &headers,
        body,
        time: 1_795_248_000_000_000,
    };
    let plain = Signature::of(&request, &Rules::default());
    let ruled = Signature::of(&request, &rules());
    assert_eq!(plain, Signature::of(&request, &Rules::default()), "the same again");
    // A part's name is as long as it is deep: of the deepest there are some only.
    if plain.as_bytes().len() < 64 << 10 {
        drop((parts(&plain), parts(&ruled)));
    }
    drop((tokens(body), dates(body)));
    drop(Redactor::new(&Settings::default()).body(Some(content_type.as_bytes()), body));
    #[cfg(not(target_family = "wasm"))]
    assert!(start.elapsed() < PATIENCE, "{content_type} took {:?}", start.elapsed());
    plain.as_bytes().len()
}

fn check(body: &[u8]) {
    for content_type in TYPES {
        let length = all_of_it(content_type, "", body);
        // An escape makes three or six bytes of one, a tag of CBOR seventeen; all else is a
        // constant.
        assert!(length <= body.len() * 18 + 1024, "{content_type}: {length} of {}", body.len());
    }
}

#[test]
fn a_megabyte_of_json() {
    let one =
        br#"{"id":"f47ac10b-58cc-4372-a567-0e02b2c3d479","at":"2026-11-21T08:00:00Z","n":[1,2.5,null]}"#;
    let mut text = b"[".to_vec();
    while text.len() < MIB {
        text.extend_from_slice(one);
        text.push(b',');
    }
    text.extend_from_slice(b"0]");
    check(&text);
}

#[test]
fn ten_thousand_arrays_in_each_other() {
    for (open, close) in [("[", "]"), (r#"{"a":"#, "}"), ("<a>", "</a>"), ("{a", "}"), ("(", ")")] {
        let whole = [open.repeat(10_000), "1".to_owned(), close.repeat(10_000)].concat();
        check(whole.as_bytes());
        check(open.repeat(10_000).as_bytes());
    }
}

#[test]
fn values_one_after_another() {
    for one in ["{}\n", "1\n", "\x1e[]\n", "\x1e1", "[1,]\n", "NaN\n", "\u{feff}", "{}\n{\n", "*\n"] {
        check(one.repeat(10_000).as_bytes());
    }
    for byte in [0x00, 0x60, 0x81, 0x91, 0x9f, 0xa0, 0xa1, 0xc1, 0xd4, 0xe0, 0xf7, 0xff] {
        check(&vec![byte; 10_000]);
        check(&[&[0x9b, 0, 0, 0, 0, 0, 0, 0x10, 0][..], &vec![byte; 1 << 12]].concat());
        check(&[&[0xdd, 0, 0, 0x10, 0][..], &vec![byte; 1 << 12]].concat());
    }
}

#[test]
fn multiparts_and_messages_in_each_other() {
    let part = "--b\nContent-Type: multipart/mixed; boundary=b\n\n";
    check(part.repeat(1000).as_bytes());
    let message = "POST / HTTP/1.1\nContent-Type: application/http\n\n";
    check(message.repeat(1000).as_bytes());
    let both = "--b\nContent-Type: application/http\n\nPOST / HTTP/1.1\nContent-Type: multipart/mixed; boundary=b\n\n";
    check(both.repeat(500).as_bytes());
    check("--b\nContent-Transfer-Encoding: base64\n\nMTIz\n".repeat(1000).as_bytes());
    check(
        [&b"--b\r\nContent-Transfer-Encoding: base64\r\n\r\n"[..], &b"QUFB".repeat(20_000), b"\r\n--b--"]
            .concat()
            .as_slice(),
    );
    // Texts in base64, in places that rules name.
    let coded = "ZjQ3YWMxMGItNThjYy00MzcyLWE1NjctMGUwMmIyYzNkNDc5".repeat(1000);
    check(format!("[\"{coded}\",{{\"id\":\"{coded}\"}}]").as_bytes());
}

#[test]
fn texts_that_are_none() {
    let parts: [&[u8]; 8] = [
        b"\xff\xfe\xfd",
        b"{\"\xc3\x28\":\"\xed\xa0\x80\"}",
        b"a=%ff%fe&%c3=%&b=%zz&&&=",
        b"<a b='\xff'>\xff</a>",
        b"--b\r\n\r\n\xff\r\n--b--",
        b"--b\r\nContent-Disposition: form-data; name=\"\xff\"\r\n\r\n\xff\r\n--b--\r\n",
        b"\x00\x00\x00\xff\xff\xff\xff",
        b"\"\\ud800\"",
    ];
    for part in parts {
        check(part);
        check(&part.repeat(1000));
    }
}

#[test]
fn one_name_many_times() {
    check([r#"{"a":1,"#, &r#""a":{"id":1},"#.repeat(50_000), r#""a":2}"#].concat().as_bytes());
    check("a=1&".repeat(50_000).as_bytes());
    check(["<a>", &"<b id='1'/>".repeat(20_000), "</a>"].concat().as_bytes());
    check(["<a ", &(0..5000).map(|n| format!("x{n}='1' ")).collect::<String>(), "/>"].concat().as_bytes());
    check("--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n".repeat(5000).as_bytes());
}

#[test]
fn numbers_of_any_length() {
    for number in
        ["9".repeat(200_000), format!("1e{}", "9".repeat(200_000)), format!("-0.{}", "0".repeat(200_000))]
    {
        check(number.as_bytes());
        check(format!("[{number},{number}]").as_bytes());
    }
    // Lengths in protobuf's and gRPC's frames that no body has.
    check(b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");
    check(b"\x00\xff\xff\xff\xff\x0a\x01");
    check(&b"\x0a".repeat(200_000));
}

#[test]
fn what_grows_when_it_is_undone_is_bounded() {
    let bomb = compress_to_vec_zlib(&vec![b'['; 64 * MIB], 9);
    let twice = compress_to_vec_zlib(&bomb, 9);
    for (encoding, body) in [("deflate", &bomb), ("deflate, deflate", &twice)] {
        for content_type in TYPES {
            // It would be longer than we undo: it is compared as it was sent.
            assert!(all_of_it(content_type, encoding, body) <= body.len() * 18 + 1024, "{content_type}");
        }
    }
    let frames = b"1\r\n[\r\n".repeat(20_000);
    check(&frames);
    all_of_it("application/json", "aws-chunked", &frames);
    all_of_it("application/json", "gzip,".repeat(1000).as_str(), &frames);
}
