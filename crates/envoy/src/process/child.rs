//! The process: signals that can't hit another process, and an exit that any number of tasks can
//! await.

use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use tokio::sync::watch;

use crate::error::Error;
use crate::exit::EnvoyExit;
use crate::guard::Guard;

#[derive(Debug)]
pub(crate) struct Child {
    pid: Pid,
    exit: watch::Receiver<Option<EnvoyExit>>,
    /// True if the process still exists, if only as a zombie. While this is locked, its number
    /// isn't reused.
    exists: Arc<Mutex<bool>>,
}

impl Child {
    /// Starts `command`, which must lead its own process group.
    pub(crate) fn spawn(mut command: Command) -> Result<Self, Error> {
        let mut guard = Guard::new()?;
        let program = command.get_program().to_string_lossy().into_owned();
        let mut process = command.spawn().map_err(|error| Error::io(format!("run {program}"), error))?;
        let pid = Pid::from_child(&process);
        let watched = guard.watch(process.id());

        let (sender, exit) = watch::channel(None);
        let exists = Arc::new(Mutex::new(true));
        let child = Self { pid, exit, exists: Arc::clone(&exists) };
        // A thread instead of a task, because it must outlive the runtime. Otherwise an Envoy
        // dropped with the runtime would stay a zombie.
        let waiter = move || {
            // NOWAIT leaves the zombie, so that the number isn't reused before the guard is
            // released.
            while matches!(
                waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT),
                Err(rustix::io::Errno::INTR)
            ) {}
            guard.release();
            let mut exists = exists.lock().unwrap_or_else(PoisonError::into_inner);
            let status = process.wait();
            *exists = false;
            drop(exists);
            if let Ok(status) = status {
                // All receivers may be gone.
                let _ = sender.send(Some(EnvoyExit(status)));
            }
        };
        let spawned = std::thread::Builder::new().name("envoy-exit".into()).spawn(waiter);
        // From here on, an error drops `child`, which kills the process.
        watched?;
        spawned.map_err(|error| Error::io("start a thread", error))?;
        Ok(child)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// Signals the process's group. Does nothing once the process is gone.
    pub(crate) fn signal(&self, signal: Signal) {
        let exists = self.exists.lock().unwrap_or_else(PoisonError::into_inner);
        if *exists {
            let _ = kill_process_group(self.pid, signal);
        }
    }

    pub(crate) async fn wait(&self) -> EnvoyExit {
        let mut exit = self.exit.clone();
        let ended = exit.wait_for(Option::is_some).await.ok().and_then(|exit| *exit);
        match ended {
            Some(exit) => exit,
            // The thread has ended without a status, because `waitpid` failed. It can't fail for
            // our child.
            None => std::future::pending().await,
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}
