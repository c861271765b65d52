//! The signals that ask us to end. From the moment this is made none of them ends us by itself: what is recorded is kept first.

use rustix::process::Signal;
use std::fmt;
use tokio::signal::unix::{SignalKind, signal};

/// The signals that ask us to end.
pub(crate) struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
}

impl Signals {
    /// Begins to listen.
    pub(crate) fn new() -> anyhow::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::INT,
            _ = self.terminate.recv() => Signal::TERM,
            _ = self.hangup.recv() => Signal::HUP,
        }
    }
}

/// We were asked to end before there was anything to keep; and what had not happened yet.
#[derive(Debug)]
pub(crate) struct Interrupted(pub(crate) Signal, pub(crate) &'static str);

impl Interrupted {
    /// The status that a shell gives to a process that was ended by the signal.
    pub(crate) fn status(&self) -> u8 {
        u8::try_from(128 + self.0.as_raw()).unwrap_or(1)
    }
}

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "interrupted before {}", self.1)
    }
}

impl std::error::Error for Interrupted {}
