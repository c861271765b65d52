//! A client that sends the bytes that it is given and reads one answer.

use crate::upstream::Seen;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

/// No test waits longer for an answer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// An answer as it came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Bytes from the status line to the empty line, unchanged.
    pub head: Vec<u8>,
    /// Names as they came, and values, in order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body without chunk framing.
    pub body: Vec<u8>,
    /// Trailers of a chunked body.
    pub trailers: Vec<(String, Vec<u8>)>,
}

impl Answer {
    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<String> {
        let found = self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
        found.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
    }

    /// All values of a header, in order.
    pub fn all(&self, name: &str) -> Vec<String> {
        let found = self.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        found.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).collect()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }
}

/// A connection to the proxy.
#[derive(Debug)]
pub struct Connection {
    stream: Stream,
    buffer: Vec<u8>,
}

#[derive(Debug)]
enum Stream {
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Connection {
    /// Connects.
    pub async fn open(proxy: SocketAddr) -> Self {
        Self::on(TcpStream::connect(proxy).await.expect("the proxy listens"))
    }

    /// Uses an open connection.
    pub fn on(stream: TcpStream) -> Self {
        Self { stream: Stream::Tcp(stream), buffer: Vec::new() }
    }

    /// Uses an open connection.
    pub fn on_tls(stream: TlsStream<TcpStream>) -> Self {
        Self { stream: Stream::Tls(Box::new(stream)), buffer: Vec::new() }
    }

    /// Sends bytes as they are.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        // The proxy may have answered and closed while a long body is still being sent: the answer
        // counts.
        let _ = self.stream.as_io().write_all(bytes.as_ref()).await;
    }

    /// Reads an answer. `head`: the answer is to a HEAD request, and has no body whatever its
    /// headers.
    pub async fn answer(&mut self, head: bool) -> Answer {
        let answer = timeout(PATIENCE, receive(self.stream.as_io(), &mut self.buffer, head)).await;
        answer.unwrap_or_else(|_| self.impatient())
    }

    /// Sends bytes and reads an answer meanwhile, for it may come before all is sent.
    pub async fn exchange(&mut self, bytes: impl AsRef<[u8]>, head: bool) -> Answer {
        let (mut read, mut write) = tokio::io::split(self.stream.as_io());
        let send = async {
            let _ = write.write_all(bytes.as_ref()).await;
            std::future::pending::<Answer>().await
        };
        let both = async {
            tokio::select! {
                answer = receive(&mut read, &mut self.buffer, head) => answer,
                never = send => never,
            }
        };
        let answer = timeout(PATIENCE, both).await;
        answer.unwrap_or_else(|_| self.impatient())
    }

    fn impatient(&self) -> ! {
        panic!("no whole answer within {PATIENCE:?}; so far: {:?}", String::from_utf8_lossy(&self.buffer))
    }

    /// Reads until the bytes so far contain these; they stay to be read.
    pub async fn until(&mut self, needle: &[u8]) -> &[u8] {
        let found = async {
            while !self.buffer.windows(needle.len()).any(|window| window == needle) {
                if self.more().await == 0 {
                    return false;
                }
            }
            true
        };
        let found = timeout(PATIENCE, found).await;
        assert!(
            matches!(found, Ok(true)),
            "{:?} did not come, only {:?}",
            String::from_utf8_lossy(needle),
            String::from_utf8_lossy(&self.buffer)
        );
        &self.buffer
    }

    /// Discards the bytes so far, reads more, and returns their number; 0 if the connection has
    /// ended.
    pub async fn skip(&mut self) -> usize {
        if self.buffer.is_empty() {
            timeout(PATIENCE, self.more()).await.expect("bytes, or the end");
        }
        let length = self.buffer.len();
        self.buffer.clear();
        length
    }

    /// Waits until the proxy ends the connection.
    pub async fn ended(&mut self) {
        while self.skip().await > 0 {}
    }

    /// Ends this side of the connection: nothing more will be sent.
    pub async fn finish(&mut self) {
        self.stream.as_io().shutdown().await.expect("a connection");
    }

    /// Ends the connection by a reset.
    pub fn reset(self) {
        // A socket that is closed without lingering sends RST.
        let _ = match &self.stream {
            Stream::Tcp(stream) => stream,
            Stream::Tls(stream) => stream.get_ref().0,
        }
        .set_zero_linger();
    }

    async fn more(&mut self) -> usize {
        more(self.stream.as_io(), &mut self.buffer).await
    }
}

impl Stream {
    fn as_io(&mut self) -> &mut (dyn Io + '_) {
        match self {
            Self::Tcp(stream) => stream,
            Self::Tls(stream) => stream,
        }
    }
}

/// Readable and writable streams.
trait Io: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

async fn more(from: &mut (impl AsyncRead + Unpin + ?Sized), buffer: &mut Vec<u8>) -> usize {
    let mut chunk = vec![0; 65536];
    let length = from.read(&mut chunk).await.unwrap_or(0);
    buffer.extend_from_slice(&chunk[..length]);
    length
}

