//! A control plane as small as it can be: it serves the extension configurations (ECDS) that a test gives it over one aggregated stream, as
//! Istio's agent does, and keeps what Envoy refuses.

use prost::Message;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::future::Ready;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tonic::server::{Grpc, StreamingService};
use tonic::{Request, Response, Status, Streaming};

mod proto;
use proto::{DiscoveryRequest, DiscoveryResponse, EXTENSION, extension};

const STREAM: &str = "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources";

type Extensions = BTreeMap<String, Value>;

/// The control plane. Dropped, it is gone, and its streams with it.
#[derive(Debug)]
pub struct Xds {
    address: SocketAddr,
    extensions: watch::Sender<Extensions>,
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
        let service = Service { extensions: extensions.clone(), seen: Arc::clone(&seen) };
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(converse(stream, service.clone()));
            }
        });
        Self { address, extensions, seen, task }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Has these, each a `TypedExtensionConfig` as JSON, in the place of all.
    pub fn serve(&self, extensions: impl IntoIterator<Item = Value>) {
        let named = |extension: Value| (extension["name"].as_str().expect("a name").to_owned(), extension);
        self.extensions.send_replace(extensions.into_iter().map(named).collect());
    }

    /// What Envoy has asked for.
    pub fn asked(&self) -> BTreeSet<String> {
        self.seen.lock().expect("no panic while it was held").asked.clone()
    }

    /// Why Envoy has refused what it was given, each time.
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
    seen: Arc<Mutex<Observed>>,
}

async fn converse(stream: TcpStream, service: Service) {
    let service = hyper::service::service_fn(move |request| {
        let service = service.clone();
        async move {
            let codec = tonic_prost::ProstCodec::<DiscoveryResponse, DiscoveryRequest>::default();
            Ok::<_, Infallible>(match request.uri().path() {
                STREAM => Grpc::new(codec).streaming(service, request).await,
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
    /// The state of the world: all that was asked for and is there, again whenever something changes.
    async fn stream(
        self,
        mut requests: Streaming<DiscoveryRequest>,
        answers: mpsc::Sender<Result<DiscoveryResponse, Status>>,
    ) {
        let mut changes = self.extensions.subscribe();
        let (mut names, mut given, mut version) = (BTreeSet::new(), Extensions::new(), 0);
        loop {
            tokio::select! {
                request = requests.message() => match request {
                    Ok(Some(request)) if request.type_url == EXTENSION => {
                        names = request.resource_names.into_iter().collect();
                        let mut seen = self.seen.lock().expect("no panic while it was held");
                        seen.asked.extend(names.iter().cloned());
                        seen.refused.extend(request.error_detail.map(|error| error.message));
                    }
                    Ok(Some(_)) => {}
                    _ => return,
                },
                Ok(()) = changes.changed() => {}
            }
            let wanted: Extensions = self
                .extensions
                .borrow()
                .iter()
                .filter(|(name, _)| names.contains(*name))
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect();
            if wanted == given {
                continue;
            }
            version += 1;
            let resources = wanted.values().map(|value| proto::Any {
                type_url: EXTENSION.to_owned(),
                value: extension(value).encode_to_vec(),
            });
            let answer = DiscoveryResponse {
                version_info: version.to_string(),
                resources: resources.collect(),
                type_url: EXTENSION.to_owned(),
                nonce: version.to_string(),
            };
            given = wanted;
            if answers.send(Ok(answer)).await.is_err() {
                return;
            }
        }
    }
}
