//! The exchanges of a running recording, the newest first.

use super::listing::{LiveList, TrafficPage, exchanges};
use crate::form::Form;
use crate::index::{Needle, Query, Sort};
use crate::live::HELD;
use crate::page::{Frame, PageError, render};
use crate::routes::App;
use crate::show::{count, visible};
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use std::sync::Arc;

pub(crate) async fn show(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    let live = app.live()?;
    let form = Form::read(query.unwrap_or_default().as_bytes());
    let mut query = Query::read(&form);
    if form.get("sort").is_empty() {
        query.sort = Sort::Newest;
    }
    let paused = form.get("pause") == "1";
    let newest = live.newest().await;
    let frame = Frame { title: "Recording".into(), refresh: !paused, ..Frame::default() };
    let mut numbers = query.rows(&newest.known);
    if !query.text.is_empty() {
        let needle = Needle::new(&query.text);
        let mut with_text = Vec::new();
        for number in numbers {
            let place = newest.known.rows[number as usize].line;
            if live.line(place).await.is_some_and(|line| needle.is_in_line(&line)) {
                with_text.push(number);
            }
        }
        numbers = with_text;
    }
    let mut page = TrafficPage::new(frame, "/live".into(), query, &newest.known);
    page.show_page(&newest.known, &numbers);
    let joined =
        |query: String, rest: &str| format!("/live?{query}{}{rest}", if query.is_empty() { "" } else { "&" });
    let toggle = joined(page.query.at_page(page.query.page), if paused { "" } else { "pause=1" });
    if paused {
        let pause = |address: Option<String>| address.map(|address| format!("{address}&pause=1"));
        (page.previous, page.next) = (pause(page.previous), pause(page.next));
    }
    page.live = Some(LiveList { paused, toggle });
    if newest.count > newest.known.rows.len() as u64 {
        let (held, all) = (count(HELD as u64), exchanges(newest.count));
        page.notes
            .push(format!("The newest of {all} since the server was started are shown, at most {held}."));
    }
    if let Some(failure) = newest.failure {
        let store = visible(&live.store().to_string());
        page.notes.push(format!("{store} can't be read any more: {failure}. The exchanges that arrived before are shown; a recording that has ended removes its store."));
    }
    Ok(render(StatusCode::OK, &page))
}
