//! `understudy select`: chooses which backends of a snapshot are mocked.

use crate::outcome::Outcome;
use crate::{output, say};
use anyhow::bail;
use clap::{Arg, ArgAction, ArgGroup, ArgMatches, Command, value_parser};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use understudy_core::backend::Pattern;
use understudy_core::config::Mode;
use understudy_snapshot::select;
use understudy_snapshot::{ModeChange, Snapshot};

/// Choose which backends of a snapshot are mocked
///
/// The choice is stored in snapshot.yaml, where one word per backend changes, so that it applies to
/// every later run and is visible in a diff. A PATTERN names backends by host (dynamodb.*), host
/// and port (localhost:8080) or scheme (https://*); * stands for any text. If several patterns name
/// a backend, the last one counts.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  understudy select snapshots/payment --no-mock 'dynamodb.*'             DynamoDB isn't mocked
  understudy select snapshots/payment --no-mock '*' --mock api.stripe.com    only Stripe is mocked
  understudy select snapshots/payment --tap '*.plaid.com' --dry-run      shows the changes

Exit status: 0 done, also if nothing had to change; 2 failed, and nothing is changed.")]
pub(crate) struct Args {
    /// The snapshot
    snapshot: PathBuf,

    #[command(flatten)]
    choices: Choices,

    /// Show the changes without making them
    #[arg(long)]
    dry_run: bool,

    /// A machine-readable answer on stdout
    #[arg(long)]
    json: bool,
}

/// Chosen modes, in the order of the command line.
struct Choices(Vec<(Pattern, Mode)>);

const OPTIONS: [(&str, Mode, &str); 3] = [
    ("mock", Mode::Mock, "Answer these backends from the snapshot; may be repeated"),
    ("no-mock", Mode::Off, "Let requests to these backends through (`mode: off`); may be repeated"),
    (
        "tap",
        Mode::Tap,
        "Let requests to these backends through, and record them where there is a collector; may be repeated",
    ),
];

impl clap::Args for Choices {
    fn augment_args(command: Command) -> Command {
        let options = OPTIONS.map(|(name, _, help)| {
            Arg::new(name)
                .long(name)
                .value_name("PATTERN")
                .help(help)
                .action(ArgAction::Append)
                .value_parser(value_parser!(Pattern))
        });
        let names = OPTIONS.map(|(name, ..)| name);
        command.args(options).group(ArgGroup::new("choice").args(names).required(true).multiple(true))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl clap::FromArgMatches for Choices {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut found = Vec::new();
        for (name, mode, _) in OPTIONS {
            let places = matches.indices_of(name).into_iter().flatten();
            let patterns = matches.get_many::<Pattern>(name).into_iter().flatten();
            found.extend(places.zip(patterns).map(|(at, pattern)| (at, pattern.clone(), mode)));
        }
        found.sort_by_key(|(at, ..)| *at);
        Ok(Self(found.into_iter().map(|(_, pattern, mode)| (pattern, mode)).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// The answer for a machine.
#[derive(Serialize)]
struct Answer<'a> {
    snapshot: &'a Path,
    dry_run: bool,
    changes: &'a [ModeChange],
    backends: &'a BTreeMap<String, Mode>,
}

pub(crate) fn run(args: &Args) -> Outcome {
    let mut snapshot = Snapshot::open(&args.snapshot)?;
    let seen = snapshot.header_digest().to_owned();
    let bar = say::working("reading the exchanges");
    let mut backends = select::backends(&snapshot)?;
    bar.finish_and_clear();
    let modes = match select::choose(backends.keys().map(String::as_str), &args.choices.0) {
        Ok(modes) => modes,
        Err(pattern) => bail!("{}", unknown(pattern, &args.snapshot, &backends)),
    };
    let changes = match args.dry_run {
        true => snapshot.mode_changes(&modes),
        false => snapshot.set_modes(&modes, Some(&seen))?,
    };
    backends.extend(modes);
    if args.json {
        let (snapshot, dry_run) = (args.snapshot.as_path(), args.dry_run);
        output::json(&Answer { snapshot, dry_run, changes: &changes, backends: &backends })?;
    } else {
        output::text(&text(args, &changes, &backends))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn unknown(pattern: &Pattern, snapshot: &Path, backends: &BTreeMap<String, Mode>) -> String {
    if backends.is_empty() {
        return format!("{} has no backends to choose from", snapshot.display());
    }
    let names: String = backends.keys().fold(String::new(), |mut names, name| {
        let _ = write!(names, "\n  {}", name.escape_debug());
        names
    });
    format!("no backend of {} is named by {:?}; there are:{names}", snapshot.display(), pattern.to_string())
}

fn text(args: &Args, changes: &[ModeChange], backends: &BTreeMap<String, Mode>) -> String {
    let mut out = String::new();
    for (name, mode) in backends {
        let change = changes.iter().find(|change| change.backend == *name);
        let mark = if *mode == Mode::Mock { "☑" } else { "☐" };
        let told = match change {
            Some(change) => format!("{} → {}", word(change.from), word(change.to)),
            None => word(*mode).to_owned(),
        };
        let _ = writeln!(out, "{mark} {told:<11}  {}", name.escape_debug());
    }
    let mocked = backends.values().filter(|mode| **mode == Mode::Mock).count();
    let _ = writeln!(
        out,
        "{}: {} of {} mocked; {}",
        args.snapshot.display(),
        mocked,
        say::count(backends.len() as u64, "backend"),
        match (changes.len() as u64, args.dry_run) {
            (0, _) => "nothing changes".to_owned(),
            (number, true) => format!("{} would change, nothing is written", say::count(number, "mode")),
            (number, false) => format!("{} changed in snapshot.yaml", say::count(number, "mode")),
        }
    );
    out
}

fn word(mode: Mode) -> &'static str {
    match mode {
        Mode::Mock => "mock",
        Mode::Tap => "tap",
        Mode::Off => "off",
    }
}
