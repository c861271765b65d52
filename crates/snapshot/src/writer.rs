//! Writes a snapshot's folder atomically: into a temporary folder beside the target, which is
//! renamed at the end.
//!
//! A partial snapshot is never visible at the target. An old snapshot and the other files in its
//! folder are removed only after the new one is complete.

use crate::edit::edited;
use crate::error::SnapshotError;
use crate::header::{Backend, Header, check_name};
use crate::layout::{EXCHANGES_FILE, HEADER_FILE, prefix};
use crate::reader::Snapshot;
use crate::telemetry::Telemetry;
use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use understudy_core::config::Mode;
use understudy_core::exchange::{Direction, Exchange};
use understudy_core::v1;

/// Name of the file that holds the exchanges before they are sorted.
const UNSORTED_FILE: &str = ".unsorted";

/// Treatment of an existing snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// It is an error.
    Refuse,
    /// The new one takes its place. Other files in its folder stay.
    Replace,
}

/// Writes one snapshot. Dropped before [`Self::finish`], it leaves nothing behind.
///
/// Exchanges may arrive in any order. They are written in order of time and numbered `1`, `2`, `3`
/// …, so that two recordings differ only where their exchanges differ, and an exchange's identifier
/// is its line. The unsorted lines are on disk; memory holds about 60 bytes for each.
#[derive(Debug)]
pub struct SnapshotWriter {
    target: PathBuf,
    existing: Existing,
    folder: TempDir,
    unsorted: BufWriter<File>,
    index: Vec<Line>,
    length: u64,
    backends: BTreeMap<String, u64>,
    inbound: BTreeMap<String, u64>,
    buffer: Vec<u8>,
    keeps_ids: bool,
    text: Option<String>,
    /// Telemetry found so far, if telemetry is left out.
    telemetry: Option<Telemetry>,
}

/// Position of a line in the unsorted file, and its sort key.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    time: u64,
    /// Identifier without the number at its end, and that number: `vm-9` is before `vm-10`.
    id: (Box<str>, u64),
    offset: u64,
    length: u64,
}

impl SnapshotWriter {
    /// Begins a snapshot at `path` and creates missing parent folders.
    ///
    /// # Errors
    /// [`SnapshotError::Exists`] if a snapshot exists and `existing` is [`Existing::Refuse`],
    /// [`SnapshotError::NotASnapshot`] if the path is a file or a folder with other files,
    /// [`SnapshotError::Io`].
    pub fn create(path: impl AsRef<Path>, existing: Existing) -> Result<Self, SnapshotError> {
        let target = target(path.as_ref())?;
        check_target(&target, existing)?;
        let parent = target.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(parent).map_err(SnapshotError::io("make the folder", parent))?;
        let folder = beside(&target, "partial").map_err(SnapshotError::io("write into", parent))?;
        let path = folder.path().join(UNSORTED_FILE);
        let file = File::create_new(&path).map_err(SnapshotError::io("write", &path))?;
        Ok(Self {
            target,
            existing,
            folder,
            unsorted: BufWriter::with_capacity(256 << 10, file),
            index: Vec::new(),
            length: 0,
            backends: BTreeMap::new(),
            inbound: BTreeMap::new(),
            buffer: Vec::new(),
            keeps_ids: false,
            text: None,
            telemetry: None,
        })
    }

    /// Keeps the exchanges' identifiers, which must be unique, instead of numbering the exchanges.
    /// Use it if other files refer to the identifiers. Exchanges of the same time stay in the order
    /// of [`Self::push`].
    pub fn keep_ids(&mut self) {
        self.keeps_ids = true;
    }

    /// Keeps the text of an existing `snapshot.yaml` with its comments, and changes only rules and
    /// counts in it. If the text differs from the header in anything else, it is written again.
    pub fn keep_text(&mut self, text: String) {
        self.text = Some(text);
    }

