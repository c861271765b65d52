//! The certificate service: Envoy's secret discovery (SDS, version 3) over gRPC, on a Unix socket
//! that only the user can open.
//!
//! A client of the socket gets certificates with their keys for any name. So the service never
//! listens on a port.
//!
//! Envoy's configuration needs an HTTP/2 cluster that leads to the socket, and
//! (`tests/common/mod.rs` has a full example):
//! - `default_value: nobody` for clients that name no server, because they call an address.
//! - `api_type: DELTA_GRPC`. The older protocol has no way to refuse a name: the client would hang.
//! - `circuit_breakers` with a large `max_requests`: each name keeps a stream, and after the
//!   default of 1,024 no new name would get a certificate.
//! - `set_node_on_first_message_only`. Otherwise each message carries Envoy's list of extensions,
//!   140 kB.
//! - External authorization (`envoy.filters.http.ext_authz`) by the same cluster, for tunnels to an
//!   address: the tunnel waits until Envoy has a certificate for it.
//! - `transport_socket_connect_timeout` on the filter chain: no message can refuse a server name
//!   that isn't UTF-8.

mod addresses;
mod cache;
mod check;
mod proto;
mod stream;

pub use cache::SdsCounts;

use crate::authority::Authority;
use crate::error::Error;
use crate::leaf::{self, Minter};
use cache::LeafCache;
use check::Check;
use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use proto::{
    CHECK, CheckRequest, CheckResponse, DELTA_SECRETS, DeltaDiscoveryRequest, DeltaDiscoveryResponse,
};
use std::convert::Infallible;
use std::future::Ready;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};
use tokio_stream::wrappers::ReceiverStream;
use tonic::body::Body;
use tonic::server::{Grpc, StreamingService};
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;

/// The maximum number of streams. Envoy keeps one open per server name.
const STREAMS_MAX: u32 = 100_000;
/// The pause after accepting has failed, for example at the limit of open files.
const TRY_AGAIN: Duration = Duration::from_millis(50);

/// The options of the certificate service.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SdsOptions {
    /// The lifetime of a certificate. It is renewed when a third of it is left.
    pub lifetime: Duration,
    /// The addresses in the certificate for clients that name no server, because they call an
    /// address (RFC 6066, 3). Envoy can't tell which address that is, so the certificate carries
    /// all of these, at most a few hundred, and the addresses of tunnels that Envoy asks about
    /// (`Check` of its external authorization). Without any address, such clients are refused.
    pub addresses: Vec<IpAddr>,
}

impl Default for SdsOptions {
    fn default() -> Self {
        Self {
            lifetime: leaf::LIFETIME,
            addresses: vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
        }
    }
}

/// The running service. It ends when dropped.
#[derive(Debug)]
pub struct Sds {
    cache: Arc<LeafCache>,
    socket: PathBuf,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Sds {
    /// Serves certificates of this authority on a new socket, whose folder must be private to the
    /// user.
    ///
    /// # Errors
    /// [`Error::NotPrivate`] if others can enter the folder; or the socket can't be created.
    pub async fn serve(authority: Authority, socket: impl AsRef<Path>) -> Result<Self, Error> {
        Self::serve_with(authority, socket, SdsOptions::default()).await
    }

    /// Serves like [`Sds::serve`], with options.
    ///
    /// # Errors
    /// The errors of [`Sds::serve`].
    #[expect(clippy::unused_async, reason = "the caller needs a runtime, as an async function states")]
    pub async fn serve_with(
        authority: Authority,
        socket: impl AsRef<Path>,
        options: SdsOptions,
    ) -> Result<Self, Error> {
        let socket = socket.as_ref().to_owned();
        check_private(socket.parent().unwrap_or(Path::new(".")))?;
        let cache = Arc::new(LeafCache::new(Minter::new(authority, options.lifetime)?, &options.addresses));
        let listener = bind(&socket).map_err(Error::io("listen on", &socket))?;
        std::fs::set_permissions(&socket, PermissionsExt::from_mode(0o600))
            .map_err(Error::io("restrict", &socket))?;
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(accept(listener, Arc::clone(&cache), stopped));
        Ok(Self { cache, socket, stop: Some(stop), task })
    }

    /// The counts so far.
    pub fn counts(&self) -> SdsCounts {
        self.cache.counts()
    }

    /// The socket, for Envoy's configuration.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Ends the service with all its streams, and returns its counts.
    pub async fn shutdown(mut self) -> SdsCounts {
        drop(self.stop.take());
        let _ = (&mut self.task).await;
        self.cache.counts()
    }
}

impl Drop for Sds {
    fn drop(&mut self) {
        self.task.abort();
        let _ = std::fs::remove_file(&self.socket);
    }
}

impl std::fmt::Debug for LeafCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.counts().fmt(f)
    }
}

