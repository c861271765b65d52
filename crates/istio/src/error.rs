//! Invalid settings.

/// An invalid setting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An address that is no module.
    #[error(
        "{0:?} is no module: give oci://REGISTRY/NAME:TAG, https://…, or an absolute path in the sidecar's container"
    )]
    Module(String),
    /// A text that is no SHA-256.
    #[error("{0:?} is no SHA-256: it has 64 hexadecimal digits")]
    Checksum(String),
    /// A label that Kubernetes refuses.
    #[error("{0:?} is no label: write KEY=VALUE, as in app=payment")]
    Label(String),
    /// A name that Kubernetes refuses.
    #[error("{0:?} is no name in Kubernetes: use at most 63 lower-case letters, digits and hyphens")]
    Name(String),
    /// A collector that isn't an address.
    #[error(
        "{0:?} is no collector: write HOST:PORT, as in understudy-collector.understudy.svc.cluster.local:4440"
    )]
    Collector(String),
    /// A file for the simple form, which fetches its module.
    #[error("the simple form needs a module from oci:// or https://: leave out --simple for a file")]
    SimpleFile,
    /// HTTPS for the simple form, which can't read it.
    #[error("the simple form can't read HTTPS: leave out --simple or --https")]
    SimpleHttps,
    /// A text that is no host name.
    #[error(
        "{0:?} is no host: write its name alone, as in api.stripe.com; a certificate can't be for a wildcard or an address"
    )]
    Host(String),
    /// HTTPS without hosts.
    #[error("HTTPS needs the names of its hosts, as in --https api.stripe.com,api.hubapi.com")]
    NoHost,
    /// Port 0.
    #[error("0 is no port: HTTPS uses 443")]
    Port,
    /// A relative path for the authorities of backends.
    #[error("{0:?} is no absolute path in the sidecar's container")]
    Roots(String),
}

impl Error {
    /// A stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Module(_) => "istio-module",
            Self::Checksum(_) => "istio-checksum",
            Self::Label(_) => "istio-label",
            Self::Name(_) => "istio-name",
            Self::Collector(_) => "istio-collector",
            Self::SimpleFile => "istio-simple-file",
            Self::SimpleHttps => "istio-simple-https",
            Self::Host(_) => "istio-host",
            Self::NoHost => "istio-no-host",
            Self::Port => "istio-port",
            Self::Roots(_) => "istio-roots",
        }
    }
}
