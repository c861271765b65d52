//! Second implementation of matching: reduces a request to a list of places with their values. Two
//! requests match exactly if their lists are equal. Both implementations follow
//! `docs/reference/matching.md` and `docs/reference/rules.md`.

use crate::pairs;
use crate::said::{SECOND, Said, What, lasting};
use crate::tree::Tree;
use crate::{graphql, multipart, protobuf, xml};
use understudy_core::encoding;
use understudy_core::exchange::Exchange;
use understudy_core::header_family;
use understudy_core::rules::{Rule, is_identifier};

/// A place, the kind of its value, and the value as text.
pub(super) type Leaf = (String, char, Vec<u8>);

/// A request as the reference reads it.
pub(super) struct Reading<'a> {
    pub(super) leaves: Vec<Leaf>,
    /// Excluded values, in order.
    pub(super) taken: Vec<Vec<u8>>,
    pub(super) said: Said<'a>,
    pub(super) body: Body,
}

/// A decoded body.
pub(super) enum Body {
    None,
    Json(Tree),
    Form(Vec<u8>),
    Multipart(String, Vec<multipart::Part>),
    Xml(xml::Element),
    /// gRPC messages.
    Messages(Tree),
    Bytes(Vec<u8>),
}

/// Returns whether a header isn't compared by itself: the published list names it or its beginning,
/// or its content has a place of its own.
pub(super) fn is_passing_header(name: &str) -> bool {
    let published = header_family::all().any(|(known, _)| match known.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == known,
    });
    published || ["content-type", "soapaction", "x-amz-target"].contains(&name)
}

pub(super) fn header<'a>(exchange: &'a Exchange, name: &str) -> Option<&'a [u8]> {
    exchange
        .request
        .headers
        .iter()
        .find(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes()))
        .map(|(_, value)| value)
}

pub(super) fn text(exchange: &Exchange, name: &str) -> Option<String> {
    header(exchange, name).map(|value| String::from_utf8_lossy(value).into_owned())
}

/// Path and query of a request.
pub(super) fn target(exchange: &Exchange) -> (&[u8], Option<&[u8]>) {
    let path = &exchange.request.path;
    match path.iter().position(|&b| b == b'?') {
        Some(at) => (&path[..at], Some(&path[at + 1..])),
        None => (path, None),
    }
}

pub(super) fn read<'a>(exchange: &Exchange, rules: &'a [Rule]) -> Reading<'a> {
    let (path, query) = target(exchange);
    let query = query.unwrap_or_default();
    let body = body(exchange);
    let segments = segments(path);
    let operation = operation(exchange, &body, query);
    let said = Said::of(
        rules,
        &exchange.backend,
        &exchange.request.method,
        &segments.join("/"),
        operation.as_deref().unwrap_or_default(),
    );
    let mut reader =
        Reader { said: &said, now: exchange.time / SECOND, leaves: Vec::new(), taken: Vec::new() };
    reader.put("backend", 'n', exchange.backend.as_bytes());
    reader.put("method", 'n', &exchange.request.method);
    for (number, segment) in segments.iter().enumerate().skip(1) {
        let place = format!("path.{number}");
        let what = said.of_place(&place).filter(|_| is_identifier(segment.as_bytes()));
        let what = if what == Some(What::Ignore) { Some(What::Mask) } else { what };
        reader.leaf(place, 's', segment.as_bytes(), what);
    }
    reader.put("operation", 's', operation.as_deref().unwrap_or_default());
    reader.pairs("query.", pairs::read_lasting(query, true));
    if let Some(content_type) = text(exchange, "content-type") {
        let bare = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        reader.put("content-type", 's', bare.as_bytes());
    }
    let mut headers: Vec<(String, Vec<u8>)> = exchange
        .request
        .headers
        .iter()
        .map(|(name, value)| (String::from_utf8_lossy(name).to_ascii_lowercase(), value.to_vec()))
        .collect();
    headers.sort_by(|(a, _), (b, _)| a.cmp(b));
    for (name, value) in headers {
        let place = format!("header.{name}");
        let what = said.of_place(&place);
        if is_passing_header(&name) && !said.required.contains(&name.as_str()) && what != Some(What::Caller) {
            continue;
        }
        let value = value.trim_ascii();
        // A client that doesn't name media types accepts any.
        if name == "accept" && value == b"*/*" {
            continue;
        }
        match Tree::of_json(value).filter(|tree| !matches!(tree, Tree::Text(_) | Tree::Literal(_))) {
            Some(tree) if what.is_none() => reader.tree(&place, &tree),
            _ => reader.leaf(place, 's', value, what),
        }
    }
    reader.body(&body);
    let Reader { leaves, taken, .. } = reader;
    Reading { leaves, taken, said, body }
}

