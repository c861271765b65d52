//! Builds the filter's module: the filter with the tables of snapshots inside.

use crate::observer::{Event, Observer, Step};
use crate::open::open_snapshot;
use anyhow::Context;
use std::fs::File;
use std::path::{Path, PathBuf};
use understudy_compile::bundle::{self, Bundle, BundleInfo};
use understudy_compile::table::{self, Built};
use understudy_core::table::shelf;
use understudy_snapshot::Snapshot;
use understudy_snapshot::answerable::Unanswerable;

/// The parts of a module: a filter, and the tables of snapshots or none.
pub struct ModuleParts<'a> {
    path: Option<&'a Path>,
    filter: Vec<u8>,
    table: Vec<u8>,
    /// Number of signatures in the tables.
    pub entries: u64,
}

impl<'a> ModuleParts<'a> {
    /// Reads the filter, or takes the one inside this program if `filter` is `None`, and compiles
    /// the tables. Of several snapshots, each workload uses one.
    ///
    /// # Errors
    /// A file can't be read, or the tables don't fit into one module.
    pub fn new(
        snapshots: &[PathBuf],
        filter: Option<&'a Path>,
        observer: &dyn Observer,
    ) -> anyhow::Result<Self> {
        let path = filter;
        let filter = match path {
            Some(path) => std::fs::read(path).with_context(|| format!("can't read {}", path.display()))?,
            None => understudy_module::RAW.to_vec(),
        };
        let mut tables = Vec::new();
        let mut entries = 0;
        for snapshot in snapshots {
            let built = build_table(&open_snapshot(snapshot, observer)?, observer)?;
            report_left_out(&built, |_| true, observer);
            entries += built.entries;
            tables.push(built.bytes);
        }
        let table = match tables.as_slice() {
            [] => Vec::new(),
            tables => shelf(tables).context("the snapshots are too many, or too large, for one module")?,
        };
        Ok(Self { path, filter, table, entries })
    }

    /// The module that holds the parts.
    ///
    /// # Errors
    /// The filter is no module that a table fits into.
    pub fn bundle(&self) -> anyhow::Result<Bundle<'_>> {
        let bundle = Bundle::new(&self.filter, &self.table, &BundleInfo::default());
        Ok(match self.path {
            Some(path) => bundle.with_context(|| path.display().to_string())?,
            None => bundle?,
        })
    }
}

/// Compiles a snapshot's table.
///
/// # Errors
/// The snapshot can't be read or compiled.
pub fn build_table(snapshot: &Snapshot, observer: &dyn Observer) -> anyhow::Result<Built> {
    let step = observer.begin(Step::Table);
    let built = table::build(snapshot)?;
    drop(step);
    Ok(built)
}

/// Writes the filter without a table.
pub(crate) fn write_plain(path: &Path) -> anyhow::Result<()> {
    std::fs::write(path, bundle::plain(understudy_module::RAW)?).context("can't write the filter")
}

/// Writes the filter with a snapshot's table, and reports what the table leaves out.
pub(crate) fn write_responder(
    snapshot: &Snapshot,
    path: &Path,
    observer: &dyn Observer,
) -> anyhow::Result<Built> {
    let built = build_table(snapshot, observer)?;
    let bundle = Bundle::new(understudy_module::RAW, &built.bytes, &BundleInfo::default())?;
    let write = || bundle.write_to(File::create(path)?);
    write().with_context(|| format!("can't write {}", path.display()))?;
    // Inbound exchanges are the requests of a replay: nobody expects them to be answered.
    report_left_out(&built, |why| why != Unanswerable::Inbound, observer);
    Ok(built)
}

fn report_left_out(built: &Built, matters: impl Fn(Unanswerable) -> bool, observer: &dyn Observer) {
    for (why, exchanges) in built.left_out.iter().filter(|(why, _)| matters(**why)) {
        observer.event(&Event::NotInTable { exchanges: *exchanges, reason: why.to_string() });
    }
}
