//! What the filter's configuration says of redaction. What is redacted by default is in [`crate::redact`].

use super::ConfigError;
use crate::redact::Settings;
use serde::{Deserialize, Deserializer};

/// Whether secrets are taken out of what leaves, and which.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Redaction {
    /// Whether secrets are replaced by tokens in what is sent to the collector, and in what is told of a miss.
    #[serde(default = "super::yes")]
    pub enabled: bool,
    /// The key of the tokens, as text. Without one anybody can check a guess. Where the table has one, that counts.
    #[serde(default)]
    pub key: String,
    /// Further headers that carry secrets. Letter case, `-` and `_` don't matter, here and below.
    #[serde(default)]
    pub headers: Vec<String>,
    /// Further fields of JSON, XML, queries and forms that carry secrets.
    #[serde(default)]
    pub fields: Vec<String>,
    /// Headers and fields that carry none, whatever their names look like.
    #[serde(default)]
    pub allow: Vec<String>,
}

impl Default for Redaction {
    fn default() -> Self {
        Self { enabled: true, key: String::new(), headers: Vec::new(), fields: Vec::new(), allow: Vec::new() }
    }
}

impl Redaction {
    /// An object alone: as a list its values would have no names.
    pub(super) fn from_object<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let object = serde_json::Map::deserialize(deserializer)?;
        Self::deserialize(serde_json::Value::Object(object)).map_err(serde::de::Error::custom)
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        for (key, names) in [("headers", &self.headers), ("fields", &self.fields), ("allow", &self.allow)] {
            if names.iter().any(|name| name.bytes().all(|b| !b.is_ascii_alphanumeric())) {
                let problem = "a name has letters or digits".to_owned();
                return Err(ConfigError::Value { key: format!("redaction.{key}"), problem });
            }
        }
        Ok(())
    }

    /// What is to be redacted where a table has something to say too. The table's key counts: its tokens are to be met.
    pub(crate) fn with(&self, table: Option<&Settings>) -> Settings {
        let none = Settings::default();
        let table = table.unwrap_or(&none);
        let both = |theirs: &[String], ours: &[String]| [theirs, ours].concat();
        Settings {
            key: if table.key.is_empty() { self.key.clone() } else { table.key.clone() },
            headers: both(&table.headers, &self.headers),
            fields: both(&table.fields, &self.fields),
            allow: both(&table.allow, &self.allow),
        }
    }
}
