//! `understudy tune`: values of a recording that change by themselves, and the rules for them.

use crate::outcome::Outcome;
use crate::{output, say};
use anyhow::bail;
use serde::Serialize;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use understudy_analyse::learn;
use understudy_core::rules::Rule;
use understudy_snapshot::Snapshot;

/// Show, apply and undo rules for values that change
///
/// `record` applies the rules that its recording supports. This command shows them with their
/// evidence, proposes others, and changes them in snapshot.yaml. The file can be edited by hand
/// too. Values that an answer issued are always compared.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  understudy tune snapshots/payment                         show rules and proposals
  understudy tune snapshots/payment --with snapshots/again  with a second recording of the same run
  understudy tune snapshots/payment --apply 1,3             apply proposals 1 and 3
  understudy tune snapshots/payment --undo all              remove all rules
  understudy tune snapshots/payment --relearn               learn the rules of an earlier version anew
  understudy tune snapshots/payment --accept all            matches by assumed rules count as proved
  understudy match snapshots/payment report.json            the effect of a change on a run's requests

Exit status: 0 done; 2 failed, and nothing is changed.")]
pub(crate) struct Args {
    /// The snapshot
    snapshot: PathBuf,

    /// A second recording of the same run: values that differ in it change by themselves, the
    /// others are constant
    #[arg(long, value_name = "SNAPSHOT")]
    with: Option<PathBuf>,

    /// Apply these proposals, by number, or all
    #[arg(long, value_name = "NUMBERS|all")]
    apply: Option<Chosen>,

    /// Remove these rules, by number, or all
    #[arg(long, value_name = "NUMBERS|all", conflicts_with = "apply")]
    undo: Option<Chosen>,

    /// Accept the assumptions of these rules, by number, or all: their matches count as proved
    #[arg(long, value_name = "NUMBERS|all", conflicts_with_all = ["apply", "undo"])]
    accept: Option<Chosen>,

    /// Learn the learnt rules anew, and write them; rules that a person wrote stay. With `--with`,
    /// by both recordings
    #[arg(long, conflicts_with_all = ["apply", "undo", "accept"])]
    relearn: bool,

    /// A machine-readable list on stdout
    #[arg(long)]
    json: bool,
}

/// Some of a numbered list.
#[derive(Clone)]
enum Chosen {
    All,
    These(Vec<usize>),
}

impl std::str::FromStr for Chosen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "all" {
            return Ok(Self::All);
        }
        let number = |part: &str| part.trim().parse().ok().filter(|n| *n > 0);
        let numbers: Option<Vec<usize>> = text.split(',').map(number).collect();
        numbers.map(Self::These).ok_or_else(|| format!("{text:?} must be numbers such as 1,3, or all"))
    }
}

impl Chosen {
    /// The chosen items of `count`, counted from 0.
    fn of(&self, count: usize, what: &str) -> anyhow::Result<Vec<usize>> {
        match self {
            Self::All => Ok((0..count).collect()),
            Self::These(numbers) => {
                if let Some(number) = numbers.iter().find(|number| **number > count) {
                    bail!(
                        "there is no {what} {number}: there {}",
                        match count {
                            0 => "is none".to_owned(),
                            1 => "is one".to_owned(),
                            _ => format!("are {count}"),
                        }
                    );
                }
                Ok(numbers.iter().map(|number| number - 1).collect())
            }
        }
    }
}

#[derive(Serialize)]
struct Listed<'a> {
    rules: &'a [Rule],
    proposals: &'a [Rule],
}

pub(crate) fn run(args: &Args) -> Outcome {
    let mut snapshot = Snapshot::open(&args.snapshot)?;
    let second = args.with.as_ref().map(Snapshot::open).transpose()?;
    let bar = say::working("looking for values that change by themselves");
    let learnt = learn::learn(&snapshot, second.as_ref())?;
    bar.finish_and_clear();
    let mut rules = snapshot.header().rules.clone();
    if let Some(chosen) = &args.apply {
        let proposals = unsaid(&learnt, &rules);
        let chosen = chosen.of(proposals.len(), "proposal")?;
        rules.extend(pick(proposals, |i| chosen.contains(&i)));
        snapshot.set_rules(rules.clone())?;
    }
    if let Some(chosen) = &args.undo {
        let chosen = chosen.of(rules.len(), "rule")?;
        rules = pick(rules, |i| !chosen.contains(&i)).collect();
        snapshot.set_rules(rules.clone())?;
    }
    if args.relearn {
        rules = learn::renewed(&snapshot, second.as_ref())?;
        snapshot.set_rules(rules.clone())?;
    }
    if let Some(chosen) = &args.accept {
        for number in chosen.of(rules.len(), "rule")? {
            rules[number].assumed = None;
        }
        snapshot.set_rules(rules.clone())?;
    }
    let learnt = unsaid(&learnt, &rules);
    if args.json {
        output::json(&Listed { rules: &rules, proposals: &learnt })?;
    } else {
        output::text(&text(&rules, &learnt))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Parts of learned rules that the rules in force don't have yet.
fn unsaid(learnt: &[Rule], rules: &[Rule]) -> Vec<Rule> {
    learnt.iter().filter_map(|rule| understudy_snapshot::unsaid(rules, rule)).collect()
}

/// The items of a list whose numbers, counted from 0, are wanted.
fn pick<T>(list: Vec<T>, wanted: impl Fn(usize) -> bool) -> impl Iterator<Item = T> {
    list.into_iter().enumerate().filter(move |(i, _)| wanted(*i)).map(|(_, item)| item)
}

fn text(rules: &[Rule], proposals: &[Rule]) -> String {
    let mut out = String::new();
    if rules.is_empty() {
        out.push_str("no rules: each value of a request is compared\n");
    } else {
        let _ = writeln!(out, "{} in force", say::count(rules.len() as u64, "rule"));
        for (i, rule) in rules.iter().enumerate() {
            describe(i + 1, rule, &mut out);
        }
    }
    if !proposals.is_empty() {
        let _ = writeln!(
            out,
            "\n{} (apply with --apply NUMBERS)",
            say::count(proposals.len() as u64, "proposal")
        );
        for (i, proposal) in proposals.iter().enumerate() {
            describe(i + 1, proposal, &mut out);
        }
    }
    out
}

fn describe(number: usize, rule: &Rule, out: &mut String) {
    let exchanges = rule.exchanges.map(|n| format!("  ({})", say::count(n, "exchange"))).unwrap_or_default();
    let _ = writeln!(out, "{number:>4}  {}{exchanges}", rule.about());
    for (key, said) in rule.says() {
        let _ = writeln!(out, "      {key:<9} {}", said.join(", "));
    }
    for why in rule.why.iter().flat_map(|why| why.split(". ")) {
        let _ = writeln!(out, "      because   {why}");
    }
}
