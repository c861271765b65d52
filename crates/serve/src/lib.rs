//! Serves an [`axum::Router`] over HTTP/1.1 and HTTP/2 (with prior knowledge), with limits that
//! axum's own server doesn't have: connections without a request in progress are closed after a
//! time, and the number of connections is bounded. At the maximum, the connection that was idle
//! longest makes room, so that idle connections never keep a request out.
//!
//! Never installs signal handlers: the caller stops the server.

mod activity;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::Service;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::{Id, JoinSet};

use activity::Activity;

/// Time that a client has to answer an HTTP/2 ping.
const PING_TIMEOUT: Duration = Duration::from_secs(120);
/// Pause after a connection couldn't be accepted, for example at the limit of open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);
/// The maximum number of connections, whatever the limit of open files.
const MAX_CONNECTIONS: u64 = 10_000;

/// The limits of a server.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServeLimits {
    /// Time after which a connection without a request in progress is closed. The time in which the
    /// head of a request arrives counts as idle. Default 120 s.
    pub idle_timeout: Duration,
    /// The maximum number of connections. Default: what the process's limit of open files allows,
    /// and at most 10,000.
    pub max_connections: usize,
    /// Time that a shutdown waits for requests in progress. Default 10 s.
    pub shutdown_deadline: Duration,
}

impl Default for ServeLimits {
    fn default() -> Self {
        ServeLimits {
            idle_timeout: Duration::from_secs(120),
            max_connections: connections_for(open_file_limit()),
            shutdown_deadline: Duration::from_secs(10),
        }
    }
}

fn open_file_limit() -> u64 {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// Leaves a quarter of the files, and 16 more, for everything that isn't a connection.
fn connections_for(files: u64) -> usize {
    let connections = (files - files / 4).saturating_sub(16).clamp(4, MAX_CONNECTIONS);
    usize::try_from(connections).unwrap_or(usize::MAX)
}

/// Serves `router` until `stopped` is sent or its sender is dropped. After a send, requests in
/// progress are finished up to the deadline. Returns how many connections were cut.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: ServeLimits,
    mut stopped: oneshot::Receiver<()>,
) -> usize {
    let builder = builder();
    let graceful = GracefulShutdown::new();
    // Dropping the set ends all connections.
    let mut tasks = JoinSet::new();
    let mut connections: BTreeMap<Id, Arc<Activity>> = BTreeMap::new();
    let is_graceful = loop {
        tokio::select! {
            sent = &mut stopped => break sent.is_ok(),
            Some(ended) = tasks.join_next_with_id() => {
                let id = match ended {
                    Ok((id, ())) => id,
                    Err(error) => error.id(),
                };
                connections.remove(&id);
            }
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    if connections.len() >= limits.max_connections && !close_idlest(&connections) {
                        tracing::warn!(connections = connections.len(), "too many connections; one is refused");
                        continue;
                    }
                    let activity = Arc::new(Activity::new());
                    let service = Tracked {
                        inner: TowerToHyperService::new(router.clone()),
                        activity: activity.clone(),
                    };
                    // Small responses shouldn't wait for more data. Without it they still arrive.
                    let _ = stream.set_nodelay(true);
                    let io: TokioIo<TcpStream> = TokioIo::new(stream);
                    let connection = graceful.watch(builder.serve_connection(io, service).into_owned());
                    let (watched, idle) = (activity.clone(), limits.idle_timeout);
                    let task = tasks.spawn(async move {
                        tokio::select! {
                            // The error is the client's: its connection broke, or isn't HTTP.
                            _ = connection => {}
                            () = watched.expired(idle) => {}
                        }
                    });
                    connections.insert(task.id(), activity);
                }
                Err(error) => pause_after(&error, &connections).await,
            },
        }
    };
    drop(listener);
    if !is_graceful {
        return tasks.len();
    }
    let finished = tokio::time::timeout(limits.shutdown_deadline, graceful.shutdown()).await.is_ok();
    while tasks.try_join_next().is_some() {}
    let cut = if finished { 0 } else { tasks.len() };
    tasks.shutdown().await;
    cut
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    // Without a timer, hyper has no time-out of its own for HTTP/1 heads: `Activity` covers them.
    let mut http2 = builder.http2();
    http2.timer(TokioTimer::new()).keep_alive_interval(PING_TIMEOUT).keep_alive_timeout(PING_TIMEOUT);
    // The window of a stream fits most bodies whole. All streams share the connection's window.
    http2.initial_stream_window_size(1 << 20).initial_connection_window_size(4 << 20);
    builder
}

/// Closes the connection that was idle longest. Returns whether there was an idle one.
fn close_idlest(connections: &BTreeMap<Id, Arc<Activity>>) -> bool {
    let idlest = connections
        .values()
        .filter_map(|activity| Some((activity.idle_since()?, activity)))
        .min_by_key(|(since, _)| *since);
    idlest.map(|(_, activity)| activity.close()).is_some()
}

async fn pause_after(error: &io::Error, connections: &BTreeMap<Id, Arc<Activity>>) {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset};
    // These errors are about one connection. Others would recur at once.
    if !matches!(error.kind(), ConnectionAborted | ConnectionReset) {
        tracing::warn!(%error, "can't accept a connection");
        // At the limit of open files, an idle connection makes room.
        close_idlest(connections);
        tokio::time::sleep(ACCEPT_PAUSE).await;
    }
}

/// A service that records when requests are in progress.
#[derive(Clone)]
struct Tracked {
    inner: TowerToHyperService<Router>,
    activity: Arc<Activity>,
}

impl Service<Request<Incoming>> for Tracked {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let progress = self.activity.begin();
        let response = self.inner.call(request);
        Box::pin(async move {
            // The request is in progress until its response's body is sent.
            let hold = move |frame| {
                let _ = &progress;
                frame
            };
            Ok(response.await?.map(|body| Body::new(body.map_frame(hold))))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maximum_of_connections_leaves_files_for_the_rest() {
        for (files, expect) in [(0, 4), (64, 32), (1024, 752), (1 << 20, 10_000), (u64::MAX, 10_000)] {
            assert_eq!(connections_for(files), expect, "{files}");
        }
    }
}
