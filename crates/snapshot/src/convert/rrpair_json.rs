//! RRPairs as JSON, one a line or one a file: what both forms of an RRPair are read into and written from.
//!
//! The layout is that of `raw.jsonl` in a Speedscale snapshot and of proxymock's files. What it says besides the exchange (tags, the
//! signature, addresses) isn't kept: the signature is made anew of the request.

use crate::convert::error::ConvertError;
use crate::convert::source::{Text, plain};
use crate::convert::{Format, Import, Notes, files, message, rrpair_md, text};
use crate::reader::Snapshot;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::{BTreeMap, HashSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use understudy_core::canonical::{RequestView, Signature};
use understudy_core::exchange::{Body, Direction, End, Exchange, Request, Response};
use understudy_core::headers::Headers;
use understudy_core::{backend, digest, time};

/// The files of a Speedscale snapshot whose pairs stand in `raw.jsonl` too.
const PARTS: [&str; 2] = ["action.jsonl", "reaction.jsonl"];

type HeaderMap = BTreeMap<String, Vec<String>>;

/// An RRPair, as far as an exchange can be made of it. Keys that aren't here are passed over: the format grows.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Pair<'a> {
    #[serde(rename = "msgType")]
    msg_type: Option<String>,
    version: Option<String>,
    pub(super) ts: Option<String>,
    l7protocol: Option<String>,
    #[serde(rename = "isTls")]
    is_tls: bool,
    pub(super) duration: f64,
    #[serde(borrow)]
    tags: Option<&'a RawValue>,
    pub(super) uuid: Option<String>,
    pub(super) direction: Option<String>,
    service: Option<String>,
    network_address: String,
    pub(super) http: Http<'a>,
    netinfo: NetInfo,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Http<'a> {
    #[serde(borrow)]
    pub(super) req: Option<Req<'a>>,
    #[serde(borrow)]
    pub(super) res: Option<Res<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Req<'a> {
    url: String,
    pub(super) uri: String,
    pub(super) version: String,
    pub(super) method: String,
    pub(super) host: String,
    pub(super) headers: HeaderMap,
    #[serde(rename = "bodyBase64", borrow)]
    body: Option<Text<'a>>,
    /// What a readable section says instead.
    #[serde(skip)]
    pub(super) shown_body: Option<Vec<u8>>,
    /// The backend and the path, where a readable section says them.
    #[serde(skip)]
    pub(super) shown_url: Option<(String, String)>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Res<'a> {
    #[serde(rename = "statusCode")]
    pub(super) status: f64,
    pub(super) headers: HeaderMap,
    #[serde(rename = "bodyBase64", borrow)]
    body: Option<Text<'a>>,
    #[serde(skip)]
    pub(super) shown_body: Option<Vec<u8>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct NetInfo {
    upstream: Upstream,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Upstream {
    port: u16,
}

/// Where a pair stands, and what is known of all of them so far.
pub(super) struct Pairs {
    seen: HashSet<String>,
    services: HashSet<String>,
}

/// Reads RRPairs: a file of either form, or a folder of such files.
pub(super) fn import(path: &Path, import: &mut Import<'_>) -> Result<(), ConvertError> {
    let mut pairs = Pairs { seen: HashSet::new(), services: HashSet::new() };
    let found = files::below(path, &[".md", ".json", ".jsonl", ".jsonl.gz"])?;
    let has_raw = |file: &PathBuf| found.contains(&file.with_file_name("raw.jsonl"));
    for file in &found {
        let part = file.file_name().is_some_and(|name| PARTS.iter().any(|part| name == *part));
        if part && has_raw(file) {
            import.notes.left_out(file.display().to_string(), "its pairs stand in raw.jsonl too");
        } else if file.extension().is_some_and(|end| end.eq_ignore_ascii_case("md")) {
            rrpair_md::import(file, &mut pairs, import)?;
        } else {
            lines(file, &mut pairs, import)?;
        }
    }
    import.done.keep_ids = true;
    let mut services = pairs.services.into_iter();
    import.done.service = services.next().filter(|_| services.next().is_none());
    Ok(())
}

fn lines(path: &Path, pairs: &mut Pairs, import: &mut Import<'_>) -> Result<(), ConvertError> {
    let mut from = files::open(path)?;
    let (mut number, mut line) = (0, Vec::new());
    while files::next_line(&mut *from, path, &mut number, &mut line)? {
        if number == 1 && line.trim_ascii_start().starts_with(b"### ") {
            return rrpair_md::import(path, pairs, import);
        }
        let bad = |problem: String| ConvertError::Input { path: path.to_owned(), line: number, problem };
        let pair: Pair<'_> = match serde_json::from_slice(&line) {
            Ok(pair) => pair,
            // A file that holds one pair on several lines.
            Err(error) if error.is_eof() && number == 1 => {
                let text = files::text(path)?;
                let pair = serde_json::from_str(&text).map_err(|error| {
                    number = error.line() as u64;
                    ConvertError::Input { path: path.to_owned(), line: number, problem: not_a_pair(&error) }
                })?;
                return pairs.put(path, 1, pair, import);
            }
            Err(error) => return Err(bad(not_a_pair(&error))),
        };
        pairs.put(path, number, pair, import)?;
    }
    Ok(())
}

pub(super) fn not_a_pair(error: &serde_json::Error) -> String {
    format!("not an RRPair: {}", plain(error))
}

impl Pairs {
    /// Hands over the exchange of a pair, or says why it is none.
    pub(super) fn put(
        &mut self,
        path: &Path,
        line: u64,
        pair: Pair<'_>,
        import: &mut Import<'_>,
    ) -> Result<(), ConvertError> {
        let item = match pair.uuid.as_deref().map(uuid) {
            Some(uuid) if !uuid.is_empty() => format!("{}:{line} ({uuid})", path.display()),
            _ => format!("{}:{line}", path.display()),
        };
        if let Some(version) = pair.version.as_deref().filter(|version| !version.starts_with("0.")) {
            let version = version.to_owned();
            return Err(ConvertError::Version {
                path: path.to_owned(),
                format: Format::Rrpair,
                version,
                known: "0.x",
            });
        }
        if let Some(why) = not_http(&pair) {
            import.notes.left_out(item, why);
            return Ok(());
        }
        let service = pair.service.clone().filter(|service| !["", "undefined"].contains(&service.as_str()));
        self.services.extend(service);
        if pair.tags.is_some_and(|tags| !["{}", "null"].contains(&tags.get())) {
            import.notes.changed(item.as_str(), "its tags aren't kept");
        }
        let bad = |problem| ConvertError::Input { path: path.to_owned(), line, problem };
        let number = import.done.exchanges + 1;
        let (mut exchange, changed) = match exchange(pair, import.options.now + number).map_err(bad)? {
            Ok(read) => read,
            Err(why) => {
                import.notes.left_out(item, why);
                return Ok(());
            }
        };
        changed.into_iter().for_each(|reason| import.notes.changed(item.as_str(), reason));
        self.name(&item, number, &mut exchange.id, import);
        import.put(&exchange)
    }

    /// Makes an identifier unique.
    fn name(&mut self, item: &str, number: u64, id: &mut String, import: &mut Import<'_>) {
        if id.is_empty() {
            *id = format!("imported-{number}");
        } else if self.seen.contains(id) {
            *id = format!("{id}-{number}");
            import.notes.changed(item, "another pair has its uuid too: it got a number behind");
        }
        self.seen.insert(id.clone());
    }
}

fn not_http(pair: &Pair<'_>) -> Option<String> {
    match (pair.msg_type.as_deref(), pair.l7protocol.as_deref()) {
        (Some(other), _) if !other.eq_ignore_ascii_case("rrpair") => Some(format!("{other} is no RRPair")),
        (_, Some(other))
            if !["http", "https", "http2", "h2", ""].contains(&other.to_ascii_lowercase().as_str()) =>
        {
            Some(format!("{other} isn't HTTP"))
        }
        _ if pair.http.req.is_none() => Some("it has no HTTP request".to_owned()),
        _ => None,
    }
}

type Read = Result<(Exchange, Vec<&'static str>), String>;

/// The exchange of a pair. `Err`: it can't be read. `Ok(Err)`: it can, and is no exchange.
fn exchange(mut pair: Pair<'_>, now: u64) -> Result<Read, String> {
    let direction = match pair.direction.as_deref().unwrap_or("OUT").to_ascii_uppercase().as_str() {
        "OUT" | "" => Direction::Outbound,
        "IN" => Direction::Inbound,
        other => return Err(format!("the direction {other:?} is neither IN nor OUT")),
    };
    let at = match pair.ts.as_deref() {
        None | Some("") => now,
        Some(ts) => text::from_time(ts).ok_or_else(|| format!("`ts`: {ts:.64?} is no time (RFC 3339)"))?,
    };
    let mut req = pair.http.req.take().unwrap_or_default();
    let (backend, path) = match req.shown_url.take().map_or_else(|| url(&pair, &req), Ok) {
        Ok(url) => url,
        Err(why) => return Ok(Err(why)),
    };
    let bytes =
        |name, body: Option<Text<'_>>, shown| body_bytes(body, shown).map_err(|e| format!("`{name}`: {e}"));
    let body = bytes("req.bodyBase64", req.body, req.shown_body)?;
    let request = message::tidy(values(&req.headers), &body);
    let mut changed = request.changed;
    let response = match pair.http.res {
        None => None,
        Some(res) if (100.0..600.0).contains(&res.status) => {
            let body = bytes("res.bodyBase64", res.body, res.shown_body)?;
            let tidied = message::tidy(values(&res.headers), &body);
            changed.extend(tidied.changed);
            let body = Body { bytes: body, truncated: None };
            Some(Response {
                status: res.status as u16,
                headers: tidied.headers,
                body,
                trailers: Headers::new(),
            })
        }
        Some(res) => return Ok(Err(format!("{} is no status of HTTP", res.status))),
    };
    let exchange = Exchange {
        id: pair.uuid.as_deref().map(uuid).unwrap_or_default(),
        direction,
        time: at,
        duration: text::from_ms(pair.duration),
        backend,
        protocol: text::protocol(&req.version).to_owned(),
        request: Request {
            method: if req.method.is_empty() { b"GET".to_vec() } else { req.method.into_bytes() },
            path: path.into_bytes(),
            headers: request.headers,
            body: Body { bytes: body, truncated: None },
            trailers: Headers::new(),
        },
        end: if response.is_some() { End::Complete } else { End::NoResponse },
        response,
    };
    Ok(Ok((exchange, changed)))
}

fn values(headers: &HeaderMap) -> impl Iterator<Item = (&String, &String)> {
    headers.iter().flat_map(|(name, values)| values.iter().map(move |value| (name, value)))
}

/// The backend and the path, where no readable section has the whole URL.
fn url(pair: &Pair<'_>, req: &Req<'_>) -> Result<(String, String), String> {
    let path = if req.uri.is_empty() { &req.url } else { &req.uri };
    if path.contains("://") {
        return text::split_url(path);
    }
    let tls = pair.is_tls || pair.l7protocol.as_deref().is_some_and(|l7| l7.eq_ignore_ascii_case("https"));
    let address = pair.network_address.rsplit_once(':');
    let (address_host, address_port) = address.unwrap_or((&pair.network_address, ""));
    let host = if req.host.is_empty() { address_host } else { &req.host };
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
    let port = address_port.parse().ok().filter(|&port| port > 0).unwrap_or(pair.netinfo.upstream.port);
    let authority = if has_port || port == 0 { host.to_owned() } else { format!("{host}:{port}") };
    let path = if path.starts_with('/') { path.clone() } else { format!("/{path}") };
    Ok((text::backend_name(if tls { "https" } else { "http" }, &authority)?, path))
}

/// The body: as JSON has it, unless a readable section shows another.
fn body_bytes(code: Option<Text<'_>>, shown: Option<Vec<u8>>) -> Result<Vec<u8>, String> {
    let kept = code.map(|Text(code)| text::from_base64(&code)).transpose()?;
    let Some(shown) = shown else { return Ok(kept.unwrap_or_default()) };
    let folded = text::compact(&shown);
    match kept {
        Some(kept) if shown.is_empty() || kept == shown || is_same_text(&kept, &shown, folded.as_deref()) => {
            Ok(kept)
        }
        _ => Ok(folded.unwrap_or(shown)),
    }
}

/// Whether two bodies differ in nothing but how they are laid out for a reader: JSON, and HTML.
fn is_same_text(kept: &[u8], shown: &[u8], folded: Option<&[u8]>) -> bool {
    if folded.is_some() {
        return text::compact(kept).as_deref() == folded;
    }
    let dense = |text: &[u8]| text.iter().filter(|b| !b.is_ascii_whitespace()).copied().collect::<Vec<_>>();
    kept.trim_ascii_start().starts_with(b"<") && dense(kept) == dense(shown)
}

/// The text of a UUID, which JSON has as base64 of its bytes.
fn uuid(text: &str) -> String {
    let bytes = text::from_base64(text).ok().and_then(|bytes| <[u8; 16]>::try_from(bytes).ok());
    bytes.map_or_else(|| text.to_owned(), |bytes| text::uuid_text(&bytes))
}

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
        out.write_all(&line).map_err(crate::SnapshotError::io("write", Path::new("the export")))?;
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
        End::RequestAborted | End::ResponseAborted => {
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
    let authority = exchange.backend.split_once("://").map_or("", |(_, authority)| authority);
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
        host: authority,
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
        let signature = Signature::of(&RequestView {
            backend: exchange.backend.as_bytes(),
            method: &request.method,
            path: &request.path,
            headers: &request.headers,
            body: &request.body.bytes,
        });
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
    content_type: Option<std::borrow::Cow<'a, str>>,
    #[serde(rename = "statusCode")]
    status_code: u16,
    #[serde(rename = "statusMessage")]
    status_message: String,
    headers: HeaderMap,
    #[serde(rename = "bodyBase64", skip_serializing_if = "Option::is_none")]
    body: Option<String>,
}
