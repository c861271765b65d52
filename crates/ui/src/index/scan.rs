//! The pass over a file of exchanges. Holds one line at a time.

use super::content::{Index, IndexContent};
use super::row::{Row, label};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use understudy_core::canonical::Signature;
use understudy_core::exchange::Exchange;
use understudy_core::rules::Rules;
use understudy_core::v1;
use understudy_snapshot::LINE_MAX;

/// The number of exchanges, and of bytes, after which the index is updated.
const BATCH: usize = 500;
const BATCH_BYTES: u64 = 4 << 20;
/// A buffer larger than this is released after its line.
const BUFFER_KEPT: usize = 4 << 20;

/// Builds rows from exchanges.
#[derive(Default)]
pub(crate) struct Scanner {
    signature: Signature,
    rules: Rules,
}

impl Scanner {
    /// Reads a whole file into an index.
    pub(crate) fn run(mut self, path: &Path, index: &Index) {
        // The end is also signalled after a panic, because a page may wait for it.
        let _end = EndSignal(index);
        if let Err(error) = self.scan(path, index) {
            index.change(|known| known.failure = Some(error.to_string()));
        }
    }

    fn scan(&mut self, path: &Path, index: &Index) -> io::Result<()> {
        let mut file = BufReader::with_capacity(256 << 10, File::open(path)?);
        let mut buffer = Vec::new();
        let mut batch = Vec::with_capacity(BATCH);
        let mut place = 0;
        let mut line = 0;
        let mut bad = 0;
        // The place at the last update of the index.
        let mut updated = 0;
        loop {
            buffer.clear();
            let read = file.by_ref().take(LINE_MAX).read_until(b'\n', &mut buffer)? as u64;
            line += 1;
            match self.read(&buffer) {
                Some(read) => batch.push((read, place, line)),
                None => bad += u64::from(!buffer.trim_ascii().is_empty()),
            }
            place += read;
            if buffer.capacity() > BUFFER_KEPT {
                buffer = Vec::new();
            }
            if read == 0 || batch.len() == BATCH || place - updated > BATCH_BYTES {
                updated = place;
                index.change(|known| {
                    batch.drain(..).for_each(|(read, place, line)| known.add(&read, place, line));
                    (known.read, known.bad_lines) = (place, bad);
                });
            }
            if read == 0 {
                return Ok(());
            }
        }
    }

    fn read(&mut self, line: &[u8]) -> Option<UnnumberedRow> {
        let record = v1::read_record(line.trim_ascii()).ok().filter(|record| record.verdict.is_none())?;
        Some(self.row(&record.exchange))
    }

    /// The row of an exchange.
    pub(crate) fn row(&mut self, exchange: &Exchange) -> UnnumberedRow {
        UnnumberedRow {
            row: Row::of(exchange, (0, 0), 0, 0),
            label: label(exchange, &mut self.signature, &self.rules),
            backend: exchange.backend.clone(),
        }
    }
}

/// Signals the end of reading when it is dropped.
struct EndSignal<'a>(&'a Index);

impl Drop for EndSignal<'_> {
    fn drop(&mut self) {
        self.0.done.send_replace(true);
    }
}

/// A row whose texts have no numbers yet.
pub(crate) struct UnnumberedRow {
    row: Row,
    label: String,
    backend: String,
}

impl IndexContent {
    /// Adds the row of the line at a place.
    pub(crate) fn add(&mut self, read: &UnnumberedRow, place: u64, line: u64) {
        let (label, backend) = (self.labels.number(&read.label), self.backends.number(&read.backend));
        self.rows.push(Row { place, line, label, backend, ..read.row });
    }
}

/// Reads the line that begins at a place, without its end.
pub(crate) fn read_line(path: &Path, place: u64) -> io::Result<Vec<u8>> {
    let mut file = BufReader::with_capacity(64 << 10, File::open(path)?);
    file.seek(SeekFrom::Start(place))?;
    let mut line = Vec::new();
    file.take(LINE_MAX).read_until(b'\n', &mut line)?;
    line.truncate(line.trim_ascii_end().len());
    Ok(line)
}
