//! The JSON in the custom section `understudy.table`, format 1: what a module carries, for people and tools that have the file alone.
//!
//! Nothing at run time depends on it: the filter reads the table itself.

use super::abi::{FORMAT, SECTION};
use super::contents::Contents;
use super::error::BundleError;
use super::leb;
use serde::{Deserialize, Serialize};
use understudy_core::config::Mode;
use understudy_core::digest;
use understudy_core::table::{BackendMeta, Table};

/// The longest description that is read, in bytes.
const LIMIT: usize = 16 << 20;

/// What a module carries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// [`FORMAT`].
    pub format: u64,
    /// The version of Understudy that bundled.
    pub understudy: String,
    /// The snapshot's name, or those of several with `, ` between them; empty in a plain module.
    pub snapshot: String,
    /// The table itself, or all of them as one.
    pub table: TableRecord,
    /// The backends that the table knows, by name; of several, table by table.
    pub backends: Vec<BackendRecord>,
}

/// The table that a module carries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableRecord {
    /// The table's digest, in hexadecimal: its name by content.
    pub digest: String,
    /// The table's length in bytes; 0 in a plain module.
    pub length: u64,
    /// The index of the data segment that holds it.
    pub segment: u32,
    /// How many signatures it has.
    pub entries: u64,
    /// How many exchanges were recorded.
    pub exchanges: u64,
}

/// A backend that the table knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackendRecord {
    /// `scheme://authority`.
    pub name: String,
    /// What the snapshot says of it.
    pub mode: Mode,
}

/// Facts about the making of a bundled module, besides those in the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BundleInfo {
    /// The version of Understudy that bundles.
    pub understudy: String,
}

impl Default for BundleInfo {
    fn default() -> Self {
        Self { understudy: env!("CARGO_PKG_VERSION").to_owned() }
    }
}

impl Record {
    pub(super) fn of(contents: &Contents<'_>, segment: u32, info: &BundleInfo) -> Self {
        let metas: Vec<_> = contents.tables.iter().map(Table::meta).collect();
        let backend = |of: &BackendMeta| BackendRecord { name: of.name.clone(), mode: of.mode };
        let names: Vec<_> = metas.iter().map(|meta| meta.snapshot.as_str()).collect();
        Self {
            format: FORMAT,
            understudy: info.understudy.clone(),
            snapshot: names.join(", "),
            table: TableRecord {
                digest: digest::hex(&contents.digest),
                length: contents.bytes.len() as u64,
                segment,
                entries: metas.iter().map(|meta| meta.entries).sum(),
                exchanges: metas.iter().map(|meta| meta.exchanges).sum(),
            },
            backends: metas.iter().flat_map(|meta| &meta.backends).map(backend).collect(),
        }
    }

    pub(super) fn parse(json: &[u8]) -> Result<Self, BundleError> {
        #[derive(Deserialize)]
        struct Head {
            format: u64,
        }
        if json.len() > LIMIT {
            return Err(BundleError::Mismatch { problem: "the description is too long" });
        }
        let wrong = |_| BundleError::Mismatch { problem: "the description isn't valid" };
        match serde_json::from_slice::<Head>(json).map_err(wrong)?.format {
            FORMAT => serde_json::from_slice(json).map_err(wrong),
            format => Err(BundleError::Format(format)),
        }
    }

    /// The whole custom section, with its header.
    pub(super) fn section(&self) -> Vec<u8> {
        // Strings, numbers and lists of them have no way to fail.
        let json = serde_json::to_vec(self).unwrap_or_default();
        let mut section = vec![0];
        let name = SECTION.len() as u64;
        leb::push(&mut section, leb::length(name) as u64 + name + json.len() as u64);
        leb::push(&mut section, name);
        section.extend_from_slice(SECTION.as_bytes());
        section.extend_from_slice(&json);
        section
    }
}
