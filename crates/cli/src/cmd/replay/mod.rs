//! `understudy replay`: drive a service with its own recorded traffic while its backends are answered from the recording.

mod args;
mod calls;
mod exercise;
mod responder;
mod summary;

pub(crate) use args::{Args, duration};

use crate::child::Ended;
use crate::cmd::respond;
use crate::oci::Source;
use crate::redaction::RedactionArgs;
use crate::session::{self, Finished, Plan};
use crate::{Outcome, output, say};
use anyhow::{Context, bail};
use args::Mode;
use exercise::{Exercise, Exercised};
use serde_json::json;
use std::process::ExitCode;
use std::sync::Arc;
use understudy_core::config::OnMiss;
use understudy_replay::goal::Goal;
use understudy_replay::report::{self, Ending, How, Report};
use understudy_replay::settings::Settings;
use understudy_replay::{About, Driven, Driver};
use understudy_snapshot::Snapshot;

/// All that a run begins with.
struct Prepared {
    snapshot: Snapshot,
    settings: Settings,
    plan: Option<Arc<understudy_replay::Plan>>,
    exercise: Exercise,
    notes: Vec<String>,
}

pub(crate) async fn run(mut args: Args) -> Outcome {
    let outcome = replay(&mut args).await;
    if let Some(path) = &args.summary {
        summary::write(path, outcome.as_ref())?;
    }
    Ok(ExitCode::from(u8::from(!outcome?.passed)))
}

async fn replay(args: &mut Args) -> anyhow::Result<Report> {
    args.check()?;
    // Kept until the end: what is replayed lies in it.
    let _pulled = fetch(args).await?;
    let args = &*args;
    let prepared = prepare(args)?;
    let report = match args.mode {
        Mode::GeneratorOnly => generate(args, prepared).await?,
        _ => mocked(args, prepared).await?,
    };
    tell(args, &report)?;
    Ok(report)
}

/// Gets a snapshot that is in a registry.
async fn fetch(args: &mut Args) -> anyhow::Result<Option<tempfile::TempDir>> {
    let Some(source) = args.snapshot.to_str().filter(|text| text.starts_with("oci://")) else {
        return Ok(None);
    };
    let source: Source = source.parse().map_err(anyhow::Error::msg)?;
    let folder = tempfile::tempdir().context("can't make a temporary folder")?;
    args.registry.pull(&source, folder.path()).await?;
    args.snapshot = folder.path().to_owned();
    // The folder goes, and what is kept in it would go too.
    args.keep_reports = 0;
    Ok(Some(folder))
}

fn prepare(args: &Args) -> anyhow::Result<Prepared> {
    let snapshot = Snapshot::open(&args.snapshot)?;
    let settings = args.settings()?;
    let baseline = args.baseline.as_ref().map(|path| report::read(path)).transpose()?;
    let (plan, notes) = if args.mode == Mode::ResponderOnly {
        (None, Vec::new())
    } else {
        let bar = say::working("reading what was recorded");
        let goals = settings.goals.iter().flatten().chain(&args.fail_if);
        let (plan, notes) = understudy_replay::plan(&snapshot, &settings, goals, baseline.as_ref())?;
        bar.finish_and_clear();
        (Some(Arc::new(plan)), notes)
    };
    let target = plan.as_ref().map(|_| args.target(&snapshot)).transpose()?;
    let driver = match (&plan, &target) {
        (Some(plan), Some(target)) => {
            Some(Driver::new(Arc::clone(plan), args.load.load(), args.connector(target.clone())?))
        }
        _ => None,
    };
    let exercise = Exercise {
        driver,
        target,
        timeout: args.timeout,
        ready: args.ready(),
        command: args.command.clone(),
    };
    Ok(Prepared { snapshot, settings, plan, exercise, notes })
}

/// Drives a service that runs already.
async fn generate(args: &Args, prepared: Prepared) -> anyhow::Result<Report> {
    let Prepared { snapshot, settings, plan, exercise, notes } = prepared;
    let outcome = exercise.drive_alone().await?;
    let target = exercise.target.as_ref().map(ToString::to_string);
    let goals = goals(args, &settings, &["success >= 100%"])?;
    let about = About {
        build_tag: args.build_tag.clone(),
        mode: args.mode.name().to_owned(),
        target,
        responder: None,
        logs: None,
        notes,
        goals,
    };
    Ok(understudy_replay::report(&snapshot, plan.as_deref(), outcome, about))
}

