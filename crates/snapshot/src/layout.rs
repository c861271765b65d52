//! The names of a snapshot's files, and of the folders that are beside it while it is replaced.

use std::fs;
use std::path::{Path, PathBuf};

/// The name of the header's file in a snapshot's folder.
pub const HEADER_FILE: &str = "snapshot.yaml";
/// The name of the exchanges' file in a snapshot's folder.
pub const EXCHANGES_FILE: &str = "exchanges.ndjson";

/// Beginning of the name of a folder beside a snapshot; `what` says what the folder holds.
pub(crate) fn prefix(target: &Path, what: &str) -> String {
    format!(".{}.{what}-", target.file_name().unwrap_or_default().to_string_lossy())
}

/// The old snapshot that an interrupted replacement has left beside its place.
pub(crate) fn kept_beside(path: &Path) -> Option<PathBuf> {
    let target = std::path::absolute(path).ok()?;
    let prefix = prefix(&target, "old");
    let entries = fs::read_dir(target.parent()?).ok()?;
    let mut kept = entries.filter_map(Result::ok).map(|entry| entry.path()).filter(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with(&prefix) && path.join(HEADER_FILE).is_file()
    });
    kept.next()
}
