//! The last reports of a snapshot, kept beside it for `understudy ui`, in a folder that Git
//! ignores.

use super::model::Report;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Name of the folder inside the snapshot's.
pub const FOLDER: &str = ".reports";
/// Default number of reports that are kept.
pub const DEFAULT: usize = 10;

/// Keeps a report beside the snapshot in `snapshot` and removes the oldest ones so that `most` are
/// left. Returns its path. Only its owner can read it, because it contains the service's output.
///
/// # Errors
/// The folder can't be written.
pub fn keep(snapshot: &Path, report: &Report, most: usize) -> io::Result<PathBuf> {
    let folder = snapshot.join(FOLDER);
    fs::create_dir_all(&folder)?;
    let ignore = folder.join(".gitignore");
    if !ignore.exists() {
        fs::write(&ignore, "# Made by `understudy replay`; `--keep-reports 0` keeps none.\n*\n")?;
    }
    let path = (0..).map(|number| folder.join(name(&report.started, number))).find(|path| !path.exists());
    let path = path.ok_or_else(|| io::Error::other("no name is free"))?;
    let beside = tempfile::Builder::new().prefix(".report.").tempfile_in(&folder)?;
    let mut out = BufWriter::new(beside.as_file());
    report.write(&mut out).and_then(|()| out.flush())?;
    drop(out);
    beside.as_file().sync_all()?;
    beside.persist(&path).map_err(|error| error.error)?;
    File::open(&folder).and_then(|folder| folder.sync_all())?;
    let all = list(&folder)?;
    for old in all.iter().filter(|old| **old != path).take(all.len().saturating_sub(most.max(1))) {
        fs::remove_file(old)?;
    }
    Ok(path)
}

/// Removes the reports that are kept beside a snapshot. Anything else in their folder stays.
///
/// # Errors
/// A report can't be removed.
pub fn forget(snapshot: &Path) -> io::Result<()> {
    let folder = snapshot.join(FOLDER);
    // The target of a link belongs to somebody else.
    if !fs::symlink_metadata(&folder).is_ok_and(|meta| meta.is_dir()) {
        return Ok(());
    }
    list(&folder)?.iter().try_for_each(fs::remove_file)?;
    match fs::remove_file(folder.join(".gitignore")).and_then(|()| fs::remove_dir(&folder)) {
        Err(error) if !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::DirectoryNotEmpty) => {
            Err(error)
        }
        _ => Ok(()),
    }
}

/// The files in a folder that may be reports, ordered by name and thus by age. Empty without a
/// folder.
///
/// # Errors
/// The folder can't be read.
pub fn list(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let hidden = path.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.'));
        if !hidden && path.extension().is_some_and(|extension| extension == "json") && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// `20261121T090000.123456Z.json`: names sort by time.
fn name(started: &str, number: u32) -> String {
    let plain: String = started.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '.').collect();
    let (seconds, micros) =
        plain.trim_end_matches('Z').split_once('.').unwrap_or((plain.trim_end_matches('Z'), ""));
    let again = if number == 0 { String::new() } else { format!("-{number}") };
    format!("{seconds}.{micros:0<6}Z{again}.json")
}
