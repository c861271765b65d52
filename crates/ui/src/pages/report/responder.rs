//! The requests of the service to its backends with their verdicts, misses first.

use super::{Loaded, ON_PAGE, Pages, ReportHeading, status};
use crate::form::Form;
use crate::page::{Frame, PageError, render};
use crate::reports::{Now, judge};
use crate::routes::App;
use crate::show::{count, visible};
use askama::Template;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use std::sync::Arc;
use understudy_replay::report::{Call, JudgedCall, Responder, view};

/// The maximum number of listed calls whose counts differ.
const CALLS: usize = 500;

#[derive(Template)]
#[template(path = "responder.html")]
struct ResponderPage {
    frame: Frame,
    above: ReportHeading,
    here: String,
    sentence: String,
    /// The current verdicts on the requests that didn't match.
    now: String,
    notes: Vec<String>,
    verdict: String,
    text: String,
    found: String,
    rows: Vec<Row>,
    pages: Pages,
    calls: Vec<(String, u64, u64, String)>,
}

struct Row {
    href: String,
    time: String,
    operation: String,
    host: String,
    location: String,
    status: (String, &'static str),
    class: &'static str,
    verdict: String,
    note: String,
    /// True if it matches now.
    mended: bool,
}

pub(crate) async fn show(
    State(app): State<Arc<App>>,
    Path((name, id)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    let form = Form::read(query.unwrap_or_default().as_bytes());
    let (loaded, mut frame, mut above) = Loaded::new(&app, &name, &id).await?;
    above.tabs = loaded.tabs("/responder")?;
    let report = loaded.report()?;
    let none = || PageError::not_found("No backend was mocked in this replay.");
    let responder = report.responder.as_ref().ok_or_else(none)?;
    let judged = now(&app, &loaded).await?;
    frame.refresh = judged.is_none();
    let here = format!("{}/responder", loaded.here());
    let (verdict, text) = (form.get("verdict").to_owned(), form.get("text").to_owned());
    let found = found(responder, &verdict, &text);
    let pages = Pages::new(found.len(), form.get("page"), &here, &[("verdict", &verdict), ("text", &text)]);
    let judged = judged.as_deref();
    let on_page = found.iter().skip(pages.from).take(ON_PAGE);
    let rows = on_page.map(|number| row(&responder.verdicts[*number], *number, &here, judged)).collect();
    let page = ResponderPage {
        frame,
        above,
        sentence: view::responder_line(responder),
        now: sum(judged),
        notes: notes(responder),
        found: format!(
            "{} of {} requests",
            count(found.len() as u64),
            count(responder.verdicts.len() as u64)
        ),
        rows,
        pages,
        calls: responder.calls.iter().flat_map(|calls| &calls.changed).take(CALLS).map(call).collect(),
        here,
        verdict,
        text,
    };
    Ok(render(StatusCode::OK, &page))
}

/// The current verdicts on the requests that didn't match; `None` while they are being computed.
pub(super) async fn now(
    app: &App,
    loaded: &Loaded,
) -> Result<Option<Arc<crate::reports::Verdicts>>, PageError> {
    let (snapshot, whole) = (loaded.book.snapshot()?, loaded.shared());
    let work = move || match &*whole {
        Ok(report) => judge(&snapshot, report),
        Err(problem) => Err(problem.clone()),
    };
    Ok(loaded.opened.now.get(loaded.book.state()?, app.patience, work).await)
}

fn sum(judged: Option<&crate::reports::Verdicts>) -> String {
    match judged {
        None => "Matching the others against the current snapshot…".to_owned(),
        Some(Err(problem)) => format!("What would match now can’t be told: {}.", visible(problem)),
        Some(Ok(all)) if all.is_empty() => String::new(),
        Some(Ok(all)) => {
            let matching = all.iter().filter(|(_, now)| matches!(now, Now::Match { .. })).count();
            format!("Of the {} that didn’t match, {matching} would match the current snapshot.", all.len())
        }
    }
}

fn notes(responder: &Responder) -> Vec<String> {
    let not_understood = responder.not_understood.iter().take(CALLS);
    let mut notes: Vec<String> =
        not_understood.map(|text| format!("Not understood: {}", visible(text))).collect();
    if let Some(why) = &responder.no_calls {
        notes.push(format!("Dropped and extra calls weren’t counted: {}.", visible(why)));
    }
    if responder.not_listed > 0 {
        notes.push(format!("{} more matched and aren’t listed.", count(responder.not_listed)));
    }
    notes
}

fn found(responder: &Responder, verdict: &str, text: &str) -> Vec<usize> {
    let text = text.to_lowercase();
    let has = |asked: &JudgedCall| {
        let all = || format!("{} {}{}", asked.operation, asked.backend, asked.location).to_lowercase();
        (verdict.is_empty() || asked.verdict == verdict) && (text.is_empty() || all().contains(&text))
    };
    (0..).zip(&responder.verdicts).filter(|(_, asked)| has(asked)).map(|(at, _)| at).collect()
}

fn row(asked: &JudgedCall, number: usize, here: &str, judged: Option<&crate::reports::Verdicts>) -> Row {
    let note = match (&asked.reason, &asked.exchange) {
        (Some(reason), _) => visible(reason),
        (None, Some(exchange)) => format!("#{}", visible(exchange)),
        (None, None) => String::new(),
    };
    let now = judged.and_then(|judged| judged.as_ref().ok()).into_iter().flatten();
    Row {
        href: format!("{here}/{number}"),
        time: time(asked),
        operation: visible(&asked.operation),
        host: visible(asked.backend.split_once("://").map_or(asked.backend.as_str(), |(_, host)| host)),
        location: visible(&asked.location),
        status: status(asked.status),
        class: class(asked),
        verdict: visible(&asked.verdict),
        note,
        mended: now.into_iter().any(|(at, now)| *at == number && matches!(now, Now::Match { .. })),
    }
}

/// The style class of a verdict.
pub(super) fn class(asked: &JudgedCall) -> &'static str {
    match asked.verdict.as_str() {
        "match" => "good",
        "passthrough" => "warning",
        _ => "bad",
    }
}

/// The time of day. The date is in the heading.
fn time(asked: &JudgedCall) -> String {
    understudy_core::time::from_rfc3339(&asked.time).map_or_else(|| visible(&asked.time), crate::show::clock)
}

fn call(call: &Call) -> (String, u64, u64, String) {
    (visible(&format!("{}{}", call.backend, call.request)), call.recorded, call.made, visible(&call.exchange))
}
