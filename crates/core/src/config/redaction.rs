//! The filter's configuration of redaction. [`crate::redact`] has the defaults.

use super::ConfigError;
use crate::redact::Settings;
use serde::{Deserialize, Deserializer};

/// The redaction of secrets in everything that leaves the filter.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedactionConfig {
    /// Whether secrets are replaced by tokens in records and in answers to misses.
    #[serde(default = "super::yes")]
    pub enabled: bool,
    /// The redaction key, as text. Without a key anybody can verify a guessed secret. The table's
    /// key takes precedence.
    #[serde(default)]
    pub key: String,
    /// Further headers with secrets. Letter case, `-` and `_` don't matter, here and below.
    #[serde(default)]
    pub headers: Vec<String>,
    /// Further fields with secrets, in JSON, XML, queries and forms.
    #[serde(default)]
    pub fields: Vec<String>,
    /// Headers and fields without secrets, whatever their names suggest.
    #[serde(default)]
    pub allow: Vec<String>,
}

impl Default for RedactionConfig {
    fn default() -> Self {
        Self { enabled: true, key: String::new(), headers: Vec::new(), fields: Vec::new(), allow: Vec::new() }
    }
}

impl RedactionConfig {
    /// Accepts an object only: serde would accept a list too.
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

    /// The settings, combined with the table's. The table's key takes precedence: live tokens must
    /// equal recorded ones.
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
