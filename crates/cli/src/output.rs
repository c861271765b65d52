//! Results, on stdout or in a file that is written whole or left unchanged. Messages for the person
//! are in `say`.

use anyhow::{Context, bail};
use serde::Serialize;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Prints JSON for a machine.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    text(&format!("{}\n", serde_json::to_string_pretty(value)?))
}

/// Prints text for a person.
pub(crate) fn text(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("can't write to stdout")
}

/// Writes a temporary file beside the target and renames it, so that the target is whole or
/// unchanged. A device or a pipe is written directly, because renaming would replace it by a file.
pub(crate) fn file(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<&File>) -> io::Result<()>,
) -> anyhow::Result<()> {
    put(path, write).with_context(|| format!("can't write {}", path.display()))
}

fn put(path: &Path, write: impl FnOnce(&mut BufWriter<&File>) -> io::Result<()>) -> io::Result<()> {
    if is_special(path) {
        let file = OpenOptions::new().write(true).open(path)?;
        let mut out = BufWriter::new(&file);
        return write(&mut out).and_then(|()| out.flush());
    }
    let target = followed(path);
    let file = beside(&target)?;
    let mut out = BufWriter::new(file.as_file());
    write(&mut out)?;
    out.flush()?;
    drop(out);
    file.as_file().sync_all()?;
    file.persist(&target)?;
    Ok(())
}

/// Checks that a file can be written, before the work starts whose result it will hold.
pub(crate) fn check(path: &Path) -> anyhow::Result<()> {
    if path.is_dir() {
        bail!("can't write {}: it is a folder; name a file in it", path.display());
    }
    // Opening and closing a pipe would end the file for its reader.
    if fs::metadata(path).is_ok_and(|meta| meta.file_type().is_fifo()) {
        return Ok(());
    }
    let tried = if is_special(path) {
        OpenOptions::new().write(true).open(path).map(drop)
    } else {
        beside(&followed(path)).map(drop)
    };
    tried.with_context(|| {
        format!("can't write {}; name a file in a folder that can be written", path.display())
    })
}

/// Returns whether the path exists and is neither a file nor a folder: a device, a pipe, a socket.
fn is_special(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|meta| !meta.is_file() && !meta.is_dir())
}

/// Target of a link: the link itself stays.
fn followed(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

fn beside(path: &Path) -> io::Result<tempfile::NamedTempFile> {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // The umask applies, as for any file.
    tempfile::Builder::new().permissions(Permissions::from_mode(0o666)).tempfile_in(folder)
}
