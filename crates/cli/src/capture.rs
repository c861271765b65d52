//! From the collector's store to a snapshot. What was recorded is removed only once the snapshot is whole.

use crate::say;
use anyhow::{Context, bail};
use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use understudy_collector::{Reader, RecordKind};
use understudy_core::exchange::{End, Exchange};
use understudy_core::redact::Settings;
use understudy_core::rules::Rule;
use understudy_core::v1::{self, Record};
use understudy_snapshot::learn;
use understudy_snapshot::{Existing, Header, Snapshot, SnapshotError, SnapshotWriter};

/// What the secrets in a recording were replaced with, in its folder: without it what was interrupted would match nothing.
const REDACTION_FILE: &str = "redaction.json";

/// A recording on its way to a snapshot: a collector's folder beside the snapshot's place.
pub(crate) struct Capture {
    folder: PathBuf,
    target: PathBuf,
    existing: Existing,
    redaction: Option<Settings>,
    /// Nobody else makes a snapshot of it while we do.
    _lock: Option<File>,
}

impl Capture {
    /// Begins one. Whatever would stop the snapshot from being written must stop us here, before CMD runs, not after.
    pub(crate) fn begin(
        target: &Path,
        existing: Existing,
        redaction: Option<Settings>,
    ) -> anyhow::Result<Self> {
        let capture = Self { redaction, ..Self::new(target, existing)? };
        if capture.folder.exists() {
            lock(&capture.folder)?;
            bail!(
                "{} holds a recording that was interrupted: run `understudy record -o {} --recover` to make a snapshot of it, or remove it",
                capture.folder.display(),
                target.display()
            );
        }
        capture.keep_redaction()?;
        Ok(capture)
    }

    fn keep_redaction(&self) -> anyhow::Result<()> {
        let Some(redaction) = &self.redaction else { return Ok(()) };
        let path = self.folder.join(REDACTION_FILE);
        let write = || {
            fs::create_dir_all(&self.folder)?;
            let mut file = File::create_new(&path)?;
            file.write_all(&serde_json::to_vec(redaction)?)?;
            file.sync_all()
        };
        let written: std::io::Result<()> = write();
        if written.is_err() {
            self.remove();
        }
        written.with_context(|| format!("can't write {}", path.display()))
    }

    /// Takes over one that was interrupted.
    pub(crate) fn interrupted(target: &Path, existing: Existing) -> anyhow::Result<Self> {
        let capture = Self::new(target, existing)?;
        if !capture.folder.exists() {
            bail!(
                "there is no interrupted recording for {}: {} doesn't exist",
                target.display(),
                capture.folder.display()
            );
        }
        let lock = lock(&capture.folder)?;
        let path = capture.folder.join(REDACTION_FILE);
        let redaction = match fs::read(&path) {
            Ok(json) => Some(
                serde_json::from_slice(&json).with_context(|| format!("can't read {}", path.display()))?,
            ),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error).with_context(|| format!("can't read {}", path.display())),
        };
        Ok(Self { redaction, _lock: Some(lock), ..capture })
    }

    fn new(target: &Path, existing: Existing) -> anyhow::Result<Self> {
        drop(SnapshotWriter::create(target, existing)?);
        // As the writer sees it: links followed, `..` resolved.
        let full = fs::canonicalize(target).or_else(|_| std::path::absolute(target))?;
        let mut name = full.file_name().map(ToOwned::to_owned).unwrap_or_default();
        name.push(".capture");
        let (folder, target) = (full.with_file_name(name), target.to_owned());
        Ok(Self { folder, target, existing, redaction: None, _lock: None })
    }

    /// Where the collector is to keep records.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes the snapshot, and removes the recording. `None` where nothing was recorded.
    pub(crate) async fn finish(self) -> anyhow::Result<Option<Snapshot>> {
        let snapshot = self.write().await.with_context(|| {
            format!(
                "the recording is kept in {}; when the cause is mended, run `understudy record -o {} --recover`",
                self.folder.display(),
                self.target.display()
            )
        })?;
        self.remove();
        Ok(snapshot)
    }

    /// Removes what a run that never began has left. One that recorded something is kept.
    pub(crate) async fn discard_if_empty(self) {
        let mut records = 0u64;
        let read = each(&self.folder, RecordKind::Exchange, |_| {
            records += 1;
            Ok(())
        });
        let is_empty = read.await.is_ok() && records == 0;
        // Without a lock no collector has begun.
        if is_empty || !self.folder.join("lock").exists() {
            self.remove();
        }
    }

    async fn write(&self) -> anyhow::Result<Option<Snapshot>> {
        let mut writer = SnapshotWriter::create(&self.target, self.existing)?;
        let bar = say::progress("exchanges written:");
        let mut unanswered = Unanswered::default();
        each(&self.folder, RecordKind::Exchange, |record| {
            writer.push(&record.exchange)?;
            unanswered.add(&record.exchange);
            bar.inc(1);
            Ok(())
        })
        .await?;
        bar.finish_and_clear();
        if writer.is_empty() {
            return Ok(None);
        }
        let name = self.target.file_name().or(self.folder.file_stem());
        let name = name.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let recorded = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| u64::try_from(since.as_micros()).unwrap_or(0));
        let redaction = self.redaction.clone();
        let header = Header { name, recorded, redaction, backends: BTreeMap::new(), ..Header::default() };
        let mut snapshot = writer.finish(header)?;
        learn(&mut snapshot)?;
        unanswered.warn();
        Ok(Some(snapshot))
    }

    /// Removes what a collector has made, and nothing else.
    fn remove(&self) {
        let gone = |result: std::io::Result<()>| match result {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            other => other,
        };
        let remove = || -> std::io::Result<()> {
            for part in ["open", "segments"] {
                gone(fs::remove_dir_all(self.folder.join(part)))?;
            }
            for file in ["lock", REDACTION_FILE] {
                gone(fs::remove_file(self.folder.join(file)))?;
            }
            gone(fs::remove_dir(&self.folder))
        };
        if let Err(error) = remove() {
            say::warning(format_args!(
                "can't remove {}, which isn't needed any more: {error}",
                self.folder.display()
            ));
        }
    }
}

