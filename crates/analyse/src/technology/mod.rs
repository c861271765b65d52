//! Which technologies a backend is made of, told by what was said to it: tags, each with its evidence.
//!
//! Hosts, headers and AWS's names are data (`services.rs`, `aws/names.rs`, `gcp.rs`); code decides where shape does. Nothing here is part
//! of matching: a tag is for people. Evidence never holds a secret, and what it quotes of an exchange is made safe to show. Redacted
//! exchanges have the same tags as they had before.
//!
//! The cost of one exchange is bounded: bodies are looked at up to [`BODY_MAX`], and nothing recurses.

mod auth;
mod aws;
mod caller;
mod gcp;
mod host;
mod services;
mod shapes;
mod tag;
mod telemetry;
#[cfg(test)]
mod tests;

pub use aws::{AWS_SERVICES, AwsService};
pub use gcp::{GCP_SERVICES, GcpService};
pub use services::{SERVICES, Service};
pub use tag::{BY_SHAPE, Kind, Tag};

use serde::Serialize;
use std::borrow::Cow;
use understudy_core::backend;
use understudy_core::exchange::Exchange;

/// A body is looked at up to this length, in bytes. Of a longer one its content type is believed.
pub const BODY_MAX: usize = 256 << 10;
/// A tag keeps so many pieces of evidence that differ.
pub const EVIDENCE_MAX: usize = 4;

/// A tag of a backend, and why it has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Technology {
    /// What it is called, such as `DynamoDB`.
    pub name: &'static str,
    /// What sort of thing that is.
    pub kind: Kind,
    /// Why: short sentences for a person, such as `host api.stripe.com`. At least one.
    pub evidence: Vec<Cow<'static, str>>,
}

/// The technologies of one backend, gathered over its exchanges.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Technologies {
    tags: Vec<Technology>,
    caller: Vec<Technology>,
    /// Whose host was looked at last.
    backend: String,
    is_telemetry_host: bool,
    exchanges: u64,
    telemetry: u64,
}

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

    /// The tags in the order in which they are shown: by name, and after them what qualifies them (`AWS`, `Bearer`).
    pub fn iter(&self) -> impl Iterator<Item = &Technology> {
        self.tags.iter()
    }

    /// What trace headers show of the service that called, in the same order. These say nothing of the backend.
    pub fn caller(&self) -> impl Iterator<Item = &Technology> {
        self.caller.iter()
    }

    /// The tags and those of the caller.
    pub fn into_lists(self) -> (Vec<Technology>, Vec<Technology>) {
        (self.tags, self.caller)
    }

    /// Whether all that was said to the backend was telemetry: traces, metrics, errors. `false` where nothing was.
    pub fn is_telemetry(&self) -> bool {
        self.exchanges > 0 && self.telemetry == self.exchanges
    }

    /// The tag that says most: a service, else what it runs on, else the protocol.
    pub fn main(&self) -> Option<&Technology> {
        main(&self.tags)
    }

    fn has(&self, tag: Tag) -> bool {
        self.tags.iter().any(|known| known.name == tag.name)
    }

    fn found(&mut self, tag: Tag, evidence: impl FnOnce() -> Cow<'static, str>) {
        put(&mut self.tags, tag, evidence);
    }

    fn found_of_caller(&mut self, tag: Tag, evidence: impl FnOnce() -> Cow<'static, str>) {
        put(&mut self.caller, tag, evidence);
    }

    /// OpenSearch has the paths of Elasticsearch: they are no evidence where something else tells the two apart.
    fn settle(&mut self) {
        let by_path = |found: &Technology| found.evidence.iter().all(|why| why.starts_with("path "));
        if self.has(tag::OPENSEARCH) {
            self.tags.retain(|found| found.name != tag::ELASTICSEARCH.name || !by_path(found));
        }
    }
}

/// Whether an exchange delivers telemetry (traces, metrics, logs, errors), by its path or its headers.
pub fn delivers_telemetry(exchange: &Exchange) -> bool {
    telemetry::delivers(exchange)
}

/// Whether an exchange delivers telemetry: by its path or its headers, or because its backend's host takes nothing else.
pub fn is_telemetry(exchange: &Exchange) -> bool {
    delivers_telemetry(exchange) || is_telemetry_host(&exchange.backend)
}

/// Whether a backend (`scheme://host[:port]`) takes telemetry alone, by its host.
pub fn is_telemetry_host(backend: &str) -> bool {
    telemetry::is_host(backend)
}

/// Of several tags the one that says most: a service, else what it runs on, else the protocol.
pub fn main(tags: &[Technology]) -> Option<&Technology> {
    // Of equals the first.
    tags.iter().rev().max_by_key(|tag| tag.kind.weight()).filter(|tag| tag.kind.weight() > 0)
}

/// Adds the tags of one list to another, in order and each once.
pub fn unite(list: &mut Vec<Technology>, more: impl IntoIterator<Item = Technology>) {
    for found in more {
        for evidence in found.evidence {
            put(list, Tag { name: found.name, kind: found.kind }, || evidence);
        }
    }
}

fn put(list: &mut Vec<Technology>, tag: Tag, evidence: impl FnOnce() -> Cow<'static, str>) {
    if let Some(known) = list.iter_mut().find(|known| known.name == tag.name) {
        if known.evidence.len() < EVIDENCE_MAX {
            let evidence = evidence();
            if !known.evidence.contains(&evidence) {
                known.evidence.push(evidence);
            }
        }
        return;
    }
    let at = list.partition_point(|known| Tag { name: known.name, kind: known.kind }.place() < tag.place());
    list.insert(at, Technology { name: tag.name, kind: tag.kind, evidence: vec![evidence()] });
}
