//! Sends requests and collects answers over kept connections: HTTP/1.1 with one request at a time
//! each, HTTP/2 with all requests on one connection; with or without TLS.

use crate::error::Error;
use crate::target::{Target, Trust};
use bytes::Bytes;
use futures_util::stream;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use understudy_core::exchange::{Body, Exchange, Response};
use understudy_core::headers::Headers;

/// Maximum number of bytes kept of an answer's body. The rest is counted.
const BODY_CAP: usize = 16 << 20;

/// Headers that belong to a connection and not to a request (RFC 9110, 7.6.1), and headers that
/// this client sets itself.
const NOT_SENT: [&str; 10] = [
    "connection",
    "content-length",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Protocol that is spoken to the service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// The recorded protocol.
    #[default]
    AsRecorded,
    /// HTTP/1.1.
    Http1,
    /// HTTP/2, without TLS with prior knowledge.
    Http2,
}

/// Opens connections. Shared by all virtual users.
#[derive(Clone)]
pub struct Connector {
    target: Target,
    protocol: Protocol,
    http1: TlsConnector,
    http2: TlsConnector,
}

impl Connector {
    /// A connector to a target.
    ///
    /// # Errors
    /// The certificates can't be used.
    pub fn new(target: Target, protocol: Protocol, trust: &Trust) -> Result<Self, Error> {
        let (http1, http2) = (trust.connector(&[b"http/1.1"])?, trust.connector(&[b"h2", b"http/1.1"])?);
        Ok(Self { target, protocol, http1, http2 })
    }

    /// The target.
    pub fn target(&self) -> &Target {
        &self.target
    }

    fn wants_http2(&self, exchange: &Exchange) -> bool {
        match self.protocol {
            Protocol::Http1 => false,
            Protocol::Http2 => true,
            Protocol::AsRecorded => exchange.protocol.starts_with("HTTP/2"),
        }
    }

    async fn connect(&self, http2: bool) -> Result<Sender, Failure> {
        let address = (self.target.host.as_str(), self.target.port);
        let refused = |error: std::io::Error| Failure::new(format!("can't connect: {error}"));
        let stream = TcpStream::connect(address).await.map_err(refused)?;
        stream.set_nodelay(true).map_err(refused)?;
        if !self.target.tls {
            return shake(stream, http2).await;
        }
        let name = ServerName::try_from(self.target.host.clone())
            .map_err(|_| Failure::new(format!("{} is no name for TLS", self.target.host)))?;
        let connector = if http2 { &self.http2 } else { &self.http1 };
        let stream = connector.connect(name, stream).await;
        let stream = stream.map_err(|error| Failure::new(format!("TLS: {error}")))?;
        let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        shake(stream, http2).await
    }
}

type SentBody = BoxBody<Bytes, Infallible>;

enum Sender {
    Http1(http1::SendRequest<SentBody>),
    Http2(http2::SendRequest<SentBody>),
}

async fn shake(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    http2: bool,
) -> Result<Sender, Failure> {
    let io = TokioIo::new(stream);
    // Requests learn of a broken connection through their own errors.
    if http2 {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .initial_stream_window_size(1 << 20)
            .initial_connection_window_size(1 << 22);
        let (sender, connection) = builder.handshake(io).await.map_err(|error| Failure::of(&error))?;
        tokio::spawn(async move { drop(connection.await) });
        Ok(Sender::Http2(sender))
    } else {
        let (sender, connection) = http1::handshake(io).await.map_err(|error| Failure::of(&error))?;
        tokio::spawn(async move { drop(connection.await) });
        Ok(Sender::Http1(sender))
    }
}

/// The reason why no answer came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The problem, for a person.
    pub problem: String,
    /// True if the service may not have seen the request, because it had closed the connection.
    stale: bool,
}

impl Failure {
    /// A failure with this problem.
    pub fn new(problem: impl Into<String>) -> Self {
        Self { problem: problem.into(), stale: false }
    }

    fn of(error: &hyper::Error) -> Self {
        let mut problem = error.to_string();
        let mut stale = error.is_canceled() || error.is_incomplete_message();
        let mut cause = std::error::Error::source(error);
        while let Some(inner) = cause {
            stale |= inner.downcast_ref().is_some_and(is_closed);
            let text = inner.to_string();
            if !problem.contains(&text) {
                problem = format!("{problem}: {text}");
            }
            cause = inner.source();
        }
        Self { problem, stale }
    }
}

/// Returns whether an error means that the other side has closed the connection.
fn is_closed(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset)
}

/// An answer with its times.
#[derive(Debug)]
pub struct Answered {
    /// The answer.
    pub response: Response,
    /// When the request was passed to a connection.
    pub sent: Instant,
    /// When the last byte of the answer arrived.
    pub done: Instant,
}

/// The connections of one virtual user.
#[derive(Clone)]
pub struct Client {
    connector: Arc<Connector>,
    idle: Arc<Mutex<Vec<http1::SendRequest<SentBody>>>>,
    shared: Arc<tokio::sync::Mutex<Option<http2::SendRequest<SentBody>>>>,
}

impl Client {
    /// A client without connections.
    pub fn new(connector: Arc<Connector>) -> Self {
        Self { connector, idle: Arc::default(), shared: Arc::default() }
    }

