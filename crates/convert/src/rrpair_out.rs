//! Writes RRPairs as JSON, one a line: what both forms of an RRPair are written from.

use crate::error::ConvertError;
use crate::note::Notes;
use crate::text;
use serde::Serialize;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use understudy_core::canonical::{RequestView, Signature};
use understudy_core::exchange::{Direction, End, Exchange};
use understudy_core::headers::Headers;
use understudy_core::rules::Rules;
use understudy_core::{backend, digest, time};
use understudy_snapshot::Snapshot;
use understudy_snapshot::SnapshotError;

type HeaderMap = BTreeMap<String, Vec<String>>;

/// Writes the exchanges of a snapshot, one a line.
pub(super) fn export(
    snapshot: &Snapshot,
    out: &mut dyn Write,
    notes: &mut Notes,
) -> Result<u64, ConvertError> {
    let mut count = 0;
    let mut line = Vec::new();
    for located in snapshot.exchanges()? {
        let exchange = located?.exchange;
        if !is_whole(&exchange, notes) {
            continue;
        }
        line.clear();
        write(snapshot, &exchange, notes, &mut line);
        line.push(b'\n');
        out.write_all(&line).map_err(SnapshotError::io("write", Path::new("the export")))?;
        count += 1;
    }
    Ok(count)
}

/// Whether an RRPair can be made of an exchange; else says why not.
pub(super) fn is_whole(exchange: &Exchange, notes: &mut Notes) -> bool {
    let response = exchange.response.as_ref();
    let cut =
        exchange.request.body.truncated.is_some() || response.is_some_and(|r| r.body.truncated.is_some());
    let why = match exchange.end {
        _ if cut => "a body of it was cut, which an RRPair can't say",
        End::Complete | End::NoResponse => {
            if !exchange.request.trailers.is_empty() || response.is_some_and(|r| !r.trailers.is_empty()) {
                notes.changed(format!("#{}", exchange.id), "its trailers aren't carried");
            }
            return true;
        }
        End::RequestAborted | End::ResponseAborted | End::ClientLeft => {
            "the stream stopped in the middle, which an RRPair can't say"
        }
    };
    notes.left_out(format!("#{}", exchange.id), why);
    false
}

/// The bytes of the UUID of an exchange: its own, or one that is made of it.
pub(super) fn uuid_of(exchange: &Exchange) -> [u8; 16] {
    text::uuid_bytes(&exchange.id).unwrap_or_else(|| {
        let name = format!("{} {} {}", exchange.backend, exchange.time, exchange.id);
        let [mut uuid @ .., _, _, _, _] = digest::sha1(name.as_bytes());
        // RFC 9562, 5.5: version 5, variant 10.
        uuid[6] = uuid[6] & 0x0f | 0x50;
        uuid[8] = uuid[8] & 0x3f | 0x80;
        uuid
    })
}

/// Headers by name, in the spelling that Go programs look for.
pub(super) fn header_map(headers: &Headers, item: &str, notes: &mut Notes) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in headers.iter() {
        let (name, text) = (String::from_utf8_lossy(name), String::from_utf8_lossy(value));
        if text.as_bytes() != value {
            notes.changed(item, "a header's value isn't UTF-8: what isn't is replaced");
        }
        map.entry(spelled(&name)).or_default().push(text.into_owned());
    }
    map
}

/// `content-type` as `Content-Type`.
fn spelled(name: &str) -> String {
    let mut start = true;
    let letter = |c: char| {
        let c = if start { c.to_ascii_uppercase() } else { c };
        start = c == '-';
        c
    };
    name.chars().map(letter).collect()
}

