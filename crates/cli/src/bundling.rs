//! Snapshots as one module: the filter with their tables inside, for the commands that write or publish it.

use crate::say;
use anyhow::Context;
use std::path::{Path, PathBuf};
use understudy_core::table::shelf;
use understudy_snapshot::Snapshot;
use understudy_snapshot::bundle::{self, Bundle, BundleInfo};
use understudy_snapshot::table::{self, Built};

/// The filter that is given, or the one inside this command; and the snapshots' tables, or an empty one.
pub(crate) struct Parts<'a> {
    path: Option<&'a Path>,
    filter: Vec<u8>,
    table: Vec<u8>,
    /// How many signatures are in the tables.
    pub(crate) entries: u64,
}

impl<'a> Parts<'a> {
    /// Reads and makes them; warns of what has no place in a table. Of several snapshots each workload uses one.
    pub(crate) fn new(snapshots: &[PathBuf], filter: Option<&'a Path>) -> anyhow::Result<Self> {
        let path = filter;
        let filter = match path {
            Some(path) => std::fs::read(path).with_context(|| format!("can't read {}", path.display()))?,
            None => understudy_module::RAW.to_vec(),
        };
        let (mut tables, mut entries) = (Vec::new(), 0);
        for snapshot in snapshots {
            let built = build(snapshot)?;
            entries += built.entries;
            tables.push(built.bytes);
        }
        let table = match tables.as_slice() {
            [] => Vec::new(),
            tables => shelf(tables).context("the snapshots are too many, or too large, for one module")?,
        };
        Ok(Self { path, filter, table, entries })
    }

    /// The module of both.
    pub(crate) fn bundle(&self) -> anyhow::Result<Bundle<'_>> {
        let bundle = bundle::Bundle::new(&self.filter, &self.table, &BundleInfo::default());
        Ok(match self.path {
            Some(path) => bundle.with_context(|| path.display().to_string())?,
            None => bundle?,
        })
    }
}

fn build(snapshot: &Path) -> anyhow::Result<Built> {
    let bar = say::working("making the table");
    let built = table::build(&Snapshot::open(snapshot)?)?;
    bar.finish_and_clear();
    for (why, count) in &built.left_out {
        say::warning(format_args!(
            "{} left out: {why} (see `understudy lint`)",
            say::count(*count, "exchange")
        ));
    }
    Ok(built)
}
