//! What a rule makes of answers on purpose: an error, a delay, a cut.

use crate::latency::Delay;
use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

/// A body that a rule gives may have this many bytes.
const BODY_MAX: usize = 64 << 10;

/// A fault: what becomes of the answer.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Fault {
    /// What is served.
    pub answer: FaultAnswer,
    /// How much later than it would be.
    pub delay: Option<Delay>,
    /// Each how-manyth request gets it; 1 is each.
    pub every: u32,
}

/// What a fault serves.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum FaultAnswer {
    /// What was recorded.
    Recorded,
    /// What was recorded, but of the body so many bytes alone, and then the end.
    Truncated(u32),
    /// A status and a body, whatever was recorded.
    Status(u16, String),
    /// Nothing: the stream, or the connection, is reset.
    Reset,
}

impl Fault {
    /// Whether it takes the place of the recorded answer, so that there need not be one.
    pub fn replaces(&self) -> bool {
        matches!(self.answer, FaultAnswer::Status(..) | FaultAnswer::Reset)
    }
}

/// As it tells of itself: `status=503; delay=2s`.
impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (mut told, delay) = (false, self.delay.map(String::from));
        match &self.answer {
            FaultAnswer::Recorded => {}
            FaultAnswer::Truncated(length) => write!(f, "truncate={length}")?,
            FaultAnswer::Status(status, _) => write!(f, "status={status}")?,
            FaultAnswer::Reset => f.write_str("reset")?,
        }
        told |= self.answer != FaultAnswer::Recorded;
        match delay {
            Some(delay) if told => write!(f, "; delay={delay}"),
            Some(delay) => write!(f, "delay={delay}"),
            None => Ok(()),
        }
    }
}

/// As it stands in a rule.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    delay: Option<Delay>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    reset: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    truncate: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    every: Option<u32>,
}

impl TryFrom<Written> for Fault {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, &'static str> {
        let Written { status, body, delay, reset, truncate, every } = written;
        if body.as_ref().is_some_and(|body| body.len() > BODY_MAX) {
            return Err("the fault's `body` is longer than 65536 bytes");
        }
        let answer = match (status, body, reset, truncate) {
            (None, Some(_), ..) => return Err("a fault's `body` needs a `status`"),
            (Some(status), body, false, None) if (200..=599).contains(&status) => {
                FaultAnswer::Status(status, body.unwrap_or_default())
            }
            (Some(_), _, false, None) => return Err("a fault's `status` is between 200 and 599"),
            (None, None, true, None) => FaultAnswer::Reset,
            (None, None, false, Some(length)) => FaultAnswer::Truncated(length),
            (None, None, false, None) if delay.is_some() => FaultAnswer::Recorded,
            (None, None, false, None) => {
                return Err("a fault needs one of `status`, `delay`, `reset: true` and `truncate`");
            }
            _ => return Err("a fault has one of `status`, `reset` and `truncate`"),
        };
        match every {
            Some(0) => Err("a fault's `every` is at least 1"),
            every => Ok(Self { answer, delay, every: every.unwrap_or(1) }),
        }
    }
}

impl From<Fault> for Written {
    fn from(Fault { answer, delay, every }: Fault) -> Self {
        let written = Self { delay, every: (every != 1).then_some(every), ..Self::default() };
        match answer {
            FaultAnswer::Recorded => written,
            FaultAnswer::Truncated(length) => Self { truncate: Some(length), ..written },
            FaultAnswer::Status(status, body) => {
                Self { status: Some(status), body: (!body.is_empty()).then_some(body), ..written }
            }
            FaultAnswer::Reset => Self { reset: true, ..written },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_written_as_it_is_read_and_tells_what_it_is() {
        let check = |json: &str, told: &str| {
            let fault: Fault = serde_json::from_str(json).unwrap();
            assert_eq!(
                (serde_json::to_string(&fault).unwrap().as_str(), fault.to_string()),
                (json, told.to_owned())
            );
        };
        check(r#"{"status":503}"#, "status=503");
        check(r#"{"status":429,"body":"slow down","delay":"2s","every":3}"#, "status=429; delay=2s");
        check(r#"{"delay":"250ms"}"#, "delay=250ms");
        check(r#"{"reset":true}"#, "reset");
        check(r#"{"truncate":0}"#, "truncate=0");
    }

    #[test]
    fn a_fault_that_makes_no_sense_is_refused() {
        let check = |json: &str, expect: &str| {
            let error = serde_json::from_str::<Fault>(json).unwrap_err().to_string();
            assert!(error.contains(expect), "{json}: {error}");
        };
        check("{}", "needs one of");
        check(r#"{"every":3}"#, "needs one of");
        check(r#"{"reset":false}"#, "needs one of");
        check(r#"{"status":101}"#, "between 200 and 599");
        check(r#"{"status":600}"#, "between 200 and 599");
        check(r#"{"status":503,"reset":true}"#, "has one of");
        check(r#"{"truncate":1,"reset":true}"#, "has one of");
        check(r#"{"truncate":1,"status":503}"#, "has one of");
        check(r#"{"body":"x","delay":"1s"}"#, "needs a `status`");
        check(r#"{"status":503,"every":0}"#, "at least 1");
        check(r#"{"delay":"2"}"#, "is not a delay");
        check(r#"{"jitter":"2s"}"#, "unknown field `jitter`");
    }
}
