//! A snapshot as one module: the filter with its table inside, for the commands that write or publish it.

use crate::say;
use anyhow::Context;
use std::path::Path;
use understudy_snapshot::bundle::{self, Bundle, BundleInfo};
use understudy_snapshot::{Snapshot, table};

/// The filter that is given, or the one inside this command; and a snapshot's table, which is empty without a snapshot.
pub(crate) struct Parts<'a> {
    path: Option<&'a Path>,
    filter: Vec<u8>,
    table: Vec<u8>,
    /// How many signatures are in the table.
    pub(crate) entries: u64,
}

impl<'a> Parts<'a> {
    /// Reads and makes them; warns of what has no place in a table.
    pub(crate) fn new(snapshot: Option<&Path>, filter: Option<&'a Path>) -> anyhow::Result<Self> {
        let path = filter;
        let filter = match path {
            Some(path) => std::fs::read(path).with_context(|| format!("can't read {}", path.display()))?,
            None => understudy_module::RAW.to_vec(),
        };
        let Some(snapshot) = snapshot else {
            return Ok(Self { path, filter, table: Vec::new(), entries: 0 });
        };
        let bar = say::working("making the table");
        let built = table::build(&Snapshot::open(snapshot)?)?;
        bar.finish_and_clear();
        for (why, count) in &built.left_out {
            say::warning(format_args!(
                "{} left out: {why} (see `understudy lint`)",
                say::count(*count, "exchange")
            ));
        }
        Ok(Self { path, filter, table: built.bytes, entries: built.entries })
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
