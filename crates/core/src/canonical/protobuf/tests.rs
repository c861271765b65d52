//! What becomes of messages, and of bytes that look like them.

use super::*;
use miniz_oxide::deflate::compress_to_vec_zlib;

fn tree(message: impl AsRef<[u8]>) -> Option<Vec<u8>> {
    let mut out = b"before".to_vec();
    let written = write(message.as_ref(), &mut out);
    let tree = out.strip_prefix(b"before").unwrap().to_vec();
    assert!(written || tree.is_empty());
    written.then_some(tree)
}

fn grpc(body: &[u8], encoding: Option<&str>) -> Option<String> {
    let mut out = b"before".to_vec();
    let written = write_grpc(body, encoding.map(str::as_bytes), &mut out);
    let tree = out.strip_prefix(b"before").unwrap().to_vec();
    assert!(written || tree.is_empty());
    written.then(|| String::from_utf8_lossy(&tree).into_owned())
}

fn check(message: &[u8], expect: &str) {
    let found = tree(message).map(|tree| String::from_utf8_lossy(&tree).into_owned());
    assert_eq!(found.as_deref(), Some(expect), "{message:02x?}");
}

/// A field of bytes.
fn bytes(number: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    let mut length = content.len();
    while length > 0x7f {
        out.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
        length >>= 7;
    }
    out.push(u8::try_from(length).unwrap());
    out.extend(content);
    out
}

fn frame(flag: u8, message: &[u8]) -> Vec<u8> {
    [&[flag][..], &u32::try_from(message.len()).unwrap().to_be_bytes(), message].concat()
}

