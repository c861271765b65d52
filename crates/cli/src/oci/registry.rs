//! Pushes an image to a registry and pulls it (OCI distribution, with `oci-client`). Existing parts
//! aren't sent again.

use super::credentials;
use super::image::{Image, MANIFEST, SNAPSHOT_LAYER, unpack_snapshot};
use anyhow::{Context, anyhow, bail};
use oci_client::client::{Certificate, CertificateEncoding, ClientConfig, ClientProtocol};
use oci_client::errors::{OciDistributionError as Error, OciErrorCode};
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference, RegistryOperation};
use std::error::Error as _;
use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// Maximum time without a byte from the registry. It may verify a large image before it answers.
const READ_TIMEOUT: Duration = Duration::from_secs(120);

/// Destination of an image: `oci://REGISTRY/NAME:TAG`.
#[derive(Clone, Debug)]
pub(crate) struct Target(Reference);

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = |why: &str| {
            format!(
                "{why}; write oci://REGISTRY/NAME:TAG, as in oci://registry.example.com/team/payment-mocks:1"
            )
        };
        let name = match text.split_once("://") {
            Some(("oci", name)) => name,
            Some((scheme, _)) => return Err(bad(&format!("{scheme}:// is no registry's"))),
            None => text,
        };
        // Docker defaults to its own registry, which is seldom meant.
        let registry = name.split_once('/').map_or("", |(registry, _)| registry);
        if !registry.contains(['.', ':']) && registry != "localhost" {
            return Err(bad("the registry is missing"));
        }
        if name.contains('@') {
            return Err(bad("the push determines the digest"));
        }
        // The last colon after the last slash.
        if !name.rsplit('/').next().is_some_and(|last| last.contains(':')) {
            return Err(bad("the tag is missing"));
        }
        if name != name.to_lowercase() && Reference::from_str(name).is_err() {
            return Err(bad("names in a registry are in lower case"));
        }
        let reference = Reference::from_str(name).map_err(|error| bad(&error.to_string()))?;
        Ok(Self(reference))
    }
}

/// Source of an image: a [`Target`], or with a digest, which then takes precedence.
#[derive(Clone, Debug)]
pub(crate) struct Source(Reference);

impl FromStr for Source {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = |why: &str| {
            format!(
                "{why}; write oci://REGISTRY/NAME:TAG, or the name that `understudy push` printed, with oci:// before it"
            )
        };
        let name = text.strip_prefix("oci://").ok_or_else(|| bad(&format!("{text:?} is in no registry")))?;
        let registry = name.split_once('/').map_or("", |(registry, _)| registry);
        if !registry.contains(['.', ':']) && registry != "localhost" {
            return Err(bad("the registry is missing"));
        }
        Reference::from_str(name).map(Self).map_err(|error| bad(&error.to_string()))
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Connection settings of a registry.
pub(crate) struct Registry<'a> {
    pub(crate) plain_http: bool,
    /// File of certificates to trust in addition to the machine's.
    pub(crate) ca: Option<&'a Path>,
}

/// Numbers of sent and of existing blobs.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pushed {
    pub(crate) sent: u64,
    pub(crate) there_already: u64,
}

