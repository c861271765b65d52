//! The verdict on a request to a mocked backend, and its reason.

use crate::digest::Digest;
use serde::{Deserialize, Serialize};

/// The kind of a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The request was answered: from the table, or by a rule's fault.
    Match,
    /// The request was refused: no recorded request has its signature.
    Miss,
    /// The request continued to the real backend because `on_miss` allows it.
    Passthrough,
}

/// The reason for a miss or a passthrough. The codes are stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Reason {
    /// No recorded request has this signature.
    NoEntry,
    /// The body is larger than `body_cap_bytes`, and the request has no signature.
    BodyOverCap,
    /// All recorded answers of a `fail` sequence have been given.
    SequenceEnded,
    /// The recorded answer whose turn it is can't be served: it was cut, or Envoy doesn't accept
    /// it.
    SequenceGap,
    /// A name in the request is neither recorded nor introduced by an earlier request.
    UnknownName,
    /// Recorded answers differ by who calls, and this caller was not recorded.
    UnknownCaller,
    /// The request only matches by a rule that is assumed, and `strict` refuses such matches.
    Assumed,
    /// The request leaves HTTP: CONNECT, or an upgrade such as WebSocket. It has no end after which
    /// it could be answered.
    Upgrade,
    /// The request is gRPC, and the configuration doesn't state that Envoy has the stub that
    /// answers need.
    GrpcUnsupported,
    /// The table is damaged: its index leads to an entry that can't be read.
    BadTable,
}

impl Reason {
    /// The explanation for a person.
    pub fn message(self) -> &'static str {
        match self {
            Self::NoEntry => "no recorded request has this signature",
            Self::BodyOverCap => "the request's body is larger than the filter's body_cap_bytes",
            Self::SequenceEnded => {
                "all recorded answers to this request have been given, and its sequence policy is `fail`"
            }
            Self::SequenceGap => {
                "the recorded answer whose turn it is can't be given (`understudy lint` says why), and the one after it would be wrong"
            }
            Self::UnknownName => {
                "a name in this request is neither a recorded one nor one that an earlier request introduced"
            }
            Self::UnknownCaller => {
                "recorded answers to this request differ by who calls, and this caller wasn't recorded"
            }
            Self::Assumed => {
                "it matches only if values that look made up don't count, and `strict` refuses assumptions: record the same run once more (`understudy record --again SNAPSHOT`), or accept them (`understudy tune SNAPSHOT --accept all`)"
            }
            Self::Upgrade => "CONNECT and protocol upgrades can't be answered from a recording",
            Self::GrpcUnsupported => {
                "gRPC needs a stub in Envoy's configuration, and `grpc_stub: true` in the filter's (docs/how-to/grpc.md)"
            }
            Self::BadTable => "the table is damaged: bundle the snapshot again",
        }
    }

    /// The stable code in records and bodies.
    pub fn code(self) -> &'static str {
        match self {
            Self::NoEntry => "no-entry",
            Self::BodyOverCap => "body-over-cap",
            Self::SequenceEnded => "sequence-ended",
            Self::SequenceGap => "sequence-gap",
            Self::UnknownName => "unknown-name",
            Self::UnknownCaller => "unknown-caller",
            Self::Assumed => "assumed",
            Self::Upgrade => "upgrade",
            Self::GrpcUnsupported => "grpc-unsupported",
            Self::BadTable => "bad-table",
        }
    }
}

/// The certainty of a match.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// The request is the recorded one in everything that identifies a request.
    #[default]
    Exact,
    /// Values differ where a rule leaves them out: a person's rule, or a learnt one whose evidence
    /// is a published field, the order of the recording, or a repetition.
    Proved,
    /// Values differ where only their look in one recording says that they don't count
    /// ([`crate::rules::Rule::assumed`]).
    Assumed,
}

impl Class {
    /// The name in records, headers and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Proved => "proved",
            Self::Assumed => "assumed",
        }
    }
}

/// Matches counted by class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassCounts {
    /// Exact matches.
    pub exact: u64,
    /// Matches by a rule with evidence.
    pub proved: u64,
    /// Matches by an assumed rule.
    pub assumed: u64,
}

