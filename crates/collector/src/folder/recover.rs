//! The start of a folder's store: takes the lock, cuts off the torn end that a crash has left,
//! finds out which batches are stored, and lists the segments that aren't sealed. Never appends to
//! an old segment.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use object_store::ObjectStore;

use super::layout::{
    list_closed, list_open, local_objects, lock_path, open_folder, open_path, remove_staged, take_lock,
};
use super::seal::SealJob;
use crate::config::FolderConfig;
use crate::error::StoreError;
use crate::frame::FrameKind;
use crate::index::Index;
use crate::segment::SegmentLine;
use crate::source::{ByteSource, FrameReader, NextFrame};
use crate::wire;

pub(super) struct Recovered {
    pub(super) lock: File,
    pub(super) objects: Arc<dyn ObjectStore>,
    pub(super) index: Index,
    /// In order.
    pub(super) unsealed: Vec<SealJob>,
    /// The number of the next segment.
    pub(super) next: u64,
}

pub(super) async fn recover(config: &FolderConfig) -> Result<Recovered, StoreError> {
    let folder = &config.path;
    make_folders(config)?;
    let lock = lock(folder)?;
    let objects = match &config.objects {
        Some(objects) => objects.clone(),
        None => {
            remove_staged(folder);
            local_objects(folder).map_err(|source| StoreError::Objects { action: "use", source })?
        }
    };
    let mut index = Index::new(config.max_vms, config.max_runs);
    let open = list_open(folder)?;
    let closed = list_closed(&*objects).await?;
    let last_open = open.last().copied().unwrap_or(0);
    let last_closed = closed.last().map_or(0, |segment| segment.number);
    let mut unsealed = Vec::new();
    let mut indexed = 0;
    for number in open {
        let path = open_path(folder, number);
        let file = File::open(&path).map_err(|e| fail("open", &path, e))?;
        let name = path.display().to_string();
        let mut reader = FrameReader::new(name, ByteSource::file(file), u64::MAX, number == last_open);
        let scanned = scan(&mut reader, &mut index).await?;
        if let Some(bytes) = scanned.torn {
            tracing::warn!(
                path = %path.display(),
                bytes,
                offset = scanned.len,
                "cut off part of a batch that a crash had left; it was never acknowledged"
            );
            cut(config, &path, scanned.len).map_err(|e| fail("repair", &path, e))?;
        }
        if scanned.len > 0 {
            indexed = number;
        }
        if scanned.batches > 0 {
            unsealed.push(SealJob { number, len: scanned.len });
        } else {
            remove(config, &path).map_err(|e| fail("remove", &path, e))?;
        }
    }
    // The first frame of the newest segment lists what all segments before it hold.
    if let Some(newest) = closed.into_iter().next_back()
        && newest.number > indexed
    {
        let name = newest.path.to_string();
        let source = ByteSource::object(objects.clone(), newest.path, newest.size)?;
        scan(&mut FrameReader::new(name, source, u64::MAX, false), &mut index).await?;
    }
    Ok(Recovered { lock, objects, index, unsealed, next: last_open.max(last_closed) + 1 })
}

struct ScannedSegment {
    /// The end of the last whole frame.
    len: u64,
    torn: Option<u64>,
    batches: u64,
}

/// Adds a segment's batches to `index`. The segment's first frame replaces the index's content.
async fn scan(reader: &mut FrameReader, index: &mut Index) -> Result<ScannedSegment, StoreError> {
    let mut batches = 0;
    loop {
        let frame = match reader.next().await? {
            NextFrame::Frame(frame) => frame,
            NextFrame::End(torn) => return Ok(ScannedSegment { len: reader.offset(), torn, batches }),
        };
        match frame.kind {
            FrameKind::Segment => {
                let line = SegmentLine::parse(&frame.payload)
                    .map_err(|e| reader.damaged(0, format!("not the first line of a segment: {e}")))?;
                index.clear();
                index.load(line.vms);
            }
            FrameKind::Batch => {
                let meta = wire::stored_meta(&frame.payload);
                index.restore(&meta.map_err(|bad| reader.damaged(frame.end, bad))?);
                batches += 1;
            }
        }
    }
}

fn make_folders(config: &FolderConfig) -> Result<(), StoreError> {
    let open = open_folder(&config.path);
    if open.is_dir() {
        return Ok(());
    }
    let make = || {
        std::fs::create_dir_all(&open)?;
        config.disk.sync_dir(&config.path)?;
        match config.path.parent() {
            Some(parent) if parent.as_os_str().is_empty() => config.disk.sync_dir(Path::new(".")),
            Some(parent) => config.disk.sync_dir(parent),
            None => Ok(()),
        }
    };
    make().map_err(|e| fail("make", &open, e))
}

fn lock(folder: &Path) -> Result<File, StoreError> {
    let path = lock_path(folder);
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    let mut file = take_lock(folder, options.open(&path).map_err(|e| fail("open", &path, e))?)?;
    // The process number only serves the message to others, so a full disk is no reason to stop
    // here.
    let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
    Ok(file)
}

fn cut(config: &FolderConfig, path: &Path, len: u64) -> io::Result<()> {
    let mut file = config.disk.open(path)?;
    file.set_len(len)?;
    file.sync()
}

fn remove(config: &FolderConfig, path: &Path) -> io::Result<()> {
    config.disk.remove(path)?;
    config.disk.sync_dir(&open_folder(&config.path))
}

fn fail(action: &'static str, path: &Path, source: io::Error) -> StoreError {
    StoreError::Folder { action, path: path.into(), source }
}
