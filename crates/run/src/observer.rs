//! Events of a run in progress. This crate prints nothing: the caller decides what to do with an
//! event.

use crate::text::count;
use std::fmt::{self, Display};
use std::net::SocketAddr;
use understudy_envoy::{Inbound, Tunnel, TunnelProblem};

/// Receives the events of a run.
pub trait Observer {
    /// Something happened that a person should know.
    fn event(&self, event: &Event<'_>);

    /// A step begins that takes a while. It ends when the returned value is dropped.
    fn begin(&self, step: Step) -> Box<dyn Progress>;
}

/// A step under way.
pub trait Progress {
    /// Sets the number of finished items of the step.
    fn set(&self, done: u64);
}

/// Severity of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// As expected.
    Notice,
    /// Something is wrong, but the run continues.
    Warning,
}

/// Something that happened during a run. Its `Display` is one line for a person.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// Envoy accepts requests of CMD at this address.
    ProxyListens(SocketAddr),
    /// Envoy accepts requests to CMD.
    InboundListens(&'a Inbound),
    /// Envoy exited while CMD ran, so CMD is stopped too.
    EnvoyDied,
    /// The certificate authority belongs to this run alone, because the user's own can't be kept.
    TemporaryAuthority {
        /// Why the user's own can't be kept.
        reason: &'a anyhow::Error,
    },
    /// The filter did not hand over some records in time.
    RecordsLate(u64),
    /// The collector knows of batches that never arrived.
    BatchesMissing(u64),
    /// The filter dropped records: its queue was full, or the collector refused them.
    RecordsDropped(u64),
    /// Tunnels whose content is not HTTP, or whose client doesn't trust the certificates.
    TunnelNotRecorded {
        /// The tunnels.
        tunnel: &'a Tunnel,
        /// Treatment of tunnels with neither TLS nor HTTP by the bootstrap.
        opaque: OpaqueTunnels,
    },
    /// Exchanges with a backend were left out of a snapshot as telemetry.
    TelemetryLeftOut {
        /// The backend.
        backend: &'a str,
        /// Number of exchanges.
        exchanges: u64,
    },
    /// Envoy could not deliver requests to a backend.
    Undelivered {
        /// The backend, or the service behind an inbound listener.
        backend: &'a str,
        /// Number of requests.
        requests: u64,
        /// Envoy's own words.
        reason: &'a str,
    },
    /// A table can't hold some exchanges of a snapshot.
    NotInTable {
        /// Number of exchanges.
        exchanges: u64,
        /// Why not.
        reason: String,
    },
    /// A recording that became a snapshot can't be removed.
    RecordingNotRemoved {
        /// Its folder.
        folder: &'a std::path::Path,
        /// Why not.
        reason: &'a std::io::Error,
    },
    /// Rules of a snapshot were learnt by an earlier version, and were learnt anew for this run.
    RulesRenewed {
        /// The snapshot's folder.
        snapshot: &'a std::path::Path,
        /// Number of outdated rules.
        outdated: u64,
    },
    /// A warning of another crate, such as that of an untested Envoy version.
    Warning(&'a str),
}

impl Event<'_> {
    /// Severity of the event.
    pub fn severity(&self) -> Severity {
        match self {
            Self::ProxyListens(_)
            | Self::InboundListens(_)
            | Self::EnvoyDied
            | Self::RulesRenewed { .. }
            | Self::TelemetryLeftOut { .. } => Severity::Notice,
            _ => Severity::Warning,
        }
    }
}

