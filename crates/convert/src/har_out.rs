//! Writes HTTP Archives (HAR 1.2), one entry after the other. Custom fields begin with `_`, as the format asks for.

use crate::error::ConvertError;
use crate::note::Notes;
use crate::{message, text};
use serde::Serialize;
use std::borrow::Cow;
use std::io::Write;
use std::path::Path;
use understudy_core::exchange::{Exchange, Response};
use understudy_core::headers::Headers;
use understudy_core::time;
use understudy_snapshot::Snapshot;
use understudy_snapshot::SnapshotError;
use understudy_snapshot::answerable::unanswerable;

/// Writes what can be answered with as an archive.
pub(super) fn export(
    snapshot: &Snapshot,
    out: &mut dyn Write,
    notes: &mut Notes,
) -> Result<u64, ConvertError> {
    let failed = || SnapshotError::io("write", Path::new("the export"));
    let version = env!("CARGO_PKG_VERSION");
    let start = format!(
        "{{\"log\":{{\"version\":\"1.2\",\"creator\":{{\"name\":\"understudy\",\"version\":\"{version}\"}},\"entries\":["
    );
    out.write_all(start.as_bytes()).map_err(failed())?;
    let mut count = 0;
    for located in snapshot.exchanges()? {
        let exchange = located?.exchange;
        let item = format!("#{}", exchange.id);
        let entry = match unanswerable(&exchange).map(|why| Cow::Owned(why.to_string())) {
            Some(why) => Err(why),
            None => entry(&exchange, &item, notes).map_err(Cow::Borrowed),
        };
        match entry {
            Err(why) => notes.left_out(item, why),
            Ok(entry) => {
                out.write_all(if count == 0 { b"\n" } else { b",\n" }).map_err(failed())?;
                serde_json::to_writer(&mut *out, &entry).map_err(|error| failed()(error.into()))?;
                count += 1;
            }
        }
    }
    out.write_all(b"\n]}}\n").map_err(failed())?;
    Ok(count)
}

fn entry<'a>(exchange: &'a Exchange, item: &str, notes: &mut Notes) -> Result<Entry<'a>, &'static str> {
    let path = std::str::from_utf8(&exchange.request.path).map_err(|_| "its path isn't UTF-8")?;
    let response = exchange.response.as_ref().ok_or("there is no response")?;
    let version = if exchange.protocol == "HTTP/2" { "HTTP/2.0" } else { &exchange.protocol };
    let ms = exchange.duration as f64 / 1000.0;
    let request = &exchange.request;
    if !request.trailers.is_empty() || !response.trailers.is_empty() {
        notes.changed(item, "its trailers aren't carried");
    }
    let response = answer(response, version, item, notes)?;
    Ok(Entry {
        started_date_time: time::to_rfc3339(exchange.time),
        time: ms,
        request: RequestOut {
            method: String::from_utf8_lossy(&request.method),
            url: format!("{}{path}", exchange.backend),
            http_version: version,
            cookies: [],
            headers: headers(&request.headers, item, notes),
            query_string: query(path),
            post_data: post_data(&request.headers, &request.body.bytes),
            headers_size: -1,
            body_size: request.body.bytes.len(),
        },
        response,
        cache: Empty {},
        timings: Timings { send: 0.0, wait: ms, receive: 0.0 },
    })
}

fn answer<'a>(
    response: &'a Response,
    version: &'a str,
    item: &str,
    notes: &mut Notes,
) -> Result<ResponseOut<'a>, &'static str> {
    let body = &response.body.bytes;
    let decoded = message::decoded(&response.headers, body)?;
    if decoded.is_some() {
        notes.changed(item, "its body is written decompressed, as the format wants it");
    }
    let (size, sent) = (decoded.as_ref().map_or(body.len(), Vec::len), body.len());
    let (text, encoding) = match decoded.map_or(Cow::Borrowed(body.as_slice()), Cow::Owned) {
        body if body.is_empty() => (None, None),
        body => {
            let (text, encoding) = shown(body);
            (Some(text), encoding)
        }
    };
    let header = |name: &[u8]| response.headers.get(name).map(String::from_utf8_lossy).unwrap_or_default();
    Ok(ResponseOut {
        status: response.status,
        status_text: text::reason(response.status),
        http_version: version,
        cookies: [],
        headers: headers(&response.headers, item, notes),
        content: Content { size, mime_type: header(b"content-type"), text, encoding },
        redirect_url: header(b"location"),
        headers_size: -1,
        body_size: sent,
    })
}

