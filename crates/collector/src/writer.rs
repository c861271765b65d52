//! Puts batches into the open segment of a folder: a group with one fsync. Closes segments by size and age, and lets the closed ones be put
//! away. After a failed write it begins a new one.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;

use crate::queue::{IDLE, Job, Sink};
use crate::seal::SealJob;
use crate::segment::{Segment, open_folder, open_path};
use crate::store::Shared;

pub(crate) struct Writer {
    shared: Arc<Shared>,
    segment: Segment,
    segment_bytes: u64,
    segment_age: Duration,
    /// Nothing may be appended before the next segment is begun: this one is full, or an fsync of it has failed and the
    /// kernel may have forgotten what it couldn't write, or the next one may be there in part.
    must_rotate: bool,
    seal: UnboundedSender<SealJob>,
}

impl Writer {
    pub(crate) fn new(
        shared: Arc<Shared>,
        segment: Segment,
        segment_bytes: u64,
        segment_age: Duration,
        seal: UnboundedSender<SealJob>,
    ) -> Writer {
        shared.set_durable(segment.number(), segment.len());
        Writer { shared, segment, segment_bytes, segment_age, must_rotate: false, seal }
    }

    /// Begins the next segment and lets this one be put away.
    fn rotate(&mut self) -> io::Result<()> {
        self.segment.repair()?;
        let vms = self.shared.index().checkpoint();
        let next = Segment::create(&*self.shared.disk, &self.shared.folder, self.segment.number() + 1, vms)?;
        let old = std::mem::replace(&mut self.segment, next);
        self.must_rotate = false;
        self.shared.set_durable(self.segment.number(), self.segment.len());
        self.put_away(&old);
        Ok(())
    }

    fn put_away(&self, segment: &Segment) {
        if !segment.is_empty() {
            self.shared.metrics.closed();
            // The sealer is gone only when all is being torn down; the next start does it then.
            let _ = self.seal.send(SealJob { number: segment.number(), len: segment.len() });
            return;
        }
        let path = open_path(&self.shared.folder, segment.number());
        if let Err(error) = self.shared.disk.remove(&path) {
            log::warn!("cannot remove {}, which is empty: {error}", path.display());
        }
    }

    /// Writes a small file and removes it.
    fn write_probe(&self) -> io::Result<()> {
        let path = open_folder(&self.shared.folder).join("probe");
        let written = self.shared.disk.create(&path).and_then(|mut file| {
            file.append(&[b'\n'; 4096])?;
            file.sync()
        });
        let removed = self.shared.disk.remove(&path);
        written.and(removed)
    }
}

impl Sink for Writer {
    type Error = io::Error;

    fn linger(&self) -> Duration {
        Duration::ZERO
    }

    fn put(&mut self, group: &[Job]) -> io::Result<Duration> {
        if self.must_rotate {
            self.rotate()?;
        }
        let written = self.segment.append(group.iter().map(Job::body));
        if written.is_err() {
            // Not known here whether it was the write or the fsync that failed; a new segment is right after both.
            self.must_rotate = true;
            // Frees what the failed write took. If this fails, too, it is done before the next segment is begun.
            let _ = self.segment.repair();
        }
        self.shared.set_durable(self.segment.number(), self.segment.len());
        written
    }

    fn probe(&mut self) -> io::Result<()> {
        self.write_probe()
    }

    fn recover(&mut self) -> io::Result<()> {
        if self.must_rotate {
            self.rotate()?;
        }
        self.write_probe()
    }

    /// Until the segment is old.
    fn patience(&self) -> Duration {
        if self.segment.is_empty() { IDLE } else { self.segment_age.saturating_sub(self.segment.age()) }
    }

    /// Closes the segment if it is full or old.
    fn tidy(&mut self) -> io::Result<()> {
        let full = self.segment.len() >= self.segment_bytes || self.segment.age() >= self.segment_age;
        if full && !self.segment.is_empty() && !self.must_rotate {
            self.must_rotate = true;
            self.rotate()?;
        }
        Ok(())
    }

    fn finish(mut self) {
        // What can't be cut off now is cut off by the next start.
        if let Err(error) = self.segment.repair() {
            log::error!("cannot repair the open segment, the next start will: {error}");
            return;
        }
        self.put_away(&self.segment);
    }
}
