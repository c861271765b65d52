//! The terminal, lent to CMD as a shell lends it: CMD's process group is in the foreground, so that Ctrl-C, Ctrl-Z and what is typed
//! reach CMD as they would without us, and CMD's group can be ended as a whole all the same.
//!
//! Where stdout is no terminal we may be part of a pipeline whose other end is a pager, which needs the terminal too. Then it is lent only
//! once CMD asks for it, by trying to read.

use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, getpgrp, kill_current_process_group, kill_process_group, waitid,
};
use rustix::termios::{tcgetpgrp, tcsetpgrp};
use std::io::{IsTerminal, stdin, stdout};
use tokio::signal::unix::{self, SignalKind};

/// The terminal on stdin.
pub(crate) struct Terminal {
    group: Pid,
    children: unix::Signal,
    resumed: unix::Signal,
}

impl Terminal {
    /// Lends the terminal to CMD's group, if there is one and it is ours to lend.
    pub(crate) fn lend_to(group: Pid) -> anyhow::Result<Option<Self>> {
        if !stdin().is_terminal() {
            return Ok(None);
        }
        let children = unix::signal(SignalKind::child())?;
        let resumed = unix::signal(SignalKind::from_raw(Signal::CONT.as_raw()))?;
        // Who isn't in the foreground, as we won't be, is stopped for taking the terminal back, or for a word on it after `stty tostop`.
        disposition(libc::SIGTTOU, libc::SIG_IGN);
        let terminal = Self { group, children, resumed };
        if stdout().is_terminal() && is_in_foreground(getpgrp()) {
            terminal.lend();
        }
        Ok(Some(terminal))
    }

    /// Waits until CMD has been stopped or we have been resumed, and does what a shell would. Never returns.
    pub(crate) async fn tend(&mut self) -> std::convert::Infallible {
        // It may have tried to read before we listened.
        self.child_changed();
        loop {
            tokio::select! {
                _ = self.children.recv() => self.child_changed(),
                _ = self.resumed.recv() => self.resume(),
            }
        }
    }

    fn child_changed(&self) {
        let options = WaitIdOptions::STOPPED | WaitIdOptions::NOHANG;
        let Ok(Some(status)) = waitid(WaitId::Pid(self.group), options) else { return };
        let wants_terminal =
            [Signal::TTIN, Signal::TTOU].map(Signal::as_raw).contains(&status.stopping_signal().unwrap_or(0));
        if wants_terminal && (is_in_foreground(getpgrp()) || is_in_foreground(self.group)) {
            return self.lend();
        }
        // We are one job to the shell: it sees us stop, and resumes us. Where there is nobody to resume us, we aren't stopped.
        self.take_back();
        let _ = kill_current_process_group(Signal::TSTP);
        if !wants_terminal || is_in_foreground(getpgrp()) {
            self.resume();
        }
    }

    fn resume(&self) {
        if is_in_foreground(getpgrp()) {
            self.lend();
        } else {
            let _ = kill_process_group(self.group, Signal::CONT);
        }
    }

    fn lend(&self) {
        // Fails where the terminal is gone, and CMD will see that by itself.
        let _ = tcsetpgrp(stdin(), self.group);
        let _ = kill_process_group(self.group, Signal::CONT);
    }

    fn take_back(&self) {
        if is_in_foreground(self.group) {
            let _ = tcsetpgrp(stdin(), getpgrp());
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.take_back();
        disposition(libc::SIGTTOU, libc::SIG_DFL);
    }
}

fn is_in_foreground(group: Pid) -> bool {
    tcgetpgrp(stdin()).is_ok_and(|foreground| foreground == group)
}

#[allow(unsafe_code, reason = "neither the standard library nor tokio can ignore a signal")]
fn disposition(signal: i32, handler: libc::sighandler_t) {
    // SAFETY: SIG_IGN and SIG_DFL are no code that could run at a bad moment.
    unsafe { libc::signal(signal, handler) };
}
