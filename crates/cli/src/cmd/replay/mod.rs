//! `understudy replay`: drives a service with its own recorded traffic while its backends are
//! answered from the recording.

mod args;
mod summary;

pub(crate) use args::Args;

use crate::oci::Source;
use crate::outcome::Outcome;
use crate::say::Console;
use crate::{output, say};
use anyhow::Context;
use serde_json::json;
use std::process::ExitCode;
use understudy_replay::report::{self, Report};

pub(crate) async fn run(mut args: Args) -> Outcome {
    let outcome = replay(&mut args).await;
    if let Some(path) = &args.summary {
        summary::write(path, outcome.as_ref())?;
    }
    Ok(ExitCode::from(u8::from(!outcome?.passed)))
}

async fn replay(args: &mut Args) -> anyhow::Result<Report> {
    args.check()?;
    // The pulled snapshot is removed when this is dropped.
    let _pulled = fetch(args).await?;
    let args = &*args;
    let snapshot = understudy_run::open_snapshot(&args.snapshot, &Console)?;
    let report = understudy_run::replay(&snapshot, args.replay()?, &Console).await?;
    tell(args, &report)?;
    Ok(report)
}

/// Pulls the snapshot, if it is in a registry.
async fn fetch(args: &mut Args) -> anyhow::Result<Option<tempfile::TempDir>> {
    let Some(source) = args.snapshot.to_str().filter(|text| text.starts_with("oci://")) else {
        return Ok(None);
    };
    let source: Source = source.parse().map_err(anyhow::Error::msg)?;
    let folder = tempfile::tempdir().context("can't make a temporary folder")?;
    args.registry.pull(&source, folder.path()).await?;
    args.snapshot = folder.path().to_owned();
    // The folder is temporary, so a report inside it would be lost.
    args.keep_reports = 0;
    Ok(Some(folder))
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

/// Keeps the report for `understudy ui`. A failure is only a warning, since the file wasn't
/// requested.
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

/// The report's sums, for a machine.
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
