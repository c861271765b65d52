//! Appends batches to the open segment of a folder, a group with one fsync. Closes segments by size
//! and age, and queues closed ones for sealing. After a failed write it begins a new segment. A
//! batch is only acknowledged while its segment can be found: at each fsync and at each probe, the
//! segment's path must name its file.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;

use super::layout::{open_folder, open_path};
use super::open_segment::OpenSegment;
use super::seal::SealJob;
use super::state::FolderState;
use crate::backend::{Backend, IDLE};
use crate::ledger::Ledger;
use crate::segment::SegmentLine;

pub(crate) struct FolderWriter {
    state: Arc<FolderState>,
    ledger: Arc<Ledger>,
    segment: OpenSegment,
    segment_bytes: u64,
    segment_age: Duration,
    /// Nothing may be appended before the next segment is begun: this segment is full; or one of
    /// its fsyncs failed, and the kernel may have dropped the data; or the next segment exists in
    /// part.
    must_rotate: bool,
    seal: UnboundedSender<SealJob>,
}

impl FolderWriter {
    pub(super) fn new(
        state: Arc<FolderState>,
        ledger: Arc<Ledger>,
        segment: OpenSegment,
        segment_bytes: u64,
        segment_age: Duration,
        seal: UnboundedSender<SealJob>,
    ) -> FolderWriter {
        state.set_durable(segment.number(), segment.len());
        FolderWriter { state, ledger, segment, segment_bytes, segment_age, must_rotate: false, seal }
    }

    /// Begins the next segment and queues this one for sealing.
    fn rotate(&mut self) -> io::Result<()> {
        self.state.check_lock()?;
        if self.segment.is_lost() {
            self.forget_lost_segment()?;
        }
        self.segment.repair()?;
        let vms = self.ledger.index().checkpoint();
        let number = self.segment.number() + 1;
        let next = OpenSegment::create(&*self.state.disk, &self.state.path, number, vms)?;
        let old = std::mem::replace(&mut self.segment, next);
        self.must_rotate = false;
        self.state.set_durable(self.segment.number(), self.segment.len());
        self.release(&old);
        Ok(())
    }

    /// Forgets the batches of a segment whose file is gone, so that they are stored when they are
    /// sent again.
    fn forget_lost_segment(&self) -> io::Result<()> {
        std::fs::create_dir_all(open_folder(&self.state.path))?;
        self.ledger.index().roll_back(SegmentLine::parse(self.segment.line())?.vms);
        tracing::error!(
            segment = self.segment.number(),
            bytes = self.segment.len(),
            "the open segment was removed or replaced; its batches are lost"
        );
        Ok(())
    }

    /// Queues a closed segment for sealing, or removes it if it is empty.
    fn release(&self, segment: &OpenSegment) {
        if segment.is_lost() {
            return;
        }
        if !segment.is_empty() {
            self.ledger.metrics.segment_closed();
            // The sealer is gone only during a teardown. The next start seals the segment then.
            let _ = self.seal.send(SealJob { number: segment.number(), len: segment.len() });
            return;
        }
        let path = open_path(&self.state.path, segment.number());
        if let Err(error) = self.state.disk.remove(&path) {
            tracing::warn!(path = %path.display(), %error, "can't remove an empty segment");
        }
    }

    /// Writes a small file and removes it.
    fn write_probe(&self) -> io::Result<()> {
        let path = open_folder(&self.state.path).join("probe");
        let written = self.state.disk.create(&path).and_then(|mut file| {
            file.append(&[b'\n'; 4096])?;
            file.sync()
        });
        let removed = self.state.disk.remove(&path);
        written.and(removed)
    }
}

impl Backend for FolderWriter {
    type Error = io::Error;

    fn linger(&self) -> Duration {
        Duration::ZERO
    }

    fn put(&mut self, group: &[&[u8]]) -> io::Result<Duration> {
        if self.must_rotate {
            self.rotate()?;
        }
        let written = self.segment.append(group);
        if written.is_err() {
            // Either the write or the fsync failed. A new segment is right after both.
            self.must_rotate = true;
            // Frees the space of the failed write. If this fails too, `rotate` repeats it.
            let _ = self.segment.repair();
        }
        self.state.set_durable(self.segment.number(), self.segment.len());
        written
    }

    fn probe(&mut self) -> io::Result<()> {
        self.segment.check_file().inspect_err(|_| self.must_rotate = true)?;
        self.write_probe()
    }

    fn recover(&mut self) -> io::Result<()> {
        if self.must_rotate {
            self.rotate()?;
        }
        self.write_probe()
    }

    fn patience(&self) -> Duration {
        if self.segment.is_empty() { IDLE } else { self.segment_age.saturating_sub(self.segment.age()) }
    }

    fn tidy(&mut self) -> io::Result<()> {
        let full = self.segment.len() >= self.segment_bytes || self.segment.age() >= self.segment_age;
        if full && !self.segment.is_empty() && !self.must_rotate {
            self.must_rotate = true;
            self.rotate()?;
        }
        Ok(())
    }

    fn finish(mut self) {
        // An error means that the segment is lost, or that its place is unknown: nothing is removed
        // then.
        if let Err(error) = self.segment.check_file() {
            tracing::error!(%error, "the open segment isn't where it was created");
            return;
        }
        if let Err(error) = self.segment.repair() {
            tracing::error!(%error, "can't repair the open segment; the next start repairs it");
            return;
        }
        self.release(&self.segment);
    }
}
