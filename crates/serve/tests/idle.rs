//! Idle connections: they are closed after a time, and never keep a request out.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use understudy_serve::{ServeLimits, serve};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";
const LONG: Duration = Duration::from_secs(30);

struct Server {
    address: std::net::SocketAddr,
    /// The number of requests to `/slow` so far.
    slow: Arc<AtomicUsize>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<usize>,
}

impl Server {
    async fn wait_for_slow(&self, requests: usize) {
        while self.slow.load(SeqCst) < requests {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

/// A server whose path `/slow` answers after 300 ms.
async fn start(idle_timeout: Duration, max_connections: usize) -> Server {
    let slow = Arc::new(AtomicUsize::new(0));
    let count = slow.clone();
    let answer = move || {
        count.fetch_add(1, SeqCst);
        async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            "slow"
        }
    };
    let router = Router::new().route("/", get(|| async { "ok" })).route("/slow", get(answer));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut limits = ServeLimits::default();
    (limits.idle_timeout, limits.max_connections) = (idle_timeout, max_connections);
    let (stop, stopped) = oneshot::channel();
    Server { address, slow, stop, task: tokio::spawn(serve(listener, router, limits, stopped)) }
}

async fn connect(server: &Server, sent: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(sent).await.unwrap();
    stream
}

/// All bytes until the server closes the connection.
async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = stream.read_to_end(&mut bytes);
    // A reset is as good as an end.
    let _ = tokio::time::timeout(LONG, read).await.expect("the server closes the connection");
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn connection_without_a_request_in_progress_is_closed() {
    let server = start(Duration::from_millis(100), 100).await;
    for sent in [
        &b""[..],
        b"G",
        b"PRI * HTTP/2.0\r\n",
        b"GET / HTTP/1.1\r\nhost:",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let text = String::from_utf8_lossy(sent).into_owned();
        let mut stream = connect(&server, sent).await;
        let mut bytes = Vec::new();
        let ended = tokio::time::timeout(LONG, stream.read_to_end(&mut bytes)).await;
        assert!(ended.is_ok(), "{text:?} is never closed");
    }
    let mut kept_alive = connect(&server, REQUEST).await;
    assert!(rest(&mut kept_alive).await.ends_with("ok"), "closed after its response");
}

#[tokio::test]
async fn request_in_progress_longer_than_the_idle_timeout_is_answered() {
    let server = start(Duration::from_millis(100), 100).await;
    let mut stream = connect(&server, b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(rest(&mut stream).await.ends_with("slow"));
}

#[tokio::test]
async fn request_at_the_maximum_of_idle_connections_is_answered() {
    let server = start(LONG * 10, 4).await;
    let mut idle = Vec::new();
    for _ in 0..20 {
        idle.push(connect(&server, b"").await);
        let mut stream = connect(&server, b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
        assert!(rest(&mut stream).await.ends_with("ok"));
    }
    assert_eq!(rest(&mut idle[0]).await, "", "the first idle connection made room");
}

#[tokio::test]
async fn connection_above_the_maximum_of_busy_connections_is_refused() {
    let server = start(LONG * 10, 4).await;
    let mut busy = Vec::new();
    for _ in 0..4 {
        busy.push(connect(&server, b"GET /slow HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await);
    }
    server.wait_for_slow(4).await;
    let mut refused = connect(&server, b"").await;
    assert_eq!(rest(&mut refused).await, "");
    for mut stream in busy {
        assert!(rest(&mut stream).await.ends_with("slow"));
    }
}

#[tokio::test]
async fn server_stopped_finishes_requests_and_closes_idle_connections() {
    let server = start(LONG * 10, 100).await;
    let _idle = connect(&server, b"").await;
    let mut busy = connect(&server, b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await;
    server.wait_for_slow(1).await;
    server.stop.send(()).unwrap();
    assert!(rest(&mut busy).await.ends_with("slow"));
    assert_eq!(server.task.await.unwrap(), 0);
}
