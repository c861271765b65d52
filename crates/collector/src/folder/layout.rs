//! The layout of a capture folder: the names of its files, in one place.
//!
//! ```text
//! lock                             held by the collector that writes
//! open/0000000042.ndjson           the open segment
//! segments/0000000041.ndjson.zst   closed segments
//! ```

use std::fs::{File, TryLockError};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use object_store::local::LocalFileSystem;
use object_store::{ObjectStore, path::Path as ObjectPath};

use crate::error::{ReadError, StoreError};
use crate::segment::CLOSED_SUFFIX;

const LOCK: &str = "lock";
const OPEN: &str = "open";
const OPEN_SUFFIX: &str = ".ndjson";
const CLOSED: &str = "segments";
/// Suffix that turns a snapshot's name into that of the capture folder of the run that records it.
const RUN_SUFFIX: &str = ".capture";

/// A capture folder, by its path. Nothing needs to exist there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaptureFolder(PathBuf);

impl CaptureFolder {
    /// The capture folder at `path`.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        CaptureFolder(path.into())
    }

    /// The capture folder of a local run that makes the snapshot `snapshot`: `NAME.capture` beside
    /// it. Symbolic links are followed and `..` is resolved, as far as the path exists.
    ///
    /// # Errors
    /// The current directory can't be found, or `snapshot` is empty.
    pub fn of_run(snapshot: &Path) -> io::Result<Self> {
        let full = std::fs::canonicalize(snapshot).or_else(|_| std::path::absolute(snapshot))?;
        let mut name = full.file_name().map(ToOwned::to_owned).unwrap_or_default();
        name.push(RUN_SUFFIX);
        Ok(CaptureFolder(full.with_file_name(name)))
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Returns whether a collector has opened the folder before.
    pub fn is_store(&self) -> bool {
        [LOCK, OPEN, CLOSED].iter().any(|name| self.0.join(name).exists())
    }

    /// The lock file. A running collector holds a lock on it, and its first line is the number of
    /// that collector's process. The file stays when the collector stops.
    pub fn lock_file(&self) -> PathBuf {
        lock_path(&self.0)
    }

    /// Removes what a collector created in the folder, and nothing else. The folder stays.
    ///
    /// # Errors
    /// A file can't be removed. A missing one is no error.
    pub fn remove_records(&self) -> io::Result<()> {
        let ignore_missing = |result: io::Result<()>| match result {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            other => other,
        };
        for folder in [OPEN, CLOSED] {
            ignore_missing(std::fs::remove_dir_all(self.0.join(folder)))?;
        }
        ignore_missing(std::fs::remove_file(self.lock_file()))
    }
}

/// Locks the open lock file of `folder`.
pub(super) fn take_lock(folder: &Path, file: File) -> Result<File, StoreError> {
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = file.take(32).read_to_string(&mut holder);
            let holder = Some(holder.trim().to_owned()).filter(|pid| !pid.is_empty());
            Err(StoreError::Locked { folder: folder.into(), holder })
        }
        Err(TryLockError::Error(source)) => {
            Err(StoreError::Folder { action: "lock", path: lock_path(folder), source })
        }
    }
}

pub(super) fn lock_path(folder: &Path) -> PathBuf {
    folder.join(LOCK)
}

/// The folder of open segments.
pub(super) fn open_folder(folder: &Path) -> PathBuf {
    folder.join(OPEN)
}

/// The file of an open segment.
pub(super) fn open_path(folder: &Path, number: u64) -> PathBuf {
    open_folder(folder).join(format!("{number:010}{OPEN_SUFFIX}"))
}

/// The number in the name of an open segment's file, if it is one.
fn open_number(name: &str) -> Option<u64> {
    number(name, OPEN_SUFFIX)
}

/// The object of a closed segment.
pub(super) fn closed_path(number: u64) -> ObjectPath {
    ObjectPath::from(format!("{CLOSED}/{number:010}{CLOSED_SUFFIX}"))
}

/// The number in the name of a closed segment's object, if it is one.
fn closed_number(name: &str) -> Option<u64> {
    number(name, CLOSED_SUFFIX)
}

fn number(name: &str, suffix: &str) -> Option<u64> {
    let digits = name.strip_suffix(suffix)?;
    (digits.len() >= 10 && digits.bytes().all(|b| b.is_ascii_digit())).then(|| digits.parse().ok())?
}

/// The folder itself as an object store.
pub(super) fn local_objects(folder: &Path) -> Result<Arc<dyn ObjectStore>, object_store::Error> {
    // Without fsync an object could be lost in a power failure after the open segment was removed.
    Ok(Arc::new(LocalFileSystem::new_with_prefix(folder)?.with_fsync(true)))
}

/// Removes the temporary files that an interrupted write has left beside its object.
pub(super) fn remove_staged(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder.join(CLOSED)) else { return };
    let staged = format!("{CLOSED_SUFFIX}#");
    for entry in entries.flatten() {
        if entry.file_name().to_str().is_some_and(|name| name.contains(&staged)) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// The numbers of the open segments, in order. None if there is no such folder.
pub(super) fn list_open(folder: &Path) -> Result<Vec<u64>, ReadError> {
    let path = open_folder(folder);
    let fail = |source| ReadError::Folder { path: path.clone(), source };
    let entries = match std::fs::read_dir(&path) {
        Ok(entries) => entries,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(fail(e)),
    };
    let mut numbers = Vec::new();
    for entry in entries {
        numbers.extend(entry.map_err(fail)?.file_name().to_str().and_then(open_number));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// A closed segment in an object store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ClosedSegment {
    pub(super) number: u64,
    pub(super) path: ObjectPath,
    pub(super) size: u64,
}

/// The closed segments in an object store, in order.
pub(super) async fn list_closed(objects: &dyn ObjectStore) -> Result<Vec<ClosedSegment>, ReadError> {
    let list = objects.list_with_delimiter(Some(&ObjectPath::from(CLOSED))).await;
    let list = list.map_err(|source| ReadError::Objects { segment: String::new(), source })?;
    let segment = |meta: object_store::ObjectMeta| {
        let number = closed_number(meta.location.filename()?)?;
        Some(ClosedSegment { number, path: meta.location, size: meta.size })
    };
    let mut segments: Vec<_> = list.objects.into_iter().filter_map(segment).collect();
    segments.sort_unstable();
    Ok(segments)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segment_names_written_and_parsed_keep_their_number() {
        let name = |path: PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
        for n in [1, 42, 9_999_999_999, u64::MAX] {
            assert_eq!(open_number(&name(open_path(Path::new("x"), n))), Some(n));
            assert_eq!(closed_number(closed_path(n).filename().unwrap()), Some(n));
        }
        for other in
            ["probe", "1.ndjson", "0000000001.ndjson#1", "+000000001.ndjson", "0000000001.ndjson.zst"]
        {
            assert_eq!(open_number(other), None, "{other}");
        }
    }

    #[test]
    fn records_removed_leave_the_files_of_others() {
        let dir = tempfile::tempdir().unwrap();
        let folder = CaptureFolder::of_run(&dir.path().join("payment")).unwrap();
        assert_eq!(folder.path().file_name().unwrap(), "payment.capture");
        assert!(!folder.is_store());
        folder.remove_records().unwrap();
        std::fs::create_dir_all(open_folder(folder.path())).unwrap();
        std::fs::write(folder.lock_file(), "").unwrap();
        std::fs::write(folder.path().join("notes"), "").unwrap();
        assert!(folder.is_store());
        folder.remove_records().unwrap();
        assert!(folder.path().join("notes").exists() && !folder.is_store());
    }
}
