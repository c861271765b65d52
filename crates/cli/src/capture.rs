//! From the collector's store to a snapshot.

use crate::say;
use anyhow::Context;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use understudy_collector::{Reader, RecordKind};
use understudy_core::v1::{self, Record};
use understudy_snapshot::{Existing, Header, Snapshot, SnapshotError, SnapshotWriter};

/// The folder in which a recording is kept until it has become a snapshot.
pub(crate) fn folder_of(snapshot: &Path) -> PathBuf {
    let mut name = snapshot.file_name().map(ToOwned::to_owned).unwrap_or_default();
    name.push(".capture");
    snapshot.with_file_name(name)
}

/// Makes a snapshot of the exchanges in a store. `None` where there are none.
pub(crate) async fn to_snapshot(
    store: &Path,
    target: &Path,
    existing: Existing,
) -> anyhow::Result<Option<Snapshot>> {
    let mut writer = SnapshotWriter::create(target, existing)?;
    let bar = say::progress("exchanges written:");
    each(store, RecordKind::Exchange, |record| {
        writer.push(&record.exchange)?;
        bar.inc(1);
        Ok(())
    })
    .await?;
    bar.finish_and_clear();
    if writer.is_empty() {
        return Ok(None);
    }
    let name = target.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let recorded = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| u64::try_from(since.as_micros()).unwrap_or(0));
    let header = Header { name, recorded, backends: BTreeMap::new(), ..Header::default() };
    Ok(Some(writer.finish(header)?))
}

/// Hands over all records of one kind, in the order in which they were stored.
pub(crate) async fn each(
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
