//! Requests to be judged: those of a snapshot, of a report, or of a file.

use anyhow::Context;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::path::Path;
use understudy_core::exchange::{Direction, Exchange};
use understudy_core::v1::{self, Record};
use understudy_core::verdict::Kind;
use understudy_snapshot::Snapshot;

#[derive(Deserialize)]
struct ReportFile<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(borrow)]
    requests: Vec<&'a RawValue>,
}

/// Passes each outbound request to `take`, with its earlier verdict if there is one. `path` is a
/// snapshot's folder, a report, or a file of exchanges and verdicts, one per line.
pub(crate) fn each_request(
    path: &Path,
    mut take: impl FnMut(&Exchange, Option<Kind>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut outbound = |record: &Record| match record.exchange.direction {
        Direction::Outbound => take(&record.exchange, record.verdict.as_ref().map(|verdict| verdict.kind)),
        Direction::Inbound => Ok(()),
    };
    if path.is_dir() {
        for located in Snapshot::open(path)?.exchanges()? {
            outbound(&Record { exchange: located?.exchange, verdict: None })?;
        }
        return Ok(());
    }
    let text = std::fs::read(path).with_context(|| {
        format!("can't read {}; name a snapshot, a report, or a file of exchanges", path.display())
    })?;
    if let Ok(report) = serde_json::from_slice::<ReportFile<'_>>(&text)
        && report.kind == "report"
    {
        for (i, request) in report.requests.iter().enumerate() {
            let record = v1::read_record(request.get().as_bytes());
            outbound(
                &record.with_context(|| format!("{}: request {} can't be read", path.display(), i + 1))?,
            )?;
        }
        return Ok(());
    }
    for (i, line) in text.split(|&b| b == b'\n').enumerate() {
        if line.trim_ascii().is_empty() || is_batch(line) {
            continue;
        }
        let record = v1::read_record(line).with_context(|| {
            format!(
                "{}, line {}: neither an exchange nor a verdict, and the file is no report",
                path.display(),
                i + 1
            )
        })?;
        outbound(&record)?;
    }
    Ok(())
}

/// Returns whether a line starts a batch. Collectors store such lines.
fn is_batch(line: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Head<'a> {
        #[serde(rename = "type")]
        kind: &'a str,
    }
    serde_json::from_slice::<Head<'_>>(line).is_ok_and(|head| head.kind == "batch")
}