/// Starts the service behind Envoy, with its backends mocked.
async fn mocked(args: &Args, prepared: Prepared) -> anyhow::Result<Report> {
    let Prepared { snapshot, settings, plan, exercise, mut notes } = prepared;
    let on_miss = args.on_miss.map(OnMiss::from);
    if respond::may(OnMiss::Capture, &snapshot, on_miss) {
        bail!(
            "{} says `on_miss: capture`, which a replay doesn't do: say --on-miss fail or passthrough",
            snapshot.path().display()
        );
    }
    exercise.nobody_there().await?;
    let redaction = RedactionArgs::default().settings(snapshot.header().redaction.as_ref())?;
    let work = tempfile::tempdir().context("can't make a temporary folder")?;
    let (module, store) = (work.path().join("filter.wasm"), work.path().join("verdicts"));
    let built = respond::write_module(&snapshot, &module)?;
    // What real backends answer is kept in the report: it can be added to the snapshot.
    let on_wire = on_miss.map(|what| if what == OnMiss::Passthrough { OnMiss::Capture } else { what });
    let config = respond::config(on_wire, args.latency, redaction.as_ref());
    let bootstrap = respond::bootstrap(&snapshot, on_miss);
    let session = Plan { bootstrap, module: &module, config, store: &store, inbound: &[] };
    let mut exercised: Option<Exercised> = None;
    let finished = session::run(session, &args.proxy, async |terms, envoy, signals| {
        exercised = Some(exercise.run(terms, envoy, signals).await?);
        Ok(Ended::Status(0))
    })
    .await?;
    finished.warn("refused");
    let mut exercised = exercised.context("nothing was run")?;
    if finished.ended == Ended::EnvoyDied {
        exercised.ended(Ending { how: How::ProxyEnded, detail: finished.problems.clone() });
    }
    let counted = countable(args, &finished, &exercised.outcome);
    let responder = responder::of(&store, &snapshot, &finished, counted).await?;
    if plan.is_none() && responder.requests == 0 {
        notes.push("nothing was asked of Understudy: does CMD's HTTP client honour HTTPS_PROXY?".to_owned());
    }
    let defaults = [
        plan.as_ref().map(|_| "success >= 100%"),
        (built.answers > 0 || responder.requests > 0).then_some("responder >= 100%"),
        responder.calls.as_ref().map(|_| "dropped-calls <= 0"),
    ];
    let defaults: Vec<&str> = defaults.into_iter().flatten().collect();
    let about = About {
        build_tag: args.build_tag.clone(),
        mode: args.mode.name().to_owned(),
        target: exercise.target.as_ref().map(ToString::to_string),
        responder: Some(responder),
        logs: Some(exercised.logs),
        notes,
        goals: goals(args, &settings, &defaults)?,
    };
    Ok(understudy_replay::report(&snapshot, plan.as_deref(), exercised.outcome, about))
}

/// Whether the calls of the service can be held against those that were recorded; else why not.
fn countable(args: &Args, finished: &Finished, outcome: &Result<Driven, Ending>) -> Result<(), String> {
    let whole = outcome.as_ref().is_ok_and(|driven| driven.end.how == How::Complete);
    let why = if args.mode == Mode::ResponderOnly {
        "nothing was sent"
    } else if !whole || !finished.is_complete() {
        "the run isn't whole"
    } else if !args.load.once() {
        "the recording was played more than once, or not to its end"
    } else {
        return Ok(());
    };
    Err(why.to_owned())
}

/// What a person says is to be reached, else the defaults; and what must not be.
fn goals(args: &Args, settings: &Settings, defaults: &[&str]) -> anyhow::Result<Vec<Goal>> {
    let mut goals = match &settings.goals {
        Some(goals) => goals.clone(),
        None => defaults.iter().map(|text| Goal::must(text)).collect::<Result<_, _>>()?,
    };
    goals.extend(args.fail_if.iter().cloned());
    Ok(goals)
}

fn tell(args: &Args, report: &Report) -> anyhow::Result<()> {
    say::block(report::summary(report, args.verbose));
    if let Some(path) = &args.report {
        output::file(path, |out| report.write(out))?;
        say::line(format_args!("report written to {}", path.display()));
    }
    args.pages.write(report)?;
    if args.keep_reports > 0 {
        keep(args, report);
    }
    if args.proxy.json {
        output::json(&in_short(report))?;
    }
    Ok(())
}

/// Keeps the report for `understudy ui`. Nobody asked for it: where it can't be kept, the run counts all the same.
fn keep(args: &Args, report: &Report) {
    let snapshot = args.snapshot.display();
    match report::kept::keep(&args.snapshot, report, args.keep_reports) {
        Ok(_) => say::line(format_args!("`understudy ui {snapshot}` shows this report")),
        Err(error) => {
            let folder = report::kept::FOLDER;
            say::warning(format_args!(
                "the report isn't kept in {snapshot}/{folder}: {error} (--keep-reports 0 doesn't try)"
            ));
        }
    }
}

/// What a machine wants to know first.
fn in_short(report: &Report) -> serde_json::Value {
    let responder = report.responder.as_ref().map(|responder| {
        json!({
            "requests": responder.requests, "matches": responder.matches, "misses": responder.misses,
            "passthroughs": responder.passthroughs, "rate": responder.rate, "complete": responder.complete,
            "calls": responder.calls,
        })
    });
    json!({
        "passed": report.passed, "snapshot": report.snapshot, "service": report.service, "build_tag": report.build_tag,
        "mode": report.mode, "target": report.target, "started": report.started, "duration_us": report.duration_us,
        "end": report.end, "goals": report.goals, "success": report.success,
        "latency": { "recorded": report.performance.recorded, "replayed": report.performance.replayed,
            "service": report.performance.service },
        "responder": responder, "notes": report.notes,
    })
}
