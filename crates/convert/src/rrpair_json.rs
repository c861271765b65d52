//! RRPairs as JSON, one a line or one a file: what both forms of an RRPair are read into.
//!
//! The layout is that of `raw.jsonl` in a Speedscale snapshot and of proxymock's files. What it says besides the exchange (tags, the
//! signature, addresses) isn't kept: the signature is made anew of the request.

use crate::error::ConvertError;
use crate::format::Format;
use crate::import::Import;
use crate::source::{Text, plain};
use crate::{files, message, rrpair_md, text};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use understudy_core::exchange::{Body, Direction, End, Exchange, Request, Response};
use understudy_core::headers::Headers;

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
        first_byte: None,
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
