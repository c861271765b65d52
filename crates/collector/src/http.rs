//! The HTTP face of the collector: batches in, health and metrics out. Decides nothing about a batch.

use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use crate::error::IngestError;
use crate::ingest::Ingest;

#[derive(Clone)]
struct App {
    ingest: Ingest,
    retry_after: u64,
}

pub(crate) fn router(ingest: Ingest, retry_after: Duration) -> Router {
    let seconds = retry_after.as_secs() + u64::from(retry_after.subsec_nanos() > 0);
    let app = App { ingest, retry_after: seconds.max(1) };
    Router::new()
        .route("/v1/exchanges", post(receive))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(app)
}

async fn receive(State(app): State<App>, request: Request) -> Response {
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

fn refuse(app: &App, error: &IngestError) -> Response {
    let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = format!("{}: {error}\n", error.code());
    if error.is_temporary() {
        return (status, [(header::RETRY_AFTER, app.retry_after.to_string())], body).into_response();
    }
    (status, body).into_response()
}

async fn ready(State(app): State<App>) -> Response {
    match app.ingest.store().ready().await {
        Ok(()) => "ready\n".into_response(),
        Err(error) => {
            (StatusCode::SERVICE_UNAVAILABLE, format!("{}: {error}\n", error.code())).into_response()
        }
    }
}

async fn metrics(State(app): State<App>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], app.ingest.metrics())
}
