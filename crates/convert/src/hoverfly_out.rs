//! Writes Hoverfly simulations (schema 5.2): one pair for each exchange, each an exact match; several answers to one request are the
//! states of a sequence.

use crate::error::ConvertError;
use crate::note::Notes;
use crate::sequences::{self, compared};
use crate::text;
use crate::wiremock_out::{HOP, is_json, utf8};
use serde_json::{Map, Value, json};
use std::io::Write;
use std::path::Path;
use understudy_core::exchange::{Exchange, Response};
use understudy_core::time;
use understudy_snapshot::Snapshot;
use understudy_snapshot::SnapshotError;
use understudy_snapshot::answerable::unanswerable;

/// Writes what can be answered with as a simulation.
pub(super) fn export(
    snapshot: &Snapshot,
    out: &mut dyn Write,
    notes: &mut Notes,
) -> Result<u64, ConvertError> {
    let failed = || SnapshotError::io("write", Path::new("the export"));
    let sequences = sequences::sequences(snapshot)?;
    out.write_all(b"{\"data\":{\"pairs\":[").map_err(failed())?;
    let mut count = 0;
    for located in snapshot.exchanges()? {
        let located = located?;
        let exchange = &located.exchange;
        let item = format!("#{}", exchange.id);
        let why = unanswerable(exchange).map(|why| why.to_string());
        let not_text = std::str::from_utf8(&exchange.request.body.bytes).is_err();
        let why = why.or_else(|| {
            not_text.then(|| "its request's body isn't UTF-8, which a matcher can't say".to_owned())
        });
        let path = std::str::from_utf8(&exchange.request.path);
        let (None, Ok(path), Some(response)) = (&why, path, &exchange.response) else {
            notes.left_out(item, why.unwrap_or_else(|| "its path isn't UTF-8".to_owned()));
            continue;
        };
        let mut request = request(exchange, path, &item, notes);
        let mut response = answer(response, &item, notes);
        if let Some(position) = sequences.positions.get(&located.line) {
            let key = format!("sequence:{}", position.request);
            request.insert("requiresState".into(), json!({ key.clone(): position.answer.to_string() }));
            let sequence = snapshot.header().backend(&exchange.backend).sequence.unwrap_or_default();
            if let Some(next) = position.next(sequence) {
                response.insert("transitionsState".into(), json!({ key: next.to_string() }));
            }
        }
        let pair = json!({ "request": request, "response": response });
        out.write_all(if count == 0 { b"\n" } else { b",\n" }).map_err(failed())?;
        serde_json::to_writer(&mut *out, &pair).map_err(|error| failed()(error.into()))?;
        count += 1;
    }
    let meta = json!({
        "schemaVersion": "v5.2",
        "hoverflyVersion": "",
        "timeExported": time::to_rfc3339(snapshot.header().recorded),
    });
    let end = format!("\n],\"globalActions\":{{\"delays\":[],\"delaysLogNormal\":[]}}}},\"meta\":{meta}}}\n");
    out.write_all(end.as_bytes()).map_err(failed())?;
    Ok(count)
}

fn exact(value: &str) -> Value {
    json!([{ "matcher": "exact", "value": value }])
}

fn request(exchange: &Exchange, path: &str, item: &str, notes: &mut Notes) -> Map<String, Value> {
    let request = &exchange.request;
    let (scheme, authority) = exchange.backend.split_once("://").unwrap_or(("http", &exchange.backend));
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let mut out = Map::new();
    out.insert("method".into(), exact(&String::from_utf8_lossy(&request.method)));
    out.insert("scheme".into(), exact(scheme));
    out.insert("destination".into(), exact(authority));
    out.insert("path".into(), exact(path));
    let mut values: Map<String, Value> = Map::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or_else(|| {
            let reason =
                "its query has a name without `=`, which is the same as one with nothing behind it there";
            notes.changed(item, reason);
            (pair, "")
        });
        let list = values.entry(text::decode(name)).or_insert_with(|| json!([]));
        if let Value::Array(list) = list {
            list.push(text::decode(value).into());
        }
    }
    for list in values.values_mut() {
        *list = match list.as_array().map(Vec::as_slice) {
            Some([Value::String(one)]) if !one.contains(';') => exact(one),
            _ => json!([{ "matcher": "array", "value": list.take() }]),
        };
    }
    if !values.is_empty() {
        out.insert("query".into(), values.into());
    }
    let mut headers = Map::new();
    for (name, value) in compared(&request.headers) {
        headers.insert(name, exact(&utf8(value, item, notes)));
    }
    if !headers.is_empty() {
        out.insert("headers".into(), headers.into());
    }
    let body = String::from_utf8_lossy(&request.body.bytes);
    let matcher = if is_json(&request.headers, &request.body.bytes) { "json" } else { "exact" };
    out.insert("body".into(), json!([{ "matcher": matcher, "value": body }]));
    if request.headers.iter().any(|(name, _)| {
        !compared(&request.headers).any(|(known, _)| known.as_bytes().eq_ignore_ascii_case(name))
    }) {
        notes.changed(item, "its request's headers that aren't compared aren't carried");
    }
    out
}

fn answer(response: &Response, item: &str, notes: &mut Notes) -> Map<String, Value> {
    let mut headers: Map<String, Value> = Map::new();
    for (name, value) in response.headers.iter().filter(|(name, _)| !HOP.contains(name)) {
        let list = headers.entry(String::from_utf8_lossy(name)).or_insert_with(|| json!([]));
        if let Value::Array(list) = list {
            list.push(utf8(value, item, notes).into());
        }
    }
    if !response.trailers.is_empty() {
        notes.changed(item, "its trailers aren't carried");
    }
    let (body, encoded) = match std::str::from_utf8(&response.body.bytes) {
        Ok(text) => (text.to_owned(), false),
        Err(_) => (text::to_base64(&response.body.bytes), true),
    };
    let mut out = Map::new();
    out.insert("status".into(), response.status.into());
    out.insert("body".into(), body.into());
    out.insert("encodedBody".into(), encoded.into());
    out.insert("headers".into(), headers.into());
    out.insert("templated".into(), false.into());
    out
}
