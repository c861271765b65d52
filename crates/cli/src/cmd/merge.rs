//! `understudy merge`: adds the exchanges of other snapshots to one.

use crate::outcome::Outcome;
use crate::{output, say};
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;
use understudy_analyse::learn;
use understudy_snapshot::merge::{Merged, merge};
use understudy_snapshot::{Existing, Snapshot};

/// Add later recordings to a snapshot
///
/// An exchange is not added again if the snapshot has the same request under its rules with the
/// same answer. The snapshot's settings and rules take precedence; rules are learned from the new
/// exchanges, as `record` does.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  understudy respond snapshots/payment --on-miss capture -o snapshots/missed -- npm test
  understudy merge snapshots/payment snapshots/missed         adds their answers
  understudy merge snapshots/a snapshots/b -o snapshots/both  leaves a unchanged

Exit status: 0 merged, also if nothing was new; 2 failed, and nothing is changed.")]
pub(crate) struct Args {
    /// The snapshot to add to; it is replaced as a whole or left unchanged
    snapshot: PathBuf,

    /// The snapshots whose exchanges are added
    #[arg(required = true, value_name = "OTHER")]
    others: Vec<PathBuf>,

    /// Write the result to this snapshot and leave the first one unchanged
    #[arg(short, long, value_name = "SNAPSHOT")]
    output: Option<PathBuf>,

    /// With `-o`: replace an existing snapshot
    #[arg(long, requires = "output")]
    force: bool,

    /// A machine-readable summary on stdout
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Outcome {
    let base = Snapshot::open(&args.snapshot)?;
    let others = args.others.iter().map(Snapshot::open).collect::<Result<Vec<_>, _>>()?;
    let existing = if args.output.is_none() || args.force { Existing::Replace } else { Existing::Refuse };
    let target = args.output.as_ref().unwrap_or(&args.snapshot);
    let bar = say::working("merging");
    let merged = merge(&base, &others, target, existing, learn::apply)?;
    bar.finish_and_clear();
    tell(args, &merged);
    if args.json {
        let from = merged.from.iter();
        let from: Vec<_> = from
            .map(|share| json!({ "snapshot": share.path, "added": share.added, "held": share.held }))
            .collect();
        output::json(&json!({
            "snapshot": target,
            "added": merged.from.iter().map(|share| share.added).sum::<u64>(),
            "held": merged.from.iter().map(|share| share.held).sum::<u64>(),
            "from": from,
            "rules": merged.rules,
        }))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn tell(args: &Args, merged: &Merged) {
    let place = args.output.as_ref().unwrap_or(&args.snapshot);
    let target = place.display();
    for share in &merged.from {
        let other = share.path.display();
        if share.foreign > 0 {
            say::warning(format_args!(
                "{other} was redacted with another key: tokens in {} aren't those of {target}; they are in parts that aren't compared",
                say::count(share.foreign, "exchange")
            ));
        }
        let were = if share.held == 1 { "was" } else { "were" };
        say::line(format_args!(
            "{target}: {} added from {other}, {} {were} there already",
            say::count(share.added, "exchange"),
            share.held
        ));
    }
    if let Some(other) = &merged.key_of {
        say::line(format_args!(
            "{target}: its secrets are now replaced by tokens, with the key of {}",
            other.display()
        ));
    }
    say::learned(place, &merged.rules);
}