/// Segments of a path with normalised escapes, including the empty one before the first slash.
pub(super) fn segments(path: &[u8]) -> Vec<String> {
    let path = String::from_utf8_lossy(path);
    let (mut normal, mut rest) = (String::new(), path.as_ref());
    while let Some(at) = rest.find('%') {
        normal.push_str(&rest[..at]);
        let digits = rest.get(at + 1..at + 3).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(b) if b.is_ascii_alphanumeric() || b"-._~".contains(&b) => normal.push(char::from(b)),
            Some(b) => normal.push_str(&format!("%{b:02X}")),
            None => {
                normal.push('%');
                rest = &rest[at + 1..];
                continue;
            }
        }
        rest = &rest[at + 3..];
    }
    normal.push_str(rest);
    let mut segments: Vec<String> = Vec::new();
    let all: Vec<&str> = normal.split('/').collect();
    for (i, segment) in all.iter().enumerate() {
        let is_last = i + 1 == all.len();
        match *segment {
            "." => {}
            ".." if segments.len() > 1 => drop(segments.pop()),
            ".." => {}
            other => segments.push(other.to_owned()),
        }
        if is_last && matches!(*segment, "." | "..") {
            segments.push(String::new());
        }
    }
    segments
}

fn body(exchange: &Exchange) -> Body {
    let sent = &exchange.request.body.bytes;
    let coding = text(exchange, "content-encoding").unwrap_or_default();
    let framed =
        header(exchange, "x-amz-content-sha256").is_some_and(|value| value.starts_with(b"STREAMING-"));
    let coding = match (framed, coding.contains("aws-chunked")) {
        (true, false) if coding.is_empty() => "aws-chunked".to_owned(),
        (true, false) => format!("{coding},aws-chunked"),
        _ => coding,
    };
    let bytes = if coding.is_empty() { None } else { encoding::undo(coding.as_bytes(), sent, 8 << 20) };
    let bytes = bytes.map_or_else(|| sent.clone(), std::borrow::Cow::into_owned);
    if bytes.is_empty() {
        return Body::None;
    }
    let content_type = text(exchange, "content-type");
    let bare =
        content_type.as_deref().map(|t| t.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
    let first = bytes.trim_ascii_start().first();
    let read = match bare.as_deref() {
        None if matches!(first, Some(b'{' | b'[')) => Tree::of_json(&bytes).map(Body::Json),
        None if first == Some(&b'<') => xml::read(&bytes).map(Body::Xml),
        None => None,
        Some("application/x-www-form-urlencoded") => Some(Body::Form(bytes.clone())),
        Some(t) if t.ends_with("json") || t.starts_with("application/x-amz-json-") => {
            Tree::of_json(&bytes).map(Body::Json)
        }
        Some(t) if t.ends_with("/xml") || t.ends_with("+xml") => xml::read(&bytes).map(Body::Xml),
        Some(t) if t.starts_with("multipart/") => {
            multipart::boundary(content_type.as_deref().unwrap_or_default()).and_then(|boundary| {
                Some(Body::Multipart(boundary.to_owned(), multipart::read(boundary, &bytes)?))
            })
        }
        Some(t) if t == "application/grpc" || t.starts_with("application/grpc+") => {
            let coding = text(exchange, "grpc-encoding").unwrap_or_default();
            let plain = encoding::undo_messages(coding.as_bytes(), &bytes, 8 << 20);
            plain.and_then(|plain| protobuf::read(&plain)).map(Body::Messages)
        }
        Some(_) => None,
    };
    read.unwrap_or(Body::Bytes(bytes))
}

fn operation(exchange: &Exchange, body: &Body, query: &[u8]) -> Option<Vec<u8>> {
    if let Some(target) = header(exchange, "x-amz-target") {
        return Some(target.to_vec());
    }
    if let Some(action) = text(exchange, "soapaction") {
        return Some(action.strip_prefix('"').and_then(|a| a.strip_suffix('"')).unwrap_or(&action).into());
    }
    let aws = |pairs: &[pairs::Pair]| {
        let get =
            |name: &[u8]| pairs.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone().unwrap_or_default());
        get(b"Version").and(get(b"Action"))
    };
    let string = |tree: &Tree, name: &str| match tree {
        Tree::Object(members) => members.iter().rev().find_map(|(n, value)| match value {
            Tree::Text(text) if n == name => Some(text.clone()),
            _ => None,
        }),
        _ => None,
    };
    let of_body = match body {
        Body::Form(form) => aws(&pairs::read(form)),
        Body::Json(Tree::Array(all)) => {
            let is_rpc = all.first().is_some_and(|first| string(first, "jsonrpc").is_some());
            let name = if is_rpc { "method" } else { "operationName" };
            let names: Vec<_> = all.iter().filter_map(|one| string(one, name)).collect();
            (is_rpc || !names.is_empty()).then(|| names.join(&b','))
        }
        Body::Json(tree @ Tree::Object(members)) => {
            let has = |name: &str| members.iter().any(|(n, _)| n == name);
            let document = string(tree, "query").filter(|text| graphql::lasting(text).is_some());
            if has("jsonrpc") {
                string(tree, "method")
            } else if document.is_some() || (has("extensions") && (has("query") || has("operationName"))) {
                string(tree, "operationName").or_else(|| graphql::operation(&document?))
            } else {
                None
            }
        }
        _ => None,
    };
    of_body.or_else(|| aws(&pairs::read(query)))
}

