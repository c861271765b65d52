//! A backend that speaks HTTP/2 in plain text, and keeps its requests.

use crate::h2_client::H2Answer;
use bytes::Bytes;
use h2::server::SendResponse;
use http::{HeaderMap, Request, Response};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A request as it reached the backend.
#[derive(Clone, Debug, Default)]
pub struct H2Seen {
    /// The method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
    /// The trailers, if there were any.
    pub trailers: Option<HeaderMap>,
}

/// A backend on a free port of this machine. Dropped, it stops listening.
#[derive(Debug)]
pub struct H2Upstream {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<H2Seen>>>,
    task: JoinHandle<()>,
}

type Answers = Arc<dyn Fn(&H2Seen) -> H2Answer + Send + Sync>;

impl H2Upstream {
    /// A backend that answers each request as `answer` says.
    pub async fn start(answer: impl Fn(&H2Seen) -> H2Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (seen, answer): (_, Answers) = (Arc::new(Mutex::new(Vec::new())), Arc::new(answer));
        let shared = seen.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, shared.clone(), answer.clone()));
            }
        });
        Self { address, seen, task }
    }

    /// A backend that sends back each piece of a request's body as it comes, and trailers at its
    /// end.
    pub async fn echo(trailers: HeaderMap) -> Self {
        Self::each(move |body, respond| echo_stream(body, respond, trailers.clone())).await
    }

    /// A backend that answers with these messages and doesn't end the stream until the client has
    /// left.
    pub async fn endless(messages: Vec<u8>) -> Self {
        Self::each(move |_, respond| endless_stream(respond, messages.clone().into())).await
    }

    /// A backend that does this with each stream.
    async fn each<F, D>(answer: F) -> Self
    where
        F: Fn(h2::RecvStream, SendResponse<Bytes>) -> D + Clone + Send + 'static,
        D: Future<Output = Result<(), h2::Error>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let answer = answer.clone();
                tokio::spawn(async move {
                    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
                    while let Some(Ok((request, respond))) = connection.accept().await {
                        tokio::spawn(answer(request.into_body(), respond));
                    }
                });
            }
        });
        Self { address, seen: Arc::default(), task }
    }

    /// Address on which the server listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A `--map` that leads a host here.
    pub fn map(&self, host: &str) -> understudy_envoy::HostMap {
        crate::upstream::map(host, self.address)
    }

    /// The requests that arrived whole.
    pub fn seen(&self) -> Vec<H2Seen> {
        self.seen.lock().expect("no panic while it was held").clone()
    }
}

impl Drop for H2Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(stream: TcpStream, seen: Arc<Mutex<Vec<H2Seen>>>, answer: Answers) {
    let mut builder = h2::server::Builder::new();
    builder.max_header_list_size(16 << 20).initial_window_size(8 << 20);
    let Ok(mut connection) = builder.handshake(stream).await else { return };
    while let Some(Ok((request, respond))) = connection.accept().await {
        let (seen, answer) = (seen.clone(), answer.clone());
        tokio::spawn(async move {
            // A stream that is cut short is no request.
            let _ = exchange(request, respond, &seen, &answer).await;
        });
    }
}

async fn exchange(
    request: Request<h2::RecvStream>,
    mut respond: SendResponse<Bytes>,
    seen: &Mutex<Vec<H2Seen>>,
    answer: &Answers,
) -> Result<(), h2::Error> {
    let (head, mut incoming) = request.into_parts();
    let mut body = Vec::new();
    while let Some(chunk) = incoming.data().await {
        let chunk = chunk?;
        incoming.flow_control().release_capacity(chunk.len())?;
        body.extend_from_slice(&chunk);
    }
    let asked = H2Seen {
        method: head.method.to_string(),
        path: head.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
        headers: head.headers,
        body,
        trailers: incoming.trailers().await?,
    };
    let answer = answer(&asked);
    seen.lock().expect("no panic while it was held").push(asked);
    let mut response = Response::builder().status(answer.status).body(()).expect("a response");
    *response.headers_mut() = answer.headers;
    // gRPC servers answer like this if there is no message.
    let only_headers = answer.body.is_empty() && answer.trailers.is_none();
    let mut stream = respond.send_response(response, only_headers)?;
    if only_headers {
        return Ok(());
    }
    stream.send_data(answer.body.into(), answer.trailers.is_none())?;
    match answer.trailers {
        Some(trailers) => stream.send_trailers(trailers),
        None => Ok(()),
    }
}

async fn echo_stream(
    mut incoming: h2::RecvStream,
    mut respond: SendResponse<Bytes>,
    trailers: HeaderMap,
) -> Result<(), h2::Error> {
    let mut stream = respond.send_response(grpc(), false)?;
    while let Some(chunk) = incoming.data().await {
        let chunk = chunk?;
        incoming.flow_control().release_capacity(chunk.len())?;
        stream.send_data(chunk, false)?;
    }
    stream.send_trailers(trailers)
}

async fn endless_stream(mut respond: SendResponse<Bytes>, messages: Bytes) -> Result<(), h2::Error> {
    let mut stream = respond.send_response(grpc(), false)?;
    stream.send_data(messages, false)?;
    std::future::poll_fn(|context| stream.poll_reset(context)).await.map(drop)
}

fn grpc() -> Response<()> {
    Response::builder().header("content-type", "application/grpc").body(()).expect("a response")
}
