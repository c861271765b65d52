//! Two reports side by side, like `understudy report --compare`.

use super::{address, started};
use crate::form::Form;
use crate::page::{Frame, PageError, render};
use crate::pages::{base, frame, on_a_thread};
use crate::routes::App;
use crate::show::visible;
use askama::Template;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use std::sync::Arc;
use understudy_replay::report::versus;

#[derive(Template)]
#[template(path = "compare.html")]
struct ComparePage {
    frame: Frame,
    /// The names and addresses of both reports.
    old: (String, String),
    new: (String, String),
    worse: bool,
    text: String,
    swap: String,
}

pub(crate) async fn show(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    let form = Form::read(query.unwrap_or_default().as_bytes());
    let book = app.shelf()?.book(&name)?;
    book.open()?;
    let (old, new) = (form.get("old").to_owned(), form.get("new").to_owned());
    let reports =
        (app.reports.open(&book, &old)?.report().await?, app.reports.open(&book, &new)?.report().await?);
    on_a_thread(move || {
        let (Ok(before), Ok(after)) = (&*reports.0, &*reports.1) else {
            return Err(PageError::report("One of the reports can't be read."));
        };
        let found = versus(before, after);
        let mut frame = frame(&app, &book, "/reports", "Two reports");
        frame.crumbs.push(("Reports".into(), format!("{}/reports", base(&name))));
        let swap = crate::form::query([("old", &*new), ("new", &*old)]);
        let page = ComparePage {
            frame,
            old: (started(before), address(&name, &old)),
            new: (started(after), address(&name, &new)),
            worse: found.worse,
            text: visible(&found.text),
            swap: format!("{}/compare?{swap}", base(&name)),
        };
        Ok(render(StatusCode::OK, &page))
    })
    .await
}
