//! CBOR values as tree text: the examples of RFC 8949, appendix A, what isn't well-formed, and what
//! must stay apart.

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
        // It is tree text, whose normal form can be made.
        let mut normal = Vec::new();
        Tree::of_tree_text(text).expect("tree text").write_plain(&mut normal);
        return Some(String::from_utf8(normal).unwrap());
    }
    None
}

#[test]
fn examples_of_the_rfc_are_read() {
    let check = |hex: &str, expect: &str| assert_eq!(tree(&bytes(hex)).as_deref(), Some(expect), "{hex}");
    check("00", "0");
    check("1818", "24");
    check("1b000000e8d4a51000", "1000000000000");
    check("1bffffffffffffffff", "18446744073709551615");
    check("20", "-1");
    check("3903e7", "-1000");
    check("3bffffffffffffffff", "-18446744073709551616");
    check("c249010000000000000000", r#"("tag":2,"value":("hex":"010000000000000000"))"#);
    check("f90000", "0.0");
    check("f98000", "-0.0");
    check("f93c00", "1.0");
    check("f97bff", "65504.0");
    check("fb3ff199999999999a", "1.1");
    check("fa47c35000", "100000.0");
    check("fb7e37e43c8800759c", "1e300");
    check("f90001", "5.960464477539063e-8");
    check("f90400", "6.103515625e-5");
    check("f9c400", "-4.0");
    check("f97c00", "Infinity");
    check("f97e00", "NaN");
    check("fb7ff8000000000000", "NaN");
    check("faff800000", "-Infinity");
    check("f97e01", r#"("nan":"7e01")"#);
    check("f4", "false");
    check("f5", "true");
    check("f6", "null");
    check("f7", r#"("simple":23)"#);
    check("f8ff", r#"("simple":255)"#);
    check("c11a514b67b0", r#"("tag":1,"value":1363896240)"#);
    check("4401020304", r#"("hex":"01020304")"#);
    check("4449455446", r#"("bytes":"IETF")"#);
    check("60", r#""""#);
    check("62225c", r#""\"\\""#);
    check("64f0908591", "\"\u{10151}\"");
    check("83010203", "[1,2,3]");
    check("a201020304", r##"{"#1":2,"#3":4}"##);
    check("a26161016162820203", r#"{"a":1,"b":[2,3]}"#);
    check("5f42010243030405ff", r#"("hex":"0102030405")"#);
    check("7f657374726561646d696e67ff", r#""streaming""#);
    check("9f018202039f0405ffff", "[1,[2,3],[4,5]]");
    check("bf61610161629f0203ffff", r#"{"a":1,"b":[2,3]}"#);
    check("9fff", "[]");
    check("bfff", "{}");
}

#[test]
fn encodings_of_one_value_are_equal() {
    let check = |a: &str, b: &str| assert_eq!(tree(&bytes(a)).unwrap(), tree(&bytes(b)).unwrap(), "{a} {b}");
    check("01", "1b0000000000000001");
    check("83010203", "9f010203ff");
    check("a161 6101", "bf61 6101ff");
    check("6161", "7f6161ff");
    check("4101", "5f4101ff");
    check("f93c00", "fb3ff0000000000000");
    check("a2 6161 01 6162 02", "a2 6162 02 6161 01");
    check("a2 01 02 20 03", "a2 20 03 01 02");
}

#[test]
fn values_that_differ_stay_apart() {
    let all = [
        "01",
        "f93c00",
        "6131",
        "4131",
        "20",
        "f5",
        "f6",
        "f7",
        "f8ff",
        "e1",
        "c101",
        "c201",
        "8101",
        "a10102",
        "a1613102",
        "a162233102",
        "a1413102",
        "a1f93c0002",
        "a1f502",
        "a1647472756502",
        "a1652374727565 02",
        "a1f7 02",
        "a2 6161 01 6161 02",
        "a2 6161 02 6161 01",
        "a1 6161 01",
        // Texts that read like what stands for others.
        "6a2822686578223a223022 29",
        "f97e00",
        "634e614e",
        "f97e01",
        "fb7ff8000000000001",
        "40",
        "60",
        "80",
        "a0",
    ];
    let trees: Vec<String> = all.iter().filter_map(|hex| tree(&bytes(hex))).collect();
    for (at, one) in trees.iter().enumerate() {
        assert!(trees[at + 1..].iter().all(|other| other != one), "{one}");
    }
    assert!(trees.len() > 30, "{}", trees.len());
}

#[test]
fn bytes_that_are_not_well_formed_are_not_read() {
    for hex in [
        "",
        "18",
        "19 01",
        "1c",
        "1d",
        "1e",
        "1f",
        "3f",
        "df",
        "61",
        "62 61",
        "41",
        "81",
        "82 01",
        "a1",
        "a1 01",
        "9f",
        "9f 01",
        "bf 01 ff",
        "bf 01",
        "ff",
        "81 ff",
        "c0",
        "c0 ff",
        "f8",
        "f8 1f",
        "fc",
        "5f 61 61 ff",
        "7f 41 61 ff",
        "5f 5f ff ff",
        "7f 61",
        "61 ff",
        "7f 62 c328 ff",
        "01 01",
        "f6 f6",
        // A key that is an array, a map, tagged.
        "a1 80 01",
        "a1 a0 01",
        "a1 c0 01 01",
        // Lengths that no body has.
        "9b ffffffffffffffff 01",
        "bb ffffffffffffffff 01 01",
        "5b ffffffffffffffff 01",
        "7b 7fffffffffffffff 61",
    ] {
        assert_eq!(tree(&bytes(hex)), None, "{hex}");
    }
}

#[test]
fn sequence_is_an_array_of_its_values() {
    let check = |hex: &str, expect: Option<&str>| {
        let mut out = Vec::new();
        let written = write_sequence(&bytes(hex), &mut out);
        assert_eq!(written.then(|| String::from_utf8(out).unwrap()).as_deref(), expect, "{hex}");
    };
    check("", Some("[]"));
    check("01 6161 80", Some(r#"[1,"a",[]]"#));
    check("01 18", None);
}

#[test]
fn depth_and_length_are_bounded() {
    let deep = |depth: usize| [vec![0x81; depth], vec![0x01]].concat();
    assert!(tree(&deep(256)).is_some());
    assert_eq!(tree(&deep(257)), None);
    assert_eq!(tree(&vec![0x9f; 1 << 20]), None);
    assert_eq!(tree(&vec![0xc1; 1 << 20]), None);
    let simple = [vec![0x9a, 0, 1, 0, 0], vec![0xe0; 1 << 16]].concat();
    assert!(tree(&simple).unwrap().len() < simple.len() * 16);
}

#[cfg(not(target_family = "wasm"))]
proptest::proptest! {
    #[test]
    fn any_bytes_are_read_or_left_alone(input: Vec<u8>) {
        tree(&input);
        write_sequence(&input, &mut Vec::new());
    }

    /// Small values of many kinds: two texts of a tree are equal where the values are.
    #[test]
    fn short_values_have_their_own_tree(a in proptest::collection::vec(0x20u8..=0x7b, 1..6), b in proptest::collection::vec(0x20u8..=0x7b, 1..6)) {
        // These initial bytes have one encoding for each value: short negative numbers, strings and
        // so on.
        let text = |bytes: &[u8]| [&[0x60 | u8::try_from(bytes.len()).unwrap()], bytes].concat();
        let raw = |bytes: &[u8]| [&[0x40 | u8::try_from(bytes.len()).unwrap()], bytes].concat();
        proptest::prop_assert_eq!(tree(&text(&a)) == tree(&text(&b)), a == b);
        proptest::prop_assert_eq!(tree(&raw(&a)) == tree(&raw(&b)), a == b);
        proptest::prop_assert!(tree(&raw(&a)) != tree(&text(&b)));
    }
}
