//! The addresses of the pages, and the access control before all of them.

use crate::guard::{AccessDecision, Guard};
use crate::live::Live;
use crate::page::{PageError, protect, see_other};
use crate::pages::report;
use crate::reports::Reports;
use crate::snapshots::SnapshotShelf;
use crate::{assets, pages};
use axum::Router;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use std::sync::Arc;
use std::time::Duration;

/// The maximum size of a form in bytes: enough for a snapshot of thousands of backends.
const FORM_MAX: usize = 2 << 20;

/// The state that all pages share.
pub(crate) struct App {
    pub(crate) shelf: Option<SnapshotShelf>,
    pub(crate) reports: Reports,
    pub(crate) live: Option<Live>,
    pub(crate) guard: Guard,
    /// Time that a page waits for slow results.
    pub(crate) patience: Duration,
}

impl App {
    pub(crate) fn shelf(&self) -> Result<&SnapshotShelf, PageError> {
        self.shelf
            .as_ref()
            .ok_or_else(|| PageError::not_found("There are no snapshots here, only a recording in progress."))
    }

    pub(crate) fn live(&self) -> Result<&Live, PageError> {
        self.live.as_ref().ok_or_else(|| {
            PageError::not_found("No recording in progress is shown here: start `understudy ui --store`.")
        })
    }
}

pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/", get(pages::list::show))
        .route("/live", get(pages::live::show))
        .route("/live/traffic/{number}", get(pages::exchange::received))
        .route("/live/traffic/{number}/{part}", get(pages::download::received))
        .route("/s/{name}", get(pages::summary::show))
        .route("/s/{name}/backends", post(pages::save::save))
        .route("/s/{name}/traffic", get(pages::traffic::show))
        .route("/s/{name}/traffic/{line}", get(pages::exchange::recorded))
        .route("/s/{name}/traffic/{line}/{part}", get(pages::download::recorded))
        .route("/s/{name}/rules", get(pages::rules::show))
        .route("/s/{name}/rules/apply", post(pages::rules::apply))
        .route("/s/{name}/rules/undo", post(pages::rules::undo))
        .route("/s/{name}/lint", get(pages::lint::show))
        .route("/s/{name}/reports", get(report::list::show))
        .route("/s/{name}/compare", get(report::compare::show))
        .route("/s/{name}/reports/{id}", get(report::performance))
        .route("/s/{name}/reports/{id}/download", get(report::download))
        .route("/s/{name}/reports/{id}/success", get(report::success::show))
        .route("/s/{name}/reports/{id}/success/{number}", get(report::success::pair))
        .route("/s/{name}/reports/{id}/responder", get(report::responder::show))
        .route("/s/{name}/reports/{id}/responder/{number}", get(report::asked::show))
        .route("/s/{name}/reports/{id}/responder/{number}/rule", post(report::mend::rule))
        .route("/s/{name}/reports/{id}/responder/{number}/add", post(report::mend::add))
        .route("/s/{name}/reports/{id}/logs", get(report::logs))
        .route("/assets/{name}", get(asset))
        .fallback(|| async { PageError::not_found("There is no such page.") })
        .method_not_allowed_fallback(|| async {
            (StatusCode::METHOD_NOT_ALLOWED, "this address doesn't take that method\n")
        })
        .layer(DefaultBodyLimit::max(FORM_MAX))
        .layer(middleware::from_fn_with_state(app.clone(), guarded))
        .with_state(app)
}

async fn guarded(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let response = match app.guard.judge(request.method(), request.uri(), request.headers()) {
        AccessDecision::Pass => next.run(request).await,
        AccessDecision::Refuse(text) => PageError::forbidden(text).into_response(),
        AccessDecision::Welcome(cookie) => {
            // An address with two leading slashes would lead to another host.
            let path = request.uri().path().trim_start_matches(['/', '\\']);
            let mut response = see_other(&format!("/{path}"));
            if let Ok(cookie) = HeaderValue::try_from(cookie) {
                response.headers_mut().insert(header::SET_COOKIE, cookie);
            }
            response
        }
    };
    protect(response)
}

async fn asset(Path(name): Path<String>) -> Response {
    assets::serve(&name).unwrap_or_else(|| PageError::not_found("There is no such file.").into_response())
}
