//! The format of a body or of a part of a body: what its media type says, or, where the type says
//! nothing, what the content may be.
//!
//! One table for all readers of bodies. A type that names a format keeps that format, even if the
//! content looks like another.

use super::protobuf::Framing;

/// The format that a content is read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// JSON, or several JSON values, one per line.
    Json,
    /// JSON values, one per line or each behind a record separator.
    Lines,
    Form,
    Xml,
    Multipart,
    Protobuf,
    Grpc,
    GraphQl,
    Cbor,
    /// CBOR values one after another (RFC 8742).
    CborSequence,
    MessagePack,
    /// A message of HTTP.
    Http,
    /// The type says nothing: JSON objects and arrays are read as JSON, anything else is text.
    Text,
    /// A format that isn't read: the bytes.
    Bytes,
}

/// Media types that stand for JSON, beside `+json` (RFC 6839). The last ones are in use for
/// JSON-RPC over HTTP and for the reports of browsers (W3C Content Security Policy Level 2, 4.4).
const JSON: [&[u8]; 9] = [
    b"application/json",
    b"text/json",
    b"application/x-json",
    b"text/x-json",
    b"application/x-amz-json-1.0",
    b"application/x-amz-json-1.1",
    b"application/json-rpc",
    b"application/jsonrequest",
    b"application/csp-report",
];

/// Media types of several JSON values: NDJSON and JSON lines, which nobody has registered, and JSON
/// text sequences (RFC 7464; RFC 8091 for `+json-seq`).
const LINES: [&[u8]; 8] = [
    b"application/x-ndjson",
    b"application/ndjson",
    b"application/jsonl",
    b"application/jsonlines",
    b"application/x-jsonl",
    b"application/x-jsonlines",
    b"application/json-seq",
    b"application/stream+json",
];

/// Media types that say nothing of the content (RFC 2046, 4.1.3 and 4.5.1; `binary/octet-stream` is
/// the default of Amazon S3).
const NOTHING: [&[u8]; 4] =
    [b"text/plain", b"application/octet-stream", b"binary/octet-stream", b"application/unknown"];

const MESSAGE_PACK: [&[u8]; 3] =
    [b"application/msgpack", b"application/x-msgpack", b"application/vnd.msgpack"];

impl Format {
    /// The format of a whole body.
    pub(super) fn of_body(media_type: Option<&[u8]>, body: &[u8]) -> Self {
        let Some(media_type) = media_type.filter(|media_type| is_media_type(media_type)) else {
            return if body.trim_ascii_start().first() == Some(&b'<') { Self::Xml } else { Self::Text };
        };
        Self::of_type(media_type)
    }

    /// The format of a part: one without a type is text (RFC 2046, 5.1).
    pub(super) fn of_part(media_type: Option<&[u8]>) -> Self {
        media_type.filter(|media_type| is_media_type(media_type)).map_or(Self::Text, Self::of_type)
    }

    fn of_type(media_type: &[u8]) -> Self {
        let is = |name: &&[u8]| media_type.eq_ignore_ascii_case(name);
        let ends = |suffix: &[u8]| {
            let start = media_type.len().checked_sub(suffix.len());
            start.and_then(|s| media_type.get(s..)).is_some_and(|tail| tail.eq_ignore_ascii_case(suffix))
        };
        let starts = |prefix: &[u8]| {
            media_type.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
        };
        if LINES.iter().any(is) || ends(b"+json-seq") {
            Self::Lines
        } else if JSON.iter().any(is) || ends(b"+json") {
            Self::Json
        } else if is(&&b"application/x-www-form-urlencoded"[..]) {
            Self::Form
        } else if is(&&b"application/xml"[..]) || is(&&b"text/xml"[..]) || ends(b"+xml") {
            // RFC 7303.
            Self::Xml
        } else if starts(b"multipart/") {
            Self::Multipart
        } else if let Some(framing) = Framing::of(media_type) {
            match framing {
                Framing::Message => Self::Protobuf,
                Framing::Frames => Self::Grpc,
            }
        } else if is(&&b"application/graphql"[..]) {
            Self::GraphQl
        } else if is(&&b"application/cbor"[..]) || ends(b"+cbor") {
            // RFC 8949, 9.5.
            Self::Cbor
        } else if is(&&b"application/cbor-seq"[..]) || ends(b"+cbor-seq") {
            Self::CborSequence
        } else if MESSAGE_PACK.iter().any(is) || ends(b"+msgpack") {
            Self::MessagePack
        } else if is(&&b"application/http"[..]) {
            // RFC 9112, 10.2.
            Self::Http
        } else if NOTHING.iter().any(is) {
            Self::Text
        } else {
            Self::Bytes
        }
    }

    /// Returns whether the type promises a structure, so that bytes without it are something
    /// special.
    pub(super) fn is_structured(self) -> bool {
        !matches!(self, Self::Form | Self::Text | Self::Bytes)
    }
}

/// Returns whether a text names a type and a subtype. `*/*` is a range and names nothing (RFC 9110,
/// 12.5.1).
fn is_media_type(text: &[u8]) -> bool {
    let mut halves = text.splitn(2, |&b| b == b'/');
    let named = |half: Option<&[u8]>| half.is_some_and(|half| !half.is_empty() && half != b"*");
    named(halves.next()) && named(halves.next())
}
