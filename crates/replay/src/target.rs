//! The address of the service, and which of its certificates are accepted.

use crate::error::Error;
use std::path::Path;
use std::sync::Arc;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

/// The address of the service that is driven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// True if the service speaks TLS.
    pub tls: bool,
    /// Host, without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
}

impl Target {
    /// Reads `http://HOST[:PORT]` or `https://HOST[:PORT]`.
    ///
    /// # Errors
    /// The text is no such URL.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let bad = || Error::Target { target: text.to_owned() };
        let uri: http::Uri = text.parse().map_err(|_| bad())?;
        let tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(bad()),
        };
        if uri.path() != "/" || uri.query().is_some() {
            return Err(bad());
        }
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(bad)?;
        let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
        Ok(Self { tls, host: host.trim_matches(['[', ']']).to_owned(), port })
    }

    /// Host and port as written in a URL.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        format!("{host}:{}", self.port)
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}", if self.tls { "https" } else { "http" }, self.authority())
    }
}

/// Certificates of the service that are accepted.
#[derive(Clone, Debug)]
pub enum Trust {
    /// Certificates that one of these authorities (DER) has signed.
    Roots(Vec<Vec<u8>>),
    /// All certificates: for tests alone.
    Anyone,
}

impl Trust {
    /// The certificates in a file (PEM).
    ///
    /// # Errors
    /// The file can't be read, or has no certificate.
    pub fn file(path: &Path) -> Result<Self, Error> {
        let bad = |problem: String| Error::Trust { problem: format!("{}: {problem}", path.display()) };
        let read = CertificateDer::pem_file_iter(path).map_err(|error| bad(error.to_string()))?;
        let all: Result<Vec<_>, _> = read.collect();
        let all = all.map_err(|error| bad(error.to_string()))?;
        if all.is_empty() {
            return Err(bad("there is no certificate in it (PEM)".to_owned()));
        }
        Ok(Self::Roots(all.into_iter().map(|der| der.to_vec()).collect()))
    }

    pub(crate) fn connector(&self, alpn: &[&[u8]]) -> Result<TlsConnector, Error> {
        let provider = Arc::new(ring::default_provider());
        let bad = |error: tokio_rustls::rustls::Error| Error::Trust { problem: error.to_string() };
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(bad)?;
        let mut config = match self {
            Self::Roots(roots) => {
                let mut store = RootCertStore::empty();
                store.add_parsable_certificates(roots.iter().map(|der| CertificateDer::from(der.clone())));
                builder.with_root_certificates(store).with_no_client_auth()
            }
            Self::Anyone => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(AnyoneVerifier(provider)))
                .with_no_client_auth(),
        };
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        Ok(TlsConnector::from(Arc::new(config)))
    }
}

/// Accepts any certificate. Signatures made with its key are still verified.
#[derive(Debug)]
struct AnyoneVerifier(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyoneVerifier {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, tokio_rustls::rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, tokio_rustls::rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, tokio_rustls::rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests;
