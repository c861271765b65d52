//! The files of an import and the folder of an export. Never follows a link, and never reads beyond the folder it was given.

use crate::error::ConvertError;
use flate2::bufread::MultiGzDecoder;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Component, Path, PathBuf};
use understudy_snapshot::LINE_MAX;
use understudy_snapshot::SnapshotError;
use understudy_snapshot::put_new;

/// Folders in folders are looked into so deep.
const DEPTH_MAX: usize = 32;

/// The files below a folder whose names end so, sorted; the file itself where it is one.
pub(super) fn below(path: &Path, endings: &[&str]) -> Result<Vec<PathBuf>, ConvertError> {
    let meta = fs::metadata(path).map_err(SnapshotError::io("read", path))?;
    if !meta.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    walk(path, endings, 0, &mut found)?;
    Ok(found)
}

fn walk(folder: &Path, endings: &[&str], depth: usize, found: &mut Vec<PathBuf>) -> Result<(), ConvertError> {
    if depth > DEPTH_MAX {
        return Ok(());
    }
    let entries = fs::read_dir(folder).map_err(SnapshotError::io("read", folder))?;
    let mut entries: Vec<_> = entries.collect::<Result<_, _>>().map_err(SnapshotError::io("read", folder))?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let kind = entry.file_type().map_err(SnapshotError::io("read", &path))?;
        let name = entry.file_name().to_string_lossy().to_ascii_lowercase();
        if kind.is_dir() && !name.starts_with('.') {
            walk(&path, endings, depth + 1, found)?;
        } else if kind.is_file() && endings.iter().any(|ending| name.ends_with(ending)) {
            found.push(path);
        }
    }
    Ok(())
}

/// Opens a file; one that is gzipped is undone on the way.
pub(super) fn open(path: &Path) -> Result<Box<dyn BufRead>, ConvertError> {
    let file = File::open(path).map_err(SnapshotError::io("read", path))?;
    let mut file = BufReader::with_capacity(256 << 10, file);
    let start = file.fill_buf().map_err(SnapshotError::io("read", path))?;
    if start.starts_with(&[0x1f, 0x8b]) {
        return Ok(Box::new(BufReader::with_capacity(256 << 10, MultiGzDecoder::new(file))));
    }
    Ok(Box::new(file))
}

/// The text of a file, without a byte order mark.
pub(super) fn text(path: &Path) -> Result<String, ConvertError> {
    let mut bytes = Vec::new();
    let read = open(path)?.take(LINE_MAX + 1).read_to_end(&mut bytes);
    if read.map_err(SnapshotError::io("read", path))? as u64 > LINE_MAX {
        let problem = format!("the file is longer than {LINE_MAX} bytes; take it apart");
        return Err(ConvertError::Input { path: path.to_owned(), line: 1, problem });
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let good = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
        let line = good.iter().filter(|&&b| b == b'\n').count() as u64 + 1;
        ConvertError::Input {
            path: path.to_owned(),
            line,
            problem: "the file isn't UTF-8 text; save it as UTF-8".into(),
        }
    })?;
    Ok(match text.strip_prefix('\u{feff}') {
        Some(text) => text.to_owned(),
        None => text,
    })
}

/// Reads the next line that isn't blank into `buffer`; gives its number, `None` at the end.
pub(super) fn next_line(
    lines: &mut dyn BufRead,
    path: &Path,
    number: &mut u64,
    buffer: &mut Vec<u8>,
) -> Result<bool, ConvertError> {
    loop {
        buffer.clear();
        let read = lines.take(LINE_MAX).read_until(b'\n', buffer).map_err(SnapshotError::io("read", path))?;
        if read == 0 {
            return Ok(false);
        }
        *number += 1;
        if read as u64 == LINE_MAX {
            let problem = format!("the line is longer than {LINE_MAX} bytes; is this a file of RRPairs?");
            return Err(ConvertError::Input { path: path.to_owned(), line: *number, problem });
        }
        if !buffer.trim_ascii().is_empty() {
            return Ok(true);
        }
    }
}

/// Reads a file that another one names. `Ok(None)`: it isn't there. `Err(true)`: it is outside of the folder.
pub(super) fn named(folder: &Path, name: &str) -> Result<Option<Vec<u8>>, NamedError> {
    let relative = Path::new(name);
    let inside = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    if name.is_empty() || name.contains(['\0', '\\']) || !relative.components().all(inside) {
        return Err(NamedError::Outside);
    }
    let found = |result: io::Result<PathBuf>| match result {
        Ok(path) => Ok(Some(path)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(NamedError::Io(error)),
    };
    let Some(folder) = found(fs::canonicalize(folder))? else { return Ok(None) };
    let Some(path) = found(fs::canonicalize(folder.join(relative)))? else { return Ok(None) };
    if !path.starts_with(&folder) {
        return Err(NamedError::Outside);
    }
    if !path.is_file() {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    let file = File::open(&path).map_err(NamedError::Io)?;
    file.take(LINE_MAX).read_to_end(&mut bytes).map_err(NamedError::Io)?;
    Ok(Some(bytes))
}

/// Why a file that another one names can't be read.
pub(super) enum NamedError {
    /// It isn't in the folder.
    Outside,
    /// The system refused.
    Io(io::Error),
}

/// Makes a folder beside its place, lets it be filled, and puts it there.
pub(super) fn whole_folder<T>(
    path: &Path,
    fill: impl FnOnce(&Path) -> Result<T, ConvertError>,
) -> Result<T, ConvertError> {
    let target = std::path::absolute(path).map_err(SnapshotError::io("write", path))?;
    let refuse = |problem| Err(ConvertError::Target { path: path.to_owned(), problem });
    match fs::read_dir(&target).map(|mut entries| entries.next().is_some()) {
        Ok(true) => return refuse("there are files in it already; name a new folder"),
        Ok(false) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            return refuse("it is a file; name a folder");
        }
        Err(source) => return Err(SnapshotError::io("read", path)(source).into()),
    }
    put_new(&target, fill)
}
