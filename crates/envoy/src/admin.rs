//! A client for Envoy's admin interface, over TCP or a Unix socket. It reads, and drains; it changes no configuration.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::{TcpStream, UnixStream};

use crate::error::Error;

/// The admin thread is Envoy's main thread: it answers at once, or something is badly wrong.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where the admin interface listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdminAddress {
    /// A Unix socket: no port to find or lose, and no other user can reach it.
    Socket(PathBuf),
    /// An address; keep it on loopback.
    Tcp(SocketAddr),
}

/// A client of one Envoy's admin interface.
#[derive(Debug, Clone)]
pub struct Admin {
    address: AdminAddress,
}

/// An answer of the admin interface.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The whole body.
    pub body: Bytes,
}

impl Admin {
    /// A client for the interface at `address`; connects at each request.
    pub fn new(address: AdminAddress) -> Self {
        Self { address }
    }

    /// Where the interface is.
    pub fn address(&self) -> &AdminAddress {
        &self.address
    }

    /// `GET path`, with its query.
    pub async fn get(&self, path: &str) -> Result<Answer, Error> {
        self.request("GET", path).await
    }

    /// `POST path`, with its query.
    pub async fn post(&self, path: &str) -> Result<Answer, Error> {
        self.request("POST", path).await
    }

    /// Counters and gauges whose names match the regular expression `filter`; all if it is empty.
    pub async fn stats(&self, filter: &str) -> Result<Stats, Error> {
        let path = format!("/stats?format=json&filter={}", escape(filter));
        let json = self.json(&path).await?;
        let mut values = BTreeMap::new();
        for stat in json["stats"].as_array().into_iter().flatten() {
            // Histograms have no `name` at this level.
            if let (Some(name), Some(value)) = (stat["name"].as_str(), stat["value"].as_u64()) {
                values.insert(name.to_owned(), value);
            }
        }
        Ok(Stats { values })
    }

    /// The addresses on which Envoy really listens, by listener name.
    pub(crate) async fn listeners(&self) -> Result<BTreeMap<String, SocketAddr>, Error> {
        let json = self.json("/listeners?format=json").await?;
        let mut listeners = BTreeMap::new();
        for status in json["listener_statuses"].as_array().into_iter().flatten() {
            let socket = &status["local_address"]["socket_address"];
            let address = socket["address"].as_str().and_then(|ip| ip.parse().ok());
            let port = socket["port_value"].as_u64().and_then(|port| u16::try_from(port).ok());
            if let (Some(name), Some(ip), Some(port)) = (status["name"].as_str(), address, port) {
                listeners.insert(name.to_owned(), SocketAddr::new(ip, port));
            }
        }
        Ok(listeners)
    }

    async fn json(&self, path: &str) -> Result<Value, Error> {
        let answer = self.get(path).await?;
        let failed = |reason: String| Error::Admin { request: format!("GET {path}"), reason };
        if answer.status != 200 {
            return Err(failed(format!(
                "status {}: {}",
                answer.status,
                String::from_utf8_lossy(&answer.body)
            )));
        }
        serde_json::from_slice(&answer.body).map_err(|error| failed(error.to_string()))
    }

    async fn request(&self, method: &str, path: &str) -> Result<Answer, Error> {
        let failed = |reason: String| Error::Admin { request: format!("{method} {path}"), reason };
        let exchange = async {
            match &self.address {
                AdminAddress::Socket(socket) => {
                    exchange(UnixStream::connect(socket).await?, method, path).await
                }
                AdminAddress::Tcp(address) => {
                    exchange(TcpStream::connect(address).await?, method, path).await
                }
            }
        };
        match tokio::time::timeout(PATIENCE, exchange).await {
            Ok(result) => result.map_err(|error| failed(error.to_string())),
            Err(_) => Err(failed(format!("no answer within {PATIENCE:?}"))),
        }
    }
}

async fn exchange<S>(
    stream: S,
    method: &str,
    path: &str,
) -> Result<Answer, Box<dyn std::error::Error + Send + Sync>>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let request =
        Request::builder().method(method).uri(path).header("host", "admin").body(Empty::<Bytes>::new())?;
    let answer = async {
        let response = sender.send_request(request).await?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await?.to_bytes();
        Ok::<_, hyper::Error>(Answer { status, body })
    };
    // The connection must be driven beside the request; both end together.
    tokio::pin!(answer, connection);
    tokio::select! {
        answer = &mut answer => Ok(answer?),
        end = &mut connection => {
            end?;
            Ok(answer.await?)
        }
    }
}

/// Percent-encodes what isn't safe in a query.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// Counters and gauges at one moment.
#[derive(Debug, Clone, Default)]
pub struct Stats {
    values: BTreeMap<String, u64>,
}

impl Stats {
    /// The value of `name`; 0 if Envoy has no such statistic (yet).
    pub fn get(&self, name: &str) -> u64 {
        self.values.get(name).copied().unwrap_or(0)
    }

    /// Does Envoy have a statistic called `name`?
    pub fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// All of them, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.values.iter().map(|(name, value)| (name.as_str(), *value))
    }
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn queries() {
        assert_eq!(escape(r"^wasmcustom\.a&b$"), "%5Ewasmcustom%5C.a%26b%24");
    }
}
