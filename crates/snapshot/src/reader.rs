//! Opens a snapshot's folder and reads its exchanges one at a time. It never writes.

use crate::error::SnapshotError;
use crate::header::Header;
use crate::layout::{EXCHANGES_FILE, HEADER_FILE, kept_beside};
use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use understudy_core::exchange::Exchange;
use understudy_core::rules::Rule;
use understudy_core::{digest, v1};

/// A line longer than this, in bytes, is refused: two bodies at the largest cap there is, as
/// base64, are shorter.
pub const LINE_MAX: u64 = 1 << 30;

/// An open snapshot.
#[derive(Clone, Debug)]
pub struct Snapshot {
    path: PathBuf,
    header: Header,
    /// Digest of the text that the header was read from.
    header_digest: String,
}

/// An exchange and its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// The line in `exchanges.ndjson`, counted from 1.
    pub line: u64,
    /// The exchange.
    pub exchange: Exchange,
}

impl Snapshot {
    /// Opens the snapshot in a folder and reads its header.
    ///
    /// # Errors
    /// [`SnapshotError`] names the missing or wrong part and its place. The exchanges aren't read
    /// yet.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, SnapshotError> {
        let path = path.as_ref();
        check_folder(path)?;
        let file = path.join(HEADER_FILE);
        let text = read_text(&file)?;
        let header = Header::from_yaml(&text, &file)?;
        Ok(Self { path: path.to_owned(), header, header_digest: digest_of(&text) })
    }

    /// Reads the current text of `snapshot.yaml`.
    ///
    /// # Errors
    /// [`SnapshotError`] if the file can't be read or isn't UTF-8.
    pub fn header_text(&self) -> Result<String, SnapshotError> {
        read_text(&self.path.join(HEADER_FILE))
    }

    /// The snapshot's folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The content of `snapshot.yaml`.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The snapshot with other rules. The file stays as it is.
    #[must_use]
    pub fn with_rules(mut self, rules: Vec<Rule>) -> Self {
        self.header.rules = rules;
        self
    }

    /// Digest of `snapshot.yaml` at the time it was read. Equal digests mean equal bytes.
    pub fn header_digest(&self) -> &str {
        &self.header_digest
    }

    pub(crate) fn set_header(&mut self, header: Header, text: &str) {
        self.header = header;
        self.header_digest = digest_of(text);
    }

    /// The exchanges in the order of the file. Memory grows by 16 bytes for each exchange, which
    /// are needed to find repeated identifiers.
    ///
    /// # Errors
    /// [`SnapshotError::Io`] if the file can't be opened.
    pub fn exchanges(&self) -> Result<Exchanges<BufReader<File>>, SnapshotError> {
        let path = self.path.join(EXCHANGES_FILE);
        let file = File::open(&path).map_err(SnapshotError::io("read", &path))?;
        Ok(Exchanges::new(BufReader::with_capacity(256 << 10, file), path))
    }
}

pub(crate) fn digest_of(text: &str) -> String {
    digest::hex(&digest::sha1(text.as_bytes()))
}

pub(crate) fn read_text(file: &Path) -> Result<String, SnapshotError> {
    let bytes = fs::read(file).map_err(SnapshotError::io("read", file))?;
    String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = good.iter().filter(|&&b| b == b'\n').count() as u64 + 1;
        let problem = "the file isn't UTF-8 text; save it as UTF-8".to_owned();
        SnapshotError::Yaml { path: file.to_owned(), line, column: 0, problem }
    })
}

/// Checks that a path is the folder of a snapshot; the error names the difference.
fn check_folder(path: &Path) -> Result<(), SnapshotError> {
    let not = |problem: &str| {
        Err(SnapshotError::NotASnapshot { path: path.to_owned(), problem: problem.to_owned() })
    };
    match fs::metadata(path) {
        Ok(meta) if !meta.is_dir() => return not("it is a file; name the folder that holds snapshot.yaml"),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(SnapshotError::NotFound { path: path.to_owned(), hint: hint(path) });
        }
        Err(source) => return Err(SnapshotError::Io { action: "read", path: path.to_owned(), source }),
    }
    let missing = |name: &str| Some(path.join(name)).filter(|file| !file.is_file());
    match (missing(HEADER_FILE), missing(EXCHANGES_FILE)) {
        (None, None) => Ok(()),
        (Some(_), Some(_)) => {
            not("it holds neither snapshot.yaml nor exchanges.ndjson; name the folder that does")
        }
        (Some(path), None) | (None, Some(path)) => Err(SnapshotError::MissingFile { path }),
    }
}

/// Advice for a missing folder. After an interrupted replacement the old snapshot is in a folder
/// beside it.
fn hint(path: &Path) -> String {
    let beside = kept_beside(path);
    match beside {
        Some(kept) => {
            format!("a replacement was interrupted; the old one is kept, rename {} back", kept.display())
        }
        None => "record one with `understudy record`, or check the path".to_owned(),
    }
}

/// Iterator over the exchanges of a snapshot. After an error in one line it continues with the
/// next.
#[derive(Debug)]
pub struct Exchanges<R> {
    lines: R,
    path: PathBuf,
    line: u64,
    buffer: Vec<u8>,
    seen: HashSet<u128>,
    ended: bool,
}

impl<R: BufRead> Exchanges<R> {
    /// Reads exchanges from lines. `path` is for the errors.
    pub fn new(lines: R, path: PathBuf) -> Self {
        Self { lines, path, line: 0, buffer: Vec::new(), seen: HashSet::new(), ended: false }
    }

    /// Fills the buffer with the next line that isn't blank. Returns `false` at the end of the
    /// file.
    fn fill(&mut self) -> Result<bool, SnapshotError> {
        loop {
            self.buffer.clear();
            let mut limited = self.lines.by_ref().take(LINE_MAX);
            let read =
                limited.read_until(b'\n', &mut self.buffer).map_err(SnapshotError::io("read", &self.path))?;
            if read == 0 {
                return Ok(false);
            }
            self.line += 1;
            if read as u64 == LINE_MAX && !self.buffer.ends_with(b"\n") {
                let problem =
                    format!("the line is longer than {LINE_MAX} bytes; is this a file of exchanges?");
                return Err(SnapshotError::Record { path: self.path.clone(), line: self.line, problem });
            }
            if !self.buffer.trim_ascii().is_empty() {
                return Ok(true);
            }
        }
    }

    fn read(&mut self) -> Result<Located, SnapshotError> {
        let (line, path) = (self.line, || self.path.clone());
        let record = v1::read_record(self.buffer.trim_ascii()).map_err(|source| SnapshotError::Line {
            path: path(),
            line,
            source,
        })?;
        if record.verdict.is_some() {
            let problem = "a snapshot contains no verdicts; delete the line".to_owned();
            return Err(SnapshotError::Record { path: path(), line, problem });
        }
        // 128 bits of SHA-1 don't collide by accident.
        let [id @ .., _, _, _, _] = digest::sha1(record.exchange.id.as_bytes());
        if !self.seen.insert(u128::from_le_bytes(id)) {
            return Err(SnapshotError::DuplicateId { path: path(), line, id: record.exchange.id });
        }
        Ok(Located { line, exchange: record.exchange })
    }
}

impl<R: BufRead> Iterator for Exchanges<R> {
    type Item = Result<Located, SnapshotError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        match self.fill() {
            Ok(true) => Some(self.read()),
            Ok(false) => {
                self.ended = true;
                None
            }
            Err(error) => {
                // The rest of the faulty line can't be told apart from the lines that follow.
                self.ended = true;
                Some(Err(error))
            }
        }
    }
}