/// Requests that Envoy could not bring to their backend, by backend and Envoy's own words for why.
#[derive(Default)]
struct Unanswered(BTreeMap<(String, String), u64>);

impl Unanswered {
    /// As much of Envoy's words as is said.
    const LONGEST: usize = 300;

    fn add(&mut self, exchange: &Exchange) {
        if let (End::NoResponse, Some(response)) = (exchange.end, &exchange.response) {
            let words = String::from_utf8_lossy(&response.body.bytes);
            let words: String = words.trim().chars().take(Self::LONGEST).collect();
            *self.0.entry((exchange.backend.clone(), words)).or_default() += 1;
        }
    }

    fn warn(&self) {
        for ((backend, words), count) in &self.0 {
            let requests = say::count(*count, "request");
            say::warning(format_args!("{backend} gave no answer to {requests}: {}", words.escape_debug()));
        }
    }
}

/// Gives a new snapshot the rules that its recording speaks for.
pub(crate) fn learn(snapshot: &mut Snapshot) -> anyhow::Result<Vec<Rule>> {
    let bar = say::working("learning what changes by itself");
    let added = learn::apply(snapshot, |_| true)?;
    bar.finish_and_clear();
    Ok(added)
}

/// Says which rules are new.
pub(crate) fn tell_learnt(snapshot: &Path, rules: &[Rule]) {
    if !rules.is_empty() {
        say::line(format_args!(
            "{} added for values that change by themselves (`understudy tune {}` shows which and why)",
            say::count(rules.len() as u64, "rule"),
            snapshot.display()
        ));
    }
}

/// Makes sure that a folder is a collector's, and that none writes to it.
fn lock(folder: &Path) -> anyhow::Result<File> {
    let path = folder.join("lock");
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

/// Hands over all records of one kind, in the order in which they were stored.
pub(crate) async fn each(
    store: &Path,
    kind: RecordKind,
    mut take: impl FnMut(Record) -> Result<(), SnapshotError>,
) -> anyhow::Result<()> {
    let mut reader = Reader::open(store)
        .await
        .with_context(|| format!("can't read the capture in {}", store.display()))?;
    while let Some(stored) = reader.next().await? {
        if stored.kind == kind {
            take(v1::read_record(&stored.line).context("a record in the capture can't be read")?)?;
        }
    }
    Ok(())
}
