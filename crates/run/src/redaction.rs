//! Redaction settings for a run: their key, and the filter's configuration of them.

use serde_json::{Value, json};
use understudy_core::config::{Config, ConfigError};
use understudy_core::digest;
use understudy_core::redact::Settings;

/// Checks settings as the filter does when it starts.
///
/// # Errors
/// The filter would refuse the settings.
pub fn check(settings: &Settings) -> Result<(), ConfigError> {
    let config = json!({ "redaction": filter_config(Some(settings)) });
    Config::from_json(config.to_string().as_bytes()).map(drop)
}

/// A snapshot's settings, with a new key if they have none.
///
/// # Errors
/// The system has no random bytes.
pub fn with_key(settings: Option<&Settings>) -> anyhow::Result<Settings> {
    let mut settings = settings.cloned().unwrap_or_default();
    if settings.key.is_empty() {
        settings.key = new_key()?;
    }
    Ok(settings)
}

/// The filter's `redaction`; `None` turns redaction off.
pub fn filter_config(settings: Option<&Settings>) -> Value {
    match settings {
        Some(Settings { key, headers, fields, allow }) => {
            json!({ "key": key, "headers": headers, "fields": fields, "allow": allow })
        }
        None => json!({ "enabled": false }),
    }
}

/// 128 random bits. No two recordings use the same token for a secret, and a guess can't be checked
/// without the key.
fn new_key() -> anyhow::Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| anyhow::anyhow!("no random bytes for a redaction key: {error}"))?;
    Ok(digest::hex(&bytes))
}
