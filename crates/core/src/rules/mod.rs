//! Rules: what of a request doesn't count, and what does, where the general rules aren't enough. They are data.
//!
//! A person reads and edits them in `snapshot.yaml`; the table carries them, so that the filter and the offline matcher apply the same
//! ones. `docs/reference/rules.md` describes them. Never decides by itself: what isn't in a rule is compared.

mod compiled;
mod fault;
mod pattern;
mod place;
mod said;
mod shape;
mod time_text;
mod token;

pub use compiled::{Actions, PlaceId, Rules};
pub(crate) use compiled::{Said, What};
pub use fault::{Fault, FaultAnswer};
pub use pattern::PathPattern;
pub(crate) use place::escape;
pub use place::{Place, Root, Step};
pub use shape::is_identifier;
pub use time_text::{Instant, instants};
pub use token::{Shape, Token, dates, tokens};

use crate::config::OnMiss;
use crate::sequence::Sequence;
use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

/// One rule: which requests it is about, and what it says of them. What isn't said of a request is any.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The backend's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend: Option<String>,
    /// The method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The path in normal form: `*` stands for one segment, `**` at the end for all that follow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathPattern>,
    /// The operation; `*` at the end stands for any rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// Values that don't count: something must be there, and it may be anything.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mask: Vec<Place>,
    /// Texts in which UUIDs, long hexadecimal numbers and times don't count. All else in them does, and something of the same shape must
    /// be there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volatile: Vec<Place>,
    /// The same for times alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub times: Vec<Place>,
    /// Texts in which days count by how far they are from the day of the request, in UTC.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dates: Vec<Place>,
    /// What doesn't count at all: it may be there or not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignore: Vec<Place>,
    /// JSON Web Tokens of which only the lasting claims count (RFC 7519): not `iat`, `exp`, `nbf`, `jti` and the signature.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub jwt: Vec<Place>,
    /// Names that the service made up in an earlier request: a live one stands for the recorded one
    /// from the request on that introduced it. One that was never introduced misses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<Place>,
    /// Texts that hold the time or the day of the request, by the service's clock. Any that is
    /// within two days of the proxy's clock will do. The first sets the clock that `clock` counts
    /// from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub now: Vec<Place>,
    /// Texts in which times and days count by their distance from the time of the request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clock: Vec<Place>,
    /// Headers that say who calls. Each caller gets the answers recorded for that caller; a caller
    /// that wasn't recorded misses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub callers: Vec<Place>,
    /// True if the evidence is the look of values in one recording, which can't prove it.
    /// `--strict` refuses matches that need such a rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assumed: Option<bool>,
    /// Whether what looks like the entries of a protobuf map may come in any order. Default: no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protobuf_maps: Option<bool>,
    /// Headers that are part of the identity, in lower case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub require: Vec<HeaderName>,
    /// Which of several answers comes next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<Sequence>,
    /// What becomes of a miss.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_miss: Option<OnMiss>,
    /// Whether live values are put in the place of recorded ones in answers. Default: yes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub echo: Option<bool>,
    /// What is made of answers on purpose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
    /// The version of the rules of evidence by which the rule was learnt. None: a person wrote it,
    /// or version 1 learnt it ([`Rule::is_outdated`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learnt: Option<u32>,
    /// What speaks for the rule; for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// How many exchanges it concerned when it was learnt; for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exchanges: Option<u64>,
}

impl Rule {
    /// The version of the rules of evidence that this code learns by.
    pub const LEARNT: u32 = 2;

    /// Returns whether the rule was learnt from a recording. A person who makes a learnt rule their
    /// own removes `learnt` and `exchanges`.
    pub fn is_learnt(&self) -> bool {
        self.learnt.is_some() || self.is_outdated()
    }

    /// Returns whether an earlier version of the rules of evidence learnt it. Version 1 wrote the
    /// number of exchanges, which no person has to write, and no version.
    pub fn is_outdated(&self) -> bool {
        match self.learnt {
            Some(version) => version < Self::LEARNT,
            None => self.exchanges.is_some(),
        }
    }

    /// Whether the rule says nothing.
    pub fn is_empty(&self) -> bool {
        self.places().next().is_none()
            && self.require.is_empty()
            && (self.sequence, self.on_miss, self.echo, self.protobuf_maps) == (None, None, None, None)
            && self.fault.is_none()
    }

    /// The places it names, in order.
    pub fn places(&self) -> impl Iterator<Item = &Place> {
        self.by_what().into_iter().flat_map(|(_, places)| places)
    }
}

/// A header's name: lower case, of the characters that a name may have (RFC 9110, 5.6.2).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HeaderName(String);

impl HeaderName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for HeaderName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        if name.is_empty() || !name.bytes().all(token) {
            return Err(format!("{name:?} is no header's name"));
        }
        Ok(Self(name.to_ascii_lowercase()))
    }
}

impl From<HeaderName> for String {
    fn from(name: HeaderName) -> Self {
        name.0
    }
}

#[cfg(test)]
mod tests;
