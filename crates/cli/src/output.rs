//! What was asked for: on stdout, or in a file that is whole or as it was. Never talks to the person; that is `say`.

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

/// Prints text for a person who asked for nothing else.
pub(crate) fn text(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("can't write to stdout")
}

/// Writes a file beside and renames it, so that it is whole or as it was. A device or a pipe is written straight: renaming would put a
/// file in its place.
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

/// Whether a file can be written there, before the work that it is to tell of is done.
pub(crate) fn check(path: &Path) -> anyhow::Result<()> {
    if path.is_dir() {
        bail!("can't write {}: it is a folder; name a file in it", path.display());
    }
    // To open a pipe and close it again is the end of the file to its reader.
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

/// A device, a pipe, a socket: anything that is there and is no file.
fn is_special(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|meta| !meta.is_file() && !meta.is_dir())
}

/// Where a link leads, so that the link stays.
fn followed(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

fn beside(path: &Path) -> io::Result<tempfile::NamedTempFile> {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // What the umask leaves of it, as for any file.
    tempfile::Builder::new().permissions(Permissions::from_mode(0o666)).tempfile_in(folder)
}
