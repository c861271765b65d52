//! The traffic of a snapshot: all exchanges, or those that match a filter.

use super::listing::{ON_PAGE, TrafficPage, exchanges};
use super::{base, frame, on_a_thread};
use crate::form::Form;
use crate::index::{Index, Needle, Query, Row};
use crate::page::{PageError, render};
use crate::routes::App;
use crate::show::{count, percent};
use crate::snapshots::ShownSnapshot;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The time limit of a text search for one page.
const SEARCH: Duration = Duration::from_millis(1_500);

pub(crate) async fn show(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    let book = app.shelf()?.book(&name)?;
    let query = Query::read(&Form::read(query.unwrap_or_default().as_bytes()));
    let index = book.index()?;
    index.wait(app.patience).await;
    let path = book.exchanges()?;
    let app = app.clone();
    on_a_thread(move || Ok(render(StatusCode::OK, &page(&app, &book, &index, query, path)?))).await
}

fn page(
    app: &App,
    book: &ShownSnapshot,
    index: &Index,
    query: Query,
    path: PathBuf,
) -> Result<TrafficPage, PageError> {
    let frame = frame(app, book, "/traffic", "Traffic");
    let here = format!("{}/traffic", base(&book.name));
    // Checked first, because rows that are read in between are shown.
    let done = index.is_done();
    let known = index.known();
    let mut page = TrafficPage::new(frame, here, query, &known);
    if !done {
        let percent = percent(known.read, index.stamp.length);
        page.frame.refresh = true;
        page.notes
            .push(format!("Still reading: {percent} of the file so far. This page shows more in a moment."));
    }
    if known.bad_lines > 0 {
        let count = count(known.bad_lines);
        page.notes.push(format!("{count} of the file's lines can't be read as exchanges: see Lint."));
    }
    if let Some(failure) = &known.failure {
        page.notes.push(format!("The file could not be read to its end: {failure}."));
    }
    let numbers = page.query.rows(&known);
    if page.query.text.is_empty() {
        page.show_page(&known, &numbers);
        return Ok(page);
    }
    let after = page.query.after.min(numbers.len());
    let rows: Vec<Row> = numbers[after..].iter().map(|number| known.rows[*number as usize]).collect();
    // Released during the search, so that indexing continues.
    drop(known);
    let failed = |error| PageError::failed(format!("the exchanges can't be read: {error}"));
    let found = Needle::new(&page.query.text).search(&path, &rows, ON_PAGE, SEARCH).map_err(failed)?;
    let known = index.known();
    page.show(&known, found.at.iter().map(|at| rows[*at]));
    let looked = after + found.searched;
    if looked < numbers.len() {
        page.next = Some(format!("{}?{}", page.here, page.query.after(looked)));
    }
    page.found = format!(
        "{} found; {} of {} looked through",
        exchanges(found.at.len() as u64),
        count(looked as u64),
        count(numbers.len() as u64)
    );
    Ok(page)
}
