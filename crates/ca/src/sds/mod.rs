//! The certificate service: Envoy's secret discovery (SDS, version 3) over gRPC, on a Unix socket that is the user's alone.
//!
//! Who reaches the socket gets certificates with their keys for any name. So it is never a port.
//!
//! What Envoy's configuration needs, beside an HTTP/2 cluster that leads to the socket (`tests/common/mod.rs` has all of it):
//! - `default_value: nobody` for whoever names no server: then it is an address that is called.
//! - `api_type: DELTA_GRPC`. In the older protocol nothing tells Envoy that a name is refused: its client would hang.
//! - `circuit_breakers` with many `max_requests`: each name keeps a stream, and after the usual 1,024 no new name would get a certificate.
//! - `set_node_on_first_message_only`: Envoy's list of its extensions, 140 kB, is in each message otherwise.
//! - External authorization (`envoy.filters.http.ext_authz`) by the same cluster, for tunnels to an address: the tunnel waits until there is a
//!   certificate for it.
//! - `transport_socket_connect_timeout` on the filter chain: a server name that isn't UTF-8 can't be told to Envoy in any message.

mod addresses;
mod cache;
mod check;
mod proto;
mod stream;

pub use cache::Counts;

use crate::authority::Authority;
use crate::error::Error;
use crate::leaf::{self, Minter};
use cache::Cache;
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

/// Envoy keeps one stream open per server name: more than any program calls.
const STREAMS_MAX: u32 = 100_000;
/// When accepting fails, as where no file descriptor is left, it is tried again after this.
const TRY_AGAIN: Duration = Duration::from_millis(50);

/// How to serve.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SdsOptions {
    /// How long a certificate is valid. When a third of it is left, Envoy gets a new one.
    pub lifetime: Duration,
    /// Whom the certificate is for that a client gets who names no server, as one does that calls an address (RFC 6066, 3). Envoy has no way
    /// to say which address it is; so it is for all of these, at most a few hundred, and for those of tunnels that Envoy has asked about
    /// (`Check` of its external authorization). Where there are none, such a client is refused.
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

/// The running service. Dropped, it ends.
#[derive(Debug)]
pub struct Sds {
    cache: Arc<Cache>,
    socket: PathBuf,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Sds {
    /// Serves certificates by this authority on a new socket, whose folder must be closed to everyone else.
    ///
    /// # Errors
    /// [`Error::NotPrivate`] where others can enter the folder; or the socket can't be made.
    pub async fn serve(authority: Authority, socket: impl AsRef<Path>) -> Result<Self, Error> {
        Self::serve_with(authority, socket, SdsOptions::default()).await
    }

    /// [`Sds::serve`], with options.
    ///
    /// # Errors
    /// The same.
    #[expect(clippy::unused_async, reason = "it has to be called in a runtime, which awaiting it says")]
    pub async fn serve_with(
        authority: Authority,
        socket: impl AsRef<Path>,
        options: SdsOptions,
    ) -> Result<Self, Error> {
        let socket = socket.as_ref().to_owned();
        check_private(socket.parent().unwrap_or(Path::new(".")))?;
        let cache = Arc::new(Cache::new(Minter::new(authority, options.lifetime)?, &options.addresses));
        let listener = bind(&socket).map_err(Error::io("listen on", &socket))?;
        std::fs::set_permissions(&socket, PermissionsExt::from_mode(0o600))
            .map_err(Error::io("close", &socket))?;
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(accept(listener, Arc::clone(&cache), stopped));
        Ok(Self { cache, socket, stop: Some(stop), task })
    }

    /// What it has done so far.
    pub fn counts(&self) -> Counts {
        self.cache.counts()
    }

    /// The socket that Envoy is to be given.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Ends it with all its streams, and says what it has done.
    pub async fn shutdown(mut self) -> Counts {
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

impl std::fmt::Debug for Cache {
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

/// Takes the place of a socket that a killed process left behind, but not of one where somebody listens.
fn bind(socket: &Path) -> io::Result<UnixListener> {
    use std::os::unix::net::UnixStream;
    UnixListener::bind(socket).or_else(|error| {
        let left = error.kind() == io::ErrorKind::AddrInUse
            && UnixStream::connect(socket)
                .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
        if !left {
            return Err(error);
        }
        std::fs::remove_file(socket)?;
        UnixListener::bind(socket)
    })
}

/// Takes connections until it is stopped; then it drops them, and their streams with them.
async fn accept(listener: UnixListener, cache: Arc<Cache>, mut stopped: oneshot::Receiver<()>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            connection = listener.accept() => match connection {
                Ok((connection, _)) => {
                    connections.spawn(converse(connection, Arc::clone(&cache)));
                }
                Err(error) => {
                    log::warn!("the certificate service can't take a connection: {error}");
                    tokio::time::sleep(TRY_AGAIN).await;
                }
            },
            Some(_) = connections.join_next() => {}
            _ = &mut stopped => return,
        }
    }
}

async fn converse(connection: UnixStream, cache: Arc<Cache>) {
    let service = hyper::service::service_fn(move |request| route(request, Arc::clone(&cache)));
    let mut server = http2::Builder::new(TokioExecutor::new());
    server.max_concurrent_streams(STREAMS_MAX);
    if let Err(error) = server.serve_connection(TokioIo::new(connection), service).await {
        log::debug!("a connection to the certificate service has ended: {error}");
    }
}

async fn route(
    request: http::Request<hyper::body::Incoming>,
    cache: Arc<Cache>,
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

struct DeltaSecrets(Arc<Cache>);

impl StreamingService<DeltaDiscoveryRequest> for DeltaSecrets {
    type Response = DeltaDiscoveryResponse;
    type ResponseStream = ReceiverStream<stream::Answer>;
    type Future = Ready<Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: Request<Streaming<DeltaDiscoveryRequest>>) -> Self::Future {
        let (answers, stream) = mpsc::channel(1);
        tokio::spawn(stream::serve(request.into_inner(), answers, Arc::clone(&self.0)));
        std::future::ready(Ok(Response::new(ReceiverStream::new(stream))))
    }
}
