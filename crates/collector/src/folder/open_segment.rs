//! The open segment: a file that grows by groups of frames, each group made durable by one fsync.
//! After a failed write the file is cut back to its durable part before it takes more. A segment
//! whose file was removed or replaced is lost, and takes no more.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::disk::{Disk, SegmentFile};
use super::layout::{open_folder, open_path};
use crate::frame::{self, FrameKind};
use crate::index::Checkpoint;
use crate::segment::SegmentLine;

/// Frames are gathered into writes of this size. Longer frames are written directly.
const WRITE_SIZE: usize = 256 << 10;

pub(super) struct OpenSegment {
    file: Box<dyn SegmentFile>,
    path: PathBuf,
    number: u64,
    /// The first payload, which lists the batches stored before this segment.
    line: Vec<u8>,
    /// All bytes before this offset are on the disk, and form whole frames.
    durable: u64,
    /// The offset of the first batch.
    start: u64,
    born: Instant,
    /// There may be bytes after `durable`.
    dirty: bool,
    /// The file was removed or replaced.
    is_lost: bool,
    buffer: Vec<u8>,
}

impl OpenSegment {
    /// Creates segment `number` durably. A file left by a failed attempt is replaced.
    pub(super) fn create(
        disk: &dyn Disk,
        folder: &Path,
        number: u64,
        vms: Vec<Checkpoint>,
    ) -> io::Result<OpenSegment> {
        let payload = SegmentLine::numbered(number, vms).to_payload()?;
        let head = frame::head(FrameKind::Segment, &payload);
        let path = open_path(folder, number);
        let mut file = disk.create(&path)?;
        file.append(&head)?;
        file.append(&payload)?;
        file.sync()?;
        disk.sync_dir(&open_folder(folder))?;
        let start = (head.len() + payload.len()) as u64;
        Ok(OpenSegment {
            file,
            path,
            number,
            line: payload,
            durable: start,
            start,
            born: Instant::now(),
            dirty: false,
            is_lost: false,
            buffer: Vec::new(),
        })
    }

    /// Appends batches and returns when all of them are durable; on an error none is. Returns how
    /// long the fsync took.
    pub(super) fn append(&mut self, payloads: &[&[u8]]) -> io::Result<Duration> {
        self.repair()?;
        self.dirty = true;
        let mut written = 0;
        self.buffer.clear();
        for payload in payloads {
            let head = frame::head(FrameKind::Batch, payload);
            written += (head.len() + payload.len()) as u64;
            self.gather(&head)?;
            self.gather(payload)?;
        }
        self.file.append(&self.buffer)?;
        let start = Instant::now();
        self.file.sync()?;
        self.check_file()?;
        self.durable += written;
        self.dirty = false;
        Ok(start.elapsed())
    }

    /// Cuts off the bytes that a failed append may have left.
    pub(super) fn repair(&mut self) -> io::Result<()> {
        if self.dirty && !self.is_lost {
            self.file.set_len(self.durable)?;
            self.file.sync()?;
            self.dirty = false;
        }
        Ok(())
    }

    /// Checks that the segment's path still names its file.
    pub(super) fn check_file(&mut self) -> io::Result<()> {
        if !self.is_lost && self.file.is_at(&self.path)? {
            return Ok(());
        }
        self.is_lost = true;
        let reason = format!("{} was removed or replaced", self.path.display());
        Err(io::Error::new(io::ErrorKind::NotFound, reason))
    }

    /// Returns whether the segment's file was removed or replaced.
    pub(super) fn is_lost(&self) -> bool {
        self.is_lost
    }

    /// The first payload.
    pub(super) fn line(&self) -> &[u8] {
        &self.line
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

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// The number of durable bytes.
    pub(super) fn len(&self) -> u64 {
        self.durable
    }

    /// Returns whether the segment holds no batch.
    pub(super) fn is_empty(&self) -> bool {
        self.durable == self.start
    }

    pub(super) fn age(&self) -> Duration {
        self.born.elapsed()
    }
}
