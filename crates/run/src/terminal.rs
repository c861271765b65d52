//! Lends the terminal to CMD, as a shell does. CMD's process group is in the foreground, so Ctrl-C,
//! Ctrl-Z and typed text reach CMD as they would without us, and the group can still be ended as a
//! whole.
//!
//! If stdout is no terminal, the command may be part of a pipeline that ends in a pager, which
//! needs the terminal too. Then CMD gets the terminal only when it tries to read from it.

use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, getpgrp, kill_current_process_group, kill_process_group, waitid,
};
use rustix::termios::{tcgetpgrp, tcsetpgrp};
use std::io::{IsTerminal, stdin, stdout};
use tokio::signal::unix::{self, SignalKind};

/// The terminal on stdin, while it is lent.
pub(crate) struct Terminal {
    group: Pid,
    children: unix::Signal,
    resumed: unix::Signal,
}

impl Terminal {
    /// Lends the terminal on stdin to CMD's group. `None` if stdin is no terminal.
    pub(crate) fn lend_to(group: Pid) -> anyhow::Result<Option<Self>> {
        if !stdin().is_terminal() {
            return Ok(None);
        }
        let children = unix::signal(SignalKind::child())?;
        let resumed = unix::signal(SignalKind::from_raw(Signal::CONT.as_raw()))?;
        // A background process, as we will be, is stopped when it takes the terminal back, or when
        // it writes to it after `stty tostop`.
        disposition(libc::SIGTTOU, libc::SIG_IGN);
        let terminal = Self { group, children, resumed };
        if stdout().is_terminal() && is_in_foreground(getpgrp()) {
            terminal.lend();
        }
        Ok(Some(terminal))
    }

    /// Handles CMD being stopped and ourselves being resumed, as a shell does. Never returns.
    pub(crate) async fn tend(&mut self) -> std::convert::Infallible {
        // CMD may have tried to read before we listened.
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
        // CMD and we are one job to the shell, which sees us stop and resumes us. Without a shell
        // to resume us, the signal doesn't stop us.
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
        // Fails if the terminal is gone, which CMD notices itself.
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
    // SAFETY: SIG_IGN and SIG_DFL are not handlers, so no code of ours runs in a signal context.
    unsafe { libc::signal(signal, handler) };
}
