//! What the responder did with a request, and why.

use crate::digest::Digest;
use serde::{Deserialize, Serialize};

/// The three things that can become of a request to a mocked backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// It was answered from the table.
    Match,
    /// It was refused: nothing recorded has its signature.
    Miss,
    /// It was sent on to the real backend, since the rules say so.
    Passthrough,
}

/// Why a request missed or was passed on. The codes are stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Reason {
    /// No recorded request has this signature.
    NoEntry,
    /// The body is larger than `body_cap_bytes`, so that no signature could be made.
    BodyOverCap,
    /// The recorded answers of a `fail` sequence are used up.
    SequenceEnded,
    /// The recorded answer whose turn it is can't be given: it was cut, or Envoy doesn't take it.
    SequenceGap,
    /// The request leaves HTTP (CONNECT, or an upgrade such as WebSocket): there is no end to it that could be answered.
    Upgrade,
    /// The request is gRPC, and the configuration doesn't say that Envoy has the stub that an answer needs.
    GrpcUnsupported,
    /// The table could not be read at the place that the index names: it is damaged.
    BadTable,
}

impl Reason {
    /// What to tell a person.
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
            Self::Upgrade => "CONNECT and protocol upgrades can't be answered from a recording",
            Self::GrpcUnsupported => {
                "gRPC needs a stub in Envoy's configuration, and `grpc_stub: true` in the filter's (docs/how-to/grpc.md)"
            }
            Self::BadTable => "the table is damaged: bundle the snapshot again",
        }
    }

    /// The stable code, as it stands in records and bodies.
    pub fn code(self) -> &'static str {
        match self {
            Self::NoEntry => "no-entry",
            Self::BodyOverCap => "body-over-cap",
            Self::SequenceEnded => "sequence-ended",
            Self::SequenceGap => "sequence-gap",
            Self::Upgrade => "upgrade",
            Self::GrpcUnsupported => "grpc-unsupported",
            Self::BadTable => "bad-table",
        }
    }
}

/// Which recorded answer was served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matched {
    /// The recorded exchange's identifier.
    pub exchange: String,
    /// The signature's digest.
    pub digest: Digest,
    /// Which answer of how many: `(2, 5)` is the second of five.
    pub sequence: (u32, u32),
    /// The places whose values differ from the recorded ones, and which rules leave out. Empty where it matched exactly.
    pub normalised: Vec<String>,
}

/// How one key of a recorded signature differs from the live one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// The live request has it, the recorded one doesn't.
    Added,
    /// The recorded request has it, the live one doesn't.
    Removed,
    /// Both have it, with other values.
    Changed,
}

/// One differing key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Difference {
    /// The signature's key, such as `query` or `body`.
    pub key: String,
    /// What became of it.
    pub change: Change,
    /// The recorded value, cut where it is long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recorded: Option<String>,
    /// The live value, cut where it is long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<String>,
}

/// A recorded request that is near to one that missed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nearest {
    /// The recorded exchange's identifier.
    pub exchange: String,
    /// Its method and path.
    pub request: String,
    /// How much of it is the same, in percent.
    #[serde(default)]
    pub score: u8,
    /// What differs.
    pub differs: Vec<Difference>,
}

/// Texts in [`Nearest::in_short`] are cut to so many characters each.
const SHORT: usize = 60;

impl Nearest {
    /// In one line: the request, and the first things in which it differs.
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

/// What was done with one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Match, miss or passthrough.
    pub kind: Kind,
    /// The status served; `None` for a passthrough, and where the stream was reset.
    pub status: Option<u16>,
    /// What a rule has made of the answer on purpose, such as `status=503; delay=2s`. It counts as a match.
    pub fault: Option<String>,
    /// Why it missed or was passed on.
    pub reason: Option<Reason>,
    /// What it matched.
    pub matched: Option<Matched>,
    /// For a miss: the nearest recorded requests, nearest first.
    pub nearest: Vec<Nearest>,
}

impl Verdict {
    /// The request was answered from the table, perhaps changed by a fault.
    pub fn answered(status: u16, matched: Matched, fault: Option<String>) -> Self {
        Self { status: Some(status), fault, matched: Some(matched), ..Self::bare(Kind::Match) }
    }

    /// A rule's fault replaced the answer, whatever was recorded. `status`: `None` if the stream was
    /// reset. The report counts it as a match: the rule had planned this answer.
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
