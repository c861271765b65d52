//! The sent requests with their results: a list, and the page of one request.

use super::{Loaded, ON_PAGE, Pages, ReportHeading, sides, status, wire};
use crate::form::Form;
use crate::page::{Frame, PageError, render};
use crate::routes::App;
use crate::show::{count, visible};
use askama::Template;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use std::sync::Arc;
use understudy_replay::report::view::{self, Sides};
use understudy_replay::report::{Carried, IgnoredPlace, Pair, Report, millis};

/// The maximum number of shown lines of each list below.
const LISTED: usize = 500;

#[derive(Template)]
#[template(path = "success.html")]
struct SuccessPage {
    frame: Frame,
    above: ReportHeading,
    here: String,
    sentence: String,
    what: String,
    text: String,
    found: String,
    rows: Vec<Row>,
    pages: Pages,
    ignored: Vec<(String, u64, String, String)>,
    carried: Vec<(String, String, String)>,
}

struct Row {
    href: String,
    request: String,
    exchange: String,
    class: &'static str,
    what: String,
    then: (String, &'static str),
    now: (String, &'static str),
    recorded: String,
    took: String,
}

/// The result of a pair: for the filter, as a style class, as text.
fn became(pair: &Pair) -> (&'static str, &'static str, String) {
    let failed = pair.different + pair.errors;
    let times =
        if pair.sent > 1 && failed > 0 { format!(", {failed} of {}", pair.sent) } else { String::new() };
    match (pair.sent, pair.errors, pair.different) {
        (0, ..) => ("not-sent", "warning", "never sent".to_owned()),
        (_, 1.., _) => ("failed", "bad", format!("no answer{times}")),
        (_, _, 1..) => ("failed", "bad", format!("different{times}")),
        _ => ("same", "good", "as recorded".to_owned()),
    }
}

pub(crate) async fn show(
    State(app): State<Arc<App>>,
    Path((name, id)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    let form = Form::read(query.unwrap_or_default().as_bytes());
    let (loaded, frame, mut above) = Loaded::new(&app, &name, &id).await?;
    above.tabs = loaded.tabs("/success")?;
    crate::pages::on_a_thread(move || {
        let report = loaded.report()?;
        let here = format!("{}/success", loaded.here());
        let (what, text) = (form.get("what").to_owned(), form.get("text").to_owned());
        let found = found(report, &what, &text);
        let pages = Pages::new(found.len(), form.get("page"), &here, &[("what", &what), ("text", &text)]);
        let rows =
            found.iter().skip(pages.from).take(ON_PAGE).map(|number| row(report, *number, &here)).collect();
        let page = SuccessPage {
            frame,
            above,
            sentence: view::success(report),
            found: format!("{} of {} requests", count(found.len() as u64), count(report.pairs.len() as u64)),
            rows,
            pages,
            ignored: report.ignored.iter().take(LISTED).map(ignored).collect(),
            carried: report.carried.iter().take(LISTED).map(carried).collect(),
            here,
            what,
            text,
        };
        Ok(render(StatusCode::OK, &page))
    })
    .await
}

/// The numbers of the selected pairs, failed ones first.
fn found(report: &Report, what: &str, text: &str) -> Vec<usize> {
    let text = text.to_lowercase();
    let has = |pair: &Pair| {
        let all = || format!("{} {} #{}", pair.method, pair.path, pair.exchange).to_lowercase();
        (what.is_empty() || became(pair).0 == what) && (text.is_empty() || all().contains(&text))
    };
    let mut found: Vec<usize> =
        (0..).zip(&report.pairs).filter(|(_, pair)| has(pair)).map(|(at, _)| at).collect();
    found.sort_by_key(|at| report.pairs.get(*at).is_none_or(|pair| !pair.failed()));
    found
}

fn row(report: &Report, number: usize, here: &str) -> Row {
    let pair = &report.pairs[number];
    let (_, class, what) = became(pair);
    Row {
        href: format!("{here}/{number}"),
        request: visible(&format!("{} {}", pair.method, pair.path)),
        exchange: visible(&pair.exchange),
        class,
        what,
        then: status(pair.recorded_status),
        now: status(pair.status),
        recorded: millis(pair.recorded_us),
        took: millis(pair.latency_us),
    }
}

fn ignored(place: &IgnoredPlace) -> (String, u64, String, String) {
    (visible(&place.place), place.count, visible(&place.exchange), visible(&place.why))
}

fn carried(carried: &Carried) -> (String, String, String) {
    let to: Vec<_> = carried.to.iter().take(5).map(|(exchange, at)| format!("#{exchange} {at}")).collect();
    let more = carried.to.len().saturating_sub(5);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let from = format!("#{} {}", carried.from, carried.from_at);
    (visible(&carried.recorded), visible(&from), visible(&format!("{}{more}", to.join(", "))))
}

#[derive(Template)]
#[template(path = "pair.html")]
struct PairPage {
    frame: Frame,
    above: ReportHeading,
    row: Row,
    error: String,
    differences: Vec<Sides>,
    more: u64,
    messages: Vec<(&'static str, String)>,
    /// The address of the list of exchanges, filtered for this one.
    traffic: String,
}

pub(crate) async fn pair(
    State(app): State<Arc<App>>,
    Path((name, id, number)): Path<(String, String, usize)>,
) -> Result<Response, PageError> {
    let (loaded, frame, mut above) = Loaded::new(&app, &name, &id).await?;
    above.tabs = loaded.tabs("/success")?;
    let report = loaded.report()?;
    let none = || PageError::not_found("The report has no such request.");
    let pair = report.pairs.get(number).ok_or_else(none)?;
    let messages = pair.detail.iter().flat_map(|detail| {
        let all = [
            ("Request", Some(&detail.request)),
            ("Recorded answer", detail.recorded.as_ref()),
            ("Answer now", detail.live.as_ref()),
        ];
        all.into_iter().filter_map(|(title, message)| Some((title, wire(message?))))
    });
    let page = PairPage {
        frame,
        above,
        row: row(report, number, &format!("{}/success", loaded.here())),
        error: visible(pair.error.as_deref().unwrap_or_default()),
        differences: sides(&pair.differences),
        more: pair.more.unwrap_or(0),
        messages: messages.collect(),
        traffic: format!("{}/traffic?direction=inbound", crate::pages::base(&name)),
    };
    Ok(render(StatusCode::OK, &page))
}
