//! Errors before anything is sent. Later failures are part of the report.

use std::path::PathBuf;

/// The reason why a replay can't run or a report can't be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The recording has no inbound requests.
    #[error(
        "{} has no inbound requests, so that there is nothing to send: record with `--inbound LISTEN=APP`, or use `--mode responder-only`",
        snapshot.display()
    )]
    NothingInbound {
        /// The snapshot's folder.
        snapshot: PathBuf,
    },
    /// The target is no URL of a server.
    #[error("{target:?} is no target: write http://HOST:PORT or https://HOST:PORT")]
    Target {
        /// The text that was given.
        target: String,
    },
    /// The settings can't be read.
    #[error("{}: {problem}", file.display())]
    Settings {
        /// The file.
        file: PathBuf,
        /// The problem, with line and column where they are known.
        problem: String,
    },
    /// A goal or a condition can't be read.
    #[error("{text:?} is no condition: {problem}")]
    Goal {
        /// The given text.
        text: String,
        /// The problem, and what can be written.
        problem: String,
    },
    /// A file is no report of a replay.
    #[error("{}: {problem}", file.display())]
    Report {
        /// The file.
        file: PathBuf,
        /// Description of the fault.
        problem: String,
    },
    /// Certificates can't be used.
    #[error("{problem}")]
    Trust {
        /// Description of the fault.
        problem: String,
    },
    /// The snapshot can't be read.
    #[error(transparent)]
    Snapshot(#[from] understudy_snapshot::SnapshotError),
}

impl Error {
    /// A stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NothingInbound { .. } => "replay-nothing-inbound",
            Self::Target { .. } => "replay-target",
            Self::Settings { .. } => "replay-settings",
            Self::Goal { .. } => "replay-goal",
            Self::Report { .. } => "replay-report",
            Self::Trust { .. } => "replay-trust",
            Self::Snapshot(error) => error.code(),
        }
    }
}