impl Registry<'_> {
    /// Pushes an image. The tag is set last, when all parts exist.
    pub(crate) async fn push(&self, target: &Target, image: &Image) -> anyhow::Result<Pushed> {
        let reference = &target.0;
        let (client, auth) = (self.client()?, credentials::of(reference.registry())?);
        self.send(&client, &auth, reference, image)
            .await
            .map_err(|error| self.explain(error, reference, &auth))
            .with_context(|| format!("can't push {target}"))
    }

    /// Unpacks the snapshot of an image into an empty folder. Returns the image's digest.
    pub(crate) async fn pull(&self, source: &Source, folder: &Path) -> anyhow::Result<String> {
        let reference = &source.0;
        let (client, auth) = (self.client()?, credentials::of(reference.registry())?);
        let fetched = fetch(&client, &auth, reference).await;
        let fetched = fetched.map_err(|error| self.explain(error, reference, &auth));
        let (digest, layer) = fetched.with_context(|| format!("can't pull {source}"))?;
        let layer = layer.with_context(|| {
            format!("{source} contains only the module, and no snapshot: `understudy push --with-snapshot` adds it")
        })?;
        unpack_snapshot(&layer, folder).with_context(|| format!("the snapshot in {source} can't be used"))?;
        Ok(digest)
    }

    async fn send(
        &self,
        client: &Client,
        auth: &RegistryAuth,
        to: &Reference,
        image: &Image,
    ) -> Result<Pushed, Error> {
        client.auth(to, auth, RegistryOperation::Push).await?;
        let mut pushed = Pushed::default();
        for blob in &image.blobs {
            // Without permission to read, writing may still be allowed; the push reports its own
            // errors.
            if client.blob_exists(to, &blob.digest).await.unwrap_or(false) {
                pushed.there_already += 1;
                continue;
            }
            client.push_blob(to, blob.bytes.clone(), &blob.digest).await?;
            pushed.sent += 1;
        }
        let media_type = http::HeaderValue::from_static(MANIFEST);
        client.push_manifest_raw(to, image.manifest.bytes.clone(), media_type).await?;
        Ok(pushed)
    }

    fn client(&self) -> anyhow::Result<Client> {
        // Another provider that was installed first is fine: there is only ring.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // `Client` would also create a client with only the machine's certificates, and panic
        // without any.
        reqwest::Client::builder().build().context(
            "this machine has no certificates to verify registries with; install ca-certificates, or name a file of them with SSL_CERT_FILE",
        )?;
        let protocol = if self.plain_http { ClientProtocol::Http } else { ClientProtocol::Https };
        let extra_root_certificates = self.ca.map(certificates).transpose()?.unwrap_or_default();
        let config = ClientConfig {
            protocol,
            extra_root_certificates,
            connect_timeout: Some(CONNECT_TIMEOUT),
            read_timeout: Some(READ_TIMEOUT),
            user_agent: concat!("understudy/", env!("CARGO_PKG_VERSION")),
            ..ClientConfig::default()
        };
        Ok(Client::try_from(config)?)
    }

    /// Explains an error to the person who has to fix it.
    fn explain(&self, error: Error, to: &Reference, auth: &RegistryAuth) -> anyhow::Error {
        let registry = to.registry();
        let why = chain(&error);
        let has = |texts: &[&str]| texts.iter().any(|text| why.contains(text));
        if is_refusal(&error) {
            return match auth {
                RegistryAuth::Anonymous => {
                    anyhow!("{registry} wants to know who you are; run `docker login {registry}` first")
                }
                _ => anyhow!(
                    "{registry} refuses the credentials that `docker login {registry}` has kept, or they may not write to {}; \
                     log in again as somebody who may",
                    to.repository()
                ),
            };
        }
        let help = if has(&["HTTP request to an HTTPS server", "HTTP request was sent to HTTPS port"]) {
            "the registry speaks TLS there; leave out --plain-http"
        } else if has(&["InvalidContentType"]) {
            "the registry speaks no TLS there; if it is meant to be so, add --plain-http"
        } else if has(&["UnknownIssuer", "invalid peer certificate: Other"]) {
            "its certificate is of an authority that this machine doesn't know; name the authority's certificate with --registry-ca"
        } else if has(&["invalid peer certificate"]) {
            "its certificate isn't valid for this name and time"
        } else if has(&["dns error", "failed to lookup address"]) {
            "no such host; check the registry's name"
        } else if has(&["Connection refused"]) {
            "nothing listens there; check the registry's name and port"
        } else {
            "see the registry's log"
        };
        anyhow!("{registry}: {help} ({why})")
    }
}

