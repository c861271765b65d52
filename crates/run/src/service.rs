//! CMD as a service: started, watched while it is driven, and stopped. Its output is passed on and
//! the end of it kept. No process of its group outlives the run.

use crate::child::{self, CmdEnvironment};
use crate::signals::Signals;
use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use std::collections::VecDeque;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::Child;
use tokio::task::JoinHandle;
use understudy_envoy::Guard;
use understudy_replay::report::Logs;

/// Maximum number of bytes that are kept of the service's output, from its end.
const OUTPUT_KEPT: usize = 256 << 10;
/// Time for which output is still read after the service has exited. A process that the service
/// started may hold the pipe open.
const OUTPUT_DRAIN: Duration = Duration::from_secs(1);

/// A service that has been started.
pub(crate) struct Service {
    child: Child,
    group: Pid,
    guard: Guard,
    output: Arc<Mutex<OutputTail>>,
    readers: Vec<JoinHandle<()>>,
    status: Option<ExitStatus>,
}

/// The end of the service's output.
#[derive(Default)]
struct OutputTail {
    bytes: VecDeque<u8>,
    left_out: u64,
}

impl Service {
    /// Starts CMD behind Envoy.
    pub(crate) fn start(command: &[String], environment: &CmdEnvironment<'_>) -> anyhow::Result<Self> {
        let mut guard = Guard::new()?;
        let mut cmd = child::behind(command, environment)?;
        cmd.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = child::start(cmd)?;
        let group =
            child.id().and_then(|pid| Pid::from_raw(pid.cast_signed())).context("CMD has no process")?;
        guard.watch(group.as_raw_nonzero().get().unsigned_abs())?;
        let output = Arc::new(Mutex::new(OutputTail::default()));
        let mut readers = Vec::new();
        if let Some(out) = child.stdout.take() {
            readers.push(tokio::spawn(pass_on(out, Arc::clone(&output))));
        }
        if let Some(err) = child.stderr.take() {
            readers.push(tokio::spawn(pass_on(err, Arc::clone(&output))));
        }
        Ok(Self { child, group, guard, output, readers, status: None })
    }

    /// Waits until the service exits, and describes how it did.
    pub(crate) async fn ended(&mut self) -> String {
        match self.child.wait().await {
            Ok(status) => {
                self.status = Some(status);
                match (status.code(), status.signal()) {
                    (Some(code), _) => format!("it gave the status {code}"),
                    (None, Some(signal)) => format!("it was ended by signal {signal}"),
                    (None, None) => "nobody knows how".to_owned(),
                }
            }
            Err(error) => format!("it can't be waited for: {error}"),
        }
    }

    /// Returns whether the service has exited with this status.
    pub(crate) fn exited_with(&self, code: i32) -> bool {
        self.status.is_some_and(|status| status.code() == Some(code))
    }

    /// Asks the service to exit and kills what is left of it after `grace`, or at once when a
    /// signal arrives. Returns the end of its output.
    pub(crate) async fn stop(mut self, grace: Duration, signals: &mut Signals) -> anyhow::Result<Logs> {
        if self.status.is_none() {
            let _ = kill_process_group(self.group, Signal::TERM);
            let _ = kill_process_group(self.group, Signal::CONT);
            tokio::select! {
                _ = self.child.wait() => {}
                () = tokio::time::sleep(grace) => {}
                _ = signals.next() => {}
            }
            if self.child.try_wait().ok().flatten().is_none() {
                let _ = kill_process_group(self.group, Signal::KILL);
                let _ = self.child.wait().await;
            }
        }
        let guard = self.guard;
        if test_kill_process_group(self.group).is_ok() {
            // Dropping the guard asks the rest of the group to exit, and then kills it.
            tokio::task::spawn_blocking(move || drop(guard)).await?;
        } else {
            guard.release();
        }
        let all = async {
            for reader in &mut self.readers {
                let _ = reader.await;
            }
        };
        if tokio::time::timeout(OUTPUT_DRAIN, all).await.is_err() {
            self.readers.iter().for_each(JoinHandle::abort);
        }
        let mut output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(output.bytes.make_contiguous()).into_owned();
        Ok(Logs { text, left_out: output.left_out })
    }
}

/// Passes a pipe on to our stderr and keeps the end of it.
async fn pass_on(mut from: impl AsyncRead + Unpin, output: Arc<Mutex<OutputTail>>) {
    let mut chunk = vec![0; 8 << 10];
    let mut stderr = tokio::io::stderr();
    while let Ok(length @ 1..) = from.read(&mut chunk).await {
        output.lock().unwrap_or_else(PoisonError::into_inner).add(&chunk[..length]);
        // A closed stderr is no reason to stop reading.
        let _ = stderr.write_all(&chunk[..length]).await;
        let _ = stderr.flush().await;
    }
}

impl OutputTail {
    fn add(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
        let over = self.bytes.len().saturating_sub(OUTPUT_KEPT);
        self.left_out += over as u64;
        drop(self.bytes.drain(..over));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_tail_when_full_keeps_the_end() {
        let mut tail = OutputTail::default();
        tail.add(&vec![b'a'; OUTPUT_KEPT]);
        tail.add(b"end");
        assert_eq!((tail.bytes.len(), tail.left_out), (OUTPUT_KEPT, 3));
        assert!(tail.bytes.make_contiguous().ends_with(b"aend"));
    }
}
