//! In which order several answers to one signature are given.

use bincode::{Decode, Encode};

/// Order of several answers to one signature.
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
