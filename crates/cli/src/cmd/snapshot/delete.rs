//! `understudy snapshot delete`: removes a snapshot's two files and its kept reports, and its
//! folder if that is empty then.

use super::place::PlaceArgs;
use crate::outcome::Outcome;
use crate::say;
use anyhow::{Context, bail};
use std::fs;
use std::io::{ErrorKind, IsTerminal, stdin};
use std::path::Path;
use std::process::ExitCode;
use understudy_replay::report::kept;
use understudy_snapshot::{EXCHANGES_FILE, HEADER_FILE, Snapshot};

/// Delete a snapshot
///
/// Removes snapshot.yaml, exchanges.ndjson and the reports kept with them, and the folder if
/// nothing else is in it. Asks first on a terminal.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  understudy snapshot delete payment
  understudy snapshot delete payment --yes    without confirmation

Exit status: 0 deleted; 1 not confirmed; 2 failed.")]
pub(super) struct Args {
    /// The snapshot's name: that of its folder
    name: String,

    /// Don't ask
    #[arg(short, long)]
    yes: bool,

    #[command(flatten)]
    place: PlaceArgs,
}

pub(super) fn run(args: &Args) -> Outcome {
    let folder = args.place.of(&args.name)?;
    check(&folder)?;
    if !args.yes && !confirmed(&folder)? {
        say::line("nothing was deleted");
        return Ok(ExitCode::from(1));
    }
    // The file that makes the folder a snapshot is removed first.
    for name in [HEADER_FILE, EXCHANGES_FILE] {
        let file = folder.join(name);
        match fs::remove_file(&file) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("can't remove {}", file.display()));
            }
            _ => {}
        }
    }
    kept::forget(&folder)
        .with_context(|| format!("can't remove the reports in {}", folder.join(kept::FOLDER).display()))?;
    match fs::remove_dir(&folder) {
        Ok(()) => say::line(format_args!("{} is deleted", folder.display())),
        Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => {
            say::line(format_args!(
                "the snapshot in {} is deleted; other files in the folder stay",
                folder.display()
            ));
        }
        Err(error) => {
            return Err(error).with_context(|| format!("can't remove the empty folder {}", folder.display()));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Checks that a folder holds a snapshot's files, or those that an interrupted deletion has left. A
/// link doesn't count, since its target is elsewhere.
fn check(folder: &Path) -> anyhow::Result<()> {
    let no_link = |path: &Path| match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_symlink() => {
            bail!("{} is a link: remove it or its target yourself", path.display())
        }
        Ok(meta) => Ok(Some(meta)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("can't read {}", path.display())),
    };
    let Some(meta) = no_link(folder)? else {
        bail!("there is no snapshot at {}: `understudy snapshot list` shows all snapshots", folder.display());
    };
    let mut files = 0;
    for name in [HEADER_FILE, EXCHANGES_FILE].iter().filter(|_| meta.is_dir()) {
        let path = folder.join(name);
        match no_link(&path)? {
            Some(meta) if !meta.is_file() => bail!("{} is no file; it isn't touched", path.display()),
            found => files += u32::from(found.is_some()),
        }
    }
    if files == 0 {
        bail!("{} is no snapshot; it isn't touched", folder.display());
    }
    Ok(())
}

fn confirmed(folder: &Path) -> anyhow::Result<bool> {
    if !stdin().is_terminal() {
        bail!("without a terminal, the deletion of {} can't be confirmed: add --yes", folder.display());
    }
    let held = Snapshot::open(folder).map(|snapshot| {
        let header = snapshot.header();
        format!(
            ", {} with {}",
            say::count(header.outbound(), "exchange"),
            say::count(header.backends.len() as u64, "backend")
        )
    });
    say::block(format_args!("understudy: delete {}{}? [y/N] ", folder.display(), held.unwrap_or_default()));
    let mut answer = String::new();
    stdin().read_line(&mut answer).context("can't read the answer")?;
    Ok(["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str()))
}
