//! The pages of a replay's report. Its content is shown and never run. Texts that the terminal and
//! the self-contained page share come from one function.

pub(crate) mod asked;
pub(crate) mod compare;
pub(crate) mod list;
pub(crate) mod mend;
pub(crate) mod responder;
pub(crate) mod success;

mod offer;

use super::{base, frame};
use crate::form::{query, segment};
use crate::page::{Frame, PageError, attachment, render};
use crate::reports::OpenedReport;
use crate::routes::App;
use crate::show::{date_time, visible};
use crate::snapshots::ShownSnapshot;
use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use std::sync::Arc;
use understudy_core::time;
use understudy_core::verdict::Difference;
use understudy_replay::report::view::{self, Goal};
use understudy_replay::report::{Message, Report};

/// The number of rows on a page.
const ON_PAGE: usize = 100;

/// A report with what all of its pages need.
pub(super) struct Loaded {
    pub(super) book: Arc<ShownSnapshot>,
    pub(super) opened: Arc<OpenedReport>,
    /// The digest of `snapshot.yaml`.
    pub(super) digest: String,
    whole: Arc<Result<Report, String>>,
    id: String,
}

/// The heading of each page of a report.
pub(super) struct ReportHeading {
    title: String,
    passed: bool,
    headline: String,
    /// The name of the report's snapshot, if it isn't this one.
    other: Option<String>,
    /// The tabs: address, name, and whether each is current.
    tabs: Vec<(String, &'static str, bool)>,
    download: String,
}

impl Loaded {
    pub(super) async fn new(
        app: &App,
        name: &str,
        id: &str,
    ) -> Result<(Self, Frame, ReportHeading), PageError> {
        let book = app.shelf()?.book(name)?;
        let header = book.open()?;
        let opened = app.reports.open(&book, id)?;
        let whole = opened.report().await?;
        let loaded = Self { book, opened, digest: header.digest, whole, id: id.to_owned() };
        let report = loaded.report()?;
        let mut frame = frame(app, &loaded.book, "/reports", &format!("Replay {}", started(report)));
        frame.crumbs.push(("Reports".into(), format!("{}/reports", base(name))));
        let other = (report.snapshot != header.header.name).then(|| visible(&report.snapshot));
        let above = ReportHeading {
            title: started(report),
            passed: report.passed,
            headline: visible(&view::ending_line(report)),
            other,
            tabs: Vec::new(),
            download: format!("{}/download", loaded.here()),
        };
        Ok((loaded, frame, above))
    }

    /// The report. An error became an error page when the report was loaded.
    pub(super) fn report(&self) -> Result<&Report, PageError> {
        self.whole.as_ref().as_ref().map_err(|problem| PageError::report(visible(problem)))
    }

    /// The heading and values that outlive the rendering.
    pub(super) fn shared(&self) -> Arc<Result<Report, String>> {
        self.whole.clone()
    }

    /// The address of the report.
    pub(super) fn here(&self) -> String {
        address(&self.book.name, &self.id)
    }

