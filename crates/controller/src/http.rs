//! The HTTP face: health, readiness and metrics. Changes nothing.

use crate::error::Error;
use crate::metrics::{CONTENT_TYPE, Metrics};
use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use tokio::net::TcpListener;

/// What the probes ask for.
#[derive(Debug, Default)]
pub(crate) struct Health {
    /// Whether the API server has answered: it works, or waits for its turn.
    pub(crate) ready: AtomicBool,
}

pub(crate) async fn bind(address: &str) -> Result<(TcpListener, SocketAddr), Error> {
    let listen = |source| Error::Listen { address: address.to_owned(), source };
    let listener = TcpListener::bind(address).await.map_err(listen)?;
    let local = listener.local_addr().map_err(listen)?;
    Ok((listener, local))
}

pub(crate) async fn serve(listener: TcpListener, metrics: Arc<Metrics>, health: Arc<Health>) {
    let text = [(header::CONTENT_TYPE, CONTENT_TYPE)];
    let router = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(move || std::future::ready(ready(&health))))
        .route("/metrics", get(move || std::future::ready((text, metrics.render()))));
    if let Err(error) = axum::serve(listener, router).await {
        log::error!("metrics and probes have ended: {error}");
    }
}

fn ready(health: &Health) -> Response {
    if health.ready.load(Relaxed) {
        "ready\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the API server hasn't answered yet\n").into_response()
    }
}
