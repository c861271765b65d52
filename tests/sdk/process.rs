//! Programs as the conversations run them: without the proxies and accounts of the user who runs
//! the tests, and with a time limit.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// No program may take longer.
const PATIENCE: Duration = Duration::from_secs(120);
const SET_UP: &str = "run `sh scripts/setup.sh` and `sh scripts/setup-sdk.sh` first";

/// The repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository")
}

/// The Python that has the SDKs.
pub(crate) fn python() -> PathBuf {
    let python = root().join(".venv/bin/python");
    assert!(root().join(".venv/stamp-sdk").exists(), "the Python SDKs are not installed: {SET_UP}");
    python
}

/// Path of the program that a Rust client was built as.
pub(crate) fn rust_client(source: &Path) -> PathBuf {
    let built = root().join("target/sdk-clients/debug").join(source.file_stem().expect("a name"));
    assert!(built.exists(), "{} is not built: {SET_UP}", built.display());
    built
}

/// A program in this folder, with a temporary folder of its own.
pub(crate) fn program(path: impl AsRef<Path>, folder: &Path) -> Command {
    let mut command = Command::new(path.as_ref());
    command.current_dir(folder).env("TMPDIR", folder).stdin(Stdio::null()).kill_on_drop(true);
    for (name, _) in std::env::vars_os() {
        let upper = name.to_string_lossy().to_uppercase();
        let others = upper.ends_with("_PROXY") || upper.starts_with("AWS_") || upper == "UNDERSTUDY_LOG";
        if others {
            command.env_remove(&name);
        }
    }
    let ours = || root().join(".venv/bin/envoy").into_os_string();
    command.env("ENVOY", std::env::var_os("ENVOY").unwrap_or_else(ours));
    command.env("UNDERSTUDY_CONFIG", folder.join("config"));
    command
}

/// Runs it to its end.
pub(crate) async fn run(mut command: Command) -> Output {
    loop {
        let output = match timeout(PATIENCE, command.output()).await {
            Ok(output) => output.unwrap_or_else(|error| panic!("{command:?}: {error}: {SET_UP}")),
            Err(_) => panic!("it doesn't end: {command:?}"),
        };
        // faketime names what it shares by its process, and one that was killed has left that
        // behind: the next process has another number.
        let unlucky = String::from_utf8_lossy(&output.stderr).contains("faketime: sem_open: File exists");
        if !unlucky {
            return output;
        }
    }
}

/// The backends of a conversation, while they run.
pub(crate) struct Backends {
    child: Child,
    /// `HOST=URL`, as `--map` takes it.
    pub(crate) maps: Vec<String>,
}

impl Backends {
    /// Starts them, empty; they are ready.
    pub(crate) async fn start(names: &[&str], folder: &Path) -> Self {
        let mut command = program(python(), folder);
        command.arg(root().join("tests/sdk/serve.py")).args(names);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("Python starts");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let line = timeout(PATIENCE, lines.next_line()).await.expect("the backends start").expect("text");
        let hosts: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(&line.expect("a line: see the backends' own error above")).expect("JSON");
        let maps = hosts.iter().map(|(host, url)| format!("{host}={}", url.as_str().expect("a URL")));
        Self { child, maps: maps.collect() }
    }

    /// Ends them; nobody listens any more.
    pub(crate) async fn stop(mut self) {
        drop(self.child.stdin.take());
        timeout(PATIENCE, self.child.wait()).await.expect("the backends end").expect("a status");
    }
}
