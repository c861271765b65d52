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
    #[error("a WasmPlugin takes its module from oci:// or https:// alone: leave --simple out for a file")]
    SimpleFile,
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
        }
    }
}
