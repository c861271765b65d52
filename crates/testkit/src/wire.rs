//! A connection of bytes, on either side of the proxy. Bytes are sent unchanged, and can be
//! inspected as they arrive.

use crate::upstream::{Counts, Seen};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A backend's end of a connection.
#[derive(Debug)]
pub struct Wire {
    stream: TcpStream,
    buffer: Vec<u8>,
    counts: Arc<Counts>,
}

impl Wire {
    pub(crate) fn new(stream: TcpStream, counts: Arc<Counts>) -> Self {
        Self { stream, buffer: Vec::new(), counts }
    }

    /// The next request, once it is complete. `None` if the connection ends before.
    pub async fn request(&mut self) -> Option<Seen> {
        loop {
            if let Some((seen, used)) = crate::client::parse_request(&self.buffer) {
                self.buffer.drain(..used);
                self.counts.seen.lock().expect("no panic while it was held").push(seen.clone());
                return Some(seen);
            }
            if !self.more().await {
                return None;
            }
        }
    }

    /// Reads until the bytes so far contain these, and returns all bytes. `None` if the connection
    /// ends before.
    pub async fn until(&mut self, needle: &[u8]) -> Option<Vec<u8>> {
        while !self.buffer.windows(needle.len()).any(|window| window == needle) {
            if !self.more().await {
                return None;
            }
        }
        Some(std::mem::take(&mut self.buffer))
    }

    /// Bytes as they arrive; empty once the connection has ended.
    pub async fn some(&mut self) -> Vec<u8> {
        if self.buffer.is_empty() {
            self.more().await;
        }
        std::mem::take(&mut self.buffer)
    }

    /// Sends bytes unchanged; `false` if the other side doesn't read them.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).await.is_ok()
    }

    /// Ends the connection by a reset.
    pub fn reset(self) {
        // A socket that is closed without lingering sends RST.
        let _ = self.stream.set_zero_linger();
    }

    /// Waits for the other side to end the connection.
    pub async fn ended(&mut self) {
        while self.more().await {
            self.buffer.clear();
        }
    }

    async fn more(&mut self) -> bool {
        let mut chunk = vec![0; 65536];
        match self.stream.read(&mut chunk).await {
            Ok(n) if n > 0 => {
                self.counts.bytes.fetch_add(n as u64, Ordering::SeqCst);
                self.buffer.extend_from_slice(&chunk[..n]);
                true
            }
            _ => false,
        }
    }
}