impl Display for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ProxyListens(address) => write!(f, "Envoy listens on {address}"),
            Self::InboundListens(way) => {
                write!(f, "requests to {} go on to {}", way.listen(), way.app())
            }
            Self::EnvoyDied => f.write_str("Envoy has died: ending CMD"),
            Self::TemporaryAuthority { reason } => {
                write!(f, "this run has a certificate authority of its own, which isn't kept: {reason:#}")
            }
            Self::RecordsLate(records) => {
                write!(f, "{} did not reach the collector in time and are lost", count(*records, "record"))
            }
            Self::BatchesMissing(batches) => write!(f, "{} never arrived", count(*batches, "batch")),
            Self::RecordsDropped(records) => write!(
                f,
                "{} dropped by the filter: its queue was full, or the collector refused them",
                count(*records, "record")
            ),
            Self::TunnelNotRecorded { tunnel, opaque } => f.write_str(&describe_tunnel(tunnel, *opaque)),
            Self::TelemetryLeftOut { backend, exchanges } => write!(
                f,
                "{} with {} left out as telemetry: it is let through (`mode: off`), --keep-telemetry records it",
                count(*exchanges, "exchange"),
                backend.escape_debug()
            ),
            Self::Undelivered { backend, requests, reason } => write!(
                f,
                "{backend} gave no answer to {}: {}",
                count(*requests, "request"),
                reason.escape_debug()
            ),
            Self::NotInTable { exchanges, reason } => write!(
                f,
                "{} can't be answered: {reason} (see `understudy lint`)",
                count(*exchanges, "recorded exchange")
            ),
            Self::RecordingNotRemoved { folder, reason } => {
                write!(f, "can't remove {}, which isn't needed any more: {reason}", folder.display())
            }
            Self::RulesRenewed { snapshot, outdated } => write!(
                f,
                "{} of {} learnt by an earlier version, with weaker evidence: learnt anew for this run (`understudy tune {} --relearn` writes the new ones)",
                count(*outdated, "rule"),
                snapshot.display(),
                snapshot.display()
            ),
            Self::Warning(text) => f.write_str(text),
        }
    }
}

/// Treatment by a bootstrap of tunnels with neither TLS nor HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpaqueTunnels {
    /// Passed through to the address that the client named.
    PassedThrough,
    /// Refused.
    Refused,
}

impl Display for OpaqueTunnels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PassedThrough => "passed through",
            Self::Refused => "refused",
        })
    }
}

/// One line about tunnels that could not be recorded or answered.
pub(crate) fn describe_tunnel(tunnel: &Tunnel, opaque: OpaqueTunnels) -> String {
    let Tunnel { to, problem, count: number } = tunnel;
    let times = if *number == 1 { String::new() } else { format!(" ({number} times)") };
    match problem {
        TunnelProblem::NotTrusted => format!(
            "CMD ended {} with {to}: it doesn't trust Understudy's certificates (see `understudy ca --help`)",
            count(*number, "TLS handshake")
        ),
        TunnelProblem::NotHttp => {
            format!("tunnel to {to} not understood, neither TLS nor HTTP: {opaque}{times}")
        }
        TunnelProblem::TlsButNotHttp => {
            format!("tunnel to {to} not understood, TLS, but not HTTP: ended{times}")
        }
        TunnelProblem::Upgraded => {
            format!("{to} not recorded, since it left HTTP (WebSocket): passed through{times}")
        }
    }
}

/// A step of a run that takes a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// The filter hands over its last records.
    LastRecords,
    /// A snapshot's table is compiled.
    Table,
    /// Exchanges are written to a snapshot; counted.
    WritingExchanges,
    /// Rules are learned from a recording.
    Learning,
    /// A recording is read and a replay planned.
    ReadingRecording,
    /// The service starts.
    WaitingForService,
    /// Recorded requests are sent to the service; counted.
    Sending {
        /// Total number of requests, if known.
        planned: Option<u64>,
    },
}

impl Step {
    /// The step in a few words.
    pub fn label(self) -> &'static str {
        match self {
            Self::LastRecords => "waiting for the last records",
            Self::Table => "making the table",
            Self::WritingExchanges => "exchanges written:",
            Self::Learning => "looking for values that change by themselves",
            Self::ReadingRecording => "reading the recording",
            Self::WaitingForService => "waiting until the service is ready",
            Self::Sending { .. } => "requests answered:",
        }
    }

    /// Returns whether the number of items done is worth showing.
    pub fn is_counted(self) -> bool {
        matches!(self, Self::WritingExchanges | Self::Sending { .. })
    }
}
