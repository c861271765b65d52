//! The writer of lines. It runs on the filter's data path, in one pass without an intermediate
//! tree.

use super::VERSION;
use crate::digest;
use crate::exchange::{Body, Direction, End, Exchange};
use crate::headers::Headers;
use crate::sample::Sample;
use crate::time;
use crate::verdict::{Class, Verdict};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};

/// Appends the record as one line, with its line feed. With a verdict the exchange's response isn't
/// written: the verdict names the served answer.
pub fn write_record(exchange: &Exchange, verdict: Option<&Verdict>, out: &mut Vec<u8>) {
    append(&Line { exchange, verdict }, out);
}

/// Appends a batch's first line.
pub fn write_batch(vm: &str, seq: u64, dropped: u64, service: Option<&str>, out: &mut Vec<u8>) {
    write_sampled_batch(vm, seq, dropped, service, Sample::WHOLE, out);
}

/// Appends a batch's first line, for exchanges that are this share of the traffic.
pub fn write_sampled_batch(
    vm: &str,
    seq: u64,
    dropped: u64,
    service: Option<&str>,
    sample: Sample,
    out: &mut Vec<u8>,
) {
    append(&Batch { kind: "batch", v: VERSION, vm, seq, dropped, service, sample }, out);
}

fn append(value: &impl Serialize, out: &mut Vec<u8>) {
    let start = out.len();
    // Writing to a Vec can't fail, and every map key is text. Even so, a partial line must not
    // stay.
    match serde_json::to_writer(&mut *out, value) {
        Ok(()) => out.push(b'\n'),
        Err(_) => out.truncate(start),
    }
}

#[derive(Serialize)]
struct Batch<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    v: u32,
    vm: &'a str,
    seq: u64,
    dropped: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<&'a str>,
    #[serde(skip_serializing_if = "Sample::is_whole")]
    sample: Sample,
}

struct Line<'a> {
    exchange: &'a Exchange,
    verdict: Option<&'a Verdict>,
}

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let e = self.exchange;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", if self.verdict.is_some() { "verdict" } else { "exchange" })?;
        map.serialize_entry("v", &VERSION)?;
        map.serialize_entry("id", &e.id)?;
        map.serialize_entry("direction", direction(e.direction))?;
        map.serialize_entry("time", &time::to_rfc3339(e.time))?;
        map.serialize_entry("duration_us", &e.duration)?;
        if let Some(first_byte) = e.first_byte {
            map.serialize_entry("first_byte_us", &first_byte)?;
        }
        map.serialize_entry("backend", &e.backend)?;
        map.serialize_entry("protocol", &e.protocol)?;
        if let Some(verdict) = self.verdict {
            verdict_entries(&mut map, verdict)?;
        }
        map.serialize_entry("request", &RequestOut(e))?;
        if let (Some(_), None) = (&e.response, self.verdict) {
            map.serialize_entry("response", &ResponseOut(e))?;
        }
        map.serialize_entry("end", end(e.end))?;
        map.end()
    }
}

fn verdict_entries<M: SerializeMap>(map: &mut M, verdict: &Verdict) -> Result<(), M::Error> {
    map.serialize_entry("verdict", &verdict.kind)?;
    if let Some(status) = verdict.status {
        map.serialize_entry("status", &status)?;
    }
    if let Some(fault) = &verdict.fault {
        map.serialize_entry("fault", fault)?;
    }
    if let Some(reason) = verdict.reason {
        map.serialize_entry("reason", &reason)?;
    }
    if let Some(m) = &verdict.matched {
        let (exchange, digest) = (m.exchange.as_str(), digest::hex(&m.digest));
        let out =
            MatchedOut { exchange, digest, sequence: m.sequence, normalised: &m.normalised, class: m.class };
        map.serialize_entry("matched", &out)?;
    }
    if !verdict.nearest.is_empty() {
        map.serialize_entry("nearest", &verdict.nearest)?;
    }
    Ok(())
}

#[derive(Serialize)]
struct MatchedOut<'a> {
    exchange: &'a str,
    digest: String,
    sequence: (u32, u32),
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    normalised: &'a [String],
    #[serde(skip_serializing_if = "is_exact")]
    class: Class,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_exact(class: &Class) -> bool {
    *class == Class::Exact
}

struct RequestOut<'a>(&'a Exchange);

impl Serialize for RequestOut<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let request = &self.0.request;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("method", &Bytes(&request.method))?;
        map.serialize_entry("path", &Bytes(&request.path))?;
        message_entries(&mut map, &request.headers, &request.body, &request.trailers)?;
        map.end()
    }
}

struct ResponseOut<'a>(&'a Exchange);

impl Serialize for ResponseOut<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if let Some(response) = &self.0.response {
            map.serialize_entry("status", &response.status)?;
            message_entries(&mut map, &response.headers, &response.body, &response.trailers)?;
        }
        map.end()
    }
}

fn message_entries<M: SerializeMap>(
    map: &mut M,
    headers: &Headers,
    body: &Body,
    trailers: &Headers,
) -> Result<(), M::Error> {
    map.serialize_entry("headers", &Pairs(headers))?;
    if !body.bytes.is_empty() {
        match std::str::from_utf8(&body.bytes) {
            Ok(text) if !is_mostly_escapes(text) => map.serialize_entry("body", text)?,
            _ => map.serialize_entry("body_base64", &STANDARD.encode(&body.bytes))?,
        }
    }
    if let Some(all) = body.truncated {
        map.serialize_entry("truncated", &all)?;
    }
    if !trailers.is_empty() {
        map.serialize_entry("trailers", &Pairs(trailers))?;
    }
    Ok(())
}

/// Returns whether control characters, which JSON spells with six characters, make a text longer
/// than base64.
fn is_mostly_escapes(text: &str) -> bool {
    let escapes = text.bytes().filter(|b| *b < 0x20 && !matches!(b, b'\t' | b'\n' | b'\r')).count();
    escapes.saturating_mul(15) > text.len()
}

struct Pairs<'a>(&'a Headers);

impl Serialize for Pairs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut seq = serializer.serialize_seq(None)?;
        for (name, value) in self.0.iter() {
            seq.serialize_element(&(Bytes(name), Bytes(value)))?;
        }
        seq.end()
    }
}

/// Writes UTF-8 as text and other bytes as `{"base64":"…"}`.
struct Bytes<'a>(&'a [u8]);

impl Serialize for Bytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(self.0) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("base64", &STANDARD.encode(self.0))?;
                map.end()
            }
        }
    }
}

fn direction(direction: Direction) -> &'static str {
    match direction {
        Direction::Outbound => "outbound",
        Direction::Inbound => "inbound",
    }
}

fn end(end: End) -> &'static str {
    match end {
        End::Complete => "complete",
        End::RequestAborted => "request-aborted",
        End::ResponseAborted => "response-aborted",
        End::ClientLeft => "client-left",
        End::NoResponse => "no-response",
    }
}
