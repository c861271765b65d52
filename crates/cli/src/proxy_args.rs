//! Arguments about Envoy and CMD that `record`, `respond` and `replay` share.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use understudy_envoy::{HostMap, UpstreamTrust};
use understudy_run::ProxySettings;

/// Arguments about Envoy and CMD.
#[derive(clap::Args)]
pub(crate) struct ProxyArgs {
    /// Send a backend's requests to another address while it keeps its name, like curl's
    /// --connect-to
    #[arg(long = "map", value_name = "HOST[:PORT]=URL")]
    maps: Vec<HostMap>,

    /// Accept a backend's certificate only if an authority in this file (PEM) has signed it
    #[arg(long, value_name = "FILE")]
    upstream_ca: Option<PathBuf>,

    /// Accept any certificate of a backend: for test backends only
    #[arg(long, conflicts_with = "upstream_ca")]
    insecure_upstream: bool,

    /// Address on which Envoy accepts CMD's requests; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    listen: SocketAddr,

    /// Send calls to localhost through Envoy too
    #[arg(long)]
    include_localhost: bool,

    /// Number of Envoy's worker threads
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    workers: u32,

    /// Print a machine-readable summary on stdout; CMD's stdout then goes to stderr
    #[arg(long)]
    pub(crate) json: bool,

    /// Time that CMD has to exit after Ctrl-C or SIGTERM before it is killed
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    grace: u32,
}

impl ProxyArgs {
    /// The settings from the arguments.
    pub(crate) fn settings(&self) -> ProxySettings {
        let upstream_trust = match &self.upstream_ca {
            Some(file) => {
                let absolute = std::path::absolute(file).unwrap_or_else(|_| file.clone());
                Some(UpstreamTrust::Roots(absolute))
            }
            None => self.insecure_upstream.then_some(UpstreamTrust::Anyone),
        };
        ProxySettings {
            maps: self.maps.clone(),
            upstream_trust,
            listen: self.listen,
            include_localhost: self.include_localhost,
            workers: self.workers,
            stdout_to_stderr: self.json,
            grace: Duration::from_secs(self.grace.into()),
        }
    }
}

/// CMD and its arguments.
#[derive(clap::Args)]
pub(crate) struct CommandArgs {
    /// The command to run, after `--`
    #[arg(last = true, required = true, value_name = "CMD")]
    pub(crate) command: Vec<String>,
}
