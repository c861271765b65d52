//! The parts of a collector's folder, for whoever owns the folder once the collector has stopped.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

const LOCK: &str = "lock";
const FOLDERS: [&str; 2] = ["open", "segments"];

/// The lock file of a collector's folder. A collector that runs holds a lock on it, and its first
/// line is that collector's process identifier. The file stays when the collector stops.
pub fn lock_file(folder: &Path) -> PathBuf {
    folder.join(LOCK)
}

/// Removes what a collector has made in its folder, and nothing else. The folder stays.
///
/// # Errors
/// Something can't be removed. Parts that don't exist are no error.
pub fn remove_records(folder: &Path) -> io::Result<()> {
    let absent_is_fine = |result: io::Result<()>| match result {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    };
    for part in FOLDERS {
        absent_is_fine(std::fs::remove_dir_all(folder.join(part)))?;
    }
    absent_is_fine(std::fs::remove_file(lock_file(folder)))
}
