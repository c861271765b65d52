//! The first page: the snapshots of the folder. If there is only one thing to show, redirects to
//! it.

use crate::form::segment;
use crate::page::{Frame, PageError, render, see_other};
use crate::routes::App;
use crate::show::{count, date_time, visible};
use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use std::sync::Arc;
use understudy_core::config::Mode;

#[derive(Template)]
#[template(path = "list.html")]
struct ListPage {
    frame: Frame,
    folder: String,
    rows: Vec<ListedSnapshot>,
}

struct ListedSnapshot {
    name: String,
    href: String,
    service: String,
    recorded: String,
    exchanges: String,
    backends: usize,
    mocked: usize,
    problem: bool,
}

pub(crate) async fn show(State(app): State<Arc<App>>) -> Result<Response, PageError> {
    if app.live.is_some() {
        return Ok(see_other("/live"));
    }
    let shelf = app.shelf()?;
    if let Some(one) = &shelf.one {
        return Ok(see_other(&super::base(one)));
    }
    let names =
        shelf.names().map_err(|error| PageError::failed(format!("the folder can't be read: {error}")))?;
    let rows = names.iter().map(|name| listed(&app, name)).collect();
    let frame = Frame { title: "Snapshots".into(), ..Frame::default() };
    Ok(render(
        StatusCode::OK,
        &ListPage { frame, folder: visible(&shelf.root().display().to_string()), rows },
    ))
}

fn listed(app: &App, name: &str) -> ListedSnapshot {
    let mut row = ListedSnapshot {
        name: visible(name),
        href: format!("/s/{}", segment(name)),
        service: String::new(),
        recorded: String::new(),
        exchanges: String::new(),
        backends: 0,
        mocked: 0,
        problem: true,
    };
    let opened = app.shelf().and_then(|shelf| shelf.book(name)).and_then(|book| book.open());
    if let Ok(opened) = opened {
        let header = &opened.header;
        row.problem = false;
        row.service = visible(header.service.as_deref().unwrap_or_default());
        row.recorded = date_time(header.recorded);
        row.exchanges = count(header.inbound() + header.outbound());
        row.backends = header.backends.len();
        row.mocked = header.backends.values().filter(|backend| backend.mode == Mode::Mock).count();
    }
    row
}
