//! What becomes of parts, and what isn't multipart.

use super::*;

/// A part's content is shown with its content type, and parts of parts as such.
fn nested(content_type: Option<&[u8]>, content: &[u8]) -> Inner {
    let mut text = Vec::new();
    if content_type.is_some_and(|value| value.starts_with(b"multipart/"))
        && write(content_type.unwrap(), content, &mut nested, &mut text)
    {
        return Inner { text, reading: Reading::Usual };
    }
    Inner::of_bytes(&[content_type.unwrap_or(b"-"), b":", content].concat(), Reading::Usual)
}

fn tree(content_type: &str, body: impl AsRef<[u8]>) -> Option<String> {
    let mut out = b"before".to_vec();
    let written = write(content_type.as_bytes(), body.as_ref(), &mut nested, &mut out);
    let tree = out.strip_prefix(b"before").unwrap().to_vec();
    assert!(written || tree.is_empty());
    written.then(|| String::from_utf8_lossy(&tree).into_owned())
}

const FORM: &str = "multipart/form-data; boundary=b";

/// Lines end in CRLF.
fn check(body: &str, expect: &str) {
    assert_eq!(tree(FORM, body.replace('\n', "\r\n")).as_deref(), Some(expect), "{body}");
}

#[test]
fn a_form_is_its_fields() {
    check(
        "--b\nContent-Disposition: form-data; name=\"a\"\n\n1\n--b\ncontent-disposition:form-data;name=b\n\n\n2\n\n--b--\n",
        r#"("a":"-:1","b":"-:\r\n2\r\n")"#,
    );
    check(
        "--b\nContent-Disposition: form-data; name=\"f\"; filename=\"x.PNG\"\nContent-Type: Image/PNG; q=1\n\ndata\n--b--",
        r#"("f":("filename":"x.PNG","content-type":"image/png","value":"Image/PNG; q=1:data"))"#,
    );
    check(
        "--b\nContent-Disposition: form-data; name=a; filename=\"\"\n\n\n--b--",
        r#"("a":("filename":"","value":"-:"))"#,
    );
    check(
        "--b\nContent-Disposition: form-data; name=a\n\n1\n--b\nContent-Disposition: form-data; name=a\n\n2\n--b--",
        r#"("a":"-:1","a":"-:2")"#,
    );
    check("--b--\n", "()");
}

