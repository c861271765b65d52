//! The outcome of a subcommand.

use std::process::ExitCode;

/// Result of a subcommand: the exit status, or the reason why it could not run.
pub(crate) type Outcome = anyhow::Result<ExitCode>;

/// Exit status of a command that could not run.
pub(crate) const COULD_NOT_RUN: u8 = 2;
