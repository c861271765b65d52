//! The result of a run in a few hundred bytes, for a pod's termination message: what the controller reads (`understudy_controller::Summary`).

use anyhow::Context;
use std::path::Path;
use understudy_controller::Summary;
use understudy_replay::report::{How, Report};

/// So much of a text is told: Kubernetes keeps 4,096 bytes of it all.
const TOLD_MAX: usize = 300;
/// So many goals that were missed are told.
const GOALS_MAX: usize = 6;

/// Writes what became of a run. In place, not renamed: the file is a mount in a pod.
pub(super) fn write(path: &Path, outcome: Result<&Report, &anyhow::Error>) -> anyhow::Result<()> {
    let summary = match outcome {
        Ok(report) => of(report),
        Err(error) => Summary { problem: Some(short(&format!("{error:#}"))), ..Summary::default() },
    };
    std::fs::write(path, serde_json::to_vec(&summary)?)
        .with_context(|| format!("can't write {}", path.display()))
}

fn of(report: &Report) -> Summary {
    let missed = report.goals.iter().filter(|goal| !goal.passed).take(GOALS_MAX).map(|goal| {
        let measured = goal
            .measured
            .map_or_else(|| "not measured".to_owned(), |value| format!("{value:.1} {}", goal.unit));
        short(&format!("{}: {}", goal.goal, measured.trim()))
    });
    let problem = match &report.end {
        end if end.how == How::Complete => None,
        end => Some(short(format!("{} {}", how(end.how), end.detail).trim())),
    };
    Summary {
        passed: report.passed,
        succeeded: report.success.same,
        requests: report.success.sent.saturating_add(report.success.not_sent),
        missed: missed.collect(),
        problem,
    }
}

/// As the report has it.
fn how(how: How) -> String {
    serde_json::to_value(how).ok().and_then(|how| how.as_str().map(str::to_owned)).unwrap_or_default()
}

fn short(text: &str) -> String {
    text.chars().take(TOLD_MAX).collect()
}
