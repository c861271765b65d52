//! The `understudy` command: parses the arguments, runs one subcommand, and turns its outcome into
//! an exit status.
//!
//! Exit status: 0 as expected; 1 a check failed (misses, differences, findings); 2 could not run.
//! `record` and `respond` return CMD's status if it isn't 0.

mod cmd;
mod logging;
mod oci;
mod outcome;
mod output;
mod proxy_args;
mod redaction;
mod requests;
mod say;
mod when;

use clap::{Parser, Subcommand};
use outcome::{COULD_NOT_RUN, Outcome};
use std::process::ExitCode;

/// Records the backends of a service through its Envoy sidecar, and answers in their place
#[derive(Parser)]
#[command(name = "understudy", version, max_term_width = 110)]
#[command(after_help = "\
Examples:
  understudy record  -o snapshots/payment -- python payment.py    record its calls to backends
  understudy respond snapshots/payment -- python payment.py       run it without them
  understudy replay  snapshots/payment -- python payment.py       send its recorded requests
  understudy bundle  snapshots/payment -o filter.wasm             one file for the sidecar

Exit status: 0 as expected; 1 a check failed (misses, findings); 2 could not run.
record and respond exit with the status of CMD if it isn't 0.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Record(cmd::record::Args),
    Respond(cmd::respond::Args),
    Replay(Box<cmd::replay::Args>),
    Report(cmd::report::Args),
    Inspect(cmd::inspect::Args),
    Select(cmd::select::Args),
    Lint(cmd::lint::Args),
    Redact(cmd::redact::Args),
    Bundle(cmd::bundle::Args),
    Push(cmd::push::Args),
    Pull(cmd::pull::Args),
    Match(cmd::matching::Args),
    Tune(cmd::tune::Args),
    Merge(cmd::merge::Args),
    Import(cmd::import::Args),
    Export(cmd::export::Args),
    Collect(cmd::collect::Args),
    Snapshot(cmd::snapshot::Args),
    Ca(cmd::ca::Args),
    Ui(cmd::ui::Args),
    Istio(cmd::istio::Args),
    #[command(hide = true)]
    Controller(cmd::controller::Args),
}

fn main() -> ExitCode {
    logging::start();
    let outcome = match Cli::parse().command {
        Command::Record(args) => block_on(cmd::record::run(args)),
        Command::Respond(args) => block_on(cmd::respond::run(args)),
        Command::Replay(args) => block_on(cmd::replay::run(*args)),
        Command::Report(args) => cmd::report::run(&args),
        Command::Inspect(args) => cmd::inspect::run(&args),
        Command::Select(args) => cmd::select::run(&args),
        Command::Lint(args) => cmd::lint::run(&args),
        Command::Redact(args) => cmd::redact::run(&args),
        Command::Bundle(args) => cmd::bundle::run(&args),
        Command::Push(args) => block_on(cmd::push::run(args)),
        Command::Pull(args) => block_on(cmd::pull::run(args)),
        Command::Match(args) => cmd::matching::run(&args),
        Command::Tune(args) => cmd::tune::run(&args),
        Command::Merge(args) => cmd::merge::run(&args),
        Command::Import(args) => cmd::import::run(&args),
        Command::Export(args) => cmd::export::run(&args),
        Command::Collect(args) => block_on(cmd::collect::run(args)),
        Command::Snapshot(args) => block_on(cmd::snapshot::run(args)),
        Command::Ca(args) => block_on(cmd::ca::run(args)),
        Command::Ui(args) => block_on(cmd::ui::run(args)),
        Command::Istio(args) => cmd::istio::run(&args),
        Command::Controller(args) => cmd::controller::run(&args),
    };
    outcome.unwrap_or_else(|error| {
        // The reader of our output has exited, as in `understudy inspect | head`.
        let broken_pipe = error
            .downcast_ref::<std::io::Error>()
            .is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe);
        if !broken_pipe {
            say::error(&error);
        }
        let interrupted = error.downcast_ref().map(understudy_run::Interrupted::status);
        ExitCode::from(interrupted.unwrap_or(COULD_NOT_RUN))
    })
}

fn block_on(future: impl Future<Output = Outcome>) -> Outcome {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(future)
}