/// Appends an exchange as one line of JSON, without its line feed.
pub(super) fn write(snapshot: &Snapshot, exchange: &Exchange, notes: &mut Notes, out: &mut Vec<u8>) {
    let item = format!("#{}", exchange.id);
    let request = &exchange.request;
    let (scheme, host, port) = backend::parts(&exchange.backend).unwrap_or(("http", &exchange.backend, 80));
    let authority = String::from_utf8_lossy(exchange.authority());
    let uri = String::from_utf8_lossy(&request.path);
    let path = uri.split('?').next().unwrap_or_default();
    let method = String::from_utf8_lossy(&request.method);
    let outbound = exchange.direction == Direction::Outbound;
    let service = snapshot.header().service.as_deref().unwrap_or("undefined");
    let response = exchange.response.as_ref();
    let res = response.map(|response| ResOut {
        content_type: response.headers.get(b"content-type").map(String::from_utf8_lossy),
        status_code: response.status,
        status_message: format!("{} {}", response.status, text::reason(response.status)),
        headers: header_map(&response.headers, &item, notes),
        body: code(&response.body.bytes),
    });
    let req = ReqOut {
        url: path,
        uri: &uri,
        version: exchange.protocol.strip_prefix("HTTP/").map_or("1.1", |v| if v == "2" { "2.0" } else { v }),
        method: &method,
        host: &authority,
        headers: header_map(&request.headers, &item, notes),
        body: code(&request.body.bytes),
    };
    let pair = PairOut {
        msg_type: "rrpair",
        resource: service,
        ts: time::to_rfc3339(exchange.time),
        is_tls: scheme == "https",
        l7protocol: scheme,
        duration: (exchange.duration + 500) / 1000,
        tags: BTreeMap::new(),
        uuid: text::to_base64(&uuid_of(exchange)),
        direction: if outbound { "OUT" } else { "IN" },
        service,
        network_address: format!("{host}:{port}"),
        command: &method,
        location: path,
        status: response.map_or_else(String::new, |response| response.status.to_string()),
        http: HttpOut { req, res },
        signature: signature(exchange).into_iter().map(|(k, v)| (k, text::to_base64(v.as_bytes()))).collect(),
        netinfo: serde_json::json!({ "upstream": { "port": port, "hostname": host } }),
    };
    // Strings, numbers and maps of them: there is nothing in it that JSON couldn't say.
    let _ = serde_json::to_writer(out, &pair);
}

fn code(body: &[u8]) -> Option<String> {
    (!body.is_empty()).then(|| text::to_base64(body))
}

/// The keys that identify a request there.
pub(super) fn signature(exchange: &Exchange) -> BTreeMap<&'static str, String> {
    let request = &exchange.request;
    let uri = String::from_utf8_lossy(&request.path);
    let (path, query) = uri.split_once('?').unwrap_or((&uri, ""));
    let host = backend::parts(&exchange.backend).map_or("", |(_, host, _)| host);
    let mut keys = BTreeMap::from([
        ("http:host", host.to_owned()),
        ("http:method", String::from_utf8_lossy(&request.method).into_owned()),
        ("http:queryparams", query.to_owned()),
        ("http:url", path.to_owned()),
    ]);
    if text::compact(&request.body.bytes).is_some() {
        let signature = Signature::of(&RequestView::from(exchange), &Rules::default());
        let body = signature.get(b"body").map(|body| String::from_utf8_lossy(body).into_owned());
        keys.extend(body.map(|body| ("http:requestBodyJSON", body)));
    }
    keys
}

#[derive(Serialize)]
struct PairOut<'a> {
    #[serde(rename = "msgType")]
    msg_type: &'a str,
    resource: &'a str,
    ts: String,
    #[serde(rename = "isTls", skip_serializing_if = "std::ops::Not::not")]
    is_tls: bool,
    l7protocol: &'a str,
    duration: u64,
    tags: BTreeMap<&'a str, &'a str>,
    uuid: String,
    direction: &'a str,
    service: &'a str,
    network_address: String,
    command: &'a str,
    location: &'a str,
    status: String,
    http: HttpOut<'a>,
    signature: BTreeMap<&'a str, String>,
    netinfo: serde_json::Value,
}

#[derive(Serialize)]
struct HttpOut<'a> {
    req: ReqOut<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    res: Option<ResOut<'a>>,
}

#[derive(Serialize)]
struct ReqOut<'a> {
    url: &'a str,
    uri: &'a str,
    version: &'a str,
    method: &'a str,
    host: &'a str,
    headers: HeaderMap,
    #[serde(rename = "bodyBase64", skip_serializing_if = "Option::is_none")]
    body: Option<String>,
}

#[derive(Serialize)]
struct ResOut<'a> {
    #[serde(rename = "contentType", skip_serializing_if = "Option::is_none")]
    content_type: Option<Cow<'a, str>>,
    #[serde(rename = "statusCode")]
    status_code: u16,
    #[serde(rename = "statusMessage")]
    status_message: String,
    headers: HeaderMap,
    #[serde(rename = "bodyBase64", skip_serializing_if = "Option::is_none")]
    body: Option<String>,
}
