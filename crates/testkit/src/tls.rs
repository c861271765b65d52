//! TLS on both sides of the proxy: a client that trusts one authority, and backends with
//! certificates of a test's own, good and bad.

use crate::client::PATIENCE;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use understudy_ca::{Authority, Leaf, Minter};

/// Protocols by ALPN, the first preferred.
pub const H2_AND_HTTP1: &[&str] = &["h2", "http/1.1"];
const DAY: Duration = Duration::from_secs(86_400);

/// No other than HTTP/1.1.
pub const HTTP1: &[&str] = &["http/1.1"];

/// An authority of a test's own, in a folder that closes with it.
pub struct TestAuthority {
    /// The authority.
    pub authority: Authority,
    folder: TempDir,
}

impl TestAuthority {
    /// A new one.
    pub fn new() -> Self {
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        let folder = tempfile::Builder::new().permissions(private).tempdir().expect("a folder");
        let authority = Authority::open_or_create(&folder.path().join("ca")).expect("an authority");
        Self { authority, folder }
    }

    /// Folder of the authority, which only this user can enter.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Certificate of the authority, as a file.
    pub fn certificate(&self) -> PathBuf {
        self.authority.path()
    }

    /// Connector of a client that trusts only this authority.
    pub fn client(&self, alpn: &[&str]) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.der().to_vec().into()).expect("a root");
        connector(roots, alpn)
    }

    /// A certificate for a name.
    pub fn leaf(&self, name: &str) -> Leaf {
        self.leaf_made(name, SystemTime::now())
    }

    fn leaf_made(&self, name: &str, made: SystemTime) -> Leaf {
        let minter = Minter::new(self.authority.clone(), DAY).expect("a key");
        let name = understudy_ca::ServerName::parse(name).expect("a name");
        minter.mint(&[name], made).expect("a certificate")
    }

    /// A TLS server for `name` in front of `address`. Its certificate expired `expired` ago, unless
    /// that is zero.
    pub async fn serve(&self, name: &str, alpn: &[&str], address: SocketAddr, expired: Duration) -> TlsFront {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        self.serve_on(listener, name, alpn, address, expired)
    }

    /// The same server on a given listener.
    pub fn serve_on(
        &self,
        listener: TcpListener,
        name: &str,
        alpn: &[&str],
        address: SocketAddr,
        expired: Duration,
    ) -> TlsFront {
        let made = if expired.is_zero() { SystemTime::now() } else { SystemTime::now() - expired - DAY };
        let leaf = self.leaf_made(name, made);
        let chain =
            CertificateDer::pem_slice_iter(leaf.chain.as_bytes()).map(|der| der.expect("PEM")).collect();
        let key = PrivateKeyDer::from_pem_slice(leaf.key.as_bytes()).expect("a key");
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .expect("a certificate");
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        TlsFront::start(listener, TlsAcceptor::from(Arc::new(config)), address)
    }
}

impl Default for TestAuthority {
    fn default() -> Self {
        Self::new()
    }
}

/// A client that trusts no certificate.
pub fn distrustful(alpn: &[&str]) -> TlsConnector {
    connector(RootCertStore::empty(), alpn)
}

fn connector(roots: RootCertStore, alpn: &[&str]) -> TlsConnector {
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    TlsConnector::from(Arc::new(config))
}

/// Terminates TLS and forwards its content. Dropping it ends listening.
#[derive(Debug)]
pub struct TlsFront {
    address: SocketAddr,
    connections: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl TlsFront {
    fn start(listener: TcpListener, acceptor: TlsAcceptor, to: SocketAddr) -> Self {
        let address = listener.local_addr().expect("an address");
        let connections = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&connections);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let Ok(mut outside) = acceptor.accept(stream).await else { return };
                    let Ok(mut inside) = TcpStream::connect(to).await else { return };
                    let _ = copy_bidirectional(&mut outside, &mut inside).await;
                });
            }
        });
        Self { address, connections, task }
    }

    /// Address on which the server listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Number of accepted connections, whatever their outcome.
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::SeqCst)
    }

    /// A `--map` that leads a host here.
    pub fn map(&self, host: &str) -> understudy_envoy::HostMap {
        format!("{host}=https://{}", self.address).parse().expect("a map")
    }
}

impl Drop for TlsFront {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Opens a tunnel to `to` (`host:port`) through the proxy.
pub async fn tunnel(proxy: SocketAddr, to: &str) -> TcpStream {
    let mut stream = TcpStream::connect(proxy).await.expect("the proxy listens");
    let request = format!("CONNECT {to} HTTP/1.1\r\nhost: {to}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut head = Vec::new();
    let reading = async {
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.expect("an answer"));
        }
    };
    timeout(PATIENCE, reading).await.expect("an answer in time");
    let head = String::from_utf8_lossy(&head);
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    stream
}

/// A handshake inside of a tunnel.
///
/// # Errors
/// It fails.
pub async fn handshake(
    client: &TlsConnector,
    tunnel: TcpStream,
    name: &str,
) -> std::io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    timeout(PATIENCE, client.connect(name, tunnel)).await.expect("an end of the handshake")
}
