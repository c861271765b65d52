//! One conversation: recorded with its backends, then answered twice without them. The client's
//! transcript and the report show the result, and any failure.

use crate::process::{Backends, program, python, root, run, rust_client};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Output;
use tempfile::TempDir;
use tokio::process::Command;
use understudy_testkit_mutation::mutations;

/// Offset of the second run's clock from the first: another day, and another hour of the day.
const LATER: &str = "+26h";
/// Its requests name days, which count by their distance from Envoy's today; and Envoy doesn't
/// start at another time of day than it is.
const BY_DAY: &str = "plaid_items.py";
const REPORT: &str = "report.json";

/// A script in `conversations/`.
pub(crate) struct Conversation {
    pub(crate) script: &'static str,
    /// Backends that `serve.py` starts for the conversation.
    pub(crate) backends: &'static [&'static str],
    /// Number of its requests.
    pub(crate) requests: usize,
    /// Number of variants of its requests (`CHANGE=1` and so on).
    pub(crate) changes: usize,
}

impl Conversation {
    /// Records the conversation, tests all changes of its requests against the recording, then
    /// answers it completely, twice. Panics on a failure.
    pub(crate) async fn holds(&self) {
        let folder = TempDir::with_prefix("understudy-sdk-").expect("a temporary folder");
        let recorded = self.record(folder.path()).await;
        let changes = mutations(&folder.path().join("snapshot"));
        println!("{}: {changes}", self.script);
        assert!(changes.exceptions.is_empty(), "{}: {:#?}", self.script, changes.exceptions);
        for turn in ["first", "second"] {
            let wrong = self.respond(folder.path(), &recorded).await;
            assert!(wrong.is_empty(), "{}, answered for the {turn} time:\n{wrong}", self.script);
        }
        for change in 1..=self.changes {
            self.changed(folder.path(), change).await;
        }
        println!("{}: {} requests", self.script, self.requests);
    }

    /// Returns the transcript.
    async fn record(&self, folder: &Path) -> String {
        let backends = Backends::start(self.backends, folder).await;
        let mut command = program(env!("CARGO_BIN_EXE_understudy"), folder);
        command.args(["record", "-o", "snapshot"]);
        command.args(backends.maps.iter().flat_map(|map| ["--map", map])).arg("--").args(self.client());
        let output = run(command).await;
        backends.stop().await;
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: not recorded:\n{said}", self.script);
        let exchanges = std::fs::read_to_string(folder.join("snapshot/exchanges.ndjson")).expect("exchanges");
        let count = exchanges.lines().filter(|line| line.starts_with(r#"{"type":"exchange""#)).count();
        assert_eq!(count, self.requests, "{}: the requests that were recorded", self.script);
        String::from_utf8(output.stdout).expect("a transcript")
    }

    /// Returns the failures as text; empty if there are none.
    async fn respond(&self, folder: &Path, recorded: &str) -> String {
        let output = run(self.answered(folder)).await;
        let report = report(folder, &output);
        let mut wrong = misses(&report);
        let summary = &report["summary"];
        let all = summary["responder_rate"] == 100.0 && summary["misses"] == 0;
        if !all || summary["complete"] != true || summary["requests"] != self.requests {
            let _ = writeln!(wrong, "of {} requests: {summary}", self.requests);
        }
        wrong += &difference(recorded, &String::from_utf8_lossy(&output.stdout));
        if !output.status.success() {
            let _ = writeln!(wrong, "{}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
        }
        wrong
    }

    /// The client a day later, with the snapshot in place of its backends.
    fn answered(&self, folder: &Path) -> Command {
        let mut command = program(env!("CARGO_BIN_EXE_understudy"), folder);
        command.args(["respond", "snapshot", "--report", REPORT, "--"]);
        if self.script != BY_DAY {
            command.args(["faketime", "-f", LATER]);
        }
        // Only the time of day is moved: with the monotonic clock moved too, Python's timed waits
        // don't end. (Its `time.sleep` fails as it is: no conversation that is answered in full has
        // to sleep.)
        command.args(self.client()).env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        command
    }

    /// With this change, something must miss: the same requests without it have all been answered.
    async fn changed(&self, folder: &Path, change: usize) {
        let mut command = self.answered(folder);
        command.env("CHANGE", change.to_string());
        let output = run(command).await;
        let report = report(folder, &output);
        let misses = report["summary"]["misses"].as_u64();
        assert!(
            misses.is_some_and(|misses| misses > 0),
            "{}: change {change} was answered all the same",
            self.script
        );
    }

    /// The script, and what runs it.
    fn client(&self) -> [PathBuf; 2] {
        let script = root().join("tests/sdk/conversations").join(self.script);
        let runs = match script.extension().and_then(|extension| extension.to_str()) {
            Some("py") => python(),
            Some("java") => "java".into(),
            Some("sh") => "sh".into(),
            Some("rs") => rust_client(&script),
            _ => {
                let installed = root().join("tests/sdk/node_modules/.stamp").exists();
                assert!(installed, "the Node.js SDKs are not installed: run `sh scripts/setup-sdk.sh` first");
                "node".into()
            }
        };
        [runs, script]
    }
}

fn report(folder: &Path, output: &Output) -> Value {
    let said = String::from_utf8_lossy(&output.stderr);
    // The next run must not find this one's.
    let path = folder.join(REPORT);
    let report = std::fs::read(&path).unwrap_or_else(|error| panic!("no report: {error}: {said}"));
    std::fs::remove_file(path).expect("it was there");
    serde_json::from_slice(&report).expect("a report")
}

/// A line for each kind of miss: the request, what differs from the nearest one that was recorded,
/// how often.
fn misses(report: &Value) -> String {
    let mut kinds = BTreeMap::<String, usize>::new();
    let verdicts = report["requests"].as_array().expect("requests").iter();
    for verdict in verdicts.filter(|verdict| verdict["verdict"] != "match") {
        let request = &verdict["request"];
        let differs = &verdict["nearest"][0]["differs"];
        let kind = format!("{} {} {} {differs}", verdict["reason"], request["method"], request["path"]);
        *kinds.entry(kind).or_default() += 1;
    }
    kinds.iter().fold(String::new(), |text, (kind, count)| text + &format!("{count} × {kind}\n"))
}

/// The first line in which two transcripts differ.
fn difference(recorded: &str, answered: &str) -> String {
    let (mut left, mut right) = (recorded.lines(), answered.lines());
    for number in 1.. {
        match (left.next(), right.next()) {
            (None, None) => break,
            (left, right) if left == right => {}
            (left, right) => {
                return format!("transcript, line {number}:\nrecorded {left:?}\nanswered {right:?}\n");
            }
        }
    }
    String::new()
}
