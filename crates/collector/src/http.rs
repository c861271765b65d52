//! The HTTP routes of the collector: batches in, health and metrics out. Decides nothing about a
//! batch.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tracing::{Instrument, field::Empty};

use crate::error::IngestError;
use crate::ingest::Ingest;
use crate::metrics;

/// The header by which proxies identify a request.
const REQUEST_ID: &str = "x-request-id";
/// The maximum length of a request's identifier in the log.
const MAX_REQUEST_ID: usize = 64;

#[derive(Clone)]
struct AppState {
    ingest: Ingest,
    /// In seconds.
    retry_after: u64,
    /// The number of the next request without an identifier.
    next_request: Arc<AtomicU64>,
}

pub(crate) fn router(ingest: Ingest, retry_after: Duration) -> Router {
    let seconds = retry_after.as_secs() + u64::from(retry_after.subsec_nanos() > 0);
    let app = AppState { ingest, retry_after: seconds.max(1), next_request: Arc::new(AtomicU64::new(1)) };
    Router::new()
        .route("/v1/exchanges", post(receive))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(show_metrics))
        .with_state(app)
}

async fn receive(State(app): State<AppState>, request: Request) -> Response {
    let id = request_id(request.headers())
        .map_or_else(|| app.next_request.fetch_add(1, Relaxed).to_string(), ToOwned::to_owned);
    let span = tracing::info_span!("request", id, vm = Empty, seq = Empty);
    store(app, request).instrument(span).await
}

/// The identifier that the sender or a proxy gave the request, if it is harmless in a log.
fn request_id(headers: &HeaderMap) -> Option<&str> {
    let id = headers.get(REQUEST_ID)?.to_str().ok()?;
    let is_harmless = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    ((1..=MAX_REQUEST_ID).contains(&id.len()) && id.bytes().all(is_harmless)).then_some(id)
}

async fn store(app: AppState, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let encoding = match head.headers.get(header::CONTENT_ENCODING).map(|value| value.to_str()) {
        None => Ok(None),
        Some(Ok(encoding)) => Ok(Some(encoding)),
        Some(Err(_)) => Err(IngestError::UnknownEncoding("(not text)".into())),
    };
    let received = match encoding {
        Ok(encoding) => app.ingest.receive(body, encoding).await,
        Err(error) => Err(error),
    };
    match received {
        Ok(_) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => refuse(&app, &error),
    }
}

fn refuse(app: &AppState, error: &IngestError) -> Response {
    let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = format!("{}: {error}\n", error.code());
    if error.is_temporary() {
        return (status, [(header::RETRY_AFTER, app.retry_after.to_string())], body).into_response();
    }
    (status, body).into_response()
}

async fn ready(State(app): State<AppState>) -> Response {
    match app.ingest.store().ready().await {
        Ok(()) => "ready\n".into_response(),
        Err(error) => {
            (StatusCode::SERVICE_UNAVAILABLE, format!("{}: {error}\n", error.code())).into_response()
        }
    }
}

async fn show_metrics(State(app): State<AppState>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], app.ingest.metrics())
}
