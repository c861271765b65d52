//! The exit status of Envoy's process.

use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

/// The exit status of Envoy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EnvoyExit(pub(crate) ExitStatus);

impl EnvoyExit {
    /// The exit code; `None` if a signal ended it.
    pub fn code(&self) -> Option<i32> {
        self.0.code()
    }

    /// The signal that ended it, if any.
    pub fn signal(&self) -> Option<i32> {
        self.0.signal()
    }

    /// Returns whether the exit code is 0: Envoy stopped as requested.
    pub fn success(&self) -> bool {
        self.0.success()
    }
}

impl fmt::Display for EnvoyExit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
