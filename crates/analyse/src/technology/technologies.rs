//! The technologies of a backend as they are gathered: a list of tags, each once, in order, and
//! with evidence.

use super::tag::{self, Kind, Tag};
use serde::Serialize;
use std::borrow::Cow;

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
    pub(super) backend: String,
    pub(super) is_telemetry_host: bool,
    pub(super) exchanges: u64,
    pub(super) telemetry: u64,
}

impl Technologies {
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

    pub(super) fn has(&self, tag: Tag) -> bool {
        self.tags.iter().any(|known| known.name == tag.name)
    }

    pub(super) fn found(&mut self, tag: Tag, evidence: impl FnOnce() -> Cow<'static, str>) {
        put(&mut self.tags, tag, evidence);
    }

    pub(super) fn found_of_caller(&mut self, tag: Tag, evidence: impl FnOnce() -> Cow<'static, str>) {
        put(&mut self.caller, tag, evidence);
    }

    /// OpenSearch has the paths of Elasticsearch: they are no evidence where something else tells the two apart.
    pub(super) fn settle(&mut self) {
        let by_path = |found: &Technology| found.evidence.iter().all(|why| why.starts_with("path "));
        if self.has(tag::OPENSEARCH) {
            self.tags.retain(|found| found.name != tag::ELASTICSEARCH.name || !by_path(found));
        }
    }
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
