//! A backend that counts what reaches it, down to the connection and the byte.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A request as it reached the backend: raw bytes.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// From the request line to the empty line.
    pub head: Vec<u8>,
    /// The body, without chunk framing.
    pub body: Vec<u8>,
}

impl Seen {
    /// The head as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.head).into_owned()
    }
}

#[derive(Debug, Default)]
struct Counts {
    connections: AtomicU64,
    bytes: AtomicU64,
    seen: Mutex<Vec<Seen>>,
}

/// A backend on a free port of this machine. Dropped, it stops listening.
#[derive(Debug)]
pub struct Upstream {
    address: SocketAddr,
    counts: Arc<Counts>,
    task: JoinHandle<()>,
}

impl Upstream {
    /// A backend that answers each request with the raw bytes that `answer` gives; `None` closes the connection instead.
    pub async fn start(answer: impl Fn(&Seen) -> Option<Vec<u8>> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (counts, answer) = (Arc::new(Counts::default()), Arc::new(answer));
        let shared = counts.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                shared.connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, shared.clone(), answer.clone()));
            }
        });
        Self { address, counts, task }
    }

    /// A backend that answers everything with 200 and a short body.
    pub async fn ok() -> Self {
        Self::start(|_| Some(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nreal".to_vec())).await
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A `--map` that leads a host here.
    pub fn map(&self, host: &str) -> understudy_envoy::HostMap {
        format!("{host}=http://{}", self.address).parse().expect("a map")
    }

    /// How many connections were made.
    pub fn connections(&self) -> u64 {
        self.counts.connections.load(Ordering::SeqCst)
    }

    /// How many bytes arrived.
    pub fn bytes(&self) -> u64 {
        self.counts.bytes.load(Ordering::SeqCst)
    }

    /// The requests that arrived whole.
    pub fn seen(&self) -> Vec<Seen> {
        self.counts.seen.lock().expect("no panic while it was held").clone()
    }

    /// Panics if anything at all has reached this backend.
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

async fn serve(
    mut stream: TcpStream,
    counts: Arc<Counts>,
    answer: Arc<dyn Fn(&Seen) -> Option<Vec<u8>> + Send + Sync>,
) {
    let mut buffer = Vec::new();
    loop {
        let Some((seen, used)) = crate::client::parse_request(&buffer) else {
            let mut chunk = [0; 65536];
            match stream.read(&mut chunk).await {
                Ok(n) if n > 0 => {
                    counts.bytes.fetch_add(n as u64, Ordering::SeqCst);
                    buffer.extend_from_slice(&chunk[..n]);
                    continue;
                }
                _ => return,
            }
        };
        buffer.drain(..used);
        let reply = answer(&seen);
        counts.seen.lock().expect("no panic while it was held").push(seen);
        match reply {
            Some(reply) if stream.write_all(&reply).await.is_ok() => {}
            _ => return,
        }
        // An answer without a length ends with the connection.
        if buffer.is_empty()
            && counts
                .seen
                .lock()
                .expect("no panic while it was held")
                .last()
                .is_some_and(|s| s.text().contains("x-close"))
        {
            return;
        }
    }
}
