//! Reads the records that a collector has stored.

use anyhow::Context;
use std::path::Path;
use understudy_collector::{Reader, RecordKind};
use understudy_core::v1::{self, Record};
use understudy_snapshot::SnapshotError;

/// Passes all records of one kind to `take`, in the order in which they were stored.
pub(crate) async fn each_record(
    store: &Path,
    kind: RecordKind,
    mut take: impl FnMut(Record) -> Result<(), SnapshotError>,
) -> anyhow::Result<()> {
    let mut reader = Reader::open(store)
        .await
        .with_context(|| format!("can't read the capture in {}", store.display()))?;
    while let Some(stored) = reader.next().await? {
        if stored.kind == kind {
            take(v1::read_record(&stored.line).context("a record in the capture can't be read")?)?;
        }
    }
    Ok(())
}
