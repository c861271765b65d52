//! What the table holds, as bincode encodes it.

use crate::config::{Mode, OnMiss};
use crate::digest::Digest;
use crate::redact::Settings;
use bincode::{Decode, Encode};

/// Bytes in the data section.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Blob {
    /// From the table's first byte.
    pub offset: u32,
    /// In bytes.
    pub length: u32,
}

/// Which of several answers to one signature comes next.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Sequence {
    /// After the last comes the first again.
    #[default]
    Cycle,
    /// After the last comes the last again.
    StickLast,
    /// After the last comes a miss.
    Fail,
}

/// One recorded answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Answer {
    /// The status code.
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
    /// With which key and names secrets were replaced by tokens.
    pub redaction: Option<Settings>,
}
