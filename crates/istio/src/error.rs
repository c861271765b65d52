//! Settings that no resource can be made of.

/// Why there is no resource.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A module's address that nothing could fetch.
    #[error(
        "{0:?} is no module: give oci://REGISTRY/NAME:TAG, https://…, or the path of a file in the sidecar's container, which begins with /"
    )]
    Module(String),
    /// A checksum that is none.
    #[error("{0:?} is no SHA-256: it has 64 hexadecimal digits")]
    Checksum(String),
    /// A label of a workload that Kubernetes doesn't take.
    #[error("{0:?} is no label: write KEY=VALUE, as in app=payment")]
    Label(String),
    /// A name that Kubernetes doesn't take.
    #[error("{0:?} can't be a name in Kubernetes: lower-case letters, digits and - are, 63 of them at most")]
    Name(String),
    /// A collector that isn't an address.
    #[error(
        "{0:?} is no collector: write HOST:PORT, as in understudy-collector.understudy.svc.cluster.local:4440"
    )]
    Collector(String),
    /// A file for the simple form, which takes none.
    #[error("the simple form takes its module from oci:// or https:// alone: leave --simple out for a file")]
    SimpleFile,
    /// HTTPS for the simple form, which can't read it.
    #[error("the simple form can't read HTTPS: leave --simple or --https out")]
    SimpleHttps,
    /// HTTPS of a host that no certificate can be for.
    #[error(
        "{0:?} is no host: write its name alone, as in api.stripe.com; a certificate can't be for a wildcard or an address"
    )]
    Host(String),
    /// HTTPS of nobody.
    #[error("HTTPS needs the names of its hosts, as in --https api.stripe.com,api.hubapi.com")]
    NoHost,
    /// HTTPS on no port.
    #[error("0 is no port: HTTPS has 443")]
    Port,
    /// Certificates of backends in a file that isn't in the sidecar's container.
    #[error("{0:?} is no path in the sidecar's container: it begins with /")]
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
