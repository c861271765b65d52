//! Recognises the technologies of a backend by its exchanges: tags, each with its evidence.
//!
//! Hosts, headers and AWS's names are data (`services.rs`, `aws/names.rs`, `gcp.rs`); code decides
//! where shape does. Nothing here is part of matching: a tag is for people. Evidence never holds a
//! secret, and what it quotes of an exchange is made safe to show. Redacted exchanges have the same
//! tags as they had before.
//!
//! The cost of one exchange is bounded: bodies are looked at up to [`BODY_MAX`], and nothing
//! recurses.

mod auth;
mod aws;
mod caller;
mod gcp;
mod host;
mod services;
mod shapes;
mod tag;
mod technologies;
mod telemetry;
#[cfg(test)]
mod tests;

pub use aws::{AWS_SERVICES, AwsService};
pub use gcp::{GCP_SERVICES, GcpService};
pub use services::{SERVICES, Service};
pub use tag::{BY_SHAPE, Kind, Tag};
pub use technologies::{BODY_MAX, EVIDENCE_MAX, Technologies, Technology, main, unite};

use understudy_core::backend;
use understudy_core::exchange::Exchange;

/// The technologies that one exchange shows.
pub fn detect(exchange: &Exchange) -> Technologies {
    let mut found = Technologies::default();
    found.add(exchange);
    found
}

impl Technologies {
    /// Adds what another exchange with the same backend shows.
    pub fn add(&mut self, exchange: &Exchange) {
        if self.exchanges == 0 || self.backend != exchange.backend {
            self.backend.clone_from(&exchange.backend);
            self.backend(&exchange.backend);
            self.is_telemetry_host = is_telemetry_host(&exchange.backend);
        }
        self.exchanges = self.exchanges.saturating_add(1);
        shapes::look(exchange, self);
        auth::look(exchange, self);
        aws::look(exchange, self);
        gcp::look(exchange, self);
        services::look(exchange, self);
        caller::look(exchange, self);
        let told = telemetry::look(exchange, self);
        self.telemetry = self.telemetry.saturating_add(u64::from(told || self.is_telemetry_host));
        self.settle();
    }

    /// Adds what a backend's name alone shows, for one that nothing was said to.
    pub fn backend(&mut self, name: &str) {
        let Some((scheme, host, _)) = backend::parts(name) else { return };
        if scheme == "https" {
            self.found(tag::TLS, || "scheme https".into());
        }
        // RFC 1034, 3.1: the root's dot says nothing.
        let host = host.strip_suffix('.').unwrap_or(host);
        services::look_at_host(host, self);
        aws::look_at_host(host, self);
        gcp::look_at_host(host, self);
    }
}

/// Returns whether an exchange delivers telemetry (traces, metrics, logs, errors), by its path or
/// its headers.
pub fn delivers_telemetry(exchange: &Exchange) -> bool {
    telemetry::delivers(exchange)
}

/// Returns whether an exchange delivers telemetry: by its path or its headers, or because its
/// backend's host takes nothing else.
pub fn is_telemetry(exchange: &Exchange) -> bool {
    delivers_telemetry(exchange) || is_telemetry_host(&exchange.backend)
}

/// Returns whether a backend (`scheme://host[:port]`) takes telemetry alone, by its host.
pub fn is_telemetry_host(backend: &str) -> bool {
    let mut found = Technologies::default();
    found.backend(backend);
    found.iter().any(|found| found.kind == Kind::Telemetry)
}
