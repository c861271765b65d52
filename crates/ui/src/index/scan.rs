//! The pass over a file of exchanges. Holds one line at a time.

use super::row::{Row, label};
use super::{Index, Known};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use understudy_core::canonical::Signature;
use understudy_core::exchange::Exchange;
use understudy_core::rules::Rules;
use understudy_core::v1;
use understudy_snapshot::LINE_MAX;

/// So many exchanges are made known at a time; or after so many bytes.
const BATCH: usize = 500;
const BATCH_BYTES: u64 = 4 << 20;
/// A buffer that has grown beyond this for one line is given back.
const BUFFER_KEPT: usize = 4 << 20;

/// Makes rows of exchanges.
#[derive(Default)]
pub(crate) struct Scanner {
    signature: Signature,
    rules: Rules,
}

impl Scanner {
    /// Reads a whole file into an index.
    pub(crate) fn run(mut self, path: &Path, index: &Index) {
        // Also where it panics: somebody may wait for the end.
        let _ended = Ended(index);
        if let Err(error) = self.scan(path, index) {
            index.change(|known| known.failure = Some(error.to_string()));
        }
    }

    fn scan(&mut self, path: &Path, index: &Index) -> io::Result<()> {
        let mut file = BufReader::with_capacity(256 << 10, File::open(path)?);
        let (mut buffer, mut batch) = (Vec::new(), Vec::with_capacity(BATCH));
        let (mut place, mut line, mut bad, mut told) = (0, 0, 0, 0);
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
            if read == 0 || batch.len() == BATCH || place - told > BATCH_BYTES {
                told = place;
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

    fn read(&mut self, line: &[u8]) -> Option<Noted> {
        let record = v1::read_record(line.trim_ascii()).ok().filter(|record| record.verdict.is_none())?;
        Some(self.row(&record.exchange))
    }

    /// What is known of an exchange.
    pub(crate) fn row(&mut self, exchange: &Exchange) -> Noted {
        Noted {
            row: Row::of(exchange, (0, 0), 0, 0),
            label: label(exchange, &mut self.signature, &self.rules),
            backend: exchange.backend.clone(),
        }
    }
}

/// Tells the end of reading, whatever it was.
struct Ended<'a>(&'a Index);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.done.send_replace(true);
    }
}

/// A row whose texts have no numbers yet.
pub(crate) struct Noted {
    row: Row,
    label: String,
    backend: String,
}

impl Known {
    /// Adds what was read at a place.
    pub(crate) fn add(&mut self, read: &Noted, place: u64, line: u64) {
        let (label, backend) = (self.labels.number(&read.label), self.backends.number(&read.backend));
        self.rows.push(Row { place, line, label, backend, ..read.row });
    }
}

/// The line that begins at a place, without its end.
pub(crate) fn read_line(path: &Path, place: u64) -> io::Result<Vec<u8>> {
    let mut file = BufReader::with_capacity(64 << 10, File::open(path)?);
    file.seek(SeekFrom::Start(place))?;
    let mut line = Vec::new();
    file.take(LINE_MAX).read_until(b'\n', &mut line)?;
    line.truncate(line.trim_ascii_end().len());
    Ok(line)
}
