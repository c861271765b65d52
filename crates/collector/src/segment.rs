//! The open segment: a file that grows by groups of frames, each made durable by one fsync; and the names of segments.
//! After a failed write it cuts itself back to what is durable before it takes anything more.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use object_store::path::Path as ObjectPath;
use serde::{Deserialize, Serialize};

use crate::disk::{Disk, SegmentFile};
use crate::frame::{self, Kind};
use crate::index::Checkpoint;
use crate::names::Published;

/// Frames are gathered into writes of this size; longer ones are written as they are.
const WRITE_SIZE: usize = 256 << 10;

/// The payload of a segment's first frame.
#[derive(Serialize, Deserialize)]
pub(crate) struct SegmentLine {
    r#type: String,
    v: u64,
    pub(crate) number: u64,
    pub(crate) vms: Vec<Checkpoint>,
    /// In a store that collectors share: its name there, which it keeps when it is joined with others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
}

impl SegmentLine {
    pub(crate) fn new(number: u64, vms: Vec<Checkpoint>) -> SegmentLine {
        SegmentLine { r#type: "segment".into(), v: 1, number, vms, name: None }
    }

    /// The line of a segment that goes straight into a store which collectors share.
    pub(crate) fn published(name: &Published) -> SegmentLine {
        SegmentLine { name: Some(name.stem()), ..SegmentLine::new(name.number, Vec::new()) }
    }

    /// The name in a segment's first payload, where it has one.
    pub(crate) fn name_in(payload: &[u8]) -> Option<Published> {
        let line: SegmentLine = serde_json::from_slice(payload).ok()?;
        Published::of_stem(&line.name?)
    }

    pub(crate) fn to_line(&self) -> io::Result<Vec<u8>> {
        let mut line = serde_json::to_vec(self)?;
        line.push(b'\n');
        Ok(line)
    }
}

/// The folder of open segments in a capture folder.
pub(crate) fn open_folder(folder: &Path) -> PathBuf {
    folder.join("open")
}

/// The file of an open segment.
pub(crate) fn open_path(folder: &Path, number: u64) -> PathBuf {
    open_folder(folder).join(format!("{number:010}.ndjson"))
}

/// The number of an open segment's file, if it is one.
pub(crate) fn open_number(name: &str) -> Option<u64> {
    number(name, ".ndjson")
}

/// The folder of closed segments in an object store.
pub(crate) fn object_folder() -> ObjectPath {
    ObjectPath::from("segments")
}

/// The object of a closed segment.
pub(crate) fn object_path(number: u64) -> ObjectPath {
    ObjectPath::from(format!("segments/{number:010}.ndjson.zst"))
}

/// The number of a closed segment's object, if it is one.
pub(crate) fn object_number(name: &str) -> Option<u64> {
    number(name, ".ndjson.zst")
}

fn number(name: &str, suffix: &str) -> Option<u64> {
    let digits = name.strip_suffix(suffix)?;
    (digits.len() >= 10 && digits.bytes().all(|b| b.is_ascii_digit())).then(|| digits.parse().ok())?
}

pub(crate) struct Segment {
    file: Box<dyn SegmentFile>,
    number: u64,
    /// All bytes before this offset are on the disk, and whole frames.
    durable: u64,
    /// Where the first batch is.
    start: u64,
    born: Instant,
    /// There may be bytes after `durable`.
    dirty: bool,
    buffer: Vec<u8>,
}

impl Segment {
    /// Makes segment `number`, durably. The file may be there: what a failed attempt has left.
    pub(crate) fn create(
        disk: &dyn Disk,
        folder: &Path,
        number: u64,
        vms: Vec<Checkpoint>,
    ) -> io::Result<Segment> {
        let payload = SegmentLine::new(number, vms).to_line()?;
        let head = frame::head(Kind::Segment, &payload);
        let mut file = disk.create(&open_path(folder, number))?;
        file.append(&head)?;
        file.append(&payload)?;
        file.sync()?;
        disk.sync_dir(&open_folder(folder))?;
        let start = (head.len() + payload.len()) as u64;
        Ok(Segment {
            file,
            number,
            durable: start,
            start,
            born: Instant::now(),
            dirty: false,
            buffer: Vec::new(),
        })
    }

    /// Appends batches and returns when they are durable: all of them, or none with an error.
    /// Tells how long the fsync took.
    pub(crate) fn append<'a>(&mut self, payloads: impl Iterator<Item = &'a [u8]>) -> io::Result<Duration> {
        self.repair()?;
        self.dirty = true;
        let mut written = 0;
        self.buffer.clear();
        for payload in payloads {
            let head = frame::head(Kind::Batch, payload);
            written += (head.len() + payload.len()) as u64;
            self.gather(&head)?;
            self.gather(payload)?;
        }
        self.file.append(&self.buffer)?;
        let start = Instant::now();
        self.file.sync()?;
        self.durable += written;
        self.dirty = false;
        Ok(start.elapsed())
    }

    /// Cuts off what an append that failed may have left.
    pub(crate) fn repair(&mut self) -> io::Result<()> {
        if self.dirty {
            self.file.set_len(self.durable)?;
            self.file.sync()?;
            self.dirty = false;
        }
        Ok(())
    }

    fn gather(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.buffer.len() + bytes.len() > WRITE_SIZE {
            self.file.append(&self.buffer)?;
            self.buffer.clear();
        }
        if bytes.len() > WRITE_SIZE {
            return self.file.append(bytes);
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// How many bytes are durable.
    pub(crate) fn len(&self) -> u64 {
        self.durable
    }

    /// Whether no batch is in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.durable == self.start
    }

    pub(crate) fn age(&self) -> Duration {
        self.born.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_there_and_back() {
        let name = |path: PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
        for n in [1, 42, 9_999_999_999, u64::MAX] {
            assert_eq!(open_number(&name(open_path(Path::new("x"), n))), Some(n));
            assert_eq!(object_number(object_path(n).filename().unwrap()), Some(n));
        }
        for other in
            ["probe", "1.ndjson", "0000000001.ndjson#1", "+000000001.ndjson", "0000000001.ndjson.zst"]
        {
            assert_eq!(open_number(other), None, "{other}");
        }
    }
}
