//! What a start does with the folder that it finds: takes the lock, cuts off the torn end that a crash has left, learns
//! which batches are stored, and names the segments that still have to be put away. Never appends to an old segment.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;

use object_store::ObjectStore;

use crate::config::StoreConfig;
use crate::error::StoreError;
use crate::frame::Kind;
use crate::index::Index;
use crate::read::local_objects;
use crate::seal::SealJob;
use crate::segment::{SegmentLine, open_folder, open_path};
use crate::source::{FrameReader, Next, Source, list_objects, list_open};
use crate::wire;

pub(crate) struct Recovered {
    pub(crate) lock: File,
    pub(crate) objects: Arc<dyn ObjectStore>,
    pub(crate) index: Index,
    /// In order.
    pub(crate) unsealed: Vec<SealJob>,
    /// The number of the next segment.
    pub(crate) next: u64,
}

pub(crate) async fn recover(config: &StoreConfig) -> Result<Recovered, StoreError> {
    let folder = &config.folder;
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
    let closed = list_objects(&*objects).await?;
    let last_open = open.last().copied().unwrap_or(0);
    let last_closed = closed.last().map_or(0, |(number, _, _)| *number);
    let mut unsealed = Vec::new();
    let mut known = 0;
    for number in open {
        let path = open_path(folder, number);
        let file = File::open(&path).map_err(|e| fail("open", &path, e))?;
        let name = path.display().to_string();
        let mut reader = FrameReader::new(name, Source::File(Some(file)), u64::MAX, number == last_open);
        let scan = scan(&mut reader, &mut index).await?;
        if let Some(bytes) = scan.torn {
            log::warn!(
                "{}: cut off {bytes} bytes of a batch at byte {}, which a crash had left and nobody was told is stored",
                path.display(),
                scan.len
            );
            cut(config, &path, scan.len).map_err(|e| fail("repair", &path, e))?;
        }
        if scan.len > 0 {
            known = number;
        }
        if scan.batches > 0 {
            unsealed.push(SealJob { number, len: scan.len });
        } else {
            remove(config, &path).map_err(|e| fail("remove", &path, e))?;
        }
    }
    // The newest segment of all says what is stored: its first frame for all before it.
    if let Some((number, path, size)) = closed.into_iter().next_back()
        && number > known
    {
        let name = path.to_string();
        let source = Source::object(objects.clone(), path, size)?;
        scan(&mut FrameReader::new(name, source, u64::MAX, false), &mut index).await?;
    }
    Ok(Recovered { lock, objects, index, unsealed, next: last_open.max(last_closed) + 1 })
}

struct Scan {
    /// The end of the last whole frame.
    len: u64,
    torn: Option<u64>,
    batches: u64,
}

/// Takes into `index` what a segment knows. Its first frame replaces what was in there.
async fn scan(reader: &mut FrameReader, index: &mut Index) -> Result<Scan, StoreError> {
    let mut batches = 0;
    loop {
        let frame = match reader.next().await? {
            Next::Frame(frame) => frame,
            Next::End(torn) => return Ok(Scan { len: reader.offset(), torn, batches }),
        };
        match frame.kind {
            Kind::Segment => {
                let line: SegmentLine = serde_json::from_slice(&frame.payload)
                    .map_err(|e| reader.damaged(0, format!("not the first line of a segment: {e}")))?;
                index.clear();
                index.load(line.vms);
            }
            Kind::Batch => {
                let meta = wire::stored_meta(&frame.payload);
                index.restore(&meta.map_err(|bad| reader.damaged(frame.end, bad))?);
                batches += 1;
            }
        }
    }
}

fn make_folders(config: &StoreConfig) -> Result<(), StoreError> {
    let open = open_folder(&config.folder);
    if open.is_dir() {
        return Ok(());
    }
    let make = || {
        std::fs::create_dir_all(&open)?;
        config.disk.sync_dir(&config.folder)?;
        match config.folder.parent() {
            Some(parent) if parent.as_os_str().is_empty() => config.disk.sync_dir(Path::new(".")),
            Some(parent) => config.disk.sync_dir(parent),
            None => Ok(()),
        }
    };
    make().map_err(|e| fail("make", &open, e))
}

fn lock(folder: &Path) -> Result<File, StoreError> {
    let path = folder.join("lock");
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    let mut file = options.open(&path).map_err(|e| fail("open", &path, e))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = file.take(32).read_to_string(&mut holder);
            let holder = Some(holder.trim().to_owned()).filter(|pid| !pid.is_empty());
            return Err(StoreError::Locked { folder: folder.into(), holder });
        }
        Err(TryLockError::Error(e)) => return Err(fail("lock", &path, e)),
    }
    // For the message to others only, so a full disk is no reason to stop here.
    let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
    Ok(file)
}

/// Removes what an object write that was killed has left beside its object; it has no other owner.
fn remove_staged(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder.join("segments")) else { return };
    for entry in entries.flatten() {
        if entry.file_name().to_str().is_some_and(|name| name.contains(".ndjson.zst#")) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

fn cut(config: &StoreConfig, path: &Path, len: u64) -> io::Result<()> {
    let mut file = config.disk.open(path)?;
    file.set_len(len)?;
    file.sync()
}

fn remove(config: &StoreConfig, path: &Path) -> io::Result<()> {
    config.disk.remove(path)?;
    config.disk.sync_dir(&open_folder(&config.folder))
}

fn fail(action: &'static str, path: &Path, source: io::Error) -> StoreError {
    StoreError::Folder { action, path: path.into(), source }
}