#[test]
fn parts_without_a_name_have_an_index() {
    check(
        "--b\n\nx\n--b\nContent-Type: a/b\n\n\n--b--",
        r#"("0":"-:x","1":("content-type":"a/b","value":"a/b:"))"#,
    );
    check("--b\nContent-Disposition: form-data; name=0\n\nx\n--b--", r#"("0":("name":"0","value":"-:x"))"#);
    check("--b\nName: 0\n\nx\n--b--", r#"("0":("header.name":"0","value":"-:x"))"#);
    check("--b\nContent-Disposition: form-data; name=\"\"\n\nx\n--b--", r#"("":("name":"","value":"-:x"))"#);
}

#[test]
fn other_headers_are_sorted() {
    check(
        "--b\nX-B: 2\nX-a:  1 \nContent-Length: 1\nX-A: 0\nContent-Transfer-Encoding: Binary\n\nx\n--b--",
        r#"("0":("header.x-a":"1","header.x-a":"0","header.x-b":"2","value":"-:x"))"#,
    );
    check(
        "--b\nContent-Disposition: attachment;\n filename=\"a;\\\"b\"\n\nx\n--b--",
        r#"("0":("filename":"a;\\\"b","header.content-disposition":"attachment; filename=\"a;\\\"b\"","value":"-:x"))"#,
    );
    check(
        "--b\nContent-Disposition: form-data; name=a; filename*=UTF-8''%c3%a9\n\nx\n--b--",
        r#"("a":("header.content-disposition":"form-data; name=a; filename*=UTF-8''%c3%a9","value":"-:x"))"#,
    );
}

#[test]
fn the_boundary_plays_no_role() {
    let body = |boundary: &str, before: &str, after: &str| {
        format!(
            "{before}--{boundary}\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--b2\r\n--{boundary}--{after}"
        )
    };
    let expect = tree(FORM, body("b", "", "")).is_none();
    assert!(expect, "the text of a part begins like a delimiter");
    let expect = tree("multipart/form-data; boundary=x", body("x", "", "")).unwrap();
    assert_eq!(expect, r#"("a":"-:1\r\n--b2")"#);
    for (content_type, boundary, before, after) in [
        ("multipart/form-data; boundary=\"a b(c)?\"", "a b(c)?", "", ""),
        (
            "Multipart/Form-Data; charset=utf-8 ; BOUNDARY=----=_Part_1.2 ;",
            "----=_Part_1.2",
            "preamble\r\n",
            "\r\nend",
        ),
        ("multipart/mixed;boundary=x", "x", "\r\n", " \t"),
    ] {
        assert_eq!(
            tree(content_type, body(boundary, before, after)).as_deref(),
            Some(&*expect),
            "{content_type}"
        );
    }
    check("--b \t\n\nx\n--b--", r#"("0":"-:x")"#);
}

#[test]
fn parts_may_have_parts() {
    check(
        "--b\nContent-Type: multipart/mixed; boundary=c\n\n--c\n\nx\n--c--\n--b--",
        r#"("0":("content-type":"multipart/mixed","value":("0":"-:x")))"#,
    );
}

#[test]
fn what_is_not_multipart_is_not_read() {
    let good = "--b\r\n\r\nx\r\n--b--";
    assert!(tree(FORM, good).is_some());
    for content_type in [
        "",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=\"\"",
        "multipart/form-data; boundary=\"b",
        "multipart/form-data; boundary=b; boundary=b",
        "multipart/form-data; boundary=\"b \"",
        "multipart/form-data; boundary=\"b\" c",
        "multipart/form-data; boundary=b\u{e9}",
        "multipart/form-data boundary=b",
        "multipart/form-data; boundary=c",
    ] {
        assert_eq!(tree(content_type, good), None, "{content_type}");
    }
    for body in [
        "",
        "--b",
        "--b\n",
        "--b\n\nx",
        "--b\n\nx\n--b",
        "--b\n\nx\n--b-",
        "--b\n\nx\n--b--x",
        "--bx\n\nx\n--b--",
        "--b\n--b--",
        "--b\nx\n--b--",
        "--b\n: x\n\nx\n--b--",
        "--b\nX Y: x\n\nx\n--b--",
        "--b\n X: x\n\nx\n--b--",
        "--b\nContent-Type: a/b\nContent-Type: a/b\n\nx\n--b--",
        "--b\nContent-Disposition: form-data\nContent-Disposition: form-data\n\nx\n--b--",
        "--b\nContent-Disposition: form-data; name=a; name=b\n\nx\n--b--",
        "--b\nContent-Disposition: form-data; name=\"a\n\nx\n--b--",
        "--b\nContent-Disposition: form-data; name\n\nx\n--b--",
        "x--b\n\nx\n--b--",
    ] {
        assert_eq!(tree(FORM, body.replace('\n', "\r\n")), None, "{body}");
    }
}

#[test]
fn base64_is_undone_where_it_is_valid() {
    let check = |content: &str, expect: &str| {
        check(
            &format!("--b\nContent-Type: a/b\nContent-Transfer-Encoding: Base64\n\n{content}\n--b--"),
            &format!(r#"("0":("content-type":"a/b","header.content-transfer-encoding":"Base64",{expect}))"#),
        );
    };
    check("eHl6", r#""value":"a/b:xyz""#);
    check("eH\nl6\n", r#""value":"a/b:xyz""#);
    check("", r#""value":"a/b:""#);
    // Text that isn't base64 is never taken for decoded base64.
    check("xyz", r#""format":"encoded","value":"xyz""#);
    check("eHl6=", r#""format":"encoded","value":"eHl6=""#);
}

#[test]
fn bare_line_feeds_are_line_ends_in_a_whole_body() {
    let parts = "--b\nContent-Type: a/b\nX: 1\n\nx\ny\n--b\n\nz\n--b--\n";
    let expect = r#"("0":("content-type":"a/b","header.x":"1","value":"a/b:x\ny"),"1":"-:z")"#;
    assert_eq!(tree(FORM, parts).as_deref(), Some(expect));
    let with_content = parts.replace('\n', "\r\n").replace("x\r\ny", "x\ny");
    assert_eq!(tree(FORM, with_content).as_deref(), Some(expect));
    assert_eq!(tree(FORM, format!("preamble\n{parts}")).as_deref(), Some(expect));
    assert_eq!(tree(FORM, "--b \n\nx\n--b--").as_deref(), Some(r#"("0":"-:x")"#));
    // Line ends of both kinds in the framing: readers would disagree.
    for mixed in [
        "--b\n\r\nx\n--b--",
        "--b\r\n\nx\n--b--",
        "--b\n\nx\r\n--b--",
        "--b\nX: 1\r\n\nx\n--b--",
        "--b\n\nx\n--b\r\n\ny\n--b--",
        "--b\n\nx\n--b--\r\n",
    ] {
        assert_eq!(tree(FORM, mixed), None, "{mixed:?}");
    }
}

#[test]
fn hostile_bodies_cost_no_more_than_their_size() {
    let many = 100_000;
    assert!(tree(FORM, format!("{}--b--", "--b\r\n\r\n\r\n".repeat(many))).is_some());
    assert!(tree(FORM, format!("--b\r\n{}\r\nx\r\n--b--", "a:b\r\n".repeat(many))).is_some());
    assert!(tree(FORM, format!("--b\r\na:b\r\n{}\r\nx\r\n--b--", " c\r\n".repeat(many))).is_some());
    assert!(tree(FORM, format!("--b\r\n\r\n{}\r\n--b--", "\r\n--".repeat(many))).is_some());
    assert_eq!(tree(FORM, format!("--b\r\n\r\n{}", "\r\n--".repeat(many))), None);
    let parameters = ";a=\"\\\\\"".repeat(many);
    assert!(
        tree(FORM, format!("--b\r\nContent-Disposition: form-data{parameters}\r\n\r\nx\r\n--b--")).is_some()
    );
}

#[cfg(not(target_family = "wasm"))]
mod properties {
    use super::*;
    use proptest::prelude::*;

    type Field = (String, Option<String>, Vec<u8>);

    fn fields() -> impl Strategy<Value = Vec<Field>> {
        let content =
            proptest::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'-'), any::<u8>()], 0..8);
        proptest::collection::vec(("[0a\\\\\u{e9}]{0,2}", proptest::option::of("[af]{0,1}"), content), 0..4)
    }

    fn body(fields: &[Field], boundary: &str) -> Vec<u8> {
        let mut out = Vec::new();
        for (name, filename, content) in fields {
            let filename = filename.as_ref().map_or(String::new(), |name| format!("; filename={name:?}"));
            let disposition =
                format!("Content-Disposition: form-data; name=\"{}\"", name.replace('\\', "\\\\"));
            out.extend(format!("--{boundary}\r\n{disposition}{filename}\r\n\r\n").as_bytes());
            out.extend(content);
            out.extend(b"\r\n");
        }
        out.extend(format!("--{boundary}--\r\n").as_bytes());
        out
    }

    /// The text itself: lossy text would hide a difference.
    fn bytes(fields: &[Field], boundary: &str) -> Vec<u8> {
        let mut out = Vec::new();
        let content_type = format!("multipart/form-data; boundary={boundary}");
        assert!(write(content_type.as_bytes(), &body(fields, boundary), &mut nested, &mut out));
        out
    }

    proptest! {
        #[test]
        fn fields_alone_make_the_difference(a in fields(), b in fields()) {
            prop_assert_eq!(bytes(&a, "xyzzy12"), bytes(&a, "plugh34"));
            prop_assert_eq!(a == b, bytes(&a, "xyzzy12") == bytes(&b, "xyzzy12"));
        }

        #[test]
        fn no_body_is_too_strange(bytes: Vec<u8>, text in "(--b|--|\r\n|:|;|=|\"|a){0,20}") {
            tree(FORM, &bytes);
            tree(FORM, [b"--b\r\n", &bytes[..], b"\r\n--b--"].concat());
            tree(FORM, format!("--b\r\n{text}\r\n--b--"));
            tree(FORM, format!("--b\r\ncontent-disposition: {text}\r\n\r\nx\r\n--b--"));
            tree(&text, "--b\r\n\r\n--b--");
            tree(&format!("{FORM}{text}"), "--b\r\n\r\n--b--");
        }
    }
}