    /// Sends a request. If its kept connection had been closed and the request is idempotent, it is
    /// sent again on a new connection.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn send(&self, exchange: &Exchange) -> Result<Answered, Failure> {
        let http2 = self.connector.wants_http2(exchange);
        let (sender, kept) = self.sender(http2).await?;
        match self.send_on(sender, exchange).await {
            Err(failure) if failure.stale && kept && is_idempotent(&exchange.request.method) => {
                *self.shared.lock().await = None;
                let fresh = self.connector.connect(http2).await?;
                self.send_on(fresh, exchange).await
            }
            outcome => outcome,
        }
    }

    /// A connection, and whether it was used before.
    async fn sender(&self, http2: bool) -> Result<(Sender, bool), Failure> {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if http2 {
            // The lock makes concurrent requests share one new connection.
            let mut shared = self.shared.lock().await;
            if let Some(sender) = shared.as_ref().filter(|sender| !sender.is_closed()) {
                return Ok((Sender::Http2(sender.clone()), true));
            }
            let made = self.connector.connect(true).await?;
            if let Sender::Http2(sender) = &made {
                *shared = Some(sender.clone());
            }
            return Ok((made, false));
        }
        while let Some(sender) = idle() {
            if !sender.is_closed() {
                return Ok((Sender::Http1(sender), true));
            }
        }
        Ok((self.connector.connect(false).await?, false))
    }

    async fn send_on(&self, sender: Sender, exchange: &Exchange) -> Result<Answered, Failure> {
        match sender {
            Sender::Http1(mut sender) => {
                sender.ready().await.map_err(|error| Failure::of(&error))?;
                let request = message(exchange, None)?;
                let sent = Instant::now();
                let response = sender.send_request(request).await.map_err(|error| Failure::of(&error))?;
                let answered = gather(response, sent).await?;
                self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
                Ok(answered)
            }
            Sender::Http2(mut sender) => {
                sender.ready().await.map_err(|error| Failure::of(&error))?;
                let request = message(exchange, Some(&self.connector.target))?;
                let sent = Instant::now();
                let response = sender.send_request(request).await.map_err(|error| Failure::of(&error))?;
                gather(response, sent).await
            }
        }
    }
}

fn is_idempotent(method: &[u8]) -> bool {
    matches!(method, b"GET" | b"HEAD" | b"OPTIONS" | b"PUT" | b"DELETE" | b"TRACE")
}

/// The authority that the recorded client called, because services put it into URLs of answers. If
/// it isn't known, the address at which the call was recorded.
fn authority(exchange: &Exchange) -> &str {
    let host = exchange.request.headers.get(b"host").and_then(|host| std::str::from_utf8(host).ok());
    let backend = exchange.backend.split_once("://").map(|(_, authority)| authority);
    host.filter(|host| !host.is_empty()).or(backend).unwrap_or(exchange.backend.as_str())
}

fn message(exchange: &Exchange, http2: Option<&Target>) -> Result<http::Request<SentBody>, Failure> {
    let request = &exchange.request;
    let bad = |what: &str| Failure::new(format!("not sent: {what} can't be sent by this client"));
    let path = std::str::from_utf8(&request.path).map_err(|_| bad("the path"))?;
    let uri = match http2 {
        Some(target) => {
            let scheme = if target.tls { "https" } else { "http" };
            let own = target.authority();
            let authority = if authority(exchange).is_empty() { own.as_str() } else { authority(exchange) };
            http::Uri::builder().scheme(scheme).authority(authority).path_and_query(path).build()
        }
        None => http::Uri::builder().path_and_query(path).build(),
    };
    let mut builder =
        http::Request::builder().method(&request.method[..]).uri(uri.map_err(|_| bad("the path"))?);
    if http2.is_none() {
        builder = builder.header("host", authority(exchange));
    } else {
        builder = builder.version(http::Version::HTTP_2);
        if understudy_core::facts::Facts::of(&request.headers).is_grpc() {
            builder = builder.header("te", "trailers");
        }
    }
    for (name, value) in request.headers.iter() {
        let skip = name.starts_with(b":")
            || NOT_SENT.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()));
        if !skip {
            builder = builder.header(name, value);
        }
    }
    builder.body(body(exchange)).map_err(|_| bad("a header"))
}

fn body(exchange: &Exchange) -> SentBody {
    let request = &exchange.request;
    let bytes = Bytes::copy_from_slice(&request.body.bytes);
    if request.trailers.is_empty() {
        return if bytes.is_empty() { Empty::new().boxed() } else { Full::new(bytes).boxed() };
    }
    let mut trailers = http::HeaderMap::new();
    for (name, value) in request.trailers.iter() {
        let name = http::HeaderName::from_bytes(name);
        if let (Ok(name), Ok(value)) = (name, http::HeaderValue::from_bytes(value)) {
            trailers.append(name, value);
        }
    }
    let frames = [Ok::<_, Infallible>(Frame::data(bytes)), Ok(Frame::trailers(trailers))];
    BodyExt::boxed(StreamBody::new(stream::iter(frames)))
}

async fn gather(response: http::Response<Incoming>, sent: Instant) -> Result<Answered, Failure> {
    let (head, mut incoming) = response.into_parts();
    let (mut body, mut length, mut trailers) = (Vec::new(), 0u64, Headers::new());
    while let Some(frame) = incoming.frame().await {
        let frame = frame.map_err(|error| Failure {
            stale: false,
            problem: format!("the answer broke off: {}", Failure::of(&error).problem),
        })?;
        match frame.into_data() {
            Ok(data) => {
                length += data.len() as u64;
                let room = BODY_CAP.saturating_sub(body.len());
                body.extend_from_slice(&data[..data.len().min(room)]);
            }
            Err(frame) => {
                if let Ok(map) = frame.into_trailers() {
                    trailers = pairs(&map);
                }
            }
        }
    }
    let done = Instant::now();
    let truncated = (length > body.len() as u64).then_some(length);
    let body = Body { bytes: body, truncated };
    let response = Response { status: head.status.as_u16(), headers: pairs(&head.headers), body, trailers };
    Ok(Answered { response, sent, done })
}

fn pairs(map: &http::HeaderMap) -> Headers {
    Headers::from_pairs(map.iter().map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes())))
}