    /// Leaves out the exchanges of backends that receive only telemetry, from the next exchange on.
    /// No code depends on their answers, and no two bodies are the same. `snapshot.yaml` lists
    /// these backends with `mode: off`. `is_telemetry` decides whether an exchange delivers
    /// telemetry.
    pub fn leave_out_telemetry(&mut self, is_telemetry: fn(&Exchange) -> bool) {
        self.telemetry.get_or_insert_with(|| Telemetry::new(is_telemetry));
    }

    /// The backends that are left out as telemetry according to the exchanges so far, with their
    /// exchange counts.
    pub fn telemetry(&self) -> Vec<(String, u64)> {
        let backends = self.telemetry.iter().flat_map(Telemetry::backends);
        backends.map(|(name, count)| (name.to_owned(), count)).collect()
    }

    /// Adds an exchange.
    ///
    /// # Errors
    /// [`SnapshotError::Io`], for instance if the disk is full.
    pub fn push(&mut self, exchange: &Exchange) -> Result<(), SnapshotError> {
        let counts = match exchange.direction {
            Direction::Outbound => &mut self.backends,
            Direction::Inbound => &mut self.inbound,
        };
        match counts.get_mut(&exchange.backend) {
            Some(count) => *count += 1,
            None => drop(counts.insert(exchange.backend.clone(), 1)),
        }
        self.buffer.clear();
        v1::write_record(exchange, None, &mut self.buffer);
        let path = self.folder.path().join(UNSORTED_FILE);
        self.unsorted.write_all(&self.buffer).map_err(SnapshotError::io("write", &path))?;
        if let Some(telemetry) = &mut self.telemetry {
            telemetry.add(exchange, self.length);
        }
        let length = self.buffer.len() as u64;
        self.index.push(Line {
            time: exchange.time,
            id: split_id(&exchange.id),
            offset: self.length,
            length,
        });
        self.length += length;
        Ok(())
    }

    /// Number of exchanges so far, including those that may be left out.
    pub fn len(&self) -> u64 {
        self.index.len() as u64
    }

    /// Returns whether no exchange has been added.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Completes the snapshot and moves it to its target. Backends of outbound exchanges that
    /// `header` doesn't name are added as mocked, and all backends get their counts.
    ///
    /// # Errors
    /// [`SnapshotError`]; the target is unchanged then.
    pub fn finish(mut self, mut header: Header) -> Result<Snapshot, SnapshotError> {
        header.backends.values_mut().for_each(|backend| backend.exchanges = 0);
        self.drop_telemetry(&mut header);
        // A name that isn't in normal form can't be in the header, since no request has it. The
        // linter reports it.
        for (name, &count) in self.backends.iter().filter(|(name, _)| check_name(name).is_ok()) {
            header.backends.entry(name.clone()).or_default().exchanges = count;
        }
        for (name, inbound) in &mut header.inbound {
            inbound.exchanges = self.inbound.get(name).copied().unwrap_or(0);
        }
        let unsorted = self.folder.path().join(UNSORTED_FILE);
        self.unsorted.flush().map_err(SnapshotError::io("write", &unsorted))?;
        if self.keeps_ids {
            self.index.sort_unstable_by_key(|line| (line.time, line.offset));
        } else {
            self.index.sort_unstable();
        }
        self.write_sorted(&unsorted)?;
        fs::remove_file(&unsorted).map_err(SnapshotError::io("remove", &unsorted))?;
        let path = self.folder.path().join(HEADER_FILE);
        let text = self.text.as_deref().and_then(|text| edited(text, &header));
        let text = text.unwrap_or_else(|| header.to_yaml());
        write_synced(&path, |file| file.write_all(text.as_bytes()))?;
        sync_folder(self.folder.path())?;
        check_target(&self.target, self.existing)?;
        put(self.folder, &self.target)?;
        Snapshot::open(&self.target)
    }

