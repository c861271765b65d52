//! A running command: started, watched and signalled, with its output and its exit status.

use rustix::process::{Pid, Signal, kill_process};
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::scene::{PATIENCE, until};

/// A command to run.
pub(crate) struct Call {
    command: Command,
    stdout: Option<File>,
    stderr: Option<File>,
}

impl Call {
    /// This one.
    pub(crate) fn new(command: Command) -> Self {
        Self { command, stdout: None, stderr: None }
    }

    /// Sets a variable.
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Runs it in another folder.
    pub(crate) fn folder(mut self, path: impl AsRef<std::path::Path>) -> Self {
        self.command.current_dir(path);
        self
    }

    /// Redirects stdout.
    pub(crate) fn stdout(mut self, to: File) -> Self {
        self.stdout = Some(to);
        self
    }

    /// Redirects stderr.
    pub(crate) fn stderr(mut self, to: File) -> Self {
        self.stderr = Some(to);
        self
    }

    /// Runs it to its end, with nothing on its stdin.
    pub(crate) async fn run(self) -> Done {
        self.start().end().await
    }

    /// Starts it. Its stdin is open until its end is waited for.
    pub(crate) fn start(mut self) -> Running {
        let or_pipe = |file: Option<File>| file.map_or_else(Stdio::piped, Stdio::from);
        self.command.stdin(Stdio::piped()).stdout(or_pipe(self.stdout)).stderr(or_pipe(self.stderr));
        let mut child = self.command.kill_on_drop(true).spawn().expect("the program starts");
        let (out, err) = (Gather::all(child.stdout.take()), Gather::all(child.stderr.take()));
        Running { child, out, err }
    }
}

/// A command that runs.
pub(crate) struct Running {
    child: Child,
    out: Gather,
    err: Gather,
}

impl Running {
    /// Its process.
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().expect("it runs").cast_signed()).expect("a pid")
    }

    /// Sends a signal only to this process.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("it runs");
    }

    /// Waits until its stderr has this text.
    pub(crate) async fn says(&self, text: &str) {
        until(text, || self.err.text().contains(text).then_some(())).await;
    }

    /// Closes its stdin and waits for its end.
    pub(crate) async fn end(mut self) -> Done {
        drop(self.child.stdin.take());
        let Ok(status) = timeout(PATIENCE, self.child.wait()).await else {
            panic!("it doesn't end; stderr:\n{}", self.err.text());
        };
        let status = status.expect("a status");
        let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).expect("an end");
        Done { code, out: self.out.end().await, err: self.err.end().await }
    }
}

/// A command that has ended.
#[derive(Debug)]
pub(crate) struct Done {
    /// The status as a shell reports it.
    pub(crate) code: i32,
    /// Its stdout.
    pub(crate) out: String,
    /// Its stderr.
    pub(crate) err: String,
}

impl Done {
    /// Panics unless it ended with this status, and never panicked itself.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert!(!self.err.contains("panicked"), "{self}");
        assert_eq!(self.code, code, "{self}");
        self
    }

    /// Panics unless stderr has all of these.
    #[track_caller]
    pub(crate) fn says(self, texts: &[&str]) -> Self {
        for text in texts {
            assert!(self.err.contains(text), "stderr doesn't have {text:?}:\n{self}");
        }
        self
    }

    /// It could not run: status 2, and an error that says all of these.
    #[track_caller]
    pub(crate) fn refused(self, texts: &[&str]) -> Self {
        let done = self.expect(2).says(&["understudy: error: "]).says(texts);
        assert_eq!(done.out, "", "{done}");
        done
    }

    /// Stdout as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self}"))
    }
}

impl std::fmt::Display for Done {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "status {}\n--- stdout\n{}--- stderr\n{}", self.code, self.out, self.err)
    }
}

/// All that comes out of a pipe, so that it never fills.
struct Gather {
    text: Arc<Mutex<Vec<u8>>>,
    task: Option<JoinHandle<()>>,
}

impl Gather {
    fn all(from: Option<impl AsyncRead + Unpin + Send + 'static>) -> Self {
        let text = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&text);
        let task = from.map(|mut from| {
            tokio::spawn(async move {
                let mut chunk = [0; 4096];
                while let Ok(length @ 1..) = from.read(&mut chunk).await {
                    shared.lock().expect("no panic").extend_from_slice(&chunk[..length]);
                }
            })
        });
        Self { text, task }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.text.lock().expect("no panic")).into_owned()
    }

    async fn end(self) -> String {
        if let Some(task) = self.task {
            // A process that is left behind may hold the pipe open; that isn't asked here.
            let _ = timeout(PATIENCE, task).await;
        }
        String::from_utf8_lossy(&self.text.lock().expect("no panic")).into_owned()
    }
}
