//! What the shape of an exchange shows: protocols and formats, by content types, headers that a protocol demands, and bodies.

use super::host;
use super::tag::{self, Tag};
use super::technologies::{BODY_MAX, Technologies};
use std::borrow::Cow;
use understudy_core::canonical::probe::{self, JsonShape};
use understudy_core::encoding;
use understudy_core::exchange::{Body, Exchange, Request, Response};
use understudy_core::facts::{is_grpc, media_type};
use understudy_core::headers::Headers;

/// Headers that a protocol or a server of its own sends, in a request or in an answer, what their value begins with, and the evidence.
/// Sources: RFC 6455, 4.1; SOAP 1.1, 6.1.1; Connect protocol, "Unary-Request"; Model Context Protocol, "Transports".
const HEADERS: [(&str, &str, Tag, &str); 7] = [
    ("connect-protocol-version", "", tag::CONNECT, "header connect-protocol-version"),
    ("mcp-protocol-version", "", tag::MCP, "header mcp-protocol-version"),
    ("mcp-session-id", "", tag::MCP, "header mcp-session-id"),
    ("soapaction", "", tag::SOAP, "header soapaction"),
    ("upgrade", "websocket", tag::WEBSOCKET, "upgrade: websocket"),
    (":protocol", "websocket", tag::WEBSOCKET, ":protocol: websocket"),
    ("user-agent", "opensearch-", tag::OPENSEARCH, "user-agent of a client of OpenSearch"),
];

/// Segments of Elasticsearch's paths (Elasticsearch, "REST APIs").
const ELASTIC: [(&[u8], &str); 4] = [
    (b"_bulk", "path with _bulk"),
    (b"_doc", "path with _doc"),
    (b"_msearch", "path with _msearch"),
    (b"_search", "path with _search"),
];

pub(super) fn look(exchange: &Exchange, found: &mut Technologies) {
    let request = &exchange.request;
    found.found(tag::HTTP, || match exchange.protocol.as_str() {
        "" => "an HTTP exchange".into(),
        protocol => host::safe(protocol).into(),
    });
    look_at_headers(&request.headers, found);
    look_at_path(request, found);
    message(&request.headers, &request.body, true, found);
    form(request, found);
    if let Some(response) = &exchange.response {
        look_at_headers(&response.headers, found);
        message(&response.headers, &response.body, false, found);
        events(response, found);
    }
}

fn look_at_headers(headers: &Headers, found: &mut Technologies) {
    for (name, value) in headers.iter() {
        let known = HEADERS.into_iter().find(|(known, start, ..)| {
            let begins = value.get(..start.len()).is_some_and(|v| v.eq_ignore_ascii_case(start.as_bytes()));
            name.eq_ignore_ascii_case(known.as_bytes()) && begins
        });
        if let Some((.., tag, evidence)) = known {
            found.found(tag, || evidence.into());
        }
    }
}

fn look_at_path(request: &Request, found: &mut Technologies) {
    let mut halves = request.path.splitn(2, |&b| b == b'?');
    let (path, query) = (halves.next().unwrap_or_default(), halves.next().unwrap_or_default());
    let elastic = ELASTIC.into_iter().find(|(name, _)| path.split(|&b| b == b'/').any(|part| part == *name));
    if let Some((_, evidence)) = elastic {
        found.found(tag::ELASTICSEARCH, || evidence.into());
    }
    if request.method == b"GET"
        && probe::pair(query, b"query").is_some_and(|document| probe::is_graphql(&document))
    {
        found.found(tag::GRAPHQL, || "query of a GraphQL document".into());
    }
}

/// Formats, and the protocols that content types and JSON bodies name.
fn message(headers: &Headers, body: &Body, asks: bool, found: &mut Technologies) {
    let content_type = headers.get(b"content-type").unwrap_or_default();
    let kind = media_type(content_type).to_ascii_lowercase();
    if is_grpc(content_type) {
        found.found(tag::GRPC, || "content-type application/grpc".into());
    } else if kind.starts_with(b"application/grpc-web") {
        found.found(tag::GRPC_WEB, || "content-type application/grpc-web".into());
    } else if kind.starts_with(b"application/connect+") {
        found.found(tag::CONNECT, || "content-type application/connect".into());
    } else if [&b"application/x-protobuf"[..], b"application/protobuf", b"application/proto"]
        .contains(&kind.as_slice())
    {
        found.found(tag::PROTOBUF, || "content-type of Protobuf".into());
    } else if kind == b"application/graphql" || kind == b"application/graphql-response+json" {
        found.found(tag::GRAPHQL, || "content-type application/graphql".into());
    }
    if kind == b"application/soap+xml" {
        found.found(tag::SOAP, || "content-type application/soap+xml".into());
    }
    if kind.ends_with(b"+xml") || kind == b"text/xml" || kind == b"application/xml" {
        xml(headers, body, found);
    } else {
        json(&kind, headers, body, asks, found);
    }
}