fn check_private(folder: &Path) -> Result<(), Error> {
    let meta = std::fs::metadata(folder).map_err(Error::io("read", folder))?;
    if meta.permissions().mode() & 0o077 != 0 {
        return Err(Error::NotPrivate { path: folder.to_owned(), can: "enter", mode: "700" });
    }
    Ok(())
}

/// Listens on a socket. Replaces one that a killed process has left, but not one with a listener.
fn bind(socket: &Path) -> io::Result<UnixListener> {
    use std::os::unix::net::UnixStream;
    UnixListener::bind(socket).or_else(|error| {
        let is_stale = error.kind() == io::ErrorKind::AddrInUse
            && UnixStream::connect(socket)
                .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
        if !is_stale {
            return Err(error);
        }
        std::fs::remove_file(socket)?;
        UnixListener::bind(socket)
    })
}

/// Accepts connections until it is stopped. Then it drops them with their streams.
async fn accept(listener: UnixListener, cache: Arc<LeafCache>, mut stopped: oneshot::Receiver<()>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            connection = listener.accept() => match connection {
                Ok((connection, _)) => {
                    connections.spawn(converse(connection, Arc::clone(&cache)));
                }
                Err(error) => {
                    log::warn!("the certificate service can't accept a connection: {error}");
                    tokio::time::sleep(TRY_AGAIN).await;
                }
            },
            Some(_) = connections.join_next() => {}
            _ = &mut stopped => return,
        }
    }
}

async fn converse(connection: UnixStream, cache: Arc<LeafCache>) {
    let service = hyper::service::service_fn(move |request| route(request, Arc::clone(&cache)));
    let mut server = http2::Builder::new(TokioExecutor::new());
    server.max_concurrent_streams(STREAMS_MAX);
    if let Err(error) = server.serve_connection(TokioIo::new(connection), service).await {
        log::debug!("a connection to the certificate service has ended: {error}");
    }
}

async fn route(
    request: http::Request<hyper::body::Incoming>,
    cache: Arc<LeafCache>,
) -> Result<http::Response<Body>, Infallible> {
    Ok(match request.uri().path() {
        DELTA_SECRETS => {
            let codec = ProstCodec::<DeltaDiscoveryResponse, DeltaDiscoveryRequest>::default();
            Grpc::new(codec).streaming(DeltaSecrets(cache), request).await
        }
        CHECK => {
            let codec = ProstCodec::<CheckResponse, CheckRequest>::default();
            Grpc::new(codec).unary(Check(cache), request).await
        }
        _ => Status::unimplemented("only DeltaSecrets and Check are served here").into_http(),
    })
}

struct DeltaSecrets(Arc<LeafCache>);

impl StreamingService<DeltaDiscoveryRequest> for DeltaSecrets {
    type Response = DeltaDiscoveryResponse;
    type ResponseStream = ReceiverStream<stream::SdsMessage>;
    type Future = Ready<Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: Request<Streaming<DeltaDiscoveryRequest>>) -> Self::Future {
        let (messages, stream) = mpsc::channel(1);
        tokio::spawn(stream::serve(request.into_inner(), messages, Arc::clone(&self.0)));
        std::future::ready(Ok(Response::new(ReceiverStream::new(stream))))
    }
}
