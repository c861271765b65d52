//! Delays of answers: as a share of the recorded time, or as a fixed length. Reads no clock.

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The longest delay of an answer, in microseconds: five minutes.
pub const DELAY_MAX: u64 = 300_000_000;

/// The delay of an answer, as a share of the time that the recorded answer took.
///
/// Written `none`, `recorded`, or as a factor: `0.5x`, `2x`, up to `1000x`, in steps of a
/// thousandth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Latency {
    /// The share, in thousandths.
    thousandths: u32,
}

impl Latency {
    /// No delay.
    pub const NONE: Self = Self { thousandths: 0 };
    /// The recorded time.
    pub const RECORDED: Self = Self { thousandths: 1000 };

    /// The delay of an answer that took `recorded` microseconds, in microseconds; at most
    /// [`DELAY_MAX`].
    pub fn of(self, recorded: u32) -> u64 {
        let held = u64::from(recorded).saturating_mul(u64::from(self.thousandths)) / 1000;
        held.min(DELAY_MAX)
    }

    /// Returns whether answers aren't delayed.
    pub fn is_none(&self) -> bool {
        *self == Self::NONE
    }
}

impl std::str::FromStr for Latency {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let factor = |text: &str| {
            let thousandths = thousandths(text.strip_suffix('x')?)?;
            (thousandths <= 1_000_000).then_some(Self { thousandths })
        };
        match text {
            "none" => Ok(Self::NONE),
            "recorded" => Ok(Self::RECORDED),
            other => factor(other).ok_or_else(|| {
                format!(
                    "{other:?} is not a latency: write none, recorded, or a factor from 0x to 1000x such as 0.5x"
                )
            }),
        }
    }
}

impl TryFrom<String> for Latency {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NONE => f.write_str("none"),
            Self::RECORDED => f.write_str("recorded"),
            Self { thousandths } => write!(f, "{}x", Thousandths(thousandths)),
        }
    }
}

impl From<Latency> for String {
    fn from(latency: Latency) -> Self {
        latency.to_string()
    }
}

/// A fixed delay, written `2s`, `1.5s` or `250ms`; up to five minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Delay {
    /// In microseconds.
    micros: u32,
}

impl Delay {
    /// In microseconds.
    pub fn micros(self) -> u64 {
        self.micros.into()
    }
}

impl TryFrom<String> for Delay {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let micros = match text.strip_suffix("ms") {
            Some(number) => thousandths(number),
            None => text
                .strip_suffix('s')
                .and_then(thousandths)
                .and_then(|thousandths| thousandths.checked_mul(1000)),
        };
        let micros = micros.filter(|micros| u64::from(*micros) <= DELAY_MAX && *micros > 0);
        micros
            .map(|micros| Self { micros })
            .ok_or_else(|| format!("{text:?} is not a delay: write 2s, 0.5s or 250ms; at most 300s"))
    }
}

impl From<Delay> for String {
    fn from(Delay { micros }: Delay) -> Self {
        match micros.checked_rem(1_000_000) {
            Some(0) => format!("{}s", micros / 1_000_000),
            _ => format!("{}ms", Thousandths(micros)),
        }
    }
}

/// Parses a number with up to three fractional digits, in thousandths.
fn thousandths(text: &str) -> Option<u32> {
    let (whole, rest) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(rest) || rest.len() > 3 {
        return None;
    }
    let rest = format!("{rest:0<3}").parse::<u32>().ok()?;
    whole.parse::<u32>().ok()?.checked_mul(1000)?.checked_add(rest)
}

/// Formats thousandths as a decimal number.
struct Thousandths(u32);

impl fmt::Display for Thousandths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / 1000, format!("{:03}", self.0 % 1000));
        match rest.trim_end_matches('0') {
            "" => write!(f, "{whole}"),
            rest => write!(f, "{whole}.{rest}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latency_text_parses_and_formats() {
        let check = |text: &str, recorded: u32, held: u64| {
            let latency: Latency = text.parse().unwrap();
            assert_eq!((latency.of(recorded), latency.to_string().as_str()), (held, text));
        };
        check("none", 1000, 0);
        check("recorded", 1001, 1001);
        check("0.5x", 1001, 500);
        check("0.001x", 1_000_000, 1000);
        check("2.25x", 1000, 2250);
        check("1000x", 7, 7000);
        check("1000x", u32::MAX, DELAY_MAX);
        assert_eq!("1x".parse(), Ok(Latency::RECORDED));
        assert_eq!("0x".parse(), Ok(Latency::NONE));
    }

    #[test]
    fn malformed_latency_is_refused() {
        for text in ["", "x", "0.5", "-1x", "1.x", ".5x", "0.0001x", "1001x", "1e3x", "half", "99999999999x"]
        {
            let error = text.parse::<Latency>().unwrap_err();
            assert!(error.contains("write none, recorded, or a factor"), "{text}: {error}");
        }
    }

    #[test]
    fn delay_is_number_with_unit() {
        let check = |text: &str, expect: Option<u64>, written: &str| {
            let delay = Delay::try_from(text.to_owned());
            assert_eq!(delay.as_ref().ok().map(|delay| delay.micros()), expect, "{text}: {delay:?}");
            if let Ok(delay) = delay {
                assert_eq!(String::from(delay), written);
            }
        };
        check("2s", Some(2_000_000), "2s");
        check("0.5s", Some(500_000), "500ms");
        check("250ms", Some(250_000), "250ms");
        check("0.25ms", Some(250), "0.25ms");
        check("1500ms", Some(1_500_000), "1500ms");
        check("300s", Some(DELAY_MAX), "300s");
        for text in ["", "s", "ms", "2", "0s", "301s", "-1s", "1m", "1 s", "9999999s"] {
            check(text, None, "");
        }
    }
}
