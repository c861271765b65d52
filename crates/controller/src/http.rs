//! HTTP server for health, readiness and metrics. Changes nothing.

use crate::error::Error;
use crate::metrics::{CONTENT_TYPE, Metrics};
use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// Longest time until the whole head of a request has arrived, from the start of the connection or
/// from the end of the last answer. A connection that is idle for longer is closed, so that idle
/// connections can't use up the process's file descriptors.
pub(crate) const HEAD_TIMEOUT: Duration = Duration::from_secs(15);
/// Time until the next attempt when no connection can be accepted, as with no descriptor left.
const ACCEPT_RETRY: Duration = Duration::from_millis(500);

/// State that the probes ask for.
#[derive(Debug, Default)]
pub(crate) struct Health {
    /// True if the controller works, or waits for the lease. Not ready: it waits for the API
    /// server.
    pub(crate) ready: AtomicBool,
}

/// Listens on an address. Returns the listener and the address with its port.
pub(crate) async fn bind(address: &str) -> Result<(TcpListener, SocketAddr), Error> {
    let listen = |source| Error::Listen { address: address.to_owned(), source };
    let listener = TcpListener::bind(address).await.map_err(listen)?;
    let local = listener.local_addr().map_err(listen)?;
    Ok((listener, local))
}

/// Serves until it is dropped, which closes all connections.
pub(crate) async fn serve(
    listener: TcpListener,
    metrics: Arc<Metrics>,
    health: Arc<Health>,
    head_timeout: Duration,
) {
    let text = [(header::CONTENT_TYPE, CONTENT_TYPE)];
    let router = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(move || std::future::ready(ready(&health))))
        .route("/metrics", get(move || std::future::ready((text, metrics.render()))));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(head_timeout);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let service = TowerToHyperService::new(router.clone());
                    let connection = http.serve_connection(TokioIo::new(stream), service);
                    // A client that breaks off or is too slow is no fault of the controller.
                    connections.spawn(async move { drop(connection.await) });
                }
                Err(error) => {
                    log::warn!("metrics and probes: no connection is accepted: {error}; trying again");
                    sleep(ACCEPT_RETRY).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

fn ready(health: &Health) -> Response {
    if health.ready.load(Relaxed) {
        "ready\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the API server hasn't answered yet\n").into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;
    use tokio::time::timeout;

    /// Longest time that a test waits for the server to close a connection.
    const PATIENCE: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn connection_without_a_whole_request_is_closed() {
        let (listener, address) = bind("127.0.0.1:0").await.unwrap();
        let server = serve(listener, Arc::default(), Arc::default(), Duration::from_millis(100));
        let server = tokio::spawn(server);
        let request = "GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n";
        for (sent, answers) in [("", 0), ("GET /healthz HT", 0), (request, 1), (&request.repeat(2), 2)] {
            let mut client = TcpStream::connect(address).await.unwrap();
            client.write_all(sent.as_bytes()).await.unwrap();
            let mut received = String::new();
            let closed = timeout(PATIENCE, client.read_to_string(&mut received)).await;
            closed.unwrap_or_else(|_| panic!("still open after {sent:?}")).unwrap();
            assert_eq!(received.matches("HTTP/1.1 200 OK").count(), answers, "{sent:?}: {received}");
        }
        server.abort();
    }

    #[tokio::test]
    async fn probes_and_metrics_are_served() {
        let (listener, address) = bind("127.0.0.1:0").await.unwrap();
        let health = Arc::new(Health::default());
        let server = tokio::spawn(serve(listener, Arc::default(), health.clone(), HEAD_TIMEOUT));
        let get = async |path: &str| {
            let mut client = TcpStream::connect(address).await.unwrap();
            let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
            client.write_all(request.as_bytes()).await.unwrap();
            let mut received = String::new();
            client.read_to_string(&mut received).await.unwrap();
            received
        };
        assert!(get("/healthz").await.starts_with("HTTP/1.1 200 "));
        assert!(get("/readyz").await.starts_with("HTTP/1.1 503 "));
        health.ready.store(true, Relaxed);
        assert!(get("/readyz").await.starts_with("HTTP/1.1 200 "));
        let metrics = get("/metrics").await;
        assert!(metrics.contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n"), "{metrics}");
        assert!(metrics.contains("\nunderstudy_controller_leader 0\n"), "{metrics}");
        server.abort();
    }
}
