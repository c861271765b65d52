//! A backend that counts everything it receives, down to the connection and the byte.

use crate::wire::Wire;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tokio::net::TcpSocket;
use tokio::task::JoinHandle;

/// A request as it reached the backend: raw bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Bytes from the request line to the empty line.
    pub head: Vec<u8>,
    /// The body, without chunk framing.
    pub body: Vec<u8>,
    /// Trailers of a chunked body.
    pub trailers: Vec<(String, Vec<u8>)>,
}

impl Seen {
    /// The head as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.head).into_owned()
    }

    /// The path of the request line, or the URL if the request line has one.
    pub fn path(&self) -> String {
        self.text().split(' ').nth(1).unwrap_or_default().to_owned()
    }
}

#[derive(Debug, Default)]
pub(crate) struct Counts {
    connections: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) seen: Mutex<Vec<Seen>>,
}

/// A backend on a free port of this machine. Dropped, it stops listening.
#[derive(Debug)]
pub struct Upstream {
    address: SocketAddr,
    counts: Arc<Counts>,
    task: JoinHandle<()>,
}

impl Upstream {
    /// A backend that answers each request with the raw bytes from `answer`; `None` closes the
    /// connection instead. An answer without a length ends with the connection if the request has
    /// `x-close`.
    pub async fn start(answer: impl Fn(&Seen) -> Option<Vec<u8>> + Send + Sync + 'static) -> Self {
        let answer = Arc::new(answer);
        Self::script(move |mut wire| {
            let answer = answer.clone();
            async move {
                while let Some(seen) = wire.request().await {
                    let closes = seen.text().contains("x-close");
                    match answer(&seen) {
                        Some(reply) if wire.send(&reply).await && !closes => {}
                        _ => return,
                    }
                }
            }
        })
        .await
    }

    /// A backend that runs `script` on each connection.
    pub async fn script<F>(script: impl Fn(Wire) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Nobody::here().listen(script)
    }

    /// A backend that answers everything with 200 and a short body.
    pub async fn ok() -> Self {
        Self::start(|_| Some(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nreal".to_vec())).await
    }

    /// Address on which the server listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A `--map` that leads a host here.
    pub fn map(&self, host: &str) -> understudy_envoy::HostMap {
        map(host, self.address)
    }

    /// Number of accepted connections.
    pub fn connections(&self) -> u64 {
        self.counts.connections.load(Ordering::SeqCst)
    }

    /// Number of received bytes.
    pub fn bytes(&self) -> u64 {
        self.counts.bytes.load(Ordering::SeqCst)
    }

    /// The requests that arrived whole.
    pub fn seen(&self) -> Vec<Seen> {
        self.counts.seen.lock().expect("no panic while it was held").clone()
    }

    /// Panics if anything at all has reached this backend.
    #[track_caller]
    pub fn assert_untouched(&self) {
        assert_eq!(
            (self.connections(), self.bytes()),
            (0, 0),
            "(connections, bytes) at a backend that must not be touched"
        );
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An address of this machine where connections are refused, and which no other program can take.
#[derive(Debug)]
pub struct Nobody {
    socket: TcpSocket,
}

impl Nobody {
    /// Takes a free port, and doesn't listen on it.
    pub fn here() -> Self {
        Self::at(([127, 0, 0, 1], 0).into())
    }

    /// Takes this address, and doesn't listen on it.
    pub fn at(address: SocketAddr) -> Self {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
        let socket = socket.expect("a socket");
        socket.bind(address).expect("a free port");
        Self { socket }
    }

    /// Address on which nothing listens.
    pub fn address(&self) -> SocketAddr {
        self.socket.local_addr().expect("an address")
    }

    /// Starts a backend at this address that runs `script` on each connection.
    pub fn listen<F>(self, script: impl Fn(Wire) -> F + Send + Sync + 'static) -> Upstream
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let address = self.address();
        let listener = self.socket.listen(1024).expect("to listen");
        let counts = Arc::new(Counts::default());
        let shared = counts.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                shared.connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(script(Wire::new(stream, shared.clone())));
            }
        });
        Upstream { address, counts, task }
    }
}

/// A `--map` that leads a host to an address.
pub fn map(host: &str, to: SocketAddr) -> understudy_envoy::HostMap {
    format!("{host}=http://{to}").parse().expect("a map")
}
