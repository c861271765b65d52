//! Content of the table, as bincode encodes it.

use crate::config::{Mode, OnMiss};
use crate::digest::Digest;
use crate::latency::Latency;
use crate::redact::Settings;
use crate::rules::Rule;
use crate::sequence::Sequence;
use bincode::{Decode, Encode};

/// Bytes in the data section.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Blob {
    /// Offset from the table's first byte.
    pub offset: u32,
    /// In bytes.
    pub length: u32,
}

/// The status of an answer that stands for one that can't be given again: its place in a sequence
/// is a miss.
pub const GAP: u16 = 0;

/// One recorded answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Answer {
    /// The status code, or [`GAP`].
    pub status: u16,
    /// True if the recorded answer had no `content-type`, so that the one that Envoy adds must be
    /// removed.
    pub untyped: bool,
    /// The headers to serve, in the encoding of [`crate::headers::Headers`], with `x-understudy`
    /// last.
    pub headers: Blob,
    /// The body to serve.
    pub body: Blob,
    /// Trailers to serve, in the same encoding; length 0 if there are none.
    pub trailers: Blob,
    /// The recorded exchange's identifier, as text.
    pub exchange: Blob,
    /// Hash of the recorded request's values that rules leave out; 0 if there are none. See
    /// [`crate::canonical::Values::hash`].
    pub values: u64,
    /// bincode list of a number for each of these values ([`crate::canonical::Value::hash`]), 0 for
    /// one that no other recorded request has. Length 0 where all are 0.
    pub names: Blob,
    /// The same answer without its content-encoding, for a client that doesn't offer it. Only where
    /// the one that was recorded did.
    pub plain: Option<Plain>,
    /// bincode list of [`Echo`]: the pieces of the answer that its request contained. They refer to
    /// the plain answer if there is one. Length 0 if there are none.
    pub echoes: Blob,
    /// Time to the first byte of the answer, or to the last if only that is known, in microseconds.
    pub took: u32,
}

/// An answer without its content-encoding.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Plain {
    /// Encodings of the recorded answer, as written in its header.
    pub coding: String,
    /// The headers to serve.
    pub headers: Blob,
    /// The body to serve.
    pub body: Blob,
}

/// A piece of an answer that its request contained. The live value replaces it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Echo {
    /// Source of the value in the request.
    pub source: Source,
    /// Number of the response header that contains the piece; `None`: the body.
    pub header: Option<u16>,
    /// Offset in the header's value or in the body, in bytes.
    pub offset: u32,
    /// Its length in bytes.
    pub length: u32,
    /// Spelling of the value in the answer.
    pub spelling: EchoSpelling,
}

/// Source of an echoed value in the request.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Source {
    /// One of the values that rules leave out, by its number among them.
    Value(u16),
    /// A header, by its name in lower case.
    Header(String),
}

/// Spelling of an echoed value in an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum EchoSpelling {
    /// Without an encoding.
    Plain,
    /// As a whole JSON value, with quotes if it is a string.
    JsonValue,
    /// Inside of a JSON string.
    JsonText,
    /// As a JSON literal without quotes, such as a number, if the live value is one.
    JsonLiteral,
}

/// All answers to one signature.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Entry {
    /// The signature's digest.
    pub digest: Digest,
    /// Behaviour after the last answer.
    pub sequence: Sequence,
    /// The recorded signature, its values perhaps cut: what a miss is explained with.
    pub signature: Blob,
    /// In the order of the recording; never empty.
    pub answers: Vec<Answer>,
}

/// One backend of the snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct BackendMeta {
    /// `scheme://authority`.
    pub name: String,
    /// Mode according to the snapshot.
    pub mode: Mode,
    /// Treatment of a miss, if the snapshot sets another one for this backend.
    pub on_miss: Option<OnMiss>,
    /// Number of recorded exchanges.
    pub exchanges: u64,
    /// True if a recorded request to it has a token instead of a secret, in path, query or body.
    /// Then secrets in live requests are replaced before the requests are compared. Other backends
    /// have no cost.
    pub redacted: bool,
    /// Latency of answers, if the snapshot sets another one for this backend.
    pub latency: Option<Latency>,
}

/// Description of the table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Meta {
    /// The snapshot's name.
    pub snapshot: String,
    /// Treatment of a miss.
    pub on_miss: OnMiss,
    /// The backends, by name.
    pub backends: Vec<BackendMeta>,
    /// Number of recorded exchanges.
    pub exchanges: u64,
    /// Number of their signatures.
    pub entries: u64,
    /// The rules that the signatures were made with.
    pub rules: Vec<Rule>,
    /// With which key and names secrets were replaced by tokens.
    pub redaction: Option<Settings>,
    /// Latency of answers.
    pub latency: Latency,
}
