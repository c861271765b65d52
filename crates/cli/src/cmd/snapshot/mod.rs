//! `understudy snapshot`: makes snapshots of capture stores, and manages existing ones.

mod create;
mod delete;
mod list;
mod show;

use crate::Outcome;
use anyhow::bail;
use std::path::{Path, PathBuf};

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

/// Arguments about the folder of snapshots.
#[derive(clap::Args)]
struct PlaceArgs {
    /// The folder of snapshots
    #[arg(long, value_name = "FOLDER", default_value = "snapshots")]
    snapshots: PathBuf,
}

impl PlaceArgs {
    /// The folder of one snapshot.
    ///
    /// # Errors
    /// The name is a path, which could lead out of the folder.
    fn of(&self, name: &str) -> anyhow::Result<PathBuf> {
        let mut parts = Path::new(name).components();
        let is_name = matches!((parts.next(), parts.next()), (Some(std::path::Component::Normal(_)), None));
        if !is_name || name.contains(['/', '\\', '\0']) || name.starts_with('.') {
            bail!(
                "{name:?} is no name of a snapshot: it is the name of a folder in {} (--snapshots names another folder)",
                self.snapshots.display()
            );
        }
        Ok(self.snapshots.join(name))
    }
}