#[test]
fn values_carry_their_wire_type() {
    check(b"", "{}");
    check(b"\x08\x96\x01", r#"{"1":"v:150"}"#);
    check(b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", r#"{"1":"v:18446744073709551615"}"#);
    check(b"\x09\x01\x02\x03\x04\x05\x06\x07\x08", r#"{"1":"d:0102030405060708"}"#);
    check(b"\x0d\x01\x02\x03\x04", r#"{"1":"f:01020304"}"#);
    check(b"\x12\x07testing", r#"{"2":"s:testing"}"#);
    check("\x12\x04é\"\n".as_bytes(), "{\"2\":\"s:é\\\"\\n\"}");
    check(b"\x12\x00", r#"{"2":"s:"}"#);
    check(b"\x12\x02\x08\x01", r#"{"2":{"1":"v:1"}}"#);
    check(b"\x12\x01\xff", "{\"2\":\"b:\u{fffd}\"}");
    check(b"\x12\x01\x00", r#"{"2":"b:\u0000"}"#);
    check(b"\xf8\xff\xff\xff\x0f\x00", r#"{"536870911":"v:0"}"#);
    check(b"\x0a\x01a\x0a\x01b\x08\x02", r#"{"1":"s:a","1":"s:b","1":"v:2"}"#);
}

#[test]
fn a_declared_message_is_one_however_it_is_written() {
    // Longer varints: a tag, a value, a length.
    check(b"\x88\x00\x01", r#"{"1":"v:1"}"#);
    check(b"\x08\x81\x80\x00", r#"{"1":"v:1"}"#);
    check(b"\x12\x81\x00a", r#"{"2":"s:a"}"#);
    // Fields in any order: the writer of trees sorts a plain object.
    check(b"\x10\x02\x08\x01", r#"{"2":"v:2","1":"v:1"}"#);
}

#[test]
fn a_guess_can_be_undone() {
    check(b"\x12\x04\x08\x01\x10\x02", r#"{"2":{"1":"v:1","2":"v:2"}}"#);
    check(b"\x12\x04\x10\x02\x08\x01", r#"{"2":("2":"v:2","1":"v:1")}"#);
    check(b"\x12\x02\x08\x00", r#"{"2":{"1":"v:0"}}"#);
    check(b"\x12\x03\x08\x80\x00", "{\"2\":\"b:\\b\u{fffd}\\u0000\"}");
    check(b"\x12\x03\x88\x00\x01", "{\"2\":\"b:\u{fffd}\\u0000\\u0001\"}");
    check(b"\x12\x05\x0a\x81\x00\x41\xff", "{\"2\":\"b:\\n\u{fffd}\\u0000A\u{fffd}\"}");
}

#[test]
fn what_is_no_message_is_not_read() {
    for wrong in [
        &b"\x08"[..],
        b"\x08\x80",
        b"\x00\x01",
        b"\x02\x00",
        b"\xf8\xff\xff\xff\x1f\x00",
        b"\x88\x80\x80\x80\x80\x80\x80\x80\x80\x00",
        b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02",
        b"\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00",
        b"\x09\x01",
        b"\x0d\x01",
        b"\x12\x02a",
        b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        b"\x12\xff\xff\xff\xff\x0f",
        b"\x0b\x0c",
        b"\x0e",
        b"\x0f",
        b"hello",
        b"{\"a\":1}",
    ] {
        assert_eq!(tree(wrong), None, "{wrong:02x?}");
    }
}

#[test]
fn frames_are_undone() {
    let check = |body: &[u8], encoding: Option<&str>, expect: Option<&str>| {
        assert_eq!(grpc(body, encoding).as_deref(), expect, "{body:02x?} {encoding:?}");
    };
    let (one, two) = (b"\x08\x01", b"\x12\x01a");
    check(b"", None, Some("[]"));
    check(&frame(0, b""), None, Some("[{}]"));
    check(&[frame(0, one), frame(0, two)].concat(), Some("gzip"), Some(r#"[{"1":"v:1"},{"2":"s:a"}]"#));
    let zipped = frame(1, &compress_to_vec_zlib(one, 6));
    check(&zipped, Some("deflate"), Some(r#"[{"1":"v:1"}]"#));
    check(&[zipped.clone(), frame(0, one)].concat(), Some("deflate"), Some(r#"[{"1":"v:1"},{"1":"v:1"}]"#));
    for encoding in [None, Some("identity"), Some("gzip"), Some("snappy"), Some("deflate,deflate"), Some("")]
    {
        check(&zipped, encoding, None);
    }
    check(&frame(2, one), None, None);
    check(b"\0\0\0\0", None, None);
    check(b"\0\0\0\0\x03\x08\x01", None, None);
    check(b"\0\xff\xff\xff\xff\x08\x01", None, None);
    check(&frame(0, b"hello"), None, None);
    check(&[frame(0, one), vec![0]].concat(), None, None);
}

#[test]
fn hostile_messages_cost_no_more_than_their_size() {
    let mut deep = b"\x08\x01".to_vec();
    for _ in 0..10_000 {
        deep = bytes(1, &deep);
    }
    let deep = tree(&deep).unwrap();
    assert_eq!(deep.windows(4).filter(|w| w == b"\"1\":").count(), MAX_DEPTH);
    assert!(tree(b"\x08\x01".repeat(500_000)).is_some());
    assert!(tree(b"\x0a\x00".repeat(500_000)).is_some());
    assert!(tree(bytes(1, &vec![0; 1_000_000])).is_some());
    let zipped = |length: usize| frame(1, &compress_to_vec_zlib(&bytes(1, &vec![b'a'; length]), 6));
    assert!(grpc(&zipped(5 << 20), Some("deflate")).is_none());
    assert!(grpc(&zipped(3 << 20), Some("deflate")).is_some());
    assert!(grpc(&zipped(3 << 20).repeat(2), Some("deflate")).is_none());
}

#[cfg(not(target_family = "wasm"))]
mod properties {
    use super::*;
    use proptest::prelude::*;

    /// Bytes that read as messages more often than chance would have it.
    fn message_like() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            (1u8..4, 0u8..4).prop_map(|(number, value)| vec![number << 3, value]),
            (1u8..4, 0u8..3).prop_map(|(number, value)| vec![number << 3, 0x80 | value, 0]),
            (1u8..4, "[a\\x01]{0,2}").prop_map(|(number, text)| bytes(number, text.as_bytes())),
            (1u8..4).prop_map(|number| vec![number << 3 | 5, 1, 2, 3, 4]),
        ];
        let message = proptest::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat());
        message.prop_recursive(3, 12, 3, |inner| {
            proptest::collection::vec((1u8..4, inner), 0..3).prop_map(|fields| {
                fields.iter().flat_map(|(number, content)| bytes(*number, content)).collect()
            })
        })
    }

    /// The members of the outermost object in the order that the writer of trees gives them.
    fn sorted(tree: &[u8]) -> Vec<Vec<u8>> {
        let mut members = vec![Vec::new()];
        let (mut depth, mut in_string, mut escaped) = (0, false, false);
        for &byte in &tree[1..tree.len() - 1] {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if in_string => escaped = true,
                b'"' => in_string = !in_string,
                b'{' | b'(' if !in_string => depth += 1,
                b'}' | b')' if !in_string => depth -= 1,
                b',' if !in_string && depth == 0 => {
                    members.push(Vec::new());
                    continue;
                }
                _ => {}
            }
            members.last_mut().unwrap().push(byte);
        }
        members.sort_by_key(|member| member.split(|&b| b == b':').next().unwrap().to_vec());
        members
    }

    proptest! {
        #[test]
        fn two_values_of_a_field_are_never_made_equal(a in message_like(), b in message_like()) {
            let sorted = |content: &[u8]| {
                let inner = tree(bytes(1, content)).unwrap();
                let value = inner.strip_prefix(b"{\"1\":").unwrap().strip_suffix(b"}").unwrap().to_vec();
                if value.starts_with(b"{") { (b'{', sorted(&value)) } else { (b'"', vec![value]) }
            };
            prop_assert_eq!(a == b, sorted(&a) == sorted(&b));
        }

        #[test]
        fn the_order_of_fields_makes_no_difference(ones in proptest::collection::vec(message_like(), 0..3), two in message_like()) {
            let ones: Vec<_> = ones.iter().map(|content| bytes(1, content)).collect();
            let two = bytes(2, &two);
            let first = tree([&ones.concat(), &two[..]].concat()).unwrap();
            let last = tree([&two[..], &ones.concat()].concat()).unwrap();
            prop_assert_eq!(sorted(&first), sorted(&last));
        }

        #[test]
        fn no_bytes_are_too_strange(bytes: Vec<u8>) {
            tree(&bytes);
            for encoding in [None, Some("gzip"), Some("zstd"), Some("deflate")] {
                grpc(&bytes, encoding);
                grpc(&frame(1, &bytes), encoding);
            }
        }
    }
}
