//! The reports of a snapshot, the newest first, with their totals. Two of them can be compared.

use super::{address, called};
use crate::page::{Frame, PageError, render};
use crate::pages::{base, frame, on_a_thread};
use crate::reports::ListedReport;
use crate::routes::App;
use crate::show::{duration, visible};
use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use std::sync::Arc;
use understudy_replay::report::{Head, kept, millis, number};

#[derive(Template)]
#[template(path = "reports.html")]
struct ListPage {
    frame: Frame,
    base: String,
    /// The folder of reports, shown if there are none.
    folder: String,
    rows: Vec<Row>,
    notes: Vec<String>,
}

struct Row {
    id: String,
    name: String,
    href: String,
    problem: String,
    passed: bool,
    took: String,
    success: String,
    responder: String,
    p95: String,
    old: bool,
    new: bool,
}

pub(crate) async fn show(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
) -> Result<Response, PageError> {
    let book = app.shelf()?.book(&name)?;
    let opened = book.open()?;
    on_a_thread(move || {
        let list = app.reports.list(&book, &opened.header.name)?;
        let mut notes = Vec::new();
        if let (1.., Some(folder)) = (list.others, app.reports.folder()) {
            let (count, folder) = (list.others, visible(&folder.display().to_string()));
            notes.push(format!(
                "{count} in {folder} are of other snapshots, or can’t be read, and aren’t listed here."
            ));
        }
        let mut rows: Vec<Row> =
            list.reports.iter().map(|(listed, head)| row(&book.name, listed, head)).collect();
        // Each report is compared with the one before it.
        let mut readable = rows.iter_mut().filter(|row| row.problem.is_empty());
        let (new, old) = (readable.next(), readable.next());
        if let (Some(new), Some(old)) = (new, old) {
            (new.new, old.old) = (true, true);
        }
        let frame = frame(&app, &book, "/reports", "Reports");
        let folder = visible(&book.path.join(kept::FOLDER).display().to_string());
        Ok(render(StatusCode::OK, &ListPage { frame, base: base(&book.name), folder, rows, notes }))
    })
    .await
}

fn row(name: &str, listed: &ListedReport, head: &Result<Head, String>) -> Row {
    let mut row = Row {
        id: listed.id.clone(),
        name: visible(&listed.id),
        href: address(name, &listed.id),
        problem: String::new(),
        passed: false,
        took: String::new(),
        success: String::new(),
        responder: String::new(),
        p95: String::new(),
        old: false,
        new: false,
    };
    match head {
        Err(problem) => row.problem = visible(problem),
        Ok(head) => {
            let rate = |rate: Option<f64>| rate.map_or("–".to_owned(), |rate| number(rate, "%"));
            row.name = called(&head.started, head.build_tag.as_deref());
            row.passed = head.passed;
            row.took = duration(head.duration_us);
            row.success = rate(head.success.rate);
            row.responder = rate(head.responder.and_then(|responder| responder.rate));
            row.p95 = head.performance.replayed.map_or("–".to_owned(), |figures| millis(figures.p95_us));
        }
    }
    row
}

impl ListPage {
    /// Returns whether there are at least two reports.
    fn two(&self) -> bool {
        self.rows.iter().any(|row| row.old)
    }
}
