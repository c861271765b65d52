//! CMD as a service: started, watched while it is driven, and stopped. What it says is passed on, and the last of it kept. However it or we
//! end, it leaves no process behind.

use crate::child::{self, Terms};
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

/// So many bytes of what the service says last are kept.
const KEPT: usize = 256 << 10;
/// How long what it said may still be read once it is gone: something that it started may hold its output open.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A service that has been started.
pub(crate) struct Service {
    child: Child,
    group: Pid,
    guard: Guard,
    said: Arc<Mutex<Said>>,
    readers: Vec<JoinHandle<()>>,
    status: Option<ExitStatus>,
}

#[derive(Default)]
struct Said {
    bytes: VecDeque<u8>,
    left_out: u64,
}

impl Service {
    /// Starts it behind Envoy.
    pub(crate) fn start(command: &[String], terms: &Terms<'_>) -> anyhow::Result<Self> {
        let mut guard = Guard::new()?;
        let mut cmd = child::behind(command, terms)?;
        cmd.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = child::start(cmd)?;
        let group =
            child.id().and_then(|pid| Pid::from_raw(pid.cast_signed())).context("CMD has no process")?;
        guard.watch(group.as_raw_nonzero().get().unsigned_abs())?;
        let said = Arc::new(Mutex::new(Said::default()));
        let mut readers = Vec::new();
        if let Some(out) = child.stdout.take() {
            readers.push(tokio::spawn(pass_on(out, Arc::clone(&said))));
        }
        if let Some(err) = child.stderr.take() {
            readers.push(tokio::spawn(pass_on(err, Arc::clone(&said))));
        }
        Ok(Self { child, group, guard, said, readers, status: None })
    }

    /// Waits for its end, and says how it was.
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

    /// Whether it has ended with this status.
    pub(crate) fn gave(&self, code: i32) -> bool {
        self.status.is_some_and(|status| status.code() == Some(code))
    }

    /// Ends it: asks first, and kills what is left after `grace`, or at once where somebody asks us again. Gives what it said last.
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
            // The guard does what it is for: it asks the group to end, and then kills it.
            tokio::task::spawn_blocking(move || drop(guard)).await?;
        } else {
            guard.release();
        }
        let all = async {
            for reader in &mut self.readers {
                let _ = reader.await;
            }
        };
        if tokio::time::timeout(LAST_WORDS, all).await.is_err() {
            self.readers.iter().for_each(JoinHandle::abort);
        }
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(said.bytes.make_contiguous()).into_owned();
        Ok(Logs { text, left_out: said.left_out })
    }
}

/// Passes on to our stderr what comes, and keeps the last of it.
async fn pass_on(mut from: impl AsyncRead + Unpin, said: Arc<Mutex<Said>>) {
    let (mut chunk, mut stderr) = (vec![0; 8 << 10], tokio::io::stderr());
    while let Ok(length @ 1..) = from.read(&mut chunk).await {
        said.lock().unwrap_or_else(PoisonError::into_inner).add(&chunk[..length]);
        // Nobody may be listening.
        let _ = stderr.write_all(&chunk[..length]).await;
        let _ = stderr.flush().await;
    }
}

impl Said {
    fn add(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
        let over = self.bytes.len().saturating_sub(KEPT);
        self.left_out += over as u64;
        drop(self.bytes.drain(..over));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_what_is_said_is_kept() {
        let mut said = Said::default();
        said.add(&vec![b'a'; KEPT]);
        said.add(b"end");
        assert_eq!((said.bytes.len(), said.left_out), (KEPT, 3));
        assert!(said.bytes.make_contiguous().ends_with(b"aend"));
    }
}
