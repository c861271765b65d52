//! Which variables name the roots, ecosystem by ecosystem. `docs/how-to/https.md` says the same to people.

use super::{BUNDLE, EXTRA, Variables, java, python};
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Whoever reads one of these takes the file in the place of the roots that it would have.
const INSTEAD: [&str; 12] = [
    // OpenSSL, and with it Python, Ruby, Perl, .NET on Linux; Go on Linux; Rust's rustls-native-certs; uv
    "SSL_CERT_FILE",
    // OpenSSL as Nix has it
    "NIX_SSL_CERT_FILE",
    // Python: requests, pip, httplib2
    "REQUESTS_CA_BUNDLE",
    "PIP_CERT",
    "HTTPLIB2_CA_CERTS",
    // curl, the command
    "CURL_CA_BUNDLE",
    // AWS: boto3, the command, the SDK for Go
    "AWS_CA_BUNDLE",
    // gRPC's C core (Python, Ruby, PHP, C#), and gRPC for Node
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
    "GIT_SSL_CAINFO",
    "CARGO_HTTP_CAINFO",
    "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE",
    "HEX_CACERTS_PATH",
];
/// The same, but only where the user has them: else these tools use what is set above, or have settings in files that would be lost.
const INSTEAD_IF_SET: [&str; 4] =
    ["npm_config_cafile", "NPM_CONFIG_CAFILE", "BUNDLE_SSL_CA_CERT", "PERL_LWP_SSL_CA_FILE"];
/// Whoever reads one of these adds the file to the roots that it has.
const BESIDE: [&str; 2] = ["NODE_EXTRA_CA_CERTS", "DENO_CERT"];

/// The proxy that CMD is to use.
#[derive(Clone, Copy, Debug)]
pub struct Proxy<'a> {
    /// Where it listens.
    pub address: SocketAddr,
    /// What goes past it, as `NO_PROXY` has it.
    pub no_proxy: &'a str,
}

/// What the user has set, where ours adds to it.
#[derive(Debug)]
pub(crate) struct Theirs {
    /// By variable. The first is always set by us, the others where the user has.
    java_options: Vec<(&'static str, Option<OsString>)>,
    java_store: Option<PathBuf>,
    python_path: Option<OsString>,
    if_set: Vec<&'static str>,
}

/// The variables that name bundles of the user's own.
pub(crate) fn bundles() -> impl Iterator<Item = &'static str> {
    INSTEAD.into_iter().chain(INSTEAD_IF_SET)
}

/// The variables that name what the user adds.
pub(crate) fn extras() -> impl Iterator<Item = &'static str> {
    BESIDE.into_iter()
}

impl Theirs {
    pub(crate) fn new(variables: Variables<'_>, java_store: Option<PathBuf>) -> Self {
        let is_set = |name: &&str| variables(name).is_some_and(|value| !value.is_empty());
        let is_wanted = |name: &&str| *name == java::OPTIONS[0] || is_set(name);
        Self {
            java_options: java::OPTIONS
                .into_iter()
                .filter(is_wanted)
                .map(|name| (name, variables(name)))
                .collect(),
            java_store,
            python_path: variables("PYTHONPATH"),
            if_set: INSTEAD_IF_SET.into_iter().filter(is_set).collect(),
        }
    }

    pub(crate) fn environment(&self, folder: &Path, proxy: &Proxy<'_>) -> Vec<(&'static str, OsString)> {
        let file = |name: &str| folder.join(name).into_os_string();
        let instead = INSTEAD.iter().chain(&self.if_set).map(|name| (*name, file(BUNDLE)));
        let beside = BESIDE.iter().map(|name| (*name, file(EXTRA)));
        let mut all: Vec<_> = instead.chain(beside).collect();
        all.push(("NODE_USE_ENV_PROXY", "1".into()));
        for (name, theirs) in &self.java_options {
            all.push((name, java::options(theirs.as_deref(), self.java_store.as_deref(), proxy)));
        }
        all.push(("PYTHONPATH", python::path(folder, self.python_path.as_deref())));
        all
    }
}