struct Reader<'r, 'a> {
    said: &'r Said<'a>,
    /// The time of the request, in seconds since 1970.
    now: u64,
    leaves: Vec<Leaf>,
    taken: Vec<Vec<u8>>,
}

impl Reader<'_, '_> {
    fn put(&mut self, place: &str, kind: char, text: &[u8]) {
        self.leaves.push((place.to_owned(), kind, text.to_vec()));
    }

    fn leaf(&mut self, place: String, kind: char, text: &[u8], what: Option<What>) {
        if what == Some(What::Ignore) {
            return;
        }
        let kind = if what == Some(What::Mask) { '*' } else { kind };
        let (shown, taken) = lasting(what, text, self.now);
        // A name must be a recorded one: nothing in a run introduces another.
        if matches!(what, Some(What::Names | What::Caller)) {
            self.leaves.push((format!("{place} as sent"), 'r', text.to_vec()));
        }
        self.taken.extend(taken);
        self.leaves.push((place, kind, shown));
    }

    fn pairs(&mut self, prefix: &str, pairs: Vec<pairs::Pair>) {
        for (name, value) in pairs {
            let name = String::from_utf8_lossy(&name).into_owned();
            let name = if prefix == "body/" { crate::tree::escaped(&name) } else { name };
            let place = format!("{prefix}{name}");
            let what = self.said.of_place(&place);
            let kind = if value.is_none() && what != Some(What::Mask) { '-' } else { 's' };
            self.leaf(place, kind, value.as_deref().unwrap_or_default(), what);
        }
    }

    fn body(&mut self, body: &Body) {
        let whole = self.said.of_place("body");
        match body {
            Body::None => {}
            _ if whole == Some(What::Ignore) => {}
            Body::Json(tree) => self.tree("body", tree),
            Body::Form(form) => self.pairs("body/", pairs::read_lasting(form, false)),
            Body::Multipart(_, parts) => self.tree("body", &multipart::tree(parts)),
            Body::Xml(root) => self.tree("body", &xml::tree(root)),
            Body::Messages(messages) => self.tree("body", messages),
            Body::Bytes(bytes) => self.leaf("body".to_owned(), 'b', bytes, whole),
        }
    }

    /// Returns whether all content of an element is excluded, so that it equals an empty one.
    fn all_ignored(&self, place: &str, members: &[(String, Tree)]) -> bool {
        let is_ignored = |(name, _): &(String, Tree)| {
            self.said.of_place(&format!("{place}/{}", crate::tree::escaped(name))) == Some(What::Ignore)
        };
        !members.is_empty() && members.iter().all(is_ignored)
    }

    fn tree(&mut self, place: &str, tree: &Tree) {
        let what = self.said.of_place(place);
        match tree {
            _ if what == Some(What::Ignore) => {}
            _ if what == Some(What::Mask) => {
                // The value is the text of a leaf, or the whole content of a container.
                let text = match tree {
                    Tree::Text(text) => text.clone(),
                    other => other.to_json(crate::tree::Style::default()),
                };
                self.leaf(place.to_owned(), '*', &text, what);
            }
            Tree::Text(text) => match graphql::lasting(text).filter(|_| place == "body/query") {
                Some(tokens) => self.put(place, 'g', &tokens.join(&0)),
                None => self.leaf(place.to_owned(), 's', text, what),
            },
            Tree::Literal(text) => self.leaf(place.to_owned(), 'l', text.as_bytes(), what),
            Tree::Array(elements) => {
                self.put(place, '[', b"");
                for (number, element) in elements.iter().enumerate() {
                    self.tree(&format!("{place}/{number}"), element);
                }
            }
            Tree::Ordered(members) if place != "body" && self.all_ignored(place, members) => {
                self.put(place, 's', b"");
            }
            Tree::Object(members) | Tree::Ordered(members) => {
                self.put(place, if matches!(tree, Tree::Object(_)) { '{' } else { '(' }, b"");
                let mut members: Vec<_> = members.iter().collect();
                if matches!(tree, Tree::Object(_)) {
                    members.sort_by(|(a, _), (b, _)| a.cmp(b));
                }
                for (name, value) in members {
                    self.tree(&format!("{place}/{}", crate::tree::escaped(name)), value);
                }
            }
        }
    }
}
