//! The shown snapshots by name, with cached results for each. A name must be listed in the folder,
//! so that nothing outside of it is reachable.

use crate::config::{Source, UiError};
use crate::index::{Index, Scanner, Stamp};
use crate::page::PageError;
use crate::slow::Slow;
use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use understudy_analyse::summary::Summary;
use understudy_analyse::traces::Traces;
use understudy_core::digest::{hex, sha1};
use understudy_core::rules::Rule;
use understudy_replay::report::kept;
use understudy_snapshot::lint::Finding;
use understudy_snapshot::{EXCHANGES_FILE, HEADER_FILE, Header, Snapshot, SnapshotError};

/// The number of snapshots whose results are cached: those requested last.
const KEPT: usize = 4;
/// The number of shown texts of `snapshot.yaml` that are kept, to show later changes.
const TEXTS: usize = 32;

/// All shown snapshots.
pub(crate) struct SnapshotShelf {
    /// The listed folder, with links followed.
    root: PathBuf,
    /// The name of the snapshot, if only one is shown.
    pub(crate) one: Option<String>,
    books: Mutex<VecDeque<Arc<ShownSnapshot>>>,
}

/// The states of both files of a snapshot.
pub(crate) type FileStates = (Stamp, Stamp);
type Result<T, E = PageError> = std::result::Result<T, E>;

/// A snapshot with its cached results.
pub(crate) struct ShownSnapshot {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    root: PathBuf,
    index: Mutex<Option<Arc<Index>>>,
    pub(crate) summary: Slow<FileStates, Result<Summary, SnapshotError>>,
    pub(crate) findings: Slow<FileStates, Result<Vec<Finding>, SnapshotError>>,
    pub(crate) proposals: Slow<FileStates, Result<Vec<Rule>, SnapshotError>>,
    pub(crate) traces: Slow<FileStates, Result<Traces, SnapshotError>>,
    texts: Mutex<VecDeque<(String, String)>>,
    /// Held during a change.
    pub(crate) changing: tokio::sync::Mutex<()>,
}

/// The current `snapshot.yaml`.
pub(crate) struct OpenedHeader {
    pub(crate) header: Header,
    /// The digest of its text in hexadecimal. Forms contain it to detect changes.
    pub(crate) digest: String,
}

impl SnapshotShelf {
    /// The snapshots of a source; `None` for a capture store.
    pub(crate) fn new(source: &Source) -> Result<Option<Self>, UiError> {
        let canonical = |path: &Path| {
            fs::canonicalize(path).map_err(|source| UiError::Folder { folder: path.to_owned(), source })
        };
        let (root, one) = match source {
            Source::Store(_) => return Ok(None),
            Source::Folder(folder) => {
                let root = canonical(folder)?;
                fs::read_dir(&root).map_err(|source| UiError::Folder { folder: folder.clone(), source })?;
                (root, None)
            }
            Source::Snapshot(path) => {
                match Snapshot::open(path) {
                    // A faulty `snapshot.yaml` can be corrected while the pages are shown.
                    Ok(_) | Err(SnapshotError::Yaml { .. } | SnapshotError::Version { .. }) => {}
                    Err(error) => return Err(error.into()),
                }
                let root = canonical(path)?;
                let name = root.file_name().unwrap_or_default().to_string_lossy().into_owned();
                (root, Some(name))
            }
        };
        Ok(Some(Self { root, one, books: Mutex::default() }))
    }

    /// The listed folder.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The names of the current snapshots, in order.
    pub(crate) fn names(&self) -> std::io::Result<Vec<String>> {
        if let Some(one) = &self.one {
            return Ok(vec![one.clone()]);
        }
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.root)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let is_one = || [HEADER_FILE, EXCHANGES_FILE].iter().any(|file| entry.path().join(file).exists());
            if !name.starts_with('.') && is_one() {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    /// The snapshot of this name.
    pub(crate) fn book(&self, name: &str) -> Result<Arc<ShownSnapshot>> {
        let none =
            || PageError::not_found(format!("There is no snapshot {name:?} in {}.", self.root.display()));
        // The name must be listed, so that it is never a path.
        let listed = self.names().map_err(|error| PageError::failed(error.to_string()))?;
        if !listed.iter().any(|listed| listed == name) {
            return Err(none());
        }
        let path = if self.one.is_some() { self.root.clone() } else { self.root.join(name) };
        let path = inside(&self.root, &path)?;
        let mut books = lock(&self.books);
        let place = books.iter().position(|book| book.name == name && book.path == path);
        let book = match place.and_then(|place| books.remove(place)) {
            Some(book) => book,
            None => Arc::new(ShownSnapshot::new(name.to_owned(), path, self.root.clone())),
        };
        books.push_front(book.clone());
        books.truncate(KEPT);
        Ok(book)
    }
}

impl ShownSnapshot {
    fn new(name: String, path: PathBuf, root: PathBuf) -> Self {
        Self {
            name,
            path,
            root,
            index: Mutex::default(),
            summary: Slow::default(),
            findings: Slow::default(),
            proposals: Slow::default(),
            traces: Slow::default(),
            texts: Mutex::default(),
            changing: tokio::sync::Mutex::default(),
        }
    }

