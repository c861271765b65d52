//! What the table holds, as bincode encodes it.

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
    /// From the table's first byte.
    pub offset: u32,
    /// In bytes.
    pub length: u32,
}

/// The status of an answer that stands for one that can't be given again: its place in a sequence is a miss.
pub const GAP: u16 = 0;

/// One recorded answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Answer {
    /// The status code, or [`GAP`].
    pub status: u16,
    /// Whether the recorded answer had no `content-type`, so that the one that Envoy puts there must go.
    pub untyped: bool,
    /// The headers to serve, in the encoding of [`crate::headers::Headers`], with `x-understudy` last.
    pub headers: Blob,
    /// The body to serve.
    pub body: Blob,
    /// Trailers to serve, in the same encoding; length 0 where there are none.
    pub trailers: Blob,
    /// The recorded exchange's identifier, as text.
    pub exchange: Blob,
    /// Tells the recorded request's values that rules leave out from others; 0 where there are none. See
    /// [`crate::canonical::Values::hash`].
    pub values: u64,
    /// bincode list of a number for each of these values ([`crate::canonical::Value::hash`]), 0 for one that no other recorded request has.
    /// Length 0 where all are 0.
    pub names: Blob,
    /// The same answer without its content-encoding, for a client that doesn't offer it. Only where the one that was recorded did.
    pub plain: Option<Plain>,
    /// bincode list of [`Echo`]: what of the answer was said in the request. They are about the plain answer where there is one. Length 0
    /// where there are none.
    pub echoes: Blob,
    /// How long it took to the first byte of the answer, or to the last where only that is known, in microseconds.
    pub took: u32,
}

/// An answer without its content-encoding.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Plain {
    /// The encodings that the answer was recorded with, as they stand in its header.
    pub coding: String,
    /// The headers to serve.
    pub headers: Blob,
    /// The body to serve.
    pub body: Blob,
}

/// A piece of an answer that was said in the request: the live value belongs there.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Echo {
    /// Where in the request it was said.
    pub source: Source,
    /// The number of the response header that it stands in; in the body where there is none.
    pub header: Option<u16>,
    /// Where it begins in the header's value, or in the body, in bytes.
    pub offset: u32,
    /// Its length in bytes.
    pub length: u32,
    /// How it is spelled there.
    pub spelling: EchoSpelling,
}

/// Where in the request an echoed value was said.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Source {
    /// One of the values that rules leave out, by its number among them.
    Value(u16),
    /// A header, by its name in lower case.
    Header(String),
}

/// How an echoed value is spelled in an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum EchoSpelling {
    /// As it is.
    Plain,
    /// As a whole JSON value, with quotes where it is a string.
    JsonValue,
    /// Inside of a JSON string.
    JsonText,
    /// As a number or the like without quotes, as far as it is one.
    JsonLiteral,
}

/// All answers to one signature.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Entry {
    /// The signature's digest.
    pub digest: Digest,
    /// What follows the last answer.
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
    /// What the snapshot says of it.
    pub mode: Mode,
    /// What to do on a miss, where the snapshot says something else for this backend.
    pub on_miss: Option<OnMiss>,
    /// How many exchanges were recorded.
    pub exchanges: u64,
    /// Whether a recorded request to it has a token in the place of a secret, in path, query or body. Then secrets in live requests are
    /// replaced before they are compared; the others pay nothing for it.
    pub redacted: bool,
    /// How long answers are held back, where the snapshot says something else for this backend.
    pub latency: Option<Latency>,
}

/// What the table is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Meta {
    /// The snapshot's name.
    pub snapshot: String,
    /// What to do on a miss.
    pub on_miss: OnMiss,
    /// The backends, by name.
    pub backends: Vec<BackendMeta>,
    /// How many exchanges were recorded.
    pub exchanges: u64,
    /// How many signatures they have.
    pub entries: u64,
    /// The rules that the signatures were made with.
    pub rules: Vec<Rule>,
    /// With which key and names secrets were replaced by tokens.
    pub redaction: Option<Settings>,
    /// How long answers are held back.
    pub latency: Latency,
}
