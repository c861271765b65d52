//! XML elements, attributes and text, read and written without the code under test. Covers the XML
//! that clients send.

use crate::change::{Changes, Meaning, values};
use crate::json::hides;
use crate::said::{Said, What};
use crate::tree::{Tree, escaped};

/// An element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Element {
    name: String,
    attributes: Vec<(String, String)>,
    children: Vec<Child>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Child {
    Element(Element),
    Text(String),
}

pub(super) fn read(text: &[u8]) -> Option<Element> {
    let mut rest = std::str::from_utf8(text).ok()?.trim();
    if rest.starts_with("<?xml") {
        rest = rest.split_once("?>")?.1.trim();
    }
    let (element, rest) = element(rest)?;
    rest.trim().is_empty().then_some(element)
}

fn element(text: &str) -> Option<(Element, &str)> {
    let text = text.strip_prefix('<')?;
    let end = text.find(|c: char| c.is_whitespace() || c == '>' || c == '/')?;
    let mut element = Element { name: text[..end].to_owned(), attributes: Vec::new(), children: Vec::new() };
    let mut rest = text[end..].trim_start();
    while !rest.starts_with(['>', '/']) {
        let (name, after) = rest.split_once('=')?;
        let quote = after.trim_start().chars().next()?;
        let (value, after) = after.trim_start()[1..].split_once(quote)?;
        element.attributes.push((name.trim().to_owned(), unescaped(value)));
        rest = after.trim_start();
    }
    if let Some(rest) = rest.strip_prefix("/>") {
        return Some((element, rest));
    }
    rest = rest.strip_prefix('>')?;
    loop {
        if let Some(after) = rest.strip_prefix("</") {
            let (name, after) = after.split_once('>')?;
            return (name.trim() == element.name).then_some((element, after));
        } else if let Some(after) = rest.strip_prefix("<![CDATA[") {
            let (text, after) = after.split_once("]]>")?;
            element.children.push(Child::Text(text.to_owned()));
            rest = after;
        } else if rest.starts_with("<!") || rest.starts_with("<?") {
            rest = if rest.starts_with("<!--") { rest.split_once("-->")?.1 } else { return None };
        } else if rest.starts_with('<') {
            let (child, after) = self::element(rest)?;
            element.children.push(Child::Element(child));
            rest = after;
        } else {
            let at = rest.find('<')?;
            element.children.push(Child::Text(unescaped(&rest[..at])));
            rest = &rest[at..];
        }
    }
}

