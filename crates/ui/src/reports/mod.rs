//! The reports of replays that are shown: those that `replay` keeps beside a snapshot, and those of a folder that was named. A report is read
//! when somebody opens it; a few stay in memory. Never reads a file that it hasn't listed, and writes none.

mod judged;
mod weighed;

pub(crate) use judged::{Now, Verdicts, judge};
pub(crate) use weighed::{Choice, Weighing, weigh};

use crate::config::{Config, UiError};
use crate::index::Stamp;
use crate::page::PageError;
use crate::slow::Slow;
use crate::snapshots::{Book, State, lock};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use understudy_replay::report::{self, Head, Report, kept};

/// A larger file isn't read, in bytes: a report is held in memory whole.
const MAX: u64 = 256 << 20;
/// So many reports stay in memory: two are compared.
const OPEN: usize = 3;
/// The sums of so many reports do.
const HEADS: usize = 500;
/// So long somebody waits for a report to be read.
const PATIENCE: Duration = Duration::from_secs(60);
/// Before the names of files that don't lie beside the snapshot.
const ELSEWHERE: &str = "~";

/// Those that are shown.
#[derive(Default)]
pub(crate) struct Reports {
    /// The folder that was named, links followed.
    folder: Option<PathBuf>,
    open: Mutex<VecDeque<Arc<Opened>>>,
    heads: Mutex<VecDeque<Known>>,
}

/// A file in one state, and what it says.
type Known = (PathBuf, Stamp, Arc<Result<Head, String>>);

/// A file that may be a report.
pub(crate) struct Listed {
    /// What it is called in addresses.
    pub(crate) id: String,
    pub(crate) path: PathBuf,
    stamp: Stamp,
}

/// What is to be listed.
pub(crate) struct List {
    /// With the sums, or what is wrong; the newest first.
    pub(crate) reports: Vec<(Listed, Arc<Result<Head, String>>)>,
    /// How many in the folder that was named are of other snapshots.
    pub(crate) others: u64,
}

/// A report that somebody looks at.
pub(crate) struct Opened {
    pub(crate) path: PathBuf,
    stamp: Stamp,
    report: Slow<(), Result<Report, String>>,
    pub(crate) now: Slow<State, Verdicts>,
    pub(crate) weighed: Slow<(State, usize, Choice), Result<Weighing, String>>,
}

impl Reports {
    /// With those of a folder, where one is named.
    pub(crate) fn new(config: &Config) -> Result<Self, UiError> {
        let Some(folder) = &config.reports else { return Ok(Self::default()) };
        let bad = |source| UiError::Folder { folder: folder.clone(), source };
        let folder = std::fs::canonicalize(folder).map_err(bad)?;
        std::fs::read_dir(&folder).map_err(bad)?;
        Ok(Self { folder: Some(folder), ..Self::default() })
    }

    /// The folder that was named.
    pub(crate) fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// The files of a snapshot.
    fn files(&self, book: &Book) -> Result<Vec<Listed>, PageError> {
        let mut files = Vec::new();
        if let Some(own) = book.reports()? {
            add(&own, "", &mut files)?;
        }
        if let Some(folder) = &self.folder {
            add(folder, ELSEWHERE, &mut files)?;
        }
        Ok(files)
    }

    /// Those of a snapshot with their sums, the newest first. Reads what it doesn't know yet.
    pub(crate) fn list(&self, book: &Book, snapshot: &str) -> Result<List, PageError> {
        let (mut reports, mut others) = (Vec::new(), 0);
        for listed in self.files(book)? {
            let head = self.head(&listed);
            let elsewhere = listed.id.starts_with(ELSEWHERE);
            match &*head {
                Ok(head) if elsewhere && head.snapshot != snapshot => others += 1,
                // Whose it is can't be told.
                Err(_) if elsewhere && !book.is_alone() => others += 1,
                _ => reports.push((listed, head)),
            }
        }
        let started =
            |head: &Result<Head, String>| head.as_ref().map(|head| head.started.clone()).unwrap_or_default();
        reports.sort_by(|(a, head_a), (b, head_b)| (started(head_b), &b.id).cmp(&(started(head_a), &a.id)));
        Ok(List { reports, others })
    }

    fn head(&self, listed: &Listed) -> Arc<Result<Head, String>> {
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

    /// One that is listed.
    pub(crate) fn open(&self, book: &Book, id: &str) -> Result<Arc<Opened>, PageError> {
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
            None => Arc::new(Opened {
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

impl Opened {
    /// What it says, read once.
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

fn add(folder: &Path, prefix: &str, files: &mut Vec<Listed>) -> Result<(), PageError> {
    let failed =
        |error| PageError::failed(format!("the reports in {} can't be listed: {error}", folder.display()));
    for path in kept::list(folder).map_err(failed)? {
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        // One that goes in this moment, or leads elsewhere, isn't there.
        let inside = std::fs::canonicalize(&path).is_ok_and(|full| full.parent() == Some(folder));
        if let (true, Ok(stamp)) = (inside, Stamp::at(&path)) {
            files.push(Listed { id: format!("{prefix}{name}"), path, stamp });
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