fn xml(headers: &Headers, body: &Body, found: &mut Technologies) {
    if found.has(tag::XML) && found.has(tag::SOAP) {
        return;
    }
    let Some(text) = plain(headers, body) else { return };
    if text.trim_ascii_start().first() == Some(&b'<') {
        found.found(tag::XML, || "body of XML".into());
        // SOAP 1.1, 3; SOAP 1.2 part 1, 5.1.
        let spaces = ["http://schemas.xmlsoap.org/soap/envelope/", "http://www.w3.org/2003/05/soap-envelope"];
        let start = text.get(..text.len().min(4096)).unwrap_or_default();
        if spaces.iter().any(|space| contains(start, space.as_bytes())) {
            found.found(tag::SOAP, || "body of a SOAP envelope".into());
        }
    }
}

fn json(kind: &[u8], headers: &Headers, body: &Body, asks: bool, found: &mut Technologies) {
    let is_named = kind.ends_with(b"+json")
        || kind.ends_with(b"/json")
        || kind.ends_with(b"/x-ndjson")
        || kind.starts_with(b"application/x-amz-json");
    let is_open = kind.is_empty() || kind.starts_with(b"text/") || kind == b"application/octet-stream";
    if !is_named && !is_open {
        return;
    }
    if is_named && kind.ends_with(b"+json") {
        found.found(tag::JSON, || "content-type +json".into());
    }
    // What is asked tells of protocols, an answer of the format alone.
    if !asks && found.has(tag::JSON) {
        return;
    }
    let Some(text) = plain(headers, body) else {
        // Compressed, cut or too long to be read through: what it is said to be counts.
        if is_named && !body.bytes.is_empty() {
            found.found(tag::JSON, || "content-type of JSON".into());
        }
        return;
    };
    // Read once for what is still to be found: nothing that the text can't have is looked for.
    let may_be = |tag: Tag, name: &[u8]| !found.has(tag) && contains(&text, name);
    let is_asked = !found.has(tag::JSON)
        || may_be(tag::JSON_RPC, b"\"jsonrpc\"")
        || may_be(tag::GRAPHQL, b"\"query\"")
        || may_be(tag::GRAPHQL, b"\"operationName\"")
        || may_be(tag::OAUTH, b"\"grant_type\"");
    if !is_asked {
        return;
    }
    let lines = |text: &[u8]| text.split(|&b| b == b'\n').next().and_then(probe::json);
    let shape = if kind.ends_with(b"/x-ndjson") { lines(&text) } else { probe::json(&text) };
    if let Some(shape) = shape {
        take(shape, found);
    }
}

fn take(shape: JsonShape, found: &mut Technologies) {
    found.found(tag::JSON, || "body of JSON".into());
    let tags = [
        (shape.rpc, tag::JSON_RPC, "body with jsonrpc"),
        (shape.graphql, tag::GRAPHQL, "body with a GraphQL document"),
        (shape.grant, tag::OAUTH, "body with grant_type"),
    ];
    for (_, tag, evidence) in tags.into_iter().filter(|(is, ..)| *is) {
        found.found(tag, || evidence.into());
    }
}

/// A request for a token (RFC 6749, 4 to 6).
fn form(request: &Request, found: &mut Technologies) {
    let kind = request.headers.get(b"content-type").map(media_type).unwrap_or_default();
    if !kind.eq_ignore_ascii_case(b"application/x-www-form-urlencoded") || found.has(tag::OAUTH) {
        return;
    }
    let start = request.body.bytes.get(..request.body.bytes.len().min(BODY_MAX)).unwrap_or_default();
    if contains(start, b"grant_type=") && probe::pair(start, b"grant_type").is_some() {
        found.found(tag::OAUTH, || "form with grant_type".into());
    }
}

fn events(response: &Response, found: &mut Technologies) {
    let kind = response.headers.get(b"content-type").map(media_type).unwrap_or_default();
    if kind.eq_ignore_ascii_case(b"text/event-stream") {
        found.found(tag::SSE, || "content-type text/event-stream".into());
    }
}

/// A whole body without its content-encoding. `None` where it is cut, longer than [`BODY_MAX`], or can't be undone.
fn plain<'a>(headers: &Headers, body: &'a Body) -> Option<Cow<'a, [u8]>> {
    if body.truncated.is_some() || body.bytes.len() > BODY_MAX {
        return None;
    }
    let encodings = headers.get(b"content-encoding").unwrap_or_default();
    encoding::undo(encodings, &body.bytes, BODY_MAX)
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    let Some(&first) = part.first() else { return true };
    let mut rest = text;
    while let Some(at) = rest.iter().position(|&b| b == first) {
        rest = rest.get(at..).unwrap_or_default();
        if rest.starts_with(part) {
            return true;
        }
        rest = rest.get(1..).unwrap_or_default();
    }
    false
}
