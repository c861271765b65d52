//! One conversation: recorded with its backends, answered twice without them. What it was, and where it went wrong, is told by what the client
//! itself saw (its transcript) and by the report.

use crate::process::{Backends, program, python, root, run};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use tempfile::TempDir;

/// How far the clock of the second run is from the first: another day, and another hour of it.
const LATER: &str = "+26h";

/// A script in `conversations/`.
pub(crate) struct Conversation {
    pub(crate) script: &'static str,
    /// What `serve.py` starts for it.
    pub(crate) backends: &'static [&'static str],
    /// How many requests it makes.
    pub(crate) requests: usize,
}

impl Conversation {
    /// Records it, then has it answered in full, twice. Panics where it isn't.
    pub(crate) async fn holds(&self) {
        let folder = TempDir::with_prefix("understudy-sdk-").expect("a temporary folder");
        let recorded = self.record(folder.path()).await;
        for turn in ["first", "second"] {
            let wrong = self.respond(folder.path(), &recorded).await;
            assert!(wrong.is_empty(), "{}, answered for the {turn} time:\n{wrong}", self.script);
        }
        println!("{}: {} requests", self.script, self.requests);
    }

    /// Gives the transcript.
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

    /// Gives what was wrong, as text; nothing if all was well.
    async fn respond(&self, folder: &Path, recorded: &str) -> String {
        let mut command = program(env!("CARGO_BIN_EXE_understudy"), folder);
        command.args(["respond", "snapshot", "--report", "report.json", "--", "faketime", "-f", LATER]);
        // Only the time of day is moved: with the monotonic clock moved too, waits don't end.
        command.args(self.client()).env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        let output = run(command).await;
        let said = String::from_utf8_lossy(&output.stderr);
        let report = std::fs::read(folder.join("report.json")).unwrap_or_else(|error| panic!("{error}: {said}"));
        let report: Value = serde_json::from_slice(&report).expect("a report");
        let mut wrong = misses(&report);
        let summary = &report["summary"];
        let full = summary["responder_rate"] == 100.0 && summary["misses"] == 0 && summary["complete"] == true;
        if !full || summary["requests"] != self.requests {
            let _ = writeln!(wrong, "of {} requests: {summary}", self.requests);
        }
        wrong += &difference(recorded, &String::from_utf8_lossy(&output.stdout));
        if !output.status.success() {
            let _ = writeln!(wrong, "{}\n{said}", output.status);
        }
        wrong
    }

    fn client(&self) -> [std::path::PathBuf; 2] {
        let script = root().join("tests/sdk/conversations").join(self.script);
        if script.extension().is_some_and(|extension| extension == "py") {
            return [python(), script];
        }
        assert!(
            root().join("tests/sdk/node_modules/.stamp").exists(),
            "the Node.js SDKs are not installed: run `sh scripts/setup-sdk.sh` first"
        );
        ["node".into(), script]
    }
}

/// A line for each kind of miss: the request, what differs from the nearest one that was recorded, how often.
fn misses(report: &Value) -> String {
    let mut kinds = BTreeMap::<String, usize>::new();
    for verdict in report["requests"].as_array().expect("requests").iter().filter(|v| v["verdict"] != "match") {
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
