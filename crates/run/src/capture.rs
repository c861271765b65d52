//! Turns a collector's store into a snapshot. The recording is removed only once the snapshot is
//! whole.

use crate::draft::SnapshotDraft;
use crate::observer::{Event, Observer};
use crate::store::each_record;
use crate::text;
use anyhow::{Context, bail};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use understudy_collector::{CaptureFolder, RecordKind};
use understudy_core::backend;
use understudy_core::redact::Settings;
use understudy_snapshot::{Existing, Header, Inbound, Snapshot, SnapshotWriter};

/// File in a recording's folder with the redaction settings. Without their key, the snapshot of an
/// interrupted recording would match nothing.
const REDACTION_FILE: &str = "redaction.json";
/// File in a recording's folder with the inbound listeners.
const INBOUND_FILE: &str = "inbound.json";

/// Facts about a recording that are known before it starts and are kept in its folder.
#[derive(Debug, Default)]
pub struct RecordingContext {
    /// Settings by which secrets are replaced; `None` if they are kept.
    pub redaction: Option<Settings>,
    /// Inbound listeners, by the name under which their exchanges are recorded.
    pub inbound: BTreeMap<String, Inbound>,
}

impl RecordingContext {
    /// The context of a recording with these inbound listeners.
    pub fn new(redaction: Option<Settings>, listeners: &[understudy_envoy::Inbound]) -> Self {
        let entry = |listener: &understudy_envoy::Inbound| {
            let name = backend::name("http", &listener.listen().to_string());
            (name, Inbound { app: listener.app(), exchanges: 0 })
        };
        Self { redaction, inbound: listeners.iter().map(entry).collect() }
    }

    /// Reads the context of the recording in a folder. Absent files mean nothing was set.
    ///
    /// # Errors
    /// A file can't be read.
    pub fn read(folder: &Path) -> anyhow::Result<Self> {
        let redaction = read_json(&folder.join(REDACTION_FILE))?;
        let inbound = read_json(&folder.join(INBOUND_FILE))?;
        Ok(Self { redaction, inbound: inbound.unwrap_or_default() })
    }

    fn write(&self, folder: &Path) -> anyhow::Result<()> {
        if let Some(redaction) = &self.redaction {
            write_json(&folder.join(REDACTION_FILE), redaction)?;
        }
        if !self.inbound.is_empty() {
            write_json(&folder.join(INBOUND_FILE), &self.inbound)?;
        }
        Ok(())
    }
}

fn write_json(path: &Path, value: &impl Serialize) -> anyhow::Result<()> {
    let write = || -> io::Result<()> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut file = File::create_new(path)?;
        file.write_all(&serde_json::to_vec(value)?)?;
        file.sync_all()
    };
    write().with_context(|| format!("can't write {}", path.display()))
}

fn read_json<T: DeserializeOwned>(path: &Path) -> anyhow::Result<Option<T>> {
    let cant_read = || format!("can't read {}", path.display());
    match fs::read(path) {
        Ok(json) => serde_json::from_slice(&json).map(Some).with_context(cant_read),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(cant_read),
    }
}

/// A recording that becomes a snapshot: a collector's folder beside the snapshot's.
pub struct Capture {
    folder: CaptureFolder,
    target: PathBuf,
    existing: Existing,
    context: RecordingContext,
    keep_telemetry: bool,
    /// Lock against a second command that makes a snapshot of the same recording.
    _lock: Option<File>,
}

impl Capture {
    /// Starts a recording. Everything that would prevent the snapshot from being written fails
    /// here, before CMD runs.
    ///
    /// # Errors
    /// The snapshot can't be written, or an interrupted recording is in the way.
    pub fn begin(
        target: &Path,
        existing: Existing,
        context: RecordingContext,
        keep_telemetry: bool,
        observer: &dyn Observer,
    ) -> anyhow::Result<Self> {
        let capture = Self { context, keep_telemetry, ..Self::new(target, existing)? };
        if capture.folder().exists() {
            lock(&capture.folder)?;
            bail!(
                "{} holds a recording that was interrupted: run `understudy record -o {} --recover` to make a snapshot of it, or remove it",
                capture.folder().display(),
                target.display()
            );
        }
        if let Err(error) = capture.context.write(capture.folder()) {
            capture.remove(observer);
            return Err(error);
        }
        Ok(capture)
    }

