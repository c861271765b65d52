//! A control plane as small as it can be: it serves the extension configurations (ECDS) that a test
//! gives it over one aggregated stream, and certificates (SDS) from files in the container, as
//! Istio's agent does, and keeps what Envoy refuses.

use prost::Message;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::future::Ready;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tonic::server::{Grpc, StreamingService};
use tonic::{Request, Response, Status, Streaming};

mod proto;

use proto::{DataSource, DiscoveryRequest, DiscoveryResponse, EXTENSION, SECRET, extension};

const STREAM: &str = "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources";
const SECRETS: &str = "/envoy.service.secret.v3.SecretDiscoveryService/StreamSecrets";

type Extensions = BTreeMap<String, Value>;

/// The control plane. Dropping it ends its streams.
#[derive(Debug)]
pub struct Xds {
    address: SocketAddr,
    extensions: watch::Sender<Extensions>,
    root: watch::Sender<Option<PathBuf>>,
    seen: Arc<Mutex<Observed>>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Observed {
    asked: BTreeSet<String>,
    refused: Vec<String>,
}

impl Xds {
    /// Serves nothing yet.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (extensions, seen) = (watch::Sender::new(Extensions::new()), Arc::default());
        let root = watch::Sender::new(None);
        let service = Service { extensions: extensions.clone(), root: root.clone(), seen: Arc::clone(&seen) };
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(converse(stream, service.clone()));
            }
        });
        Self { address, extensions, root, seen, task }
    }

    /// Address on which the double listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Replaces all served extensions by these, each a `TypedExtensionConfig` as JSON.
    pub fn serve(&self, extensions: impl IntoIterator<Item = Value>) {
        let named = |extension: Value| (extension["name"].as_str().expect("a name").to_owned(), extension);
        self.extensions.send_replace(extensions.into_iter().map(named).collect());
    }

    /// Has the container's files in this folder, as new.
    pub fn files_in(&self, root: &Path) {
        self.root.send_replace(Some(root.to_owned()));
    }

    /// Names that Envoy has requested.
    pub fn asked(&self) -> BTreeSet<String> {
        self.seen.lock().expect("no panic while it was held").asked.clone()
    }

    /// Envoy's reasons for each refusal.
    pub fn refused(&self) -> Vec<String> {
        self.seen.lock().expect("no panic while it was held").refused.clone()
    }
}

impl Drop for Xds {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Clone)]
struct Service {
    extensions: watch::Sender<Extensions>,
    root: watch::Sender<Option<PathBuf>>,
    seen: Arc<Mutex<Observed>>,
}

async fn converse(stream: TcpStream, service: Service) {
    let service = hyper::service::service_fn(move |request| {
        let service = service.clone();
        async move {
            let codec = tonic_prost::ProstCodec::<DiscoveryResponse, DiscoveryRequest>::default();
            Ok::<_, Infallible>(match request.uri().path() {
                STREAM | SECRETS => Grpc::new(codec).streaming(service, request).await,
                other => Status::unimplemented(other).into_http(),
            })
        }
    });
    let executor = hyper_util::rt::TokioExecutor::new();
    let stream = hyper_util::rt::TokioIo::new(stream);
    // It ends when Envoy does.
    let _ = hyper::server::conn::http2::Builder::new(executor).serve_connection(stream, service).await;
}

impl StreamingService<DiscoveryRequest> for Service {
    type Response = DiscoveryResponse;
    type ResponseStream = ReceiverStream<Result<DiscoveryResponse, Status>>;
    type Future = Ready<Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: Request<Streaming<DiscoveryRequest>>) -> Self::Future {
        let (answers, stream) = mpsc::channel(1);
        tokio::spawn(self.clone().stream(request.into_inner(), answers));
        std::future::ready(Ok(Response::new(ReceiverStream::new(stream))))
    }
}

impl Service {
    /// The state of the world protocol: all requested resources that exist, sent again after each
    /// change.
    async fn stream(
        self,
        mut requests: Streaming<DiscoveryRequest>,
        answers: mpsc::Sender<Result<DiscoveryResponse, Status>>,
    ) {
        let (mut changes, mut files) = (self.extensions.subscribe(), self.root.subscribe());
        let (mut kind, mut names, mut given, mut version) = ("", BTreeSet::new(), Vec::new(), 0);
        loop {
            tokio::select! {
                request = requests.message() => match request {
                    Ok(Some(request)) => {
                        kind = match request.type_url.as_str() {
                            EXTENSION => EXTENSION,
                            SECRET => SECRET,
                            _ => continue,
                        };
                        names = request.resource_names.into_iter().collect();
                        let mut seen = self.seen.lock().expect("no panic while it was held");
                        seen.asked.extend(names.iter().cloned());
                        seen.refused.extend(request.error_detail.map(|error| error.message));
                    }
                    _ => return,
                },
                Ok(()) = changes.changed() => {}
                Ok(()) = files.changed() => {}
            }
            let wanted = match kind {
                SECRET => self.secrets(&names),
                _ => self.extensions(&names),
            };
            if wanted == given {
                continue;
            }
            version += 1;
            let resources =
                wanted.iter().map(|value| proto::Any { type_url: kind.to_owned(), value: value.clone() });
            let answer = DiscoveryResponse {
                version_info: version.to_string(),
                resources: resources.collect(),
                type_url: kind.to_owned(),
                nonce: version.to_string(),
            };
            given = wanted;
            if answers.send(Ok(answer)).await.is_err() {
                return;
            }
        }
    }

    fn extensions(&self, names: &BTreeSet<String>) -> Vec<Vec<u8>> {
        let extensions = self.extensions.borrow();
        let wanted = extensions.iter().filter(|(name, _)| names.contains(*name));
        wanted.map(|(_, value)| extension(value).encode_to_vec()).collect()
    }

    /// The requested secrets that exist. A name states its files (`file-cert:CERTIFICATE~KEY`).
    fn secrets(&self, names: &BTreeSet<String>) -> Vec<Vec<u8>> {
        let root = self.root.borrow();
        let read = |path: &str| {
            let inline_bytes = std::fs::read(root.as_ref()?.join(path.trim_start_matches('/'))).ok()?;
            Some(DataSource { inline_bytes })
        };
        let secret = |name: &String| {
            let (certificate, key) = name.strip_prefix("file-cert:")?.split_once('~')?;
            let (certificate_chain, private_key) = (Some(read(certificate)?), Some(read(key)?));
            let tls_certificate = Some(proto::TlsCertificate { certificate_chain, private_key });
            Some(proto::Secret { name: name.clone(), tls_certificate }.encode_to_vec())
        };
        names.iter().filter_map(secret).collect()
    }
}
