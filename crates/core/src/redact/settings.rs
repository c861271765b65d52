//! Settings of redaction in a snapshot or a configuration.

/// Settings of redaction in a snapshot or a configuration.
#[derive(
    Clone,
    Debug,
    Default,
    PartialEq,
    Eq,
    serde::Deserialize,
    serde::Serialize,
    bincode::Encode,
    bincode::Decode,
)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The key of the hash. With none, anybody can check a guess.
    #[serde(default)]
    pub key: String,
    /// Further headers that carry secrets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<String>,
    /// Further fields of JSON, XML, queries and forms that carry secrets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
    /// Headers and fields that carry none, whatever their names look like.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<String>,
}
