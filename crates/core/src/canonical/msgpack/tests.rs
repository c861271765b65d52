//! MessagePack values as tree text, what isn't MessagePack, and what must stay apart.

use super::*;
use crate::canonical::json::Tree;

fn bytes(hex: &str) -> Vec<u8> {
    let digit = |b: u8| u8::try_from(char::from(b).to_digit(16).unwrap()).unwrap();
    let digits: Vec<u8> = hex.bytes().filter(|b| !b.is_ascii_whitespace()).map(digit).collect();
    digits.chunks(2).map(|pair| (pair[0] << 4) | pair[1]).collect()
}

fn tree(input: &[u8]) -> Option<String> {
    let mut out = b"before".to_vec();
    let written = write(input, &mut out);
    let text = out.strip_prefix(b"before").unwrap();
    assert!(written || text.is_empty());
    if written {
        let mut normal = Vec::new();
        Tree::of_tree_text(text).expect("tree text").write_plain(&mut normal);
        return Some(String::from_utf8(normal).unwrap());
    }
    None
}

#[test]
fn each_family_of_values_is_read() {
    let check = |hex: &str, expect: &str| assert_eq!(tree(&bytes(hex)).as_deref(), Some(expect), "{hex}");
    check("00", "0");
    check("7f", "127");
    check("e0", "-32");
    check("ff", "-1");
    check("cc80", "128");
    check("cd0100", "256");
    check("ce00010000", "65536");
    check("cfffffffffffffffff", "18446744073709551615");
    check("d080", "-128");
    check("d1ff7f", "-129");
    check("d280000000", "-2147483648");
    check("d38000000000000000", "-9223372036854775808");
    check("ca3fc00000", "1.5");
    check("cb3ff199999999999a", "1.1");
    check("cb7ff0000000000000", "Infinity");
    check("c0", "null");
    check("c2", "false");
    check("c3", "true");
    check("a161", r#""a""#);
    check("d90161", r#""a""#);
    check("da000161", r#""a""#);
    check("db0000000161", r#""a""#);
    check("a1ff", r#"("text":"ff")"#);
    check("c40161", r#"("bytes":"a")"#);
    check("c5000100", r#"("hex":"00")"#);
    check("c60000000100", r#"("hex":"00")"#);
    check("920102", "[1,2]");
    check("dc00020102", "[1,2]");
    check("dd000000020102", "[1,2]");
    check("82a16202a16101", r#"{"a":1,"b":2}"#);
    check("de0001a16101", r#"{"a":1}"#);
    check("df00000001 01 02", r##"{"#1":2}"##);
    check("81 a12301", r###"{"##":1}"###);
    check("d40501", r#"("extension":5,"hex":"01")"#);
    check(
        "d80500112233445566778899aabbccddeeff",
        r#"("extension":5,"hex":"00112233445566778899aabbccddeeff")"#,
    );
    check("c7020501 02", r#"("extension":5,"hex":"0102")"#);
    check("d6ff 6b015d00", r#"("seconds":1795251456,"nanoseconds":0)"#);
    check("d7ff 77359400 6b015d00", r#"("seconds":1795251456,"nanoseconds":500000000)"#);
    check("c70cff 1dcd6500 000000006b015d00", r#"("seconds":1795251456,"nanoseconds":500000000)"#);
    check("c70cff 00000000 ffffffffffffffff", r#"("seconds":-1,"nanoseconds":0)"#);
    // A time that no encoder writes is an extension like any other.
    check("c70cff 3b9aca00 0000000000000000", r#"("extension":-1,"hex":"3b9aca000000000000000000")"#);
}

#[test]
fn values_that_differ_stay_apart() {
    let all = [
        "01",
        "ca3f800000",
        "a131",
        "c40131",
        "ff",
        "c3",
        "c0",
        "a474727565",
        "9101",
        "810102",
        "81a13102",
        "81a2233102",
        "81c4013102",
        "81ca3f80000002",
        "81c302",
        "81a4747275650 2",
        "d40101",
        "d40201",
        "82a16101a16102",
        "82a16102a16101",
        "80",
        "90",
        "a0",
        "c400",
        "d6ff00000001",
        "d6fe00000001",
    ];
    let trees: Vec<String> = all.iter().filter_map(|hex| tree(&bytes(hex))).collect();
    assert_eq!(trees.len(), all.len());
    for (at, one) in trees.iter().enumerate() {
        assert!(trees[at + 1..].iter().all(|other| other != one), "{one}");
    }
}

#[test]
fn bytes_that_are_something_else_are_not_read() {
    for hex in [
        "",
        "c1",
        "91",
        "92 01",
        "81",
        "81 01",
        "a2 61",
        "cc",
        "cd 01",
        "cb 00",
        "ca 00",
        "c4 01",
        "c5 01",
        "d4 01",
        "d8 01 00",
        "c7 02 01 01",
        "01 01",
        "dd ffffffff 01",
        "df ffffffff 01 01",
        "c6 ffffffff 01",
        // A key that is an array or a map.
        "81 90 01",
        "81 80 01",
    ] {
        assert_eq!(tree(&bytes(hex)), None, "{hex}");
    }
    assert_eq!(tree(&vec![0x91; 1 << 20]), None);
}

#[cfg(not(target_family = "wasm"))]
proptest::proptest! {
    #[test]
    fn any_bytes_are_read_or_left_alone(input: Vec<u8>) {
        tree(&input);
    }
}
