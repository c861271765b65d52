//! The summary of a snapshot: its backends with their counts and latencies, and a checkbox for each
//! that tells whether it is mocked.

use super::changes::LineChange;
use super::exchange::{Chip, technologies};
use super::{base, frame};
use crate::form::query;
use crate::page::{Frame, PageError, render};
use crate::routes::App;
use crate::show::{count, date_time, duration, visible};
use crate::snapshots::{OpenedHeader, ShownSnapshot};
use askama::Template;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use std::collections::BTreeMap;
use std::sync::Arc;
use understudy_analyse::service_map::{self, ServiceMap};
use understudy_analyse::summary::{BackendSummary, Summary, Way, summary};
use understudy_core::backend;
use understudy_core::config::{Mode, OnMiss};

#[derive(Template)]
#[template(path = "summary.html")]
pub(super) struct SummaryPage {
    frame: Frame,
    base: String,
    facts: Vec<(&'static str, String)>,
    /// The service map as an SVG element of ours, with escaped names.
    map: Option<String>,
    backends: Vec<ShownBackend>,
    inbound: Vec<ShownBackend>,
    token: String,
    digest: String,
    saved: bool,
    conflict: Option<SaveConflict>,
}

/// Why nothing was saved.
pub(super) struct SaveConflict {
    /// The changed lines of `snapshot.yaml`; `None` if its old text isn't known.
    pub(super) changes: Option<Vec<LineChange>>,
}

/// A backend as shown.
struct ShownBackend {
    name: String,
    mode: &'static str,
    /// The state of the checkbox.
    mocked: bool,
    /// True if the checkbox differs from `snapshot.yaml`.
    unsaved: bool,
    protocol: String,
    host: String,
    port: String,
    technologies: Vec<Chip>,
    requests: String,
    share: String,
    p50: String,
    p95: String,
    errors: u64,
    traffic: String,
}

pub(crate) async fn show(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    let book = app.shelf()?.book(&name)?;
    let opened = book.open()?;
    let mut page = SummaryPage::of(&app, &book, &opened, None).await?;
    page.saved = query.as_deref() == Some("saved=1");
    Ok(render(StatusCode::OK, &page))
}

/// The name of a mode in `snapshot.yaml`.
pub(super) fn mode_name(mode: Mode) -> &'static str {
    match mode {
        Mode::Mock => "mock",
        Mode::Tap => "tap",
        Mode::Off => "off",
    }
}

impl SummaryPage {
    /// The page, with the user's choice from a form that couldn't be saved.
    pub(super) async fn of(
        app: &App,
        book: &ShownSnapshot,
        opened: &OpenedHeader,
        chosen: Option<(&BTreeMap<String, bool>, SaveConflict)>,
    ) -> Result<Self, PageError> {
        let snapshot = book.snapshot()?;
        let outcome = book.summary.get(book.state()?, app.patience, move || summary(&snapshot)).await;
        let known = match outcome.as_deref() {
            None => None,
            Some(Ok(known)) => Some(known),
            Some(Err(error)) => return Err(PageError::failed(error.to_string())),
        };
        let (chosen, conflict) =
            chosen.map_or((None, None), |(chosen, conflict)| (Some(chosen), Some(conflict)));
        let none = BTreeMap::new();
        let mut page = Self {
            frame: frame(app, book, "", ""),
            base: base(&book.name),
            facts: facts(book, opened, known),
            map: None,
            backends: shown(opened, known, chosen.unwrap_or(&none), &base(&book.name)),
            inbound: Vec::new(),
            token: app.guard.form_token.clone(),
            digest: opened.digest.clone(),
            saved: false,
            conflict,
        };
        page.frame.refresh = known.is_none();
        if let Some(known) = known {
            let inbound = known.backends.iter().filter(|backend| backend.direction == Way::Inbound);
            page.map = Some(ServiceMap::new(known).to_svg_element());
            page.inbound = inbound.map(|backend| ShownBackend::of(backend, &page.base)).collect();
        }
        Ok(page)
    }
}

fn facts(
    book: &ShownSnapshot,
    opened: &OpenedHeader,
    known: Option<&Summary>,
) -> Vec<(&'static str, String)> {
    let header = &opened.header;
    let mut facts = Vec::new();
    if header.name != book.name {
        facts.push(("Name", visible(&header.name)));
    }
    facts.extend(header.service.as_deref().map(|service| ("Service", visible(service))));
    facts.push(("Recorded", date_time(header.recorded)));
    let counted = header.inbound() + header.outbound();
    facts.push(("Exchanges", count(known.map_or(counted, |known| known.exchanges))));
    facts.push((
        "On a miss",
        match header.on_miss {
            OnMiss::Fail => "fail".into(),
            OnMiss::Passthrough => "passthrough".into(),
            OnMiss::Capture => "capture".into(),
        },
    ));
    facts
}

/// The backends, the most called first. Until they are counted, in the order of `snapshot.yaml`.
fn shown(
    opened: &OpenedHeader,
    known: Option<&Summary>,
    chosen: &BTreeMap<String, bool>,
    base: &str,
) -> Vec<ShownBackend> {
    let header = &opened.header;
    let mut backends: Vec<ShownBackend> = match known {
        Some(known) => {
            let outbound = known.backends.iter().filter(|backend| backend.direction == Way::Outbound);
            outbound.map(|backend| ShownBackend::of(backend, base)).collect()
        }
        None => header.backends.keys().map(|name| ShownBackend::named(name, base)).collect(),
    };
    for backend in &mut backends {
        let mode = header.backend(&backend.name).mode;
        let mocked = mode == Mode::Mock;
        backend.mode = mode_name(mode);
        backend.mocked = chosen.get(&backend.name).copied().unwrap_or(mocked);
        backend.unsaved = backend.mocked != mocked;
    }
    backends
}

impl ShownBackend {
    fn named(name: &str, base: &str) -> Self {
        let (scheme, host, port) = match backend::parts(name) {
            Some((scheme, host, port)) => (scheme.to_uppercase(), host, port.to_string()),
            None => (String::new(), name, String::new()),
        };
        Self {
            name: name.to_owned(),
            mode: "",
            mocked: false,
            unsaved: false,
            protocol: visible(&scheme),
            host: visible(host),
            port,
            technologies: Vec::new(),
            requests: String::new(),
            share: String::new(),
            p50: String::new(),
            p95: String::new(),
            errors: 0,
            traffic: format!("{base}/traffic?{}", query([("backend", name)])),
        }
    }

    fn of(backend: &BackendSummary, base: &str) -> Self {
        let timed = |micros| if backend.exchanges == 0 { "–".into() } else { duration(micros) };
        let protocols: Vec<_> = backend.protocols.iter().map(|protocol| visible(protocol)).collect();
        Self {
            protocol: protocols.join(", "),
            technologies: technologies(backend.technologies.iter()),
            errors: backend.errors,
            requests: count(backend.exchanges),
            share: service_map::percent(backend.share),
            p50: timed(backend.p50_us),
            p95: timed(backend.p95_us),
            ..Self::named(&backend.name, base)
        }
    }
}

impl SummaryPage {
    /// The number of mocked backends, as text.
    fn mocked(&self) -> String {
        let mocked = self.backends.iter().filter(|backend| backend.mode == "mock").count();
        format!("{} of {} mocked", count(mocked as u64), count(self.backends.len() as u64))
    }
}
