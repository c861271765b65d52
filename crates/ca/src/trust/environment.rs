//! The variables that name root certificates, by ecosystem. `docs/how-to/https.md` documents them.

use super::names::{BUNDLE, EXTRA, Proxy, Variables};
use super::{java, python};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Variables whose file replaces a client's own roots.
const INSTEAD: [&str; 12] = [
    // OpenSSL, and with it Python, Ruby, Perl, .NET on Linux; Go on Linux; Rust's
    // rustls-native-certs; uv
    "SSL_CERT_FILE",
    // OpenSSL in Nix
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
/// Variables of the same kind that are only set if the user has set them. Otherwise these tools use
/// the variables above, or settings in files that would be overridden.
const INSTEAD_IF_SET: [&str; 4] =
    ["npm_config_cafile", "NPM_CONFIG_CAFILE", "BUNDLE_SSL_CA_CERT", "PERL_LWP_SSL_CA_FILE"];
/// Variables whose file is added to a client's own roots.
const BESIDE: [&str; 2] = ["NODE_EXTRA_CA_CERTS", "DENO_CERT"];

/// The user's variables that ours extend.
#[derive(Debug)]
pub(crate) struct UserVariables {
    /// By variable. The first is always set, the others if the user has set them.
    java_options: Vec<(&'static str, Option<OsString>)>,
    java_store: Option<PathBuf>,
    python_path: Option<OsString>,
    if_set: Vec<&'static str>,
}

/// The variables that name the user's bundles.
pub(crate) fn bundles() -> impl Iterator<Item = &'static str> {
    INSTEAD.into_iter().chain(INSTEAD_IF_SET)
}

/// The variables that name the user's additional roots.
pub(crate) fn extras() -> impl Iterator<Item = &'static str> {
    BESIDE.into_iter()
}

impl UserVariables {
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
        for (name, options) in &self.java_options {
            all.push((name, java::options(options.as_deref(), self.java_store.as_deref(), proxy)));
        }
        all.push(("PYTHONPATH", python::path(folder, self.python_path.as_deref())));
        all
    }
}
