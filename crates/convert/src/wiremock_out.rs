//! Writes stub mappings that a WireMock server loads: for each backend a folder with `mappings` and `__files`, since such a server has one
//! host. One mapping for each exchange, each an exact match; several answers to one request are the states of a scenario.

use crate::error::ConvertError;
use crate::note::Notes;
use crate::sequences::{self, Position, Sequences, compared};
use crate::{rrpair_out, text};
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::fs;
use std::path::Path;
use understudy_core::exchange::{Exchange, Response};
use understudy_core::headers::Headers;
use understudy_core::table::Sequence;
use understudy_snapshot::Snapshot;
use understudy_snapshot::SnapshotError;
use understudy_snapshot::answerable::unanswerable;

/// A longer body is a file of its own.
const INLINE_MAX: usize = 10 << 10;
/// Of the connection, not of the answer.
pub(super) const HOP: [&[u8]; 4] = [b"connection", b"keep-alive", b"transfer-encoding", b"content-length"];

/// Writes what can be answered with.
pub(super) fn export(snapshot: &Snapshot, folder: &Path, notes: &mut Notes) -> Result<u64, ConvertError> {
    let sequences = sequences::sequences(snapshot)?;
    let mut count = 0u64;
    for located in snapshot.exchanges()? {
        let located = located?;
        let exchange = &located.exchange;
        let item = format!("#{}", exchange.id);
        let why = unanswerable(exchange).map(|why| why.to_string());
        let path = std::str::from_utf8(&exchange.request.path);
        let (None, Ok(path), Some(response)) = (&why, path, &exchange.response) else {
            notes.left_out(item, why.unwrap_or_else(|| "its path isn't UTF-8".to_owned()));
            continue;
        };
        count += 1;
        let method = String::from_utf8_lossy(&exchange.request.method);
        let short: String = path.split('?').next().unwrap_or_default().chars().take(60).collect();
        let name = format!("{count:06}-{}", text::file_name(&format!("{method}{short}").replace('/', "-")));
        let place = folder.join(text::file_name(&exchange.backend.replace("://", "-")));
        let mut mapping = Map::new();
        mapping.insert("id".into(), text::uuid_text(&rrpair_out::uuid_of(exchange)).into());
        mapping.insert("name".into(), format!("{method} {path}").into());
        if let Some(position) = sequences.positions.get(&located.line) {
            scenario(
                position,
                snapshot.header().backend(&exchange.backend).sequence.unwrap_or_default(),
                &mut mapping,
            );
        }
        mapping.insert("request".into(), request(exchange, &method, path, &sequences, notes));
        mapping.insert("response".into(), answer(response, &place, &name, &item, notes)?);
        let content = serde_json::to_vec_pretty(&mapping).unwrap_or_default();
        write(&place.join("mappings"), &format!("{name}.json"), &content)?;
    }
    Ok(count)
}

fn write(folder: &Path, name: &str, content: &[u8]) -> Result<(), ConvertError> {
    fs::create_dir_all(folder).map_err(SnapshotError::io("make the folder", folder))?;
    let path = folder.join(name);
    Ok(fs::write(&path, content).map_err(SnapshotError::io("write", &path))?)
}

fn scenario(position: &Position, sequence: Sequence, mapping: &mut Map<String, Value>) {
    let state = |answer| if answer == 1 { "Started".to_owned() } else { format!("answer {answer}") };
    mapping.insert("scenarioName".into(), format!("request {}", position.request).into());
    mapping.insert("requiredScenarioState".into(), state(position.answer).into());
    if let Some(next) = position.next(sequence) {
        mapping.insert("newScenarioState".into(), state(next).into());
    }
}

