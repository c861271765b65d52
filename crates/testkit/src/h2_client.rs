//! HTTP/2, many streams on one connection: in plain text with prior knowledge, or over a given
//! connection.

use crate::client::PATIENCE;
use bytes::Bytes;
use h2::SendStream;
use h2::client::{ResponseFuture, SendRequest};
use http::{HeaderMap, Request};
use std::net::SocketAddr;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// A connection to the proxy.
#[derive(Clone)]
pub struct H2 {
    send: SendRequest<Bytes>,
}

/// An answer, unchanged.
#[derive(Clone, Debug, Default)]
pub struct H2Answer {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
    /// The trailers, if there were any.
    pub trailers: Option<HeaderMap>,
}

impl H2 {
    /// Connects.
    pub async fn open(proxy: SocketAddr) -> Self {
        Self::on(TcpStream::connect(proxy).await.expect("the proxy listens")).await
    }

    /// Uses an open connection.
    pub async fn on(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Self {
        let (send, connection) = h2::client::Builder::new()
            .initial_window_size(8 << 20)
            .initial_connection_window_size(64 << 20)
            .max_header_list_size(16 << 20)
            .handshake(stream)
            .await
            .expect("a handshake");
        tokio::spawn(connection);
        Self { send }
    }

    /// Sends a request with an optional body and trailers, and reads the answer.
    pub async fn request(
        &self,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: Option<Bytes>,
        trailers: Option<HeaderMap>,
    ) -> Result<H2Answer, h2::Error> {
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(()).expect("a request");
        let ends = body.is_none() && trailers.is_none();
        let (answer, mut stream) = self.begin(request, ends).await?;
        if let Some(body) = body {
            stream.send_data(body, trailers.is_none())?;
        }
        if let Some(trailers) = trailers {
            stream.send_trailers(trailers)?;
        }
        timeout(PATIENCE, read(answer)).await.expect("a whole answer")
    }

    /// Sends a request's head, and leaves the rest to the caller; `ends`: there is no rest.
    pub async fn begin(
        &self,
        request: Request<()>,
        ends: bool,
    ) -> Result<(ResponseFuture, SendStream<Bytes>), h2::Error> {
        self.send.clone().ready().await?.send_request(request, ends)
    }
}

/// Reads an answer to its end.
pub(crate) async fn read(answer: ResponseFuture) -> Result<H2Answer, h2::Error> {
    let (parts, mut incoming) = answer.await?.into_parts();
    let mut body = Vec::new();
    while let Some(chunk) = incoming.data().await {
        let chunk = chunk?;
        incoming.flow_control().release_capacity(chunk.len())?;
        body.extend_from_slice(&chunk);
    }
    let trailers = incoming.trailers().await?;
    Ok(H2Answer { status: parts.status.as_u16(), headers: parts.headers, body, trailers })
}
