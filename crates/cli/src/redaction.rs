//! What the command says of secrets: which are replaced, and with which key. The rules are the filter's own.

use anyhow::Context;
use serde_json::{Value, json};
use understudy_core::config::Config;
use understudy_core::digest;
use understudy_core::redact::Settings;

/// Arguments of all that redacts.
#[derive(Default, clap::Args)]
pub(crate) struct NameArgs {
    /// A further header or field that carries a secret
    #[arg(long = "redact", value_name = "NAME")]
    redact: Vec<String>,

    /// A header or field that carries none, whatever its name looks like
    #[arg(long = "allow", value_name = "NAME")]
    allow: Vec<String>,
}

/// Arguments of all that records.
#[derive(Default, clap::Args)]
pub(crate) struct RedactionArgs {
    #[command(flatten)]
    names: NameArgs,

    /// Keep secrets as they are; what is written then must not be shared
    #[arg(long, conflicts_with_all = ["redact", "allow"])]
    keep_secrets: bool,
}

impl RedactionArgs {
    /// What to redact with: the key that is there already, else a new one. `None`: nothing.
    ///
    /// # Errors
    /// A name that can't be one; no source of random bytes.
    pub(crate) fn settings(&self, there: Option<&Settings>) -> anyhow::Result<Option<Settings>> {
        if self.keep_secrets { Ok(None) } else { self.names.settings(there).map(Some) }
    }
}

impl NameArgs {
    /// What to redact with: the key that is there already, else a new one.
    ///
    /// # Errors
    /// A name that can't be one; no source of random bytes.
    pub(crate) fn settings(&self, there: Option<&Settings>) -> anyhow::Result<Settings> {
        let mut settings = there.cloned().unwrap_or_default();
        if settings.key.is_empty() {
            settings.key = new_key()?;
        }
        settings.headers.extend(self.redact.iter().cloned());
        settings.fields.extend(self.redact.iter().cloned());
        settings.allow.extend(self.allow.iter().cloned());
        // The filter would say the same, in Envoy's log.
        let config = json!({ "redaction": config(Some(&settings)) });
        Config::from_json(config.to_string().as_bytes()).context("--redact and --allow take names")?;
        Ok(settings)
    }
}

/// The filter's `redaction`.
pub(crate) fn config(settings: Option<&Settings>) -> Value {
    match settings {
        Some(Settings { key, headers, fields, allow }) => {
            json!({ "key": key, "headers": headers, "fields": fields, "allow": allow })
        }
        None => json!({ "enabled": false }),
    }
}

/// 128 random bits: no two captures have the same tokens for a secret, and nobody checks a guess without the key.
fn new_key() -> anyhow::Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("no random bytes for a key: {error}"))?;
    Ok(digest::hex(&bytes))
}
