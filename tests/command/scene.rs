//! A scene for one test: a folder, a backend that counts, and `understudy` run as a person would
//! run it.

use crate::call::Call;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::process::Command;
use understudy_testkit::Upstream;

/// No test waits longer for one thing.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// Each process that a scene has started, however far down, has this in its environment.
const MARK: &str = "UNDERSTUDY_TEST_SCENE";

/// The repository.
pub(crate) fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// The Python that the sample runs on.
pub(crate) fn python() -> String {
    root().join(".venv/bin/python").to_string_lossy().into_owned()
}

/// The text of a file in this folder's own.
pub(crate) fn script(name: &str) -> String {
    root().join("tests/command").join(name).to_string_lossy().into_owned()
}

/// A command line that makes these requests (`METHOD URL [BODY]`) and prints their answers.
pub(crate) fn client(requests: &[&str]) -> Vec<String> {
    [python(), script("client.py")].into_iter().chain(requests.iter().map(|r| (*r).to_owned())).collect()
}

/// A command line for the shell.
pub(crate) fn shell(text: &str) -> Vec<String> {
    ["sh", "-c", text].map(str::to_owned).into()
}

/// The requests of [`client`] as text for the shell.
pub(crate) fn shell_client(requests: &str) -> String {
    format!("'{}' '{}' {requests}", python(), script("client.py"))
}

/// A command that writes the proxy's address to the file `proxy`, and ends when its stdin does.
pub(crate) const HOLD: &str =
    r#"echo "${HTTP_PROXY#http://}" >proxy.tmp; mv proxy.tmp proxy; cat >/dev/null"#;

/// A folder and a backend.
pub(crate) struct Scene {
    folder: TempDir,
    /// Says `answer N to METHOD PATH`, where N counts: no two answers are the same.
    pub(crate) upstream: Upstream,
    id: String,
}

impl Scene {
    /// A new one.
    pub(crate) async fn new() -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let count = AtomicU64::new(0);
        let upstream = Upstream::start(move |seen| {
            let text = seen.text();
            let line: Vec<_> = text.split(' ').take(2).collect();
            let number = count.fetch_add(1, Ordering::SeqCst) + 1;
            let body = format!("answer {number} to {}", line.join(" "));
            let head =
                format!("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {}", body.len());
            Some(format!("{head}\r\n\r\n{body}").into_bytes())
        });
        let folder = TempDir::with_prefix("understudy-command-").expect("a temporary folder");
        std::fs::create_dir(folder.path().join("tmp")).expect("a folder");
        let id = format!("{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::SeqCst));
        Self { folder, upstream: upstream.await, id }
    }

    /// A path in the scene's folder, which is also where commands run.
    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file and returns its path.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a folder above")).expect("folders");
        std::fs::write(&path, content).expect("a file");
        path
    }

    /// The text of a file.
    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// The current content of a running recording's capture.
    pub(crate) fn read_capture(&self) -> String {
        let open = std::fs::read_dir(self.path("s.capture/open")).into_iter().flatten().flatten();
        open.map(|file| std::fs::read_to_string(file.path()).unwrap_or_default()).collect()
    }

    /// The names in the scene's folder, except for `tmp` and `config`.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path()).expect("the folder");
        let names = entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
        let mut names: Vec<_> = names.filter(|name| !["tmp", "config"].contains(&name.as_str())).collect();
        names.sort();
        names
    }

    /// `understudy` with these arguments.
    pub(crate) fn understudy<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Call {
        self.program(env!("CARGO_BIN_EXE_understudy"), args)
    }

    /// Any program, in the scene.
    pub(crate) fn program<A: AsRef<OsStr>>(&self, program: &str, args: impl IntoIterator<Item = A>) -> Call {
        let mut command = Command::new(program);
        command
            .args(args)
            .current_dir(self.folder.path())
            .env(MARK, &self.id)
            .env("TMPDIR", self.path("tmp"))
            .env("UNDERSTUDY_CONFIG", self.path("config"));
        for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "UNDERSTUDY_LOG"] {
            command.env_remove(name).env_remove(name.to_lowercase());
        }
        command.env("ENVOY", Self::envoy());
        Call::new(command)
    }

    /// The Envoy of the tests.
    pub(crate) fn envoy() -> String {
        let ours = || root().join(".venv/bin/envoy").to_string_lossy().into_owned();
        std::env::var("ENVOY").unwrap_or_else(|_| ours())
    }

    /// `understudy record -o s --map api.test=… ARGS -- CMD`.
    pub(crate) fn record(&self, args: &[&str], cmd: &[String]) -> Call {
        let map = format!("api.test=http://{}", self.upstream.address());
        let before = [&["record", "-o", "s", "--map", &map], args, &["--"]].concat();
        self.understudy(before.into_iter().chain(cmd.iter().map(String::as_str)))
    }

    /// `understudy respond s ARGS -- CMD`.
    pub(crate) fn respond(&self, args: &[&str], cmd: &[String]) -> Call {
        let before = [&["respond", "s"], args, &["--"]].concat();
        self.understudy(before.into_iter().chain(cmd.iter().map(String::as_str)))
    }

    /// Records `GET http://api.test/a` into `s`.
    pub(crate) async fn recorded(&self) {
        self.record(&[], &client(&["GET http://api.test/a"])).run().await.expect(0);
    }

    /// The processes that this scene has started and that still run. A zombie has no environment,
    /// and doesn't count.
    pub(crate) fn processes(&self) -> Vec<String> {
        let mark = format!("{MARK}={}", self.id);
        let has_mark = |pid: &Path| {
            let environment = std::fs::read(pid.join("environ")).unwrap_or_default();
            environment.split(|&byte| byte == 0).any(|variable| variable == mark.as_bytes())
        };
        let entries =
            std::fs::read_dir("/proc").expect("/proc").filter_map(Result::ok).map(|entry| entry.path());
        entries.filter(|pid| has_mark(pid)).map(|pid| describe(&pid)).collect()
    }

    /// Waits until no process of this scene runs, and panics if one stays. Nothing may be in the
    /// temporary folder then.
    pub(crate) async fn all_gone(&self) {
        until("a process is left behind", || self.processes().is_empty().then_some(())).await;
        let left: Vec<_> =
            std::fs::read_dir(self.path("tmp")).expect("tmp").flatten().map(|e| e.path()).collect();
        assert!(left.is_empty(), "left in the temporary folder: {left:?}");
    }
}

fn describe(pid: &Path) -> String {
    let command = std::fs::read(pid.join("cmdline")).unwrap_or_default();
    format!("{} {}", pid.display(), String::from_utf8_lossy(&command).replace('\0', " "))
}

/// Waits until `get` returns a value, and panics if it doesn't.
pub(crate) async fn until<T>(what: &str, mut get: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = get() {
            return value;
        }
        assert!(start.elapsed() < PATIENCE, "still: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
