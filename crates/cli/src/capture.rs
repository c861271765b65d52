//! From the collector's store to a snapshot. What was recorded is removed only once the snapshot is whole.

use crate::say;
use anyhow::{Context, bail};
use indicatif::ProgressBar;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use understudy_collector::{Reader, RecordKind};
use understudy_core::backend;
use understudy_core::exchange::{Direction, End, Exchange};
use understudy_core::redact::Settings;
use understudy_core::rules::Rule;
use understudy_core::v1::{self, Record};
use understudy_snapshot::learn;
use understudy_snapshot::{Existing, Header, Inbound, Snapshot, SnapshotError, SnapshotWriter};

/// What the secrets in a recording were replaced with, in its folder: without it what was interrupted would match nothing.
const REDACTION_FILE: &str = "redaction.json";
/// Where the service was called, and where it listened.
const INBOUND_FILE: &str = "inbound.json";

/// What is known of a recording before it begins, and is kept in its folder.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// What secrets are replaced with.
    pub(crate) redaction: Option<Settings>,
    /// Where the service is called.
    pub(crate) inbound: BTreeMap<String, Inbound>,
}

impl Kept {
    /// What is known of a recording with these ways in.
    pub(crate) fn new(redaction: Option<Settings>, ways: &[understudy_envoy::Inbound]) -> Self {
        let way = |way: &understudy_envoy::Inbound| {
            let name = backend::name("http", &way.listen().to_string());
            (name, Inbound { app: way.app(), exchanges: 0 })
        };
        Self { redaction, inbound: ways.iter().map(way).collect() }
    }

    /// What stands in the folder of a recording.
    pub(crate) fn of(folder: &Path) -> anyhow::Result<Self> {
        let redaction = kept(&folder.join(REDACTION_FILE))?;
        Ok(Self { redaction, inbound: kept(&folder.join(INBOUND_FILE))?.unwrap_or_default() })
    }

    fn keep(&self, folder: &Path) -> anyhow::Result<()> {
        if let Some(redaction) = &self.redaction {
            keep(&folder.join(REDACTION_FILE), redaction)?;
        }
        if !self.inbound.is_empty() {
            keep(&folder.join(INBOUND_FILE), &self.inbound)?;
        }
        Ok(())
    }
}

fn keep(path: &Path, value: &impl Serialize) -> anyhow::Result<()> {
    let write = || -> std::io::Result<()> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut file = File::create_new(path)?;
        file.write_all(&serde_json::to_vec(value)?)?;
        file.sync_all()
    };
    write().with_context(|| format!("can't write {}", path.display()))
}

fn kept<T: DeserializeOwned>(path: &Path) -> anyhow::Result<Option<T>> {
    let cant_read = || format!("can't read {}", path.display());
    match fs::read(path) {
        Ok(json) => serde_json::from_slice(&json).map(Some).with_context(cant_read),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(cant_read),
    }
}

/// A recording on its way to a snapshot: a collector's folder beside the snapshot's place.
pub(crate) struct Capture {
    folder: PathBuf,
    target: PathBuf,
    existing: Existing,
    kept: Kept,
    keeps_telemetry: bool,
    /// Nobody else makes a snapshot of it while we do.
    _lock: Option<File>,
}

impl Capture {
    /// Begins one. Whatever would stop the snapshot from being written must stop us here, before CMD runs, not after.
    pub(crate) fn begin(target: &Path, existing: Existing, kept: Kept) -> anyhow::Result<Self> {
        let capture = Self { kept, ..Self::new(target, existing)? };
        if capture.folder.exists() {
            lock(&capture.folder)?;
            bail!(
                "{} holds a recording that was interrupted: run `understudy record -o {} --recover` to make a snapshot of it, or remove it",
                capture.folder.display(),
                target.display()
            );
        }
        if let Err(error) = capture.kept.keep(&capture.folder) {
            capture.remove();
            return Err(error);
        }
        Ok(capture)
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
        let kept = Kept::of(&capture.folder)?;
        Ok(Self { kept, _lock: Some(lock), ..capture })
    }

    fn new(target: &Path, existing: Existing) -> anyhow::Result<Self> {
        drop(SnapshotWriter::create(target, existing)?);
        // As the writer sees it: links followed, `..` resolved.
        let full = fs::canonicalize(target).or_else(|_| std::path::absolute(target))?;
        let mut name = full.file_name().map(ToOwned::to_owned).unwrap_or_default();
        name.push(".capture");
        let (folder, target) = (full.with_file_name(name), target.to_owned());
        Ok(Self { folder, target, existing, kept: Kept::default(), keeps_telemetry: true, _lock: None })
    }

    /// Leaves telemetry out of the snapshot, or keeps it, which is the default.
    pub(crate) fn with_telemetry(self, keeps_telemetry: bool) -> Self {
        Self { keeps_telemetry, ..self }
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
        let mut draft = Draft::begin(&self.target, self.existing, self.keeps_telemetry)?;
        each(&self.folder, RecordKind::Exchange, |record| draft.push(&record.exchange)).await?;
        if draft.is_empty() {
            return Ok(None);
        }
        let name = self.target.file_name().or(self.folder.file_stem());
        let name = name.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let Kept { redaction, inbound } = &self.kept;
        let (redaction, inbound) = (redaction.clone(), inbound.clone());
        draft.finish(Header { name, recorded: say::now(), redaction, inbound, ..Header::default() }).map(Some)
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
            for file in ["lock", REDACTION_FILE, INBOUND_FILE] {
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

/// A snapshot in the making, of what was recorded. Dropped before its end, it leaves nothing behind.
pub(crate) struct Draft {
    writer: SnapshotWriter,
    bar: ProgressBar,
    unanswered: Unanswered,
}

impl Draft {
    /// Begins one. Telemetry is left out of it unless it is to be kept.
    pub(crate) fn begin(target: &Path, existing: Existing, keeps_telemetry: bool) -> anyhow::Result<Self> {
        let mut writer = SnapshotWriter::create(target, existing)?;
        if !keeps_telemetry {
            writer.leave_out_telemetry();
        }
        Ok(Self { writer, bar: say::progress("exchanges written:"), unanswered: Unanswered::default() })
    }

    /// Adds an exchange.
    pub(crate) fn push(&mut self, exchange: &Exchange) -> Result<(), SnapshotError> {
        self.writer.push(exchange)?;
        self.unanswered.add(exchange);
        self.bar.inc(1);
        Ok(())
    }

    /// Whether there are no exchanges.
    pub(crate) fn is_empty(&self) -> bool {
        self.writer.is_empty()
    }

    /// Puts it in its place, and gives it the rules that it speaks for.
    pub(crate) fn finish(self, header: Header) -> anyhow::Result<Snapshot> {
        self.bar.finish_and_clear();
        let telemetry = self.writer.telemetry();
        let mut snapshot = self.writer.finish(header)?;
        learn(&mut snapshot)?;
        self.unanswered.warn();
        for (backend, count) in telemetry {
            say::line(format_args!(
                "{} with {} left out as telemetry: it is let through (`mode: off`), --keep-telemetry keeps such",
                say::count(count, "exchange"),
                backend.escape_debug()
            ));
        }
        Ok(snapshot)
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
            let who = match exchange.direction {
                Direction::Outbound => exchange.backend.clone(),
                Direction::Inbound => format!("the service behind {}", exchange.backend),
            };
            *self.0.entry((who, words)).or_default() += 1;
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
