//! A client for Envoy's admin interface, over TCP or a Unix socket. It reads state and drains
//! listeners. It never changes the configuration.

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

/// The time limit of a request. Envoy's main thread serves the admin interface, and normally
/// responds at once.
const PATIENCE: Duration = Duration::from_secs(10);

/// The address of the admin interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdminAddress {
    /// A Unix socket. It needs no free port, and other users can't reach it.
    Socket(PathBuf),
    /// A TCP address, which should be on loopback.
    Tcp(SocketAddr),
}

/// A client of one Envoy's admin interface.
#[derive(Debug, Clone)]
pub struct Admin {
    address: AdminAddress,
}

/// A response of the admin interface.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct AdminResponse {
    /// The HTTP status.
    pub status: u16,
    /// The whole body.
    pub body: Bytes,
}

impl Admin {
    /// A client for the interface at `address`. It connects for each request.
    pub fn new(address: AdminAddress) -> Self {
        Self { address }
    }

    /// The address of the interface.
    pub fn address(&self) -> &AdminAddress {
        &self.address
    }

    /// Sends `GET path`, with its query.
    pub async fn get(&self, path: &str) -> Result<AdminResponse, Error> {
        self.request("GET", path).await
    }

    /// Sends `POST path`, with its query.
    pub async fn post(&self, path: &str) -> Result<AdminResponse, Error> {
        self.request("POST", path).await
    }

    /// The counters and gauges whose names match the regular expression `filter`; all if it is
    /// empty.
    pub async fn stats(&self, filter: &str) -> Result<EnvoyStats, Error> {
        let path = format!("/stats?format=json&filter={}", escape(filter));
        let json = self.json(&path).await?;
        let mut values = BTreeMap::new();
        for stat in json["stats"].as_array().into_iter().flatten() {
            // Histograms have no `name` at this level.
            if let (Some(name), Some(value)) = (stat["name"].as_str(), stat["value"].as_u64()) {
                values.insert(name.to_owned(), value);
            }
        }
        Ok(EnvoyStats { values })
    }

    /// The addresses to which Envoy's listeners are bound, by listener name.
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
        let response = self.get(path).await?;
        let failed = |reason: String| Error::Admin { request: format!("GET {path}"), reason };
        if response.status != 200 {
            return Err(failed(format!(
                "status {}: {}",
                response.status,
                String::from_utf8_lossy(&response.body)
            )));
        }
        serde_json::from_slice(&response.body).map_err(|error| failed(error.to_string()))
    }

    async fn request(&self, method: &str, path: &str) -> Result<AdminResponse, Error> {
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
            Err(_) => Err(failed(format!("no response within {PATIENCE:?}"))),
        }
    }
}

async fn exchange<S>(
    stream: S,
    method: &str,
    path: &str,
) -> Result<AdminResponse, Box<dyn std::error::Error + Send + Sync>>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let request =
        Request::builder().method(method).uri(path).header("host", "admin").body(Empty::<Bytes>::new())?;
    let response = async {
        let response = sender.send_request(request).await?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await?.to_bytes();
        Ok::<_, hyper::Error>(AdminResponse { status, body })
    };
    // The connection must be polled beside the request. Both end together.
    tokio::pin!(response, connection);
    tokio::select! {
        response = &mut response => Ok(response?),
        end = &mut connection => {
            end?;
            Ok(response.await?)
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

/// The counters and gauges at one moment.
#[derive(Debug, Clone, Default)]
pub struct EnvoyStats {
    values: BTreeMap<String, u64>,
}

impl EnvoyStats {
    /// The value of `name`; 0 if Envoy doesn't have the statistic (yet).
    pub fn get(&self, name: &str) -> u64 {
        self.values.get(name).copied().unwrap_or(0)
    }

    /// Returns whether Envoy has a statistic called `name`.
    pub fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// All statistics, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.values.iter().map(|(name, value)| (name.as_str(), *value))
    }
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn query_with_special_characters_is_escaped() {
        assert_eq!(escape(r"^wasmcustom\.a&b$"), "%5Ewasmcustom%5C.a%26b%24");
    }
}