async fn receive(from: &mut (impl AsyncRead + Unpin + ?Sized), buffer: &mut Vec<u8>, head: bool) -> Answer {
    loop {
        if let Some((answer, used)) = parse_answer(buffer, head, false) {
            buffer.drain(..used);
            if answer.status == 100 {
                continue;
            }
            return answer;
        }
        if more(from, buffer).await == 0 {
            let text = String::from_utf8_lossy(buffer).into_owned();
            let parsed = parse_answer(buffer, head, true);
            return parsed.unwrap_or_else(|| panic!("the connection ended after {text:?}")).0;
        }
    }
}

/// Sends one request through the proxy, in absolute form, and reads the answer.
pub async fn request(
    proxy: SocketAddr,
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Answer {
    let host = url.split_once("://").map_or(url, |(_, rest)| rest).split('/').next().unwrap_or_default();
    let mut bytes = format!("{method} {url} HTTP/1.1\r\nhost: {host}\r\n").into_bytes();
    for (name, value) in headers {
        bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    if !body.is_empty() {
        bytes.extend_from_slice(format!("content-length: {}\r\n", body.len()).as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    let mut connection = Connection::open(proxy).await;
    connection.send(&bytes).await;
    connection.answer(method == "HEAD").await
}

/// GETs a URL through the proxy.
pub async fn get(proxy: SocketAddr, url: &str) -> Answer {
    request(proxy, "GET", url, &[], b"").await
}

type Pairs = Vec<(String, Vec<u8>)>;

/// A complete request at the start of the bytes, and its length.
pub(crate) fn parse_request(bytes: &[u8]) -> Option<(Seen, usize)> {
    let (head, headers, start) = split_head(bytes)?;
    let (body, trailers, used) = match framing(&headers) {
        Framing::Chunked => dechunk(&bytes[start..])?,
        Framing::Length(length) => (bytes.get(start..start + length)?.to_vec(), Vec::new(), length),
        Framing::Close => (Vec::new(), Vec::new(), 0),
    };
    Some((Seen { head: head.to_vec(), body, trailers }, start + used))
}

fn parse_answer(bytes: &[u8], head_only: bool, closed: bool) -> Option<(Answer, usize)> {
    let (head, headers, start) = split_head(bytes)?;
    let text = String::from_utf8_lossy(head);
    let status = text.split(' ').nth(1)?.parse().ok()?;
    let bodyless = head_only || status == 204 || status == 304 || status < 200;
    let (body, trailers, used) = match framing(&headers) {
        _ if bodyless => (Vec::new(), Vec::new(), 0),
        Framing::Chunked => dechunk(&bytes[start..])?,
        Framing::Length(length) => (bytes.get(start..start + length)?.to_vec(), Vec::new(), length),
        Framing::Close if closed => (bytes[start..].to_vec(), Vec::new(), bytes.len() - start),
        Framing::Close => return None,
    };
    Some((Answer { status, head: head.to_vec(), headers, body, trailers }, start + used))
}

enum Framing {
    Chunked,
    Length(usize),
    Close,
}

fn framing(headers: &Pairs) -> Framing {
    let find = |name: &str| {
        headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| String::from_utf8_lossy(v))
    };
    match (find("transfer-encoding"), find("content-length")) {
        (Some(coding), _) if coding.contains("chunked") => Framing::Chunked,
        (_, Some(length)) => Framing::Length(length.trim().parse().expect("a content-length")),
        _ => Framing::Close,
    }
}

fn split_head(bytes: &[u8]) -> Option<(&[u8], Pairs, usize)> {
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n")?;
    let head = &bytes[..end];
    Some((head, pairs(head), end + 4))
}

fn pairs(head: &[u8]) -> Pairs {
    head.split(|&b| b == b'\n')
        .filter_map(|line| {
            let colon = line.iter().position(|&b| b == b':')?;
            let name = String::from_utf8_lossy(&line[..colon]).into_owned();
            Some((name, line[colon + 1..].trim_ascii().to_vec())).filter(|(name, _)| !name.contains(' '))
        })
        .collect()
}

fn dechunk(bytes: &[u8]) -> Option<(Vec<u8>, Pairs, usize)> {
    let (mut body, mut at) = (Vec::new(), 0);
    loop {
        let line = bytes[at..].windows(2).position(|w| w == b"\r\n")?;
        let size = usize::from_str_radix(String::from_utf8_lossy(&bytes[at..at + line]).trim(), 16)
            .expect("a chunk size");
        at += line + 2;
        if size == 0 {
            if bytes[at..].starts_with(b"\r\n") {
                return Some((body, Vec::new(), at + 2));
            }
            let end = bytes[at..].windows(4).position(|w| w == b"\r\n\r\n")?;
            return Some((body, pairs(&bytes[at..at + end]), at + end + 4));
        }
        body.extend_from_slice(bytes.get(at..at + size)?);
        at += size + 2;
        bytes.get(at - 1)?;
    }
}
