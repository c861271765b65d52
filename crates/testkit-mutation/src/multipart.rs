//! Multipart bodies (RFC 2046, 5.1), read and written without the code under test.

use crate::change::{Changes, Meaning, values};
use crate::said::Said;
use crate::tree::{Tree, escaped};

/// A part: its headers as written, and its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    headers: Vec<(String, String)>,
    content: Vec<u8>,
}

impl Part {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    /// A parameter of the content disposition.
    fn parameter(&self, name: &str) -> Option<&str> {
        let value = self.header("content-disposition")?;
        let start = value.find(&format!("; {name}=\""))? + name.len() + 4;
        value[start..].split('"').next()
    }

    fn type_is(&self, end: &str) -> bool {
        self.header("content-type")
            .is_some_and(|t| t.split(';').next().unwrap_or_default().trim().ends_with(end))
    }
}

pub(super) fn boundary(content_type: &str) -> Option<&str> {
    let value = content_type.split("boundary=").nth(1)?;
    Some(value.split(';').next()?.trim().trim_matches('"'))
}

pub(super) fn read(boundary: &str, body: &[u8]) -> Option<Vec<Part>> {
    let mark = format!("\r\n--{boundary}");
    // Make the first delimiter like the others.
    let body = [b"\r\n", body].concat();
    let mut rest = &body[find(&body, mark.as_bytes())? + mark.len()..];
    let mut parts = Vec::new();
    while !rest.starts_with(b"--") {
        let end = find(rest, mark.as_bytes())?;
        let part = rest[..end].strip_prefix(b"\r\n")?;
        let (head, content) = match find(part, b"\r\n\r\n") {
            Some(at) => (&part[..at], &part[at + 4..]),
            None => (&b""[..], part.strip_prefix(b"\r\n")?),
        };
        let line = |line: &str| line.split_once(':').map(|(n, v)| (n.to_owned(), v.trim().to_owned()));
        let headers = std::str::from_utf8(head).ok()?.split("\r\n").filter_map(line).collect();
        parts.push(Part { headers, content: content.to_vec() });
        rest = &rest[end + mark.len()..];
    }
    Some(parts)
}

pub(super) fn write(boundary: &str, parts: &[Part]) -> Vec<u8> {
    let mut out = Vec::new();
    for part in parts {
        out.extend_from_slice(format!("--{boundary}\r\n").as_bytes());
        for (name, value) in &part.headers {
            out.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(&part.content);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    out
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

/// Fields of a browser's upload that each signing changes (Amazon S3, "Browser-based uploads using
/// POST").
const SIGNED: [&str; 9] = [
    "policy",
    "Policy",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-security-token",
    "x-amz-signature",
    "AWSAccessKeyId",
    "signature",
    "Signature",
];

fn passes(parts: &[Part], name: &str) -> bool {
    let has = |wanted: &str| parts.iter().any(|part| part.parameter("name") == Some(wanted));
    let signed = has("x-amz-signature") || has("AWSAccessKeyId");
    signed && (has("policy") || has("Policy")) && SIGNED.contains(&name)
}

/// Compared values of the parts, by their places in rules.
pub(super) fn tree(parts: &[Part]) -> Tree {
    let text = |text: &str| Tree::Text(text.as_bytes().to_vec());
    let mut all = Vec::new();
    for (number, part) in parts.iter().enumerate() {
        let name = part.parameter("name");
        if name.is_some_and(|name| passes(parts, name)) {
            continue;
        }
        let content = match Tree::of_json(&part.content).filter(|_| part.type_is("json")) {
            Some(tree) => tree,
            None => Tree::Text(part.content.clone()),
        };
        let mut members = Vec::new();
        if let Some(filename) = part.parameter("filename") {
            members.push(("filename".to_owned(), text(filename)));
        }
        if let Some(content_type) = part.header("content-type") {
            let bare = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
            members.push(("content-type".to_owned(), text(&bare)));
        }
        let known = ["content-disposition", "content-type", "content-length"];
        let others = part.headers.iter().map(|(n, v)| (n.to_ascii_lowercase(), v));
        let mut others: Vec<_> = others.filter(|(n, _)| !known.contains(&n.as_str())).collect();
        others.sort();
        members.extend(others.into_iter().map(|(n, v)| (format!("header.{n}"), text(v))));
        let value = if members.is_empty() {
            content
        } else {
            members.push(("value".to_owned(), content));
            Tree::Ordered(members)
        };
        all.push((name.map_or(number.to_string(), str::to_owned), value));
    }
    Tree::Ordered(all)
}

pub(super) fn changes(boundary: &str, parts: &[Part], said: &Said<'_>, now: u64) -> Changes {
    let mut out = Changes::default();
    for (i, part) in parts.iter().enumerate() {
        let name = part.parameter("name").map_or(i.to_string(), str::to_owned);
        let is_bare = part.header("content-type").is_none() && part.parameter("filename").is_none();
        let place = format!("body/{}{}", escaped(&name), if is_bare { "" } else { "/value" });
        let gone = passes(parts, &name);
        let counts = if gone { Meaning::Volatile } else { Meaning::Counts };
        let mut put = |what: &str, change: &dyn Fn(&mut Vec<Part>), meaning| {
            let mut changed = parts.to_vec();
            change(&mut changed);
            out.push(format!("{place} {what}"), write(boundary, &changed), meaning);
        };
        for (what, new, meaning) in values(said.of_place(&place), &part.content, now) {
            let meaning = if gone { Meaning::Volatile } else { meaning };
            put(&what, &|all| all[i].content.clone_from(&new), meaning);
        }
        let presence = if gone { Meaning::Reference } else { Meaning::of_presence(said, &place) };
        put("removed", &|all| drop(all.remove(i)), presence);
        put("twice", &|all| all.insert(i, all[i].clone()), if gone { counts } else { presence });
        for parameter in ["name", "filename"] {
            let (old, new) = (format!("; {parameter}=\""), format!("; {parameter}=\"x"));
            if part.parameter(parameter).is_some() {
                let renamed = if gone { Meaning::Reference } else { Meaning::Counts };
                let change = |all: &mut Vec<Part>| {
                    all[i].headers.iter_mut().for_each(|(_, value)| *value = value.replace(&old, &new));
                };
                put(&format!("with another {parameter}"), &change, renamed);
            }
        }
        put("with a header", &|all| all[i].headers.push(("x-added".to_owned(), "1".to_owned())), counts);
        let of_type = ("Content-Type".to_owned(), "text/x-other".to_owned());
        let change = |all: &mut Vec<Part>| {
            all[i].headers.retain(|(name, _)| !name.eq_ignore_ascii_case("content-type"));
            all[i].headers.push(of_type.clone());
        };
        put("of another type", &change, counts);
        let lower = |all: &mut Vec<Part>| {
            all[i].headers.iter_mut().for_each(|(name, _)| *name = name.to_ascii_lowercase());
        };
        put("with headers in small letters", &lower, Meaning::Volatile);
        if i + 1 < parts.len() && parts[i] != parts[i + 1] {
            put("behind the next", &|all| all.swap(i, i + 1), Meaning::Reference);
        }
    }
    out.push(
        "body with a preamble".to_owned(),
        [b"before\r\n", &write(boundary, parts)[..]].concat(),
        Meaning::Volatile,
    );
    out.push(
        "body with an epilogue".to_owned(),
        [&write(boundary, parts)[..], b"after"].concat(),
        Meaning::Volatile,
    );
    out
}