    /// Removes the lines of telemetry, and lists its backends in the header as `off` unless they
    /// are listed.
    fn drop_telemetry(&mut self, header: &mut Header) {
        let Some(telemetry) = self.telemetry.take() else { return };
        let lines = telemetry.lines();
        self.index.retain(|line| !lines.contains(&line.offset));
        for (name, _) in telemetry.backends() {
            self.backends.remove(name);
            if check_name(name).is_ok() {
                let off = Backend { mode: Mode::Off, ..Backend::default() };
                header.backends.entry(name.to_owned()).or_insert(off);
            }
        }
    }

    fn write_sorted(&self, unsorted: &Path) -> Result<(), SnapshotError> {
        let path = self.folder.path().join(EXCHANGES_FILE);
        let file = File::open(unsorted).map_err(SnapshotError::io("read", unsorted))?;
        let mut from = BufReader::with_capacity(256 << 10, file);
        let mut at = 0;
        let mut line = Vec::new();
        write_synced(&path, |out| {
            for (number, place) in (1u64..).zip(&self.index) {
                // A seek within the buffer is no system call, and most exchanges are nearly in
                // order.
                from.seek_relative(place.offset.wrapping_sub(at).cast_signed())?;
                line.clear();
                from.by_ref().take(place.length).read_to_end(&mut line)?;
                at = place.offset + place.length;
                if self.keeps_ids {
                    out.write_all(&line)?;
                } else {
                    write_numbered(&line, number, out)?;
                }
            }
            Ok(())
        })
    }
}

/// Writes a line with a number as its identifier.
fn write_numbered(line: &[u8], number: u64, out: &mut impl Write) -> io::Result<()> {
    const KEY: &[u8] = b"\"id\":\"";
    // A JSON string holds no unescaped quotes, and the format has one key `id`: the first match is
    // the key.
    let start = line.windows(KEY.len()).position(|window| window == KEY).map(|at| at + KEY.len());
    let end = start.and_then(|start| Some(start + closing_quote(line.get(start..)?)?));
    let (Some(start), Some(end)) = (start, end) else {
        return Err(io::Error::other("a line without an identifier"));
    };
    out.write_all(&line[..start])?;
    write!(out, "{number}")?;
    out.write_all(&line[end..])
}

/// Offset of the quote that closes a JSON string, in a text that begins inside the string.
fn closing_quote(text: &[u8]) -> Option<usize> {
    let mut escaped = false;
    text.iter().position(|&byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    })
}

fn split_id(id: &str) -> (Box<str>, u64) {
    let digits = id.bytes().rev().take_while(u8::is_ascii_digit).count();
    let (text, number) = id.split_at(id.len() - digits);
    match number.parse() {
        Ok(number) => (text.into(), number),
        Err(_) => (id.into(), 0),
    }
}

/// The folder that a path names, so that it can be renamed: absolute, links followed.
fn target(path: &Path) -> Result<PathBuf, SnapshotError> {
    let bad = |problem| SnapshotError::Path { path: path.to_owned(), problem };
    let full = match fs::canonicalize(path) {
        Ok(full) => full,
        Err(_) => std::path::absolute(path).map_err(|_| bad("it is empty"))?,
    };
    if full.file_name().is_none() {
        return Err(bad("name a folder"));
    }
    Ok(full)
}

fn check_target(target: &Path, existing: Existing) -> Result<(), SnapshotError> {
    let not = |problem: &str| {
        Err(SnapshotError::NotASnapshot {
            path: target.to_owned(),
            problem: format!("{problem}; name another folder"),
        })
    };
    let meta = match fs::symlink_metadata(target) {
        Ok(meta) => meta,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(SnapshotError::Io { action: "read", path: target.to_owned(), source }),
    };
    if !meta.is_dir() {
        return not("it is a file");
    }
    let mut entries = fs::read_dir(target).map_err(SnapshotError::io("read", target))?;
    if entries.next().is_none() {
        return Ok(());
    }
    if ![HEADER_FILE, EXCHANGES_FILE].iter().any(|name| target.join(name).is_file()) {
        return not("it is a folder with other files in it");
    }
    match existing {
        Existing::Replace => Ok(()),
        Existing::Refuse => Err(SnapshotError::Exists { path: target.to_owned() }),
    }
}

