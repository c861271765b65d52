//! A whole request in a report: one object of the line format (`docs/reference/wire.md`).

use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use understudy_core::exchange::Exchange;
use understudy_core::v1;

/// A whole request to a backend, with the backend's answer if it was sent on and one came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WholeRequest(pub Exchange);

impl WholeRequest {
    /// Size of its bodies in bytes.
    pub fn size(&self) -> usize {
        let answer = self.0.response.as_ref().map_or(0, |response| response.body.bytes.len());
        self.0.request.body.bytes.len() + answer
    }
}

impl Serialize for WholeRequest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut line = Vec::new();
        v1::write_record(&self.0, None, &mut line);
        let value: Value = serde_json::from_slice(&line).map_err(S::Error::custom)?;
        value.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for WholeRequest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let line = serde_json::to_vec(&value).map_err(D::Error::custom)?;
        let record = v1::read_record(&line).map_err(|error| D::Error::custom(format!("whole: {error}")))?;
        Ok(Self(record.exchange))
    }
}