/// An image's digest, and its layer with the snapshot if there is one. The client verifies both
/// digests.
async fn fetch(
    client: &Client,
    auth: &RegistryAuth,
    from: &Reference,
) -> Result<(String, Option<Vec<u8>>), Error> {
    client.auth(from, auth, RegistryOperation::Pull).await?;
    let (manifest, digest) = client.pull_image_manifest(from, auth).await?;
    let named = manifest.annotations.as_ref().and_then(|annotations| annotations.get(SNAPSHOT_LAYER));
    let Some(layer) = named.and_then(|named| manifest.layers.iter().find(|layer| layer.digest == *named))
    else {
        return Ok((digest, None));
    };
    let mut bytes = Vec::new();
    client.pull_blob(from, layer, &mut bytes).await?;
    Ok((digest, Some(bytes)))
}

fn is_refusal(error: &Error) -> bool {
    match error {
        Error::UnauthorizedError { .. } | Error::AuthenticationFailure(_) => true,
        Error::ServerError { code, .. } => matches!(code, 401 | 403),
        Error::RegistryError { envelope, .. } => {
            let refuses =
                |code: &OciErrorCode| matches!(code, OciErrorCode::Unauthorized | OciErrorCode::Denied);
            envelope.errors.iter().any(|error| refuses(&error.code))
        }
        Error::RequestError(error) => {
            error.status().is_some_and(|status| matches!(status.as_u16(), 401 | 403))
        }
        _ => false,
    }
}

/// The error with its causes, each once.
fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let said = cause.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        source = cause.source();
    }
    text
}

/// The certificates in a PEM file.
fn certificates(path: &Path) -> anyhow::Result<Vec<Certificate>> {
    use rustls::pki_types::{CertificateDer, pem::PemObject};
    let read = || -> anyhow::Result<Vec<Certificate>> {
        let pem = std::fs::read(path)?;
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
        let der = |found: CertificateDer<'_>| Certificate {
            encoding: CertificateEncoding::Der,
            data: found.to_vec(),
        };
        let found: Vec<_> = found?.into_iter().map(der).collect();
        if found.is_empty() {
            bail!("there is no certificate in it; give a file in PEM");
        }
        Ok(found)
    };
    read().with_context(|| format!("can't use {} as --registry-ca", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid_image_name_is_parsed() {
        let check =
            |text: &str, expect: &str| assert_eq!(text.parse::<Target>().unwrap().to_string(), expect);
        check("oci://registry.test/team/payment-mocks:1", "registry.test/team/payment-mocks:1");
        check("localhost/payment:1", "localhost/payment:1");
        check("oci://127.0.0.1:5000/a/b/c:v1.2", "127.0.0.1:5000/a/b/c:v1.2");
    }

    #[test]
    fn valid_source_is_parsed() {
        let check = |text: &str, good: bool| assert_eq!(text.parse::<Source>().is_ok(), good, "{text}");
        check("oci://registry.test/team/payment-mocks:1", true);
        check(&format!("oci://registry.test/payment@sha256:{}", "0".repeat(64)), true);
        check(&format!("oci://registry.test/payment:1@sha256:{}", "0".repeat(64)), true);
        check("registry.test/payment:1", false);
        check("oci://payment:1", false);
        check("https://registry.test/payment:1", false);
        check("oci://registry.test/payment@sha256:00", false);
    }

    #[test]
    fn invalid_image_name_is_refused_with_the_reason() {
        let check = |text: &str, expect: &str| {
            let error = text.parse::<Target>().unwrap_err();
            assert!(error.contains(expect) && error.contains("write oci://"), "{text}: {error}");
        };
        check("https://registry.test/a:1", "https:// is no registry's");
        check("oci://payment:1", "the registry is missing");
        check("team/payment:1", "the registry is missing");
        check("oci://registry.test:5000/payment", "the tag is missing");
        check("oci://registry.test/Payment:1", "lower case");
        check("oci://registry.test/payment:a b", "invalid reference");
        check("oci://registry.test/payment:1@sha256:00", "push determines the digest");
        check("", "the registry is missing");
    }
}
