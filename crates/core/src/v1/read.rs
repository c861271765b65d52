//! The reader of lines. The filter never reads lines.

use super::{Record, VERSION};
use crate::exchange::{Body, Direction, End, Exchange, Request, Response};
use crate::headers::Headers;
use crate::time;
use crate::verdict::{Class, Kind, Matched, Nearest, Reason, Verdict};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

/// The reason why a line can't be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LineError {
    /// Not JSON, or a key is missing, unknown or of the wrong type.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// A newer version wrote the line.
    #[error("version {0} of the line format is unknown (known: {VERSION}); use a newer understudy")]
    Version(u32),
    /// A value has the right type, but is malformed.
    #[error("`{key}`: {problem}")]
    Value {
        /// The key.
        key: &'static str,
        /// The problem with its value.
        problem: String,
    },
}

impl LineError {
    /// A stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Json(_) => "line-json",
            Self::Version(_) => "line-version",
            Self::Value { .. } => "line-value",
        }
    }
}

/// Reads one line, with or without its line feed.
///
/// # Errors
/// [`LineError`]. Unknown keys are errors, so that a typo in an edited line isn't ignored.
pub fn read_record(line: &[u8]) -> Result<Record, LineError> {
    let line: Line = serde_json::from_slice(line).map_err(|error| unreadable(line, error))?;
    if line.version != VERSION {
        return Err(LineError::Version(line.version));
    }
    let verdict = match line.kind {
        LineKind::Exchange => None,
        LineKind::Verdict => Some(line.verdict()?),
    };
    let exchange = Exchange {
        time: time::from_rfc3339(&line.time).ok_or_else(|| LineError::Value {
            key: "time",
            problem: format!("{:?} isn't a UTC time such as 2026-11-21T08:00:00.123456Z", line.time),
        })?,
        id: line.id,
        direction: line.direction.into(),
        duration: line.duration_us,
        first_byte: line.first_byte_us,
        backend: line.backend,
        protocol: line.protocol,
        request: line.request.read()?,
        response: line.response.map(ResponseIn::read).transpose()?,
        end: line.end.into(),
    };
    Ok(Record { exchange, verdict })
}

