//! `understudy controller`: names the program that has taken over this subcommand.

use crate::outcome::Outcome;
use anyhow::bail;
use std::ffi::OsString;

/// Moved to the program understudy-controller
#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Args {
    /// Any arguments, so that an old command line gets the message below and not a usage error
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    _rest: Vec<OsString>,
}

pub(crate) fn run(_: &Args) -> Outcome {
    bail!(
        "the controller is a program of its own: run understudy-controller with the same options. \
         `make build-controller` compiles it; its image is the target `controller` of deploy/Dockerfile"
    )
}