    /// Takes over an interrupted recording.
    ///
    /// # Errors
    /// There is none, or its collector still runs.
    pub fn interrupted(target: &Path, existing: Existing, keep_telemetry: bool) -> anyhow::Result<Self> {
        let capture = Self::new(target, existing)?;
        if !capture.folder().exists() {
            bail!(
                "there is no interrupted recording for {}: {} doesn't exist",
                target.display(),
                capture.folder().display()
            );
        }
        let lock = lock(&capture.folder)?;
        let context = RecordingContext::read(capture.folder())?;
        Ok(Self { context, keep_telemetry, _lock: Some(lock), ..capture })
    }

    fn new(target: &Path, existing: Existing) -> anyhow::Result<Self> {
        drop(SnapshotWriter::create(target, existing)?);
        Ok(Self {
            folder: CaptureFolder::of_run(target)?,
            target: target.to_owned(),
            existing,
            context: RecordingContext::default(),
            keep_telemetry: true,
            _lock: None,
        })
    }

    /// Folder in which the collector stores records.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes the snapshot and removes the recording. `None` if nothing was recorded.
    ///
    /// # Errors
    /// The snapshot can't be written. The recording is kept, and the error says where.
    pub async fn finish(self, observer: &dyn Observer) -> anyhow::Result<Option<Snapshot>> {
        let snapshot = self.write(observer).await.with_context(|| {
            format!(
                "the recording is kept in {}; when the cause is removed, run `understudy record -o {} --recover`",
                self.folder().display(),
                self.target.display()
            )
        })?;
        self.remove(observer);
        Ok(snapshot)
    }

    /// Removes what a run that never started has left. A recording that holds exchanges is kept.
    pub async fn discard_if_empty(self, observer: &dyn Observer) {
        let mut records = 0u64;
        let read = each_record(self.folder(), RecordKind::Exchange, |_| {
            records += 1;
            Ok(())
        });
        let is_empty = read.await.is_ok() && records == 0;
        // Without a lock file no collector has started.
        if is_empty || !self.folder.lock_file().exists() {
            self.remove(observer);
        }
    }

    async fn write(&self, observer: &dyn Observer) -> anyhow::Result<Option<Snapshot>> {
        let mut draft = SnapshotDraft::begin(&self.target, self.existing, self.keep_telemetry, observer)?;
        each_record(self.folder(), RecordKind::Exchange, |record| draft.push(&record.exchange)).await?;
        if draft.is_empty() {
            return Ok(None);
        }
        let name = self.target.file_name().or(self.folder().file_stem());
        let header = Header {
            name: name.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
            recorded: text::now(),
            redaction: self.context.redaction.clone(),
            inbound: self.context.inbound.clone(),
            ..Header::default()
        };
        draft.finish(header).map(Some)
    }

    /// Removes only the files that the recording has made in its folder.
    fn remove(&self, observer: &dyn Observer) {
        let absent_is_fine = |result: io::Result<()>| match result {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            other => other,
        };
        let remove = || -> io::Result<()> {
            self.folder.remove_records()?;
            for file in [REDACTION_FILE, INBOUND_FILE] {
                absent_is_fine(fs::remove_file(self.folder().join(file)))?;
            }
            absent_is_fine(fs::remove_dir(self.folder()))
        };
        if let Err(error) = remove() {
            observer.event(&Event::RecordingNotRemoved { folder: self.folder(), reason: &error });
        }
    }
}

/// Makes sure that a folder belongs to a collector and that no collector writes to it.
fn lock(capture: &CaptureFolder) -> anyhow::Result<File> {
    let (folder, path) = (capture.path(), capture.lock_file());
    let file = File::open(&path)
        .with_context(|| format!("{} is in the way, and it is no recording; move it", folder.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            let holder = fs::read_to_string(&path).unwrap_or_default();
            bail!(
                "process {} is recording to {} right now; wait for its end",
                holder.trim(),
                folder.display()
            )
        }
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("can't lock {}", path.display()))
        }
    }
}