    /// The tabs, with the current one.
    pub(super) fn tabs(&self, current: &str) -> Result<Vec<(String, &'static str, bool)>, PageError> {
        let report = self.report()?;
        let all = [
            ("", "Performance", true),
            ("/success", "Success", true),
            ("/responder", "Responder", report.responder.is_some()),
            ("/logs", "Logs", report.logs.is_some()),
        ];
        let there = all.into_iter().filter(|(.., there)| *there);
        Ok(there.map(|(end, name, _)| (format!("{}{end}", self.here()), name, end == current)).collect())
    }
}

/// The address of a report.
pub(super) fn address(name: &str, id: &str) -> String {
    format!("{}/reports/{}", base(name), segment(id))
}

/// When the replay began, and its build.
pub(super) fn started(report: &Report) -> String {
    called(&report.started, report.build_tag.as_deref())
}

fn called(started: &str, tag: Option<&str>) -> String {
    let time = time::from_rfc3339(started).map_or_else(|| visible(started), date_time);
    tag.map_or(time.clone(), |tag| format!("{} · {time}", visible(tag)))
}

/// The part of a list on one page, and the addresses of its neighbours.
pub(super) struct Pages {
    pub(super) from: usize,
    pub(super) previous: Option<String>,
    pub(super) next: Option<String>,
    pub(super) text: String,
}

impl Pages {
    /// The page of a list with this many rows. `fields` are those of the filter.
    pub(super) fn new(rows: usize, page: &str, here: &str, fields: &[(&str, &str)]) -> Self {
        let pages = rows.div_ceil(ON_PAGE).max(1);
        let page = page.parse::<usize>().unwrap_or(1).clamp(1, pages);
        let at = |page: usize| {
            let page = page.to_string();
            format!("{here}?{}", query(fields.iter().copied().chain([("page", &*page)])))
        };
        Self {
            from: (page - 1) * ON_PAGE,
            previous: (page > 1).then(|| at(page - 1)),
            next: (page < pages).then(|| at(page + 1)),
            text: if pages > 1 { format!("Page {page} of {pages}") } else { String::new() },
        }
    }
}

/// Both sides of differences, as shown.
pub(super) fn sides(differences: &[Difference]) -> Vec<view::Sides> {
    let shown = |difference| {
        let (place, then, now) = view::sides(difference);
        (visible(&place), visible(&then), visible(&now))
    };
    differences.iter().map(shown).collect()
}

/// A message in the format of the wire, as shown.
pub(super) fn wire(message: &Message) -> String {
    visible(&view::raw(message))
}

/// A status as shown, with its style class.
pub(super) fn status(status: Option<u16>) -> (String, &'static str) {
    let text = status.map_or("–".to_owned(), |status| status.to_string());
    (text, crate::show::status_kind(status.unwrap_or(0)))
}

#[derive(Template)]
#[template(path = "report.html")]
struct PerformancePage {
    frame: Frame,
    above: ReportHeading,
    facts: Vec<(&'static str, String)>,
    goals: Vec<Goal>,
    notes: Vec<String>,
    /// HTML elements of ours, with escaped names.
    drawn: String,
}

pub(crate) async fn performance(
    State(app): State<Arc<App>>,
    Path((name, id)): Path<(String, String)>,
) -> Result<Response, PageError> {
    let (loaded, frame, mut above) = Loaded::new(&app, &name, &id).await?;
    above.tabs = loaded.tabs("")?;
    let report = loaded.report()?;
    let facts = view::facts(report).into_iter().map(|(key, value)| (key, visible(&value))).collect();
    let mut goals = view::goals(report);
    goals.iter_mut().for_each(|goal| goal.text = visible(&goal.text));
    let notes = report.notes.iter().map(|note| visible(note)).collect();
    // Tags and escapes aren't changed, because they contain no characters that are made visible.
    let drawn = visible(&view::performance(report));
    Ok(render(StatusCode::OK, &PerformancePage { frame, above, facts, goals, notes, drawn }))
}

#[derive(Template)]
#[template(path = "logs.html")]
struct LogsPage {
    frame: Frame,
    above: ReportHeading,
    text: String,
    left_out: u64,
}

pub(crate) async fn logs(
    State(app): State<Arc<App>>,
    Path((name, id)): Path<(String, String)>,
) -> Result<Response, PageError> {
    let (loaded, frame, mut above) = Loaded::new(&app, &name, &id).await?;
    above.tabs = loaded.tabs("/logs")?;
    let none = || PageError::not_found("The report has no logs: nothing was started.");
    let logs = loaded.report()?.logs.as_ref().ok_or_else(none)?;
    let page = LogsPage { frame, above, text: visible(&logs.text), left_out: logs.left_out };
    Ok(render(StatusCode::OK, &page))
}

/// The report's file.
pub(crate) async fn download(
    State(app): State<Arc<App>>,
    Path((name, id)): Path<(String, String)>,
) -> Result<Response, PageError> {
    let book = app.shelf()?.book(&name)?;
    let opened = app.reports.open(&book, &id)?;
    super::on_a_thread(move || {
        let failed = |error| PageError::failed(format!("the report can't be read: {error}"));
        Ok(attachment(&format!("{name}-{id}"), std::fs::read(&opened.path).map_err(failed)?))
    })
    .await
}