impl ClassCounts {
    /// Counts a match.
    pub fn add(&mut self, class: Class) {
        let count = match class {
            Class::Exact => &mut self.exact,
            Class::Proved => &mut self.proved,
            Class::Assumed => &mut self.assumed,
        };
        *count = count.saturating_add(1);
    }
}

impl std::fmt::Display for ClassCounts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} exact, {} proved, {} assumed", self.exact, self.proved, self.assumed)
    }
}

/// The recorded answer that was served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matched {
    /// The recorded exchange's identifier.
    pub exchange: String,
    /// The signature's digest.
    pub digest: Digest,
    /// The number of the answer and the number of answers: `(2, 5)` is the second of five.
    pub sequence: (u32, u32),
    /// The places that rules leave out, if the values there differ from the recorded ones. Empty
    /// for an exact match.
    pub normalised: Vec<String>,
    /// The certainty of the match.
    pub class: Class,
}

/// The kind of a difference between a recorded and a live signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// Only the live request has the key.
    Added,
    /// Only the recorded request has the key.
    Removed,
    /// The values differ.
    Changed,
}

/// A difference between a recorded and a live signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Difference {
    /// The signature's key, such as `query` or `body`.
    pub key: String,
    /// The kind of the difference.
    pub change: Change,
    /// The recorded value, cut if it is long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recorded: Option<String>,
    /// The live value, cut if it is long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<String>,
}

/// A recorded request that resembles a request that missed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nearest {
    /// The recorded exchange's identifier.
    pub exchange: String,
    /// Its method and path.
    pub request: String,
    /// The share of equal parts, in percent.
    #[serde(default)]
    pub score: u8,
    /// The differences.
    pub differs: Vec<Difference>,
}

/// The maximum number of characters of a value in [`Nearest::in_short`].
const SHORT: usize = 60;

impl Nearest {
    /// One line with the request and its first differences.
    pub fn in_short(&self) -> String {
        let cut = |text: &Option<String>| match text {
            Some(text) if text.chars().count() > SHORT => {
                format!("{}…", text.chars().take(SHORT).collect::<String>())
            }
            Some(text) => text.clone(),
            None => "nothing".to_owned(),
        };
        let differs: Vec<String> = self
            .differs
            .iter()
            .take(3)
            .map(|d| format!("{}: recorded {}, asked {}", d.key, cut(&d.recorded), cut(&d.live)))
            .collect();
        let more = match self.differs.len().saturating_sub(differs.len()) {
            0 => String::new(),
            more => format!("; and {more} more"),
        };
        format!("{}, {}{more}", self.request, differs.join("; "))
    }
}

/// The verdict on one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Match, miss or passthrough.
    pub kind: Kind,
    /// The status of the answer. `None` for a passthrough, or if the stream was reset.
    pub status: Option<u16>,
    /// The fault that a rule added to the answer, such as `status=503; delay=2s`. Such a verdict is
    /// a match.
    pub fault: Option<String>,
    /// The reason for a miss or a passthrough.
    pub reason: Option<Reason>,
    /// The recorded answer, if one was served.
    pub matched: Option<Matched>,
    /// For a miss: the nearest recorded requests, with the nearest first.
    pub nearest: Vec<Nearest>,
}

impl Verdict {
    /// The request was answered from the table, perhaps changed by a fault.
    pub fn answered(status: u16, matched: Matched, fault: Option<String>) -> Self {
        Self { status: Some(status), fault, matched: Some(matched), ..Self::bare(Kind::Match) }
    }

    /// A rule's fault replaced the answer, whatever was recorded. `status`: `None` if the stream
    /// was reset. The report counts it as a match: the rule had planned this answer.
    pub fn failed_on_purpose(status: Option<u16>, fault: String) -> Self {
        Self { status, fault: Some(fault), ..Self::bare(Kind::Match) }
    }

    /// The request was refused with this status.
    pub fn missed(status: u16, reason: Reason, nearest: Vec<Nearest>) -> Self {
        Self { status: Some(status), reason: Some(reason), nearest, ..Self::bare(Kind::Miss) }
    }

    /// The request continued to the real backend.
    pub fn passed(reason: Reason) -> Self {
        Self { reason: Some(reason), ..Self::bare(Kind::Passthrough) }
    }

    fn bare(kind: Kind) -> Self {
        Self { kind, status: None, fault: None, reason: None, matched: None, nearest: Vec::new() }
    }
}