/// The error of a line that can't be parsed. A line of another version may have other keys.
fn unreadable(line: &[u8], error: serde_json::Error) -> LineError {
    #[derive(Deserialize)]
    struct Head {
        v: u32,
    }
    match serde_json::from_slice::<Head>(line) {
        Ok(head) if head.v != VERSION => LineError::Version(head.v),
        _ => LineError::Json(error),
    }
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum LineKind {
    Exchange,
    Verdict,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    #[serde(rename = "type")]
    kind: LineKind,
    #[serde(rename = "v")]
    version: u32,
    id: String,
    direction: DirectionIn,
    time: String,
    duration_us: u64,
    first_byte_us: Option<u64>,
    backend: String,
    #[serde(default)]
    protocol: String,
    request: RequestIn,
    response: Option<ResponseIn>,
    end: EndIn,
    verdict: Option<Kind>,
    status: Option<u16>,
    fault: Option<String>,
    reason: Option<Reason>,
    matched: Option<MatchedIn>,
    #[serde(default)]
    nearest: Vec<Nearest>,
}

impl Line {
    fn verdict(&self) -> Result<Verdict, LineError> {
        let kind = self
            .verdict
            .ok_or_else(|| LineError::Value { key: "verdict", problem: "missing in a verdict".to_owned() })?;
        let matched = self.matched.as_ref().map(|m| {
            let digest = unhex(&m.digest).ok_or_else(|| LineError::Value {
                key: "matched.digest",
                problem: "must be 40 hexadecimal digits".to_owned(),
            })?;
            let (exchange, normalised) = (m.exchange.clone(), m.normalised.clone());
            Ok(Matched { exchange, digest, sequence: m.sequence, normalised, class: m.class })
        });
        Ok(Verdict {
            kind,
            status: self.status,
            fault: self.fault.clone(),
            reason: self.reason,
            matched: matched.transpose().map_err(|e: LineError| e)?,
            nearest: self.nearest.clone(),
        })
    }
}

fn unhex(text: &str) -> Option<[u8; 20]> {
    let mut out = [0; 20];
    if text.len() != 40 || !text.is_ascii() {
        return None;
    }
    for (i, byte) in out.iter_mut().enumerate() {
        let at = i.checked_mul(2)?;
        *byte = u8::from_str_radix(text.get(at..at.checked_add(2)?)?, 16).ok()?;
    }
    Some(out)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MatchedIn {
    exchange: String,
    digest: String,
    sequence: (u32, u32),
    #[serde(default)]
    normalised: Vec<String>,
    #[serde(default)]
    class: Class,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum DirectionIn {
    Outbound,
    Inbound,
}

impl From<DirectionIn> for Direction {
    fn from(direction: DirectionIn) -> Self {
        match direction {
            DirectionIn::Outbound => Self::Outbound,
            DirectionIn::Inbound => Self::Inbound,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum EndIn {
    Complete,
    RequestAborted,
    ResponseAborted,
    ClientLeft,
    NoResponse,
}

impl From<EndIn> for End {
    fn from(end: EndIn) -> Self {
        match end {
            EndIn::Complete => Self::Complete,
            EndIn::RequestAborted => Self::RequestAborted,
            EndIn::ResponseAborted => Self::ResponseAborted,
            EndIn::ClientLeft => Self::ClientLeft,
            EndIn::NoResponse => Self::NoResponse,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RequestIn {
    method: BytesIn,
    path: BytesIn,
    #[serde(default)]
    headers: Vec<(BytesIn, BytesIn)>,
    body: Option<String>,
    body_base64: Option<String>,
    truncated: Option<u64>,
    #[serde(default)]
    trailers: Vec<(BytesIn, BytesIn)>,
}

impl RequestIn {
    fn read(self) -> Result<Request, LineError> {
        Ok(Request {
            method: self.method.read("method")?,
            path: self.path.read("path")?,
            headers: pairs(self.headers, "request.headers")?,
            body: body(self.body, self.body_base64, self.truncated, "request.body_base64")?,
            trailers: pairs(self.trailers, "request.trailers")?,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ResponseIn {
    status: u16,
    #[serde(default)]
    headers: Vec<(BytesIn, BytesIn)>,
    body: Option<String>,
    body_base64: Option<String>,
    truncated: Option<u64>,
    #[serde(default)]
    trailers: Vec<(BytesIn, BytesIn)>,
}

impl ResponseIn {
    fn read(self) -> Result<Response, LineError> {
        Ok(Response {
            status: self.status,
            headers: pairs(self.headers, "response.headers")?,
            body: body(self.body, self.body_base64, self.truncated, "response.body_base64")?,
            trailers: pairs(self.trailers, "response.trailers")?,
        })
    }
}

fn body(
    text: Option<String>,
    base64: Option<String>,
    truncated: Option<u64>,
    key: &'static str,
) -> Result<Body, LineError> {
    let bytes = match (text, base64) {
        (Some(_), Some(_)) => {
            return Err(LineError::Value {
                key,
                problem: "only one of `body` and `body_base64` is allowed".to_owned(),
            });
        }
        (Some(text), None) => text.into_bytes(),
        (None, Some(code)) => decode(&code, key)?,
        (None, None) => Vec::new(),
    };
    Ok(Body { bytes, truncated })
}

fn pairs(pairs: Vec<(BytesIn, BytesIn)>, key: &'static str) -> Result<Headers, LineError> {
    let read: Result<Vec<_>, LineError> =
        pairs.into_iter().map(|(name, value)| Ok((name.read(key)?, value.read(key)?))).collect();
    Ok(Headers::from_pairs(read?))
}

#[derive(Deserialize)]
#[serde(untagged)]
enum BytesIn {
    Text(String),
    Code { base64: String },
}

impl BytesIn {
    fn read(self, key: &'static str) -> Result<Vec<u8>, LineError> {
        match self {
            Self::Text(text) => Ok(text.into_bytes()),
            Self::Code { base64 } => decode(&base64, key),
        }
    }
}

fn decode(code: &str, key: &'static str) -> Result<Vec<u8>, LineError> {
    STANDARD.decode(code).map_err(|e| LineError::Value { key, problem: format!("not base64: {e}") })
}