    /// The path of one of its files, which must be inside of the folder.
    fn file(&self, name: &str) -> Result<PathBuf> {
        inside(&self.root, &self.path.join(name))
    }

    /// The folder of its reports, if there is one.
    pub(crate) fn reports(&self) -> Result<Option<PathBuf>> {
        match self.path.join(kept::FOLDER).is_dir() {
            true => self.file(kept::FOLDER).map(Some),
            false => Ok(None),
        }
    }

    /// Returns whether it is the only shown snapshot.
    pub(crate) fn is_alone(&self) -> bool {
        self.path == self.root
    }

    /// The file of its exchanges.
    pub(crate) fn exchanges(&self) -> Result<PathBuf> {
        self.file(EXCHANGES_FILE)
    }

    /// Reads `snapshot.yaml`.
    pub(crate) fn open(&self) -> Result<OpenedHeader> {
        let file = self.file(HEADER_FILE)?;
        let snapshot = |error| PageError::snapshot(&self.name, &self.path, error);
        let io = |source| snapshot(SnapshotError::Io { action: "read", path: file.clone(), source });
        let bytes = fs::read(&file).map_err(io)?;
        let digest = hex(&sha1(&bytes));
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let header = Header::from_yaml(&text, Path::new(HEADER_FILE)).map_err(snapshot)?;
        self.keep_text(&digest, text);
        Ok(OpenedHeader { header, digest })
    }

    /// Opens the snapshot, to read it completely.
    pub(crate) fn snapshot(&self) -> Result<Snapshot> {
        self.file(HEADER_FILE)?;
        self.exchanges()?;
        Snapshot::open(&self.path).map_err(|error| PageError::snapshot(&self.name, &self.path, error))
    }

    /// The current states of its files.
    pub(crate) fn state(&self) -> Result<FileStates> {
        let stamp = |name| {
            let file = self.file(name)?;
            Stamp::at(&file).map_err(|error| PageError::failed(format!("{name} can't be read: {error}")))
        };
        Ok((stamp(HEADER_FILE)?, stamp(EXCHANGES_FILE)?))
    }

    /// The index of its current exchanges. It may be incomplete while it is being built.
    pub(crate) fn index(&self) -> Result<Arc<Index>> {
        let file = self.exchanges()?;
        let failed =
            |error: std::io::Error| PageError::failed(format!("{EXCHANGES_FILE} can't be read: {error}"));
        let stamp = Stamp::at(&file).map_err(failed)?;
        let mut current = lock(&self.index);
        if let Some(index) = current.as_ref().filter(|index| index.stamp == stamp) {
            return Ok(index.clone());
        }
        let index = Arc::new(Index::new(stamp));
        *current = Some(index.clone());
        let filled = index.clone();
        tokio::task::spawn_blocking(move || Scanner::default().run(&file, &filled));
        Ok(index)
    }

    fn keep_text(&self, digest: &str, text: String) {
        let mut texts = lock(&self.texts);
        if texts.iter().all(|(known, _)| known != digest) {
            texts.push_front((digest.to_owned(), text));
            texts.truncate(TEXTS);
        }
    }

    /// The text of `snapshot.yaml` with this digest, if it was shown recently.
    pub(crate) fn text(&self, digest: &str) -> Option<String> {
        let texts = lock(&self.texts);
        texts.iter().find(|(known, _)| known == digest).map(|(_, text)| text.clone())
    }
}

/// The path with links followed. Refused if it is outside of `root`.
fn inside(root: &Path, path: &Path) -> Result<PathBuf> {
    match fs::canonicalize(path) {
        Ok(full) if full.starts_with(root) => Ok(full),
        Ok(_) => Err(PageError::forbidden(format!(
            "{} is a link that leads out of {}: it isn't shown. Name the folder that it leads to when you start `understudy ui`.",
            path.strip_prefix(root).unwrap_or(path).display(),
            root.display()
        ))),
        Err(error) => Err(PageError::not_found(format!("{} can't be read: {error}.", path.display()))),
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
