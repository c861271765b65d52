//! The shown reports of replays: those that `replay` keeps with a snapshot, and those of a
//! configured folder. A report is read when it is opened, and a few stay in memory. Never reads a
//! file that isn't listed, and writes none.

mod judged;
mod weighed;

pub(crate) use judged::{Now, Verdicts, judge};
pub(crate) use weighed::{Choice, Weighing, weigh};

use crate::config::{Config, UiError};
use crate::index::Stamp;
use crate::page::PageError;
use crate::slow::Slow;
use crate::snapshots::{FileStates, ShownSnapshot, lock};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use understudy_replay::report::{self, Head, Report, kept};

/// The maximum size of a report in bytes, because it is held in memory.
const MAX: u64 = 256 << 20;
/// The number of reports that stay in memory. A comparison needs two.
const OPEN: usize = 3;
/// The number of reports whose totals stay in memory.
const HEADS: usize = 500;
/// Time that a page waits for a report to be read.
const PATIENCE: Duration = Duration::from_secs(60);
/// The prefix of identifiers of reports in the configured folder.
const ELSEWHERE: &str = "~";

/// All shown reports.
#[derive(Default)]
pub(crate) struct Reports {
    /// The configured folder, with links followed.
    folder: Option<PathBuf>,
    open: Mutex<VecDeque<Arc<OpenedReport>>>,
    heads: Mutex<VecDeque<KnownHead>>,
}

/// The head of a report, with its file and the file's state.
type KnownHead = (PathBuf, Stamp, Arc<Result<Head, String>>);

/// A file that may be a report.
pub(crate) struct ListedReport {
    /// Its identifier in addresses.
    pub(crate) id: String,
    pub(crate) path: PathBuf,
    stamp: Stamp,
}

/// The reports of a snapshot.
pub(crate) struct ReportList {
    /// Reports with their totals or the error, the newest first.
    pub(crate) reports: Vec<(ListedReport, Arc<Result<Head, String>>)>,
    /// The number of reports in the configured folder that belong to other snapshots.
    pub(crate) others: u64,
}

/// An opened report.
pub(crate) struct OpenedReport {
    pub(crate) path: PathBuf,
    stamp: Stamp,
    report: Slow<(), Result<Report, String>>,
    pub(crate) now: Slow<FileStates, Verdicts>,
    pub(crate) weighed: Slow<(FileStates, usize, Choice), Result<Weighing, String>>,
}

impl Reports {
    /// The reports, including those of the configured folder.
    pub(crate) fn new(config: &Config) -> Result<Self, UiError> {
        let Some(folder) = &config.reports else { return Ok(Self::default()) };
        let bad = |source| UiError::Folder { folder: folder.clone(), source };
        let folder = std::fs::canonicalize(folder).map_err(bad)?;
        std::fs::read_dir(&folder).map_err(bad)?;
        Ok(Self { folder: Some(folder), ..Self::default() })
    }

    /// The configured folder.
    pub(crate) fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// The files that may be reports of a snapshot.
    fn files(&self, book: &ShownSnapshot) -> Result<Vec<ListedReport>, PageError> {
        let mut files = Vec::new();
        if let Some(own) = book.reports()? {
            add(&own, "", &mut files)?;
        }
        if let Some(folder) = &self.folder {
            add(folder, ELSEWHERE, &mut files)?;
        }
        Ok(files)
    }

    /// The reports of a snapshot with their totals, the newest first. Reads those that aren't
    /// cached.
    pub(crate) fn list(&self, book: &ShownSnapshot, snapshot: &str) -> Result<ReportList, PageError> {
        let (mut reports, mut others) = (Vec::new(), 0);
        for listed in self.files(book)? {
            let head = self.head(&listed);
            let elsewhere = listed.id.starts_with(ELSEWHERE);
            match &*head {
                Ok(head) if elsewhere && head.snapshot != snapshot => others += 1,
                // An unreadable report may belong to any snapshot.
                Err(_) if elsewhere && !book.is_alone() => others += 1,
                _ => reports.push((listed, head)),
            }
        }
        let started =
            |head: &Result<Head, String>| head.as_ref().map(|head| head.started.clone()).unwrap_or_default();
        reports.sort_by(|(a, head_a), (b, head_b)| (started(head_b), &b.id).cmp(&(started(head_a), &a.id)));
        Ok(ReportList { reports, others })
    }

    fn head(&self, listed: &ListedReport) -> Arc<Result<Head, String>> {
        let known = lock(&self.heads)
            .iter()
            .find(|(path, stamp, _)| *path == listed.path && *stamp == listed.stamp)
            .map(|(.., head)| head.clone());
        known.unwrap_or_else(|| {
            let read = || report::head(&listed.path).map_err(|error| error.to_string());
            let head = Arc::new(fits(listed.stamp).and_then(|()| read()));
            let mut heads = lock(&self.heads);
            heads.push_front((listed.path.clone(), listed.stamp, head.clone()));
            heads.truncate(HEADS);
            head
        })
    }

    /// Opens a listed report.
    pub(crate) fn open(&self, book: &ShownSnapshot, id: &str) -> Result<Arc<OpenedReport>, PageError> {
        let gone = || {
            PageError::not_found(
                "There is no such report any more: `replay` keeps the last ones. Load the list again.",
            )
        };
        let listed = self.files(book)?.into_iter().find(|listed| listed.id == id).ok_or_else(gone)?;
        let mut open = lock(&self.open);
        let place = open.iter().position(|open| open.path == listed.path && open.stamp == listed.stamp);
        let opened = match place.and_then(|place| open.remove(place)) {
            Some(opened) => opened,
            None => Arc::new(OpenedReport {
                path: listed.path,
                stamp: listed.stamp,
                report: Slow::default(),
                now: Slow::default(),
                weighed: Slow::default(),
            }),
        };
        open.push_front(opened.clone());
        open.truncate(OPEN);
        Ok(opened)
    }
}

impl OpenedReport {
    /// Its content, read once.
    pub(crate) async fn report(&self) -> Result<Arc<Result<Report, String>>, PageError> {
        let (path, stamp) = (self.path.clone(), self.stamp);
        let read = move || {
            fits(stamp)?;
            report::read(&path).map_err(|error| error.to_string())
        };
        let outcome = self.report.get((), PATIENCE, read).await;
        let outcome = outcome
            .ok_or_else(|| PageError::failed("The report takes long to be read: load the page again."))?;
        match &*outcome {
            Ok(_) => Ok(outcome),
            Err(problem) => Err(PageError::report(crate::show::visible(problem))),
        }
    }
}

fn add(folder: &Path, prefix: &str, files: &mut Vec<ListedReport>) -> Result<(), PageError> {
    let failed =
        |error| PageError::failed(format!("the reports in {} can't be listed: {error}", folder.display()));
    for path in kept::list(folder).map_err(failed)? {
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        // A file that was removed meanwhile, or is a link out of the folder, is skipped.
        let inside = std::fs::canonicalize(&path).is_ok_and(|full| full.parent() == Some(folder));
        if let (true, Ok(stamp)) = (inside, Stamp::at(&path)) {
            files.push(ListedReport { id: format!("{prefix}{name}"), path, stamp });
        }
    }
    Ok(())
}

fn fits(stamp: Stamp) -> Result<(), String> {
    match stamp.length {
        0..=MAX => Ok(()),
        length => Err(format!(
            "the report has {} MB, and a page is made of {} at most: `understudy report FILE` reads it",
            length >> 20,
            MAX >> 20
        )),
    }
}