/// A body as text, and how.
fn shown(body: Cow<'_, [u8]>) -> (Cow<'_, str>, Option<&'static str>) {
    match body {
        Cow::Borrowed(body) => match std::str::from_utf8(body) {
            Ok(text) => (Cow::Borrowed(text), None),
            Err(_) => (Cow::Owned(text::to_base64(body)), Some("base64")),
        },
        Cow::Owned(body) => match String::from_utf8(body) {
            Ok(text) => (Cow::Owned(text), None),
            Err(error) => (Cow::Owned(text::to_base64(error.as_bytes())), Some("base64")),
        },
    }
}

fn post_data<'a>(headers: &'a Headers, body: &'a [u8]) -> Option<PostData<'a>> {
    if body.is_empty() {
        return None;
    }
    let (text, encoding) = shown(Cow::Borrowed(body));
    let mime_type = headers.get(b"content-type").map(String::from_utf8_lossy).unwrap_or_default();
    Some(PostData { mime_type, params: [], text, encoding })
}

fn headers<'a>(headers: &'a Headers, item: &str, notes: &mut Notes) -> Vec<Pair<'a>> {
    let pair = |(name, value): (&'a [u8], &'a [u8])| {
        if std::str::from_utf8(value).is_err() {
            notes.changed(item, "a header's value isn't UTF-8: what isn't is replaced");
        }
        Pair { name: String::from_utf8_lossy(name), value: String::from_utf8_lossy(value) }
    };
    headers.iter().map(pair).collect()
}

fn query(path: &str) -> Vec<Pair<'_>> {
    let query = path.split_once('?').map_or("", |(_, query)| query);
    let pair = |pair| {
        let (name, value) = str::split_once(pair, '=').unwrap_or((pair, ""));
        Pair { name: text::decode(name), value: text::decode(value) }
    };
    query.split('&').filter(|pair| !pair.is_empty()).map(pair).collect()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    started_date_time: String,
    time: f64,
    request: RequestOut<'a>,
    response: ResponseOut<'a>,
    cache: Empty,
    timings: Timings,
}

#[derive(Serialize)]
struct Empty {}

#[derive(Serialize)]
struct Timings {
    send: f64,
    wait: f64,
    receive: f64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestOut<'a> {
    method: Cow<'a, str>,
    url: String,
    http_version: &'a str,
    cookies: [(); 0],
    headers: Vec<Pair<'a>>,
    query_string: Vec<Pair<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    post_data: Option<PostData<'a>>,
    headers_size: i64,
    body_size: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PostData<'a> {
    mime_type: Cow<'a, str>,
    params: [(); 0],
    text: Cow<'a, str>,
    #[serde(rename = "_encoding", skip_serializing_if = "Option::is_none")]
    encoding: Option<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResponseOut<'a> {
    status: u16,
    status_text: &'static str,
    http_version: &'a str,
    cookies: [(); 0],
    headers: Vec<Pair<'a>>,
    content: Content<'a>,
    #[serde(rename = "redirectURL")]
    redirect_url: Cow<'a, str>,
    headers_size: i64,
    body_size: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Content<'a> {
    size: usize,
    mime_type: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encoding: Option<&'static str>,
}

#[derive(Serialize)]
struct Pair<'a> {
    name: Cow<'a, str>,
    value: Cow<'a, str>,
}
