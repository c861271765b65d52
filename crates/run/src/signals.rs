//! Signals that ask the command to exit. Once [`Signals`] exists, none of them ends the process by
//! default, so that a recording can be kept first.

use rustix::process::Signal;
use std::fmt;
use tokio::signal::unix::{SignalKind, signal};

/// The signals that ask the command to exit: SIGINT, SIGTERM and SIGHUP.
pub struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
}

impl Signals {
    /// Starts to listen.
    ///
    /// # Errors
    /// The runtime can't listen to signals.
    pub fn new() -> anyhow::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next signal.
    pub async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::INT,
            _ = self.terminate.recv() => Signal::TERM,
            _ = self.hangup.recv() => Signal::HUP,
        }
    }
}

/// A signal arrived before there was anything to keep.
#[derive(Debug)]
pub struct Interrupted {
    /// The signal.
    pub signal: Signal,
    /// The event that had not happened yet, such as `CMD ran`.
    pub before: &'static str,
}

impl Interrupted {
    /// The exit status that a shell reports for a process that the signal ended.
    pub fn status(&self) -> u8 {
        u8::try_from(128 + self.signal.as_raw()).unwrap_or(1)
    }
}

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "interrupted before {}", self.before)
    }
}

impl std::error::Error for Interrupted {}