/// Makes a folder beside the target, on the same file system, that is removed unless it is kept.
fn beside(target: &Path, what: &str) -> io::Result<TempDir> {
    let (parent, prefix) = (target.parent().unwrap_or(Path::new("/")), prefix(target, what));
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix);
    #[cfg(unix)]
    {
        // The permissions that the umask allows, as for any folder: the folder becomes the
        // snapshot's own.
        use std::os::unix::fs::PermissionsExt as _;
        builder.permissions(Permissions::from_mode(0o777));
    }
    builder.tempdir_in(parent)
}

/// Fills a folder beside `target` and puts it there. `target` is absolute, and nothing or an empty
/// folder.
pub fn put_new<T, E: From<SnapshotError>>(
    target: &Path,
    fill: impl FnOnce(&Path) -> Result<T, E>,
) -> Result<T, E> {
    let parent = target.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(parent).map_err(SnapshotError::io("make the folder", parent))?;
    let folder = beside(target, "partial").map_err(SnapshotError::io("write into", parent))?;
    let filled = fill(folder.path())?;
    fs::rename(folder.path(), target).map_err(SnapshotError::io("write", target))?;
    let _ = folder.keep();
    sync_folder(parent)?;
    Ok(filled)
}

fn write_synced(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<(), SnapshotError> {
    let file = File::create_new(path).map_err(SnapshotError::io("write", path))?;
    let mut out = BufWriter::with_capacity(256 << 10, file);
    let done = write(&mut out).and_then(|()| out.flush()).and_then(|()| out.get_ref().sync_all());
    done.map_err(SnapshotError::io("write", path))
}

/// Makes the names in a folder durable.
fn sync_folder(path: &Path) -> Result<(), SnapshotError> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(SnapshotError::io("write", path))
}

/// Renames the new folder into its place. Where an old one is there, it steps aside first and is
/// removed last: at each moment one of the two is whole, and [`Snapshot::open`] knows where to
/// look.
fn put(new: TempDir, target: &Path) -> Result<(), SnapshotError> {
    let parent = target.parent().unwrap_or(Path::new("/"));
    let replaces = target.join(HEADER_FILE).exists() || target.join(EXCHANGES_FILE).exists();
    if !replaces {
        fs::rename(new.path(), target).map_err(SnapshotError::io("write", target))?;
        let _ = new.keep();
        return sync_folder(parent);
    }
    let aside = beside(target, "old").map_err(SnapshotError::io("write into", parent))?;
    fs::rename(target, aside.path()).map_err(SnapshotError::io("replace", target))?;
    // From here on the old snapshot must not go with the guard.
    let old = aside.keep();
    if let Err(source) = fs::rename(new.path(), target) {
        fs::rename(&old, target).map_err(SnapshotError::io("restore the old snapshot from", &old))?;
        return Err(SnapshotError::Io { action: "replace", path: target.to_owned(), source });
    }
    let _ = new.keep();
    sync_folder(parent)?;
    remove_old(&old, target).map_err(SnapshotError::io("clear away the old snapshot in", &old))
}

/// Moves files that aren't part of the snapshot from the old folder into the new one, and removes
/// the rest.
fn remove_old(old: &Path, target: &Path) -> io::Result<()> {
    for entry in fs::read_dir(old)? {
        let name = entry?.file_name();
        if name == HEADER_FILE || name == EXCHANGES_FILE {
            fs::remove_file(old.join(&name))?;
        } else {
            fs::rename(old.join(&name), target.join(&name))?;
        }
    }
    fs::remove_dir(old)
}
