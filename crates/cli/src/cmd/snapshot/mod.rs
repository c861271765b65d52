//! `understudy snapshot`: makes snapshots of capture stores, and manages existing ones.

mod create;
mod delete;
mod list;
mod place;
mod show;

use crate::outcome::Outcome;

/// Make snapshots of a capture store; list, show and delete them
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  understudy snapshot list --store /var/lib/understudy                    services and their times
  understudy snapshot create payment --store /var/lib/understudy --service payment --from 2h
  understudy snapshot list
  understudy snapshot delete payment

Exit status: 0 done; 2 failed.")]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    Create(create::Args),
    List(list::Args),
    Show(show::Args),
    Delete(delete::Args),
}

pub(crate) async fn run(args: Args) -> Outcome {
    match args.command {
        Command::Create(args) => create::run(args).await,
        Command::List(args) => list::run(args).await,
        Command::Show(args) => show::run(&args),
        Command::Delete(args) => delete::run(&args),
    }
}