fn request(exchange: &Exchange, method: &str, path: &str, sequences: &Sequences, notes: &mut Notes) -> Value {
    let request = &exchange.request;
    let item = &format!("#{}", exchange.id);
    let mut out = Map::new();
    out.insert("method".into(), method.into());
    out.insert("url".into(), path.into());
    let mut headers = Map::new();
    for (name, value) in compared(&request.headers) {
        let value = utf8(value, item, notes);
        // A boundary is another each time.
        let matcher = match value.split_once(';') {
            Some((media_type, rest)) if name == "content-type" && rest.contains("boundary") => {
                json!({ "contains": media_type.trim() })
            }
            _ => json!({ "equalTo": value }),
        };
        headers.insert(name, matcher);
    }
    // A stub that doesn't ask for a header answers requests that have it too.
    headers.extend(sequences.absent(exchange).map(|name| (name.to_owned(), json!({ "absent": true }))));
    if !headers.is_empty() {
        out.insert("headers".into(), headers.into());
    }
    let body = &request.body.bytes;
    if !body.is_empty() || ["POST", "PUT", "PATCH"].contains(&method) {
        out.insert("bodyPatterns".into(), json!([body_pattern(&request.headers, body)]));
    }
    if request.headers.iter().any(|(name, _)| {
        !compared(&request.headers).any(|(known, _)| known.as_bytes().eq_ignore_ascii_case(name))
    }) {
        notes.changed(item, "its request's headers that aren't compared aren't carried");
    }
    out.into()
}

fn body_pattern(headers: &Headers, body: &[u8]) -> Value {
    match std::str::from_utf8(body) {
        // Not `equalTo` nothing: WireMock takes an empty body for none.
        Ok("") => json!({ "absent": true }),
        Ok(text) if is_json(headers, body) => json!({ "equalToJson": text }),
        Ok(text) => json!({ "equalTo": text }),
        Err(_) => json!({ "binaryEqualTo": text::to_base64(body) }),
    }
}

/// Whether a body is compared as JSON.
pub(super) fn is_json(headers: &Headers, body: &[u8]) -> bool {
    let media_type = headers.get(b"content-type").map(understudy_core::facts::media_type);
    let known =
        media_type.is_none_or(|name| name.to_ascii_lowercase().windows(4).any(|part| part == b"json"));
    known && matches!(body.trim_ascii_start().first(), Some(b'{' | b'[')) && text::compact(body).is_some()
}

/// A header's value as text.
pub(super) fn utf8<'a>(value: &'a [u8], item: &str, notes: &mut Notes) -> Cow<'a, str> {
    let text = String::from_utf8_lossy(value);
    if matches!(text, Cow::Owned(_)) {
        notes.changed(item, "a header's value isn't UTF-8: what isn't is replaced");
    }
    text
}

fn answer(
    response: &Response,
    place: &Path,
    name: &str,
    item: &str,
    notes: &mut Notes,
) -> Result<Value, ConvertError> {
    let mut headers: Map<String, Value> = Map::new();
    for (name, value) in response.headers.iter().filter(|(name, _)| !HOP.contains(name)) {
        let value = Value::from(utf8(value, item, notes));
        match headers.entry(String::from_utf8_lossy(name)) {
            serde_json::map::Entry::Vacant(entry) => drop(entry.insert(value)),
            serde_json::map::Entry::Occupied(mut entry) => match entry.get_mut() {
                Value::Array(values) => values.push(value),
                first => *first = json!([first.take(), value]),
            },
        }
    }
    if !response.trailers.is_empty() {
        notes.changed(item, "its trailers aren't carried");
    }
    let mut out = Map::new();
    out.insert("status".into(), response.status.into());
    out.insert("headers".into(), headers.into());
    let body = &response.body.bytes;
    match std::str::from_utf8(body) {
        Ok("") => {}
        Ok(text) if body.len() <= INLINE_MAX => drop(out.insert("body".into(), text.into())),
        _ => {
            let file = format!("{name}.{}", ending(&response.headers));
            write(&place.join("__files"), &file, body)?;
            out.insert("bodyFileName".into(), file.into());
        }
    }
    Ok(out.into())
}

fn ending(headers: &Headers) -> &'static str {
    let content_type = headers.get(b"content-type").map(String::from_utf8_lossy).unwrap_or_default();
    match content_type.as_ref() {
        text if text.contains("json") => "json",
        text if text.contains("html") => "html",
        text if text.contains("xml") => "xml",
        text if text.starts_with("text/") => "txt",
        _ => "bin",
    }
}