fn unescaped(text: &str) -> String {
    let named = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")];
    named.into_iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

fn escaped_text(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Spelling of XML.
#[derive(Clone, Copy, Default)]
struct Style {
    is_spaced: bool,
    has_comments: bool,
    is_reordered: bool,
    is_spelled_out: bool,
    has_cdata: bool,
}

fn write(element: &Element, style: Style, out: &mut String) {
    let mut attributes: Vec<_> = element.attributes.iter().collect();
    if style.is_reordered {
        attributes.reverse();
    }
    out.push_str(&format!("<{}", element.name));
    for (name, value) in attributes {
        let value = escaped_text(value);
        out.push_str(&if style.is_reordered {
            format!("\n {name} = '{value}'")
        } else {
            format!(" {name}=\"{value}\"")
        });
    }
    if element.children.is_empty() && !style.is_spelled_out {
        out.push_str("/>");
        return;
    }
    out.push('>');
    let is_mixed = has_text(element);
    for child in &element.children {
        if style.is_spaced && !is_mixed {
            out.push_str("\n    ");
        }
        match child {
            Child::Element(child) => write(child, style, out),
            Child::Text(text) if style.has_cdata && !text.contains("]]>") => {
                out.push_str(&format!("<![CDATA[{text}]]>"))
            }
            Child::Text(text) => out.push_str(&escaped_text(text)),
        }
        if style.has_comments {
            out.push_str("<!-- a < comment -->");
        }
    }
    if style.is_spaced && !is_mixed && !element.children.is_empty() {
        out.push('\n');
    }
    out.push_str(&format!("</{}>", element.name));
}

fn has_text(element: &Element) -> bool {
    let says = |child: &Child| matches!(child, Child::Text(text) if !text.trim().is_empty());
    let alone = element.children.iter().all(|child| matches!(child, Child::Text(_)));
    element.children.iter().any(says) || alone
}

fn document(root: &Element, style: Style) -> Vec<u8> {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n");
    write(root, style, &mut out);
    out.into_bytes()
}

/// Compared values, by their places in rules.
pub(super) fn tree(root: &Element) -> Tree {
    Tree::Ordered(vec![(root.name.clone(), value(root))])
}

fn value(element: &Element) -> Tree {
    let is_mixed = has_text(element);
    let text: String = element
        .children
        .iter()
        .filter_map(|c| if let Child::Text(t) = c { Some(t.as_str()) } else { None })
        .collect();
    let elements = element.children.iter().any(|child| matches!(child, Child::Element(_)));
    if element.attributes.is_empty() && !elements {
        return Tree::Text(text.into_bytes());
    }
    let mut attributes = element.attributes.clone();
    attributes.sort();
    let mut members: Vec<_> = attributes
        .into_iter()
        .map(|(name, value)| (format!("@{name}"), Tree::Text(value.into_bytes())))
        .collect();
    for child in &element.children {
        match child {
            Child::Element(child) => members.push((child.name.clone(), value(child))),
            Child::Text(text) if is_mixed => {
                members.push(("#text".to_owned(), Tree::Text(text.clone().into_bytes())));
            }
            Child::Text(_) => {}
        }
    }
    Tree::Ordered(members)
}

pub(super) fn changes(root: &Element, said: &Said<'_>, now: u64) -> Changes {
    let mut out = Changes::default();
    of_element(root, &[], "body", None, &Context { root, said, now }, &mut out);
    let style = Style::default;
    for (what, style) in [
        ("spaced", Style { is_spaced: true, ..style() }),
        ("with comments", Style { has_comments: true, ..style() }),
        ("with attributes in another order", Style { is_reordered: true, ..style() }),
        ("with end tags", Style { is_spelled_out: true, ..style() }),
        ("with CDATA", Style { has_cdata: true, ..style() }),
        ("as it is", style()),
    ] {
        out.push(format!("body {what}"), document(root, style), Meaning::Volatile);
    }
    out
}

struct Context<'a> {
    root: &'a Element,
    said: &'a Said<'a>,
    now: u64,
}

fn of_element(
    element: &Element,
    way: &[usize],
    above: &str,
    hidden: Option<What>,
    context: &Context<'_>,
    out: &mut Changes,
) {
    let place = format!("{above}/{}", escaped(&element.name));
    let what = hidden.or_else(|| context.said.of_place(&place));
    let hidden = what.filter(|what| hides(*what));
    let counts = if hidden.is_some() { Meaning::Volatile } else { Meaning::Counts };
    let mut put = |what: &str, change: &dyn Fn(&mut Element), meaning: Meaning| {
        let mut root = context.root.clone();
        change(at(&mut root, way));
        out.push(format!("{place} {what}"), document(&root, Style::default()), meaning);
    };
    let in_mask = if hidden == Some(What::Ignore) && way.is_empty() { Meaning::Reference } else { counts };
    put(
        "renamed",
        &|e| e.name.push('x'),
        if hidden.is_some() { Meaning::Reference } else { Meaning::Counts },
    );
    put("with an attribute", &|e| e.attributes.push(("zz".to_owned(), "1".to_owned())), in_mask);
    let one =
        || Child::Element(Element { name: "zz".to_owned(), attributes: Vec::new(), children: Vec::new() });
    put("with a child", &|e| e.children.push(one()), counts);
    for (i, (name, value)) in element.attributes.iter().enumerate() {
        let of_it = hidden.or_else(|| context.said.of_place(&format!("{place}/@{}", escaped(name))));
        put(&format!("without @{name}"), &|e| drop(e.attributes.remove(i)), counts);
        for (what, new, meaning) in values(of_it, value.as_bytes(), context.now) {
            let new = String::from_utf8_lossy(&new).into_owned();
            put(&format!("@{name} {what}"), &|e| e.attributes[i].1.clone_from(&new), meaning);
        }
    }
    for (i, child) in element.children.iter().enumerate() {
        match child {
            Child::Text(text) if has_text(element) => {
                for (what, new, meaning) in values(what, text.as_bytes(), context.now) {
                    let new = String::from_utf8_lossy(&new).into_owned();
                    put(&what, &|e| e.children[i] = Child::Text(new.clone()), meaning);
                }
            }
            Child::Text(_) => {}
            Child::Element(child) => {
                let presence = if hidden.is_some() {
                    counts
                } else {
                    Meaning::of_presence(context.said, &format!("{place}/{}", escaped(&child.name)))
                };
                put(&format!("without {}", child.name), &|e| drop(e.children.remove(i)), presence);
                put(
                    &format!("{} twice", child.name),
                    &|e| e.children.insert(i, e.children[i].clone()),
                    presence,
                );
                if i + 1 < element.children.len() && element.children[i] != element.children[i + 1] {
                    put("in another order", &|e| e.children.swap(i, i + 1), Meaning::Reference);
                }
            }
        }
    }
    for (i, child) in element.children.iter().enumerate() {
        if let Child::Element(child) = child {
            of_element(child, &[way, &[i]].concat(), &place, hidden, context, out);
        }
    }
}

fn at<'e>(root: &'e mut Element, way: &[usize]) -> &'e mut Element {
    way.iter().fold(root, |element, &number| match &mut element.children[number] {
        Child::Element(child) => child,
        Child::Text(_) => panic!("the way leads to elements"),
    })
}
