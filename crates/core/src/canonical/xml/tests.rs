//! What the rules make of XML, as tables.

use super::*;

fn tree(text: impl AsRef<[u8]>) -> Option<String> {
    let mut out = b"before".to_vec();
    let written = write(text.as_ref(), &mut out);
    let tree = out.strip_prefix(b"before").unwrap().to_vec();
    assert!(written || tree.is_empty());
    written.then(|| String::from_utf8(tree).unwrap())
}

fn check(text: &str, expect: &str) {
    assert_eq!(tree(text).as_deref(), Some(expect), "{text}");
}

#[test]
fn elements() {
    check("<a/>", r#"("a":"")"#);
    check("<a></a >", r#"("a":"")"#);
    check("<a> </a>", r#"("a":" ")"#);
    check("<a>x\r\ny\rz</a>", r#"("a":"x\ny\nz")"#);
    check("<a x='1'/>", r#"("a":("@x":"1"))"#);
    check("<a x='1'> </a>", r##"("a":("@x":"1","#text":" "))"##);
    check("<a b='2' a=\"1\">t</a>", r##"("a":("@a":"1","@b":"2","#text":"t"))"##);
    check("<a><b/><c>1</c><b/></a>", r#"("a":("b":"","c":"1","b":""))"#);
    check("<a>\n  <b/>\n  <c>1</c>\n</a>", r#"("a":("b":"","c":"1"))"#);
    check("<s:a xmlns:s='u'>é</s:a>", r##"("s:a":("@xmlns:s":"u","#text":"é"))"##);
}

#[test]
fn text_beside_elements() {
    check("<p>x <b>y</b> <i>z</i> </p>", r##"("p":("#text":"x ","b":"y","#text":" ","i":"z","#text":" "))"##);
    check("<p> <b>y</b> <i>z</i>x</p>", r##"("p":("#text":" ","b":"y","#text":" ","i":"z","#text":"x"))"##);
    check("<p> <b> <c/> x</b> </p>", r##"("p":("b":("#text":" ","c":"","#text":" x")))"##);
    check("<p>&#32;<b/></p>", r##"("p":("#text":" ","b":""))"##);
    check("<p><b/><![CDATA[ ]]></p>", r##"("p":("b":"","#text":" "))"##);
    check(
        "<p xml:space='preserve'> <b> <c/></b></p>",
        r##"("p":("@xml:space":"preserve","#text":" ","b":("#text":" ","c":"")))"##,
    );
    check(
        "<p xml:space='preserve'><b xml:space='default'> <c/></b></p>",
        r##"("p":("@xml:space":"preserve","b":("@xml:space":"default","c":"")))"##,
    );
}

#[test]
fn what_is_insignificant_is_gone() {
    check(
        "\u{feff}<?xml version='1.0' encoding='utf-8' standalone=\"yes\" ?>\n<!-- c --><a>x<!-- <b/> -->y</a>\n",
        r#"("a":"xy")"#,
    );
    check("<a><!--c--></a>", r#"("a":"")"#);
    check("<a>1<![CDATA[<&]]>2</a>", r#"("a":"1<&2")"#);
    check("<a>&lt;&amp;&gt;&quot;&apos;&#65;&#x42;&#13;</a>", r#"("a":"<&>\"'AB\r")"#);
    check("<a x=' 1\r\n2\t3&#10;&lt; '/>", r#"("a":("@x":" 1 2 3\n< "))"#);
    check("<a\n x = '\"'\t/>", r#"("a":("@x":"\""))"#);
    check("<?xml version='1.0' encoding='ISO-8859-1'?><a/>", r#"("a":"")"#);
}

#[test]
fn instructions_stay() {
    check("<?t x?><a><?php echo ?> x</a><?u?>", r##"("?t":"x","a":("?php":"echo ","#text":" x"),"?u":"")"##);
    check("<a> <?t?> </a>", r#"("a":("?t":""))"#);
}

#[test]
fn what_is_not_xml_is_not_read() {
    for text in [
        "",
        " ",
        "x",
        "<a>",
        "<a",
        "<a></b>",
        "<a><b></a></b>",
        "</a>",
        "<a/><b/>",
        "<a/>x",
        "x<a/>",
        "<a x='1' x='2'/>",
        "<a x/>",
        "<a x=1/>",
        "<a x='1'y='2'/>",
        "<a x='<'/>",
        "<a x='1/>",
        "<1/>",
        "< a/>",
        "<a>&b;</a>",
        "<a>&</a>",
        "<a>& b</a>",
        "<a>&#0;</a>",
        "<a>&#xd800;</a>",
        "<a>&#x110000;</a>",
        "<a>&#+5;</a>",
        "<a>&#;</a>",
        "<a>\u{1}</a>",
        "<a>]]></a>",
        "<a><![CDATA[</a>",
        "<a><!-- -- --></a>",
        "<a><!--></a>",
        "<!DOCTYPE a><a/>",
        "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
        "<?xml version='1.1'?><a/>",
        "<?xml?><a/>",
        "<?xml version='1.0' encoding='ISO-8859-1'?><a>é</a>",
        "<?xml version='1.0' encoding='UTF-7'?><a/>",
        " <?xml version='1.0'?><a/>",
        "<a><?xml version='1.0'?></a>",
        "<a><?t</a>",
        "<?t?>",
        "<a/ >",
        "<a></a b='1'>",
    ] {
        assert_eq!(tree(text), None, "{text}");
    }
    assert_eq!(tree(b"<a>\xff</a>"), None);
}

#[test]
fn values_that_differ_stay_different() {
    let texts = [
        "<a/>",
        "<a> </a>",
        "<a>  </a>",
        "<a>0</a>",
        "<a><b/></a>",
        "<a b=''/>",
        "<a b=' '/>",
        "<a><b/><b/></a>",
        "<a><b/><c/></a>",
        "<a><c/><b/></a>",
        "<a><b><c/></b></a>",
        "<a>x<b/></a>",
        "<a><b/>x</a>",
        "<a><b>x</b></a>",
        "<a><?b x?></a>",
        "<a>&lt;b/></a>",
        "<b/>",
        "<p:a/>",
        "<A/>",
        "<a>(\"b\":\"\")</a>",
        "<a>\",\"b\":\"</a>",
    ];
    for (i, a) in texts.iter().enumerate() {
        for b in &texts[i + 1..] {
            assert_ne!(tree(a).unwrap(), tree(b).unwrap(), "{a} {b}");
        }
    }
}

/// A million bytes of each kind, and depth: nothing recurses, nothing is looked at again and again.
#[test]
fn hostile_texts_cost_no_more_than_their_size() {
    let deep = 100_000;
    assert!(tree(format!("{}{}", "<a>".repeat(deep), "</a>".repeat(deep))).is_some());
    assert!(tree(format!("{}{}", "<a> ".repeat(deep), "</a>".repeat(deep))).is_some());
    assert!(tree(format!("<a>{}</a>", "\n<b/>x".repeat(deep))).is_some());
    assert!(tree(format!("<a>{}</a>", "\n<b>\n<c/></b>".repeat(deep))).is_some());
    for piece in ["<a", "<a ", "<a>", "&#32;", "<!--", "<![CDATA[", "<?a ", "<a x='", "</a>", "]]", "&amp"] {
        assert_eq!(tree(format!("<a>{}", piece.repeat(1_000_000 / piece.len()))), None, "{piece}");
    }
    let attributes: String = (0..deep).map(|i| format!(" a{i}=''")).collect();
    assert!(tree(format!("<a{attributes}/>")).is_some());
}

#[cfg(not(target_family = "wasm"))]
mod properties {
    use super::*;
    use proptest::prelude::*;

    /// An element without mixed content.
    fn element() -> impl Strategy<Value = (String, String)> {
        let leaf = ("[a-c]", "[x-z <]{0,3}").prop_map(|(name, text)| {
            let text = text.replace('<', "&lt;");
            let cdata = text.replace("&lt;", "<![CDATA[<]]>").replace('x', "&#x78;");
            (
                format!("<{name} p='1' q=''>{text}</{name}>"),
                format!("<{name}\tq=\"\"\n p=\"&#49;\">{cdata}</{name} >"),
            )
        });
        leaf.prop_recursive(4, 24, 3, |inner| {
            proptest::collection::vec(inner, 1..3).prop_map(|children| {
                let (plain, spaced): (Vec<_>, Vec<_>) = children.into_iter().unzip();
                (
                    format!("<e>{}</e>", plain.concat()),
                    format!("<e><!--c-->\r\n  {}\n</e>", spaced.join("\n<!-- x -->")),
                )
            })
        })
    }

    proptest! {
        #[test]
        fn what_is_insignificant_makes_no_difference((plain, spaced) in element()) {
            prop_assert_eq!(tree(&plain).unwrap(), tree(&spaced).unwrap());
        }

        #[test]
        fn another_character_makes_a_difference((plain, _) in element(), at: proptest::sample::Index) {
            let places: Vec<_> = plain.match_indices(|c| ('w'..='z').contains(&c)).map(|(at, _)| at).collect();
            let Some(&place) = places.get(at.index(places.len().max(1))) else { return Ok(()) };
            let changed = format!("{}w{}", &plain[..place], &plain[place + 1..]);
            prop_assert!(changed == plain || tree(&plain) != tree(&changed));
        }

        #[test]
        fn no_text_is_too_strange(bytes: Vec<u8>, text in "[<>/!?&;#xa'\"= \\-\\[\\]]{0,60}") {
            tree(bytes);
            tree(&text);
            tree(format!("<a>{text}</a>"));
        }
    }
}
