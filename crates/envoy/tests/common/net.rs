//! Sockets for tests: an upstream that answers with given bytes and keeps what it was sent, and a
//! raw client.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Listens on a free port; reads until the end of the head, answers with `reply`, and keeps the
/// connection.
#[derive(Clone)]
pub(crate) struct Upstream {
    pub(crate) addr: SocketAddr,
    got: Arc<Mutex<Vec<u8>>>,
}

impl Upstream {
    pub(crate) async fn start(reply: impl Into<Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let upstream = Self { addr: listener.local_addr().unwrap(), got: Arc::default() };
        let (got, reply) = (Arc::clone(&upstream.got), Arc::new(reply.into()));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&got), Arc::clone(&reply)));
            }
        });
        upstream
    }

    /// All bytes that arrived, of all connections.
    pub(crate) fn got(&self) -> String {
        String::from_utf8_lossy(&self.got.lock().unwrap()).into_owned()
    }
}

async fn serve(mut stream: TcpStream, got: Arc<Mutex<Vec<u8>>>, reply: Arc<Vec<u8>>) {
    let mut head = Vec::new();
    let mut buffer = vec![0; 65536];
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        got.lock().unwrap().extend_from_slice(&buffer[..count]);
        head.extend_from_slice(&buffer[..count]);
        if head.windows(4).any(|end| end == b"\r\n\r\n") {
            head.clear();
            stream.write_all(&reply).await.unwrap();
        }
    }
}

/// Sends `request` on a connection of its own, and reads until `enough` says so or the connection
/// ends.
pub(crate) async fn exchange(
    to: SocketAddr,
    request: impl AsRef<[u8]>,
    enough: impl Fn(&str) -> bool,
) -> String {
    let mut stream = TcpStream::connect(to).await.unwrap();
    stream.write_all(request.as_ref()).await.unwrap();
    read(&mut stream, enough).await
}

async fn read(stream: &mut TcpStream, enough: impl Fn(&str) -> bool) -> String {
    let mut answer = Vec::new();
    let mut buffer = vec![0; 65536];
    let reading = async {
        loop {
            let count = stream.read(&mut buffer).await.unwrap();
            answer.extend_from_slice(&buffer[..count]);
            if count == 0 || enough(&String::from_utf8_lossy(&answer)) {
                return;
            }
        }
    };
    let in_time = tokio::time::timeout(super::SOON, reading).await;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(in_time.is_ok(), "no end of the answer: {answer:?}");
    answer
}

/// Reads from the connection up to `end`.
pub(crate) async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    read(stream, |answer| answer.ends_with(end)).await
}

/// An answer that ends with `end`.
pub(crate) async fn until(to: SocketAddr, request: impl AsRef<[u8]>, end: &str) -> String {
    exchange(to, request, |answer| answer.ends_with(end)).await
}
