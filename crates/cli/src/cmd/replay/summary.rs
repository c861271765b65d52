//! The result of a replay in a few hundred bytes, for a pod's termination message. The controller
//! of `TrafficReplay` resources reads it (`crates/controller/src/job.rs`).

use anyhow::Context;
use serde::Serialize;
use std::path::Path;
use understudy_replay::report::{How, Report};

/// Characters that are kept of each text: Kubernetes cuts a termination message at 4,096 bytes.
const TEXT_MAX: usize = 300;
/// Missed goals that are listed.
const GOALS_MAX: usize = 6;

/// The file that `--summary` writes. Readers may be older or newer: fields are added, and neither
/// renamed nor removed.
#[derive(Debug, Default, PartialEq, Serialize)]
struct Summary {
    /// True if all goals were reached.
    passed: bool,
    /// Number of requests that were answered as recorded.
    succeeded: u64,
    /// Number of requests in the plan.
    requests: u64,
    /// Goals that were missed, as text.
    missed: Vec<String>,
    /// Reason why the replay could not run, or ended early.
    problem: Option<String>,
}

/// Writes the result of a replay. In place, not renamed: the file is a mount in a pod.
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

/// The report's own word for how a replay ended.
fn how(how: How) -> String {
    serde_json::to_value(how).ok().and_then(|how| how.as_str().map(str::to_owned)).unwrap_or_default()
}

fn short(text: &str) -> String {
    text.chars().take(TEXT_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summary_is_the_file_that_the_controller_reads() {
        let summary = Summary {
            passed: false,
            succeeded: 1,
            requests: 2,
            missed: vec!["success >= 100%: 50.0 %".to_owned()],
            problem: Some("stopped: --timeout".to_owned()),
        };
        let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/../controller/tests/replay-summary.json");
        assert_eq!(
            serde_json::to_string(&summary).expect("JSON"),
            std::fs::read_to_string(golden).expect("the golden file")
        );
    }
}
