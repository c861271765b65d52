//! The share of exchanges that is recorded. A digest of the trace decides, so that every proxy
//! makes the same choice, independent of the time and of the content of requests.

use crate::digest::{prefix, sha1};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Shares are counted in millionths.
const PARTS: u32 = 1_000_000;

/// A share: a number from 0.000001 to 1, in steps of a millionth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Sample {
    parts: u32,
}

impl Sample {
    /// All exchanges.
    pub const WHOLE: Self = Self { parts: PARTS };

    /// Returns whether all exchanges are recorded.
    pub fn is_whole(&self) -> bool {
        *self == Self::WHOLE
    }

    /// Returns whether exchanges with this key are recorded. A larger share includes the keys of
    /// every smaller share.
    pub fn takes(self, key: &[u8]) -> bool {
        let place = prefix(&sha1(key)).checked_rem(u64::from(PARTS));
        self.is_whole() || place.is_some_and(|place| place < u64::from(self.parts))
    }
}

impl Default for Sample {
    fn default() -> Self {
        Self::WHOLE
    }
}

impl TryFrom<f64> for Sample {
    type Error = String;

    fn try_from(share: f64) -> Result<Self, String> {
        let parts = share * f64::from(PARTS);
        if parts.is_finite() && parts >= 1.0 && share <= 1.0 {
            // The check above keeps the value within a u32.
            return Ok(Self { parts: parts.round() as u32 });
        }
        Err(format!("{share} is not a share: `sample` is a number from 0.000001 to 1"))
    }
}

impl From<Sample> for f64 {
    fn from(sample: Sample) -> Self {
        f64::from(sample.parts) / f64::from(PARTS)
    }
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // In percent.
        write!(f, "{} %", f64::from(self.parts) / f64::from(PARTS / 100))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(share: f64) -> Sample {
        Sample::try_from(share).unwrap()
    }

    #[test]
    fn share_is_number_within_bounds() {
        let check = |json: &str, told: &str| {
            let sample: Sample = serde_json::from_str(json).unwrap();
            assert_eq!(sample.to_string(), told, "{json}");
            let again: Sample = serde_json::from_str(&serde_json::to_string(&sample).unwrap()).unwrap();
            assert_eq!(again, sample);
        };
        check("1", "100 %");
        check("0.01", "1 %");
        check("0.125", "12.5 %");
        check("0.000001", "0.0001 %");
        for bad in ["0", "-0.5", "1.000001", "2", "0.0000001", "\"0.5\"", "null"] {
            assert!(serde_json::from_str::<Sample>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn share_takes_its_part_of_keys_and_includes_smaller_shares() {
        let keys = || (0..100_000u32).map(|n| format!("4bf92f3577b34da6a3ce929d{n:08x}"));
        for share in [0.01, 0.1, 0.5] {
            let taken = keys().filter(|key| of(share).takes(key.as_bytes())).count() as f64;
            let (mean, deviation) = (100_000.0 * share, (100_000.0 * share * (1.0 - share)).sqrt());
            assert!((taken - mean).abs() < 4.0 * deviation, "{taken} of 100000 at {share}");
        }
        assert!(keys().all(|key| Sample::WHOLE.takes(key.as_bytes())));
        let within = |key: &str| !of(0.01).takes(key.as_bytes()) || of(0.1).takes(key.as_bytes());
        assert!(keys().all(|key| within(&key)));
    }

    #[test]
    fn choice_is_equal_on_every_target_and_version() {
        let taken: Vec<u32> =
            (0..1000).filter(|n: &u32| of(0.01).takes(format!("{n:032x}").as_bytes())).collect();
        assert_eq!(taken, [279, 288, 490, 655, 995]);
    }
}
