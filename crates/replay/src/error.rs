//! What can go wrong before anything is sent. What goes wrong afterwards is in the report.

use std::path::PathBuf;

/// Why a replay can't be run, or a report not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nobody calls the service in the recording.
    #[error(
        "{} has no inbound requests, so that there is nothing to send: record with `--inbound LISTEN=APP`, or use `--mode responder-only`",
        snapshot.display()
    )]
    NothingInbound {
        /// The snapshot's folder.
        snapshot: PathBuf,
    },
    /// The target isn't one.
    #[error("{target:?} is no target: write http://HOST:PORT or https://HOST:PORT")]
    Target {
        /// What was given.
        target: String,
    },
    /// The settings can't be read.
    #[error("{}: {problem}", file.display())]
    Settings {
        /// The file.
        file: PathBuf,
        /// What is wrong, with line and column where they are known.
        problem: String,
    },
    /// A goal or a condition can't be read.
    #[error("{text:?} is no condition: {problem}")]
    Goal {
        /// What was given.
        text: String,
        /// What is wrong, and what can be written.
        problem: String,
    },
    /// A file that should be a report isn't one.
    #[error("{}: {problem}", file.display())]
    Report {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// Certificates that can't be used.
    #[error("{problem}")]
    Trust {
        /// What is wrong.
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
