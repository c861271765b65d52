//! The page of one exchange: request, response and signature.

use super::related::{Related, related};
use super::{base, frame};
use crate::index::{IndexContent, Row, label, read_line};
use crate::page::{Frame, PageError, render};
use crate::routes::App;
use crate::show::{self, BodyView, Curl, SHOWN_MAX, visible, visible_bytes};
use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use std::sync::Arc;
use understudy_analyse::technology::{self, Kind, Technology};
use understudy_core::canonical::{RequestView, Signature};
use understudy_core::digest::hex;
use understudy_core::exchange::{Direction, End, Exchange};
use understudy_core::headers::Headers;
use understudy_core::rules::{Rule, Rules};
use understudy_core::v1;
use understudy_snapshot::answerable::unanswerable;

#[derive(Template)]
#[template(path = "exchange.html")]
struct ExchangePage {
    frame: Frame,
    /// The page's address.
    here: String,
    previous: Option<String>,
    next: Option<String>,
    title: String,
    facts: Vec<(&'static str, String)>,
    status: u16,
    status_kind: &'static str,
    warning: Option<String>,
    technologies: Vec<Chip>,
    request: Message,
    response: Option<Message>,
    signature: Vec<(String, String)>,
    digest: String,
    related: Vec<Related>,
    curl: Option<Curl>,
}

/// A technology.
pub(super) struct Chip {
    pub(super) name: &'static str,
    pub(super) evidence: String,
    /// True if it names the backend, and not only its protocol.
    pub(super) main: bool,
}

/// A request or a response.
struct Message {
    line: String,
    headers: Vec<(String, String)>,
    trailers: Vec<(String, String)>,
    body: BodyView,
}

pub(crate) async fn recorded(
    State(app): State<Arc<App>>,
    Path((name, line)): Path<(String, u64)>,
) -> Result<Response, PageError> {
    let book = app.shelf()?.book(&name)?;
    let rules = book.open()?.header.rules;
    let text = recorded_line(&app, &name, line).await?;
    let here = format!("{}/traffic", base(&book.name));
    let frame = frame(&app, &book, "/traffic", &format!("Exchange {line}"));
    let around = {
        let index = book.index()?;
        let known = index.known();
        let at = known.rows.partition_point(|row| row.line < line);
        let address = |row: Option<&Row>| row.map(|row| format!("{here}/{}", row.line));
        (address(at.checked_sub(1).and_then(|at| known.rows.get(at))), address(known.rows.get(at + 1)))
    };
    let related = related(&app, &book, &text).await?;
    let mut page =
        super::on_a_thread(move || page(frame, format!("{here}/{line}"), &text, rules, around)).await?;
    page.frame.refresh = related.is_none();
    page.related = related.unwrap_or_default();
    Ok(render(StatusCode::OK, &page))
}

pub(crate) async fn received(
    State(app): State<Arc<App>>,
    Path(number): Path<u64>,
) -> Result<Response, PageError> {
    let text = received_line(&app, number).await?;
    let crumbs = vec![("Recording".to_owned(), "/live".to_owned())];
    let frame = Frame { title: format!("Exchange {number} · Recording"), crumbs, ..Frame::default() };
    let here = format!("/live/traffic/{number}");
    let mut around = (None, None);
    for (number, address) in
        [(number.wrapping_sub(1), &mut around.0), (number.wrapping_add(1), &mut around.1)]
    {
        let held = app.live()?.line(number).await.is_some();
        *address = held.then(|| format!("/live/traffic/{number}"));
    }
    let page = super::on_a_thread(move || page(frame, here, &text, Vec::new(), around)).await?;
    Ok(render(StatusCode::OK, &page))
}

/// The line of a snapshot's exchange.
pub(crate) async fn recorded_line(app: &App, name: &str, line: u64) -> Result<Vec<u8>, PageError> {
    let book = app.shelf()?.book(name)?;
    let index = book.index()?;
    let place = |known: &IndexContent| {
        let at = known.rows.binary_search_by_key(&line, |row| row.line).ok()?;
        known.rows.get(at).map(|row| row.place)
    };
    // The line may be in the index before the whole file was read.
    let mut found = place(&index.known());
    while found.is_none() && !index.is_done() {
        index.wait(app.patience).await;
        found = place(&index.known());
    }
    let found = found.or_else(|| place(&index.known()));
    let found =
        found.ok_or_else(|| PageError::not_found(format!("Line {line} of {name} holds no exchange.")))?;
    let path = book.exchanges()?;
    super::on_a_thread(move || {
        read_line(&path, found)
            .map_err(|error| PageError::failed(format!("the exchange can't be read: {error}")))
    })
    .await
}

/// The line of a running recording's exchange.
pub(crate) async fn received_line(app: &App, number: u64) -> Result<Vec<u8>, PageError> {
    let line = app.live()?.line(number).await;
    let gone = || {
        PageError::not_found(
            "This exchange is no longer shown here, because newer ones have arrived. It is in the store.",
        )
    };
    line.map(|line| line.to_vec()).ok_or_else(gone)
}

/// Parses the exchange of a line.
pub(crate) fn parse(line: &[u8]) -> Result<Exchange, PageError> {
    let changed = |_| PageError::conflict("The file was changed since it was listed: load the list again.");
    v1::read_record(line).map(|record| record.exchange).map_err(changed)
}

fn page(
    frame: Frame,
    here: String,
    line: &[u8],
    rules: Vec<Rule>,
    (previous, next): (Option<String>, Option<String>),
) -> Result<ExchangePage, PageError> {
    let exchange = parse(line)?;
    let request = &exchange.request;
    let mut signature = Signature::default();
    let title = label(&exchange, &mut signature, &Rules::default());
    signature.set(&RequestView::from(&exchange), &Rules::new(rules));
    let fields = signature
        .fields()
        .map(|(key, value)| (visible_bytes(key), visible_bytes(&value[..value.len().min(SHOWN_MAX)])));
    let asked = format!("{} {}", visible_bytes(&request.method), visible_bytes(&request.path));
    let message = |line: String, headers: &Headers, trailers: &Headers, body: &_| Message {
        line,
        headers: pairs(headers),
        trailers: pairs(trailers),
        body: BodyView::of(body, headers),
    };
    let response = exchange.response.as_ref().map(|response| {
        let line = format!("{} {}", visible(&exchange.protocol), response.status);
        message(line, &response.headers, &response.trailers, &response.body)
    });
    let status = exchange.response.as_ref().map_or(0, |response| response.status);
    let outbound = exchange.direction == Direction::Outbound;
    Ok(ExchangePage {
        frame,
        here,
        previous,
        next,
        title: visible(&title),
        facts: facts(&exchange),
        status,
        status_kind: show::status_kind(status),
        warning: unanswerable(&exchange).filter(|_| outbound).map(|why| why.to_string()),
        technologies: technologies(technology::detect(&exchange).iter()),
        request: message(asked, &request.headers, &request.trailers, &request.body),
        response,
        signature: fields.collect(),
        digest: hex(&signature.digest()),
        related: Vec::new(),
        curl: show::curl(&exchange),
    })
}

/// Technologies with their evidence, as shown.
pub(super) fn technologies<'a>(tags: impl Iterator<Item = &'a Technology>) -> Vec<Chip> {
    tags.map(|tag| Chip {
        name: tag.name,
        evidence: visible(&tag.evidence.join("; ")),
        main: matches!(tag.kind, Kind::Service | Kind::Telemetry | Kind::Cloud),
    })
    .collect()
}

fn facts(exchange: &Exchange) -> Vec<(&'static str, String)> {
    let mut facts = vec![
        ("Backend", visible(&exchange.backend)),
        ("Time", show::date_time(exchange.time)),
        ("Duration", show::duration(exchange.duration)),
    ];
    if let Some(first_byte) = exchange.first_byte {
        facts.push(("First byte after", show::duration(first_byte)));
    }
    facts.push(("Protocol", visible(&exchange.protocol)));
    facts.push((
        "Direction",
        match exchange.direction {
            Direction::Outbound => "outbound: the service called".into(),
            Direction::Inbound => "inbound: the service was called".into(),
        },
    ));
    facts.push((
        "End",
        match exchange.end {
            End::Complete => "complete".into(),
            End::RequestAborted => "the request stopped in the middle".into(),
            End::ClientLeft => "the client left in the middle of the response".into(),
            End::ResponseAborted => "the response stopped in the middle".into(),
            End::NoResponse => "no response".into(),
        },
    ));
    facts.push(("Identifier", visible(&exchange.id)));
    facts
}

fn pairs(headers: &Headers) -> Vec<(String, String)> {
    headers.iter().map(|(name, value)| (visible_bytes(name), visible_bytes(value))).collect()
}
