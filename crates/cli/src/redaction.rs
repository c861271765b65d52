//! Arguments about secrets: which are replaced. The rules are the filter's own.

use anyhow::Context;
use understudy_core::redact::Settings;
use understudy_run::redaction;

/// Arguments of all commands that redact.
#[derive(Default, clap::Args)]
pub(crate) struct NameArgs {
    /// A further header or field that contains a secret
    #[arg(long = "redact", value_name = "NAME")]
    redact: Vec<String>,

    /// A header or field that contains no secret, whatever its name suggests
    #[arg(long = "allow", value_name = "NAME")]
    allow: Vec<String>,
}

/// Arguments of all commands that record.
#[derive(Default, clap::Args)]
pub(crate) struct RedactionArgs {
    #[command(flatten)]
    names: NameArgs,

    /// Keep secrets; the result must not be shared
    #[arg(long, conflicts_with_all = ["redact", "allow"])]
    keep_secrets: bool,
}

impl RedactionArgs {
    /// The redaction settings: `existing` ones with the names of the arguments, or new ones. `None`
    /// if secrets are kept.
    ///
    /// # Errors
    /// A name is invalid, or the system has no random bytes.
    pub(crate) fn settings(&self, existing: Option<&Settings>) -> anyhow::Result<Option<Settings>> {
        if self.keep_secrets { Ok(None) } else { self.names.settings(existing).map(Some) }
    }
}

impl NameArgs {
    /// The redaction settings: `existing` ones with the names of the arguments, or new ones.
    ///
    /// # Errors
    /// A name is invalid, or the system has no random bytes.
    pub(crate) fn settings(&self, existing: Option<&Settings>) -> anyhow::Result<Settings> {
        let mut settings = redaction::with_key(existing)?;
        settings.headers.extend(self.redact.iter().cloned());
        settings.fields.extend(self.redact.iter().cloned());
        settings.allow.extend(self.allow.iter().cloned());
        redaction::check(&settings).context("--redact and --allow take names")?;
        Ok(settings)
    }
}
