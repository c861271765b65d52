//! Resources that [`crate::Https`] needs in a workload: certificates for the sidecar, the authority
//! for the app, and the lines of the pod template that mount both.

use crate::scope::Scope;
use serde_json::{Value, json};

/// Label of pods that have the certificates. Its value identifies one scope, so that two resources
/// never meet in one sidecar.
pub(crate) const LABEL: &str = "understudy.dev/https";
/// Folder of the certificates in the sidecar's container.
pub(crate) const FOLDER: &str = "/etc/understudy/https";
/// Folder of the authority's certificates in the app's container.
const TRUST: &str = "/etc/understudy/trust";
const NAME: &str = "understudy-https";
const TRUST_NAME: &str = "understudy-trust";

/// Variables for a file with all trusted authorities, which replaces the client's own.
const BUNDLES: [&str; 12] = [
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "AWS_CA_BUNDLE",
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
    "PIP_CERT",
    "HTTPLIB2_CA_CERTS",
    "GIT_SSL_CAINFO",
    "CARGO_HTTP_CAINFO",
    "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE",
    "HEX_CACERTS_PATH",
    "NIX_SSL_CERT_FILE",
];
/// Variables for a file with additional authorities.
const EXTRAS: [&str; 2] = ["NODE_EXTRA_CA_CERTS", "DENO_CERT"];

/// Certificates and keys, all of them PEM.
#[derive(Clone)]
pub struct Certificates {
    /// Workloads that get the certificates.
    pub scope: Scope,
    /// The certificate for the hosts.
    pub chain: String,
    /// Its private key.
    pub key: String,
    /// The authority that signed it.
    pub authority: String,
    /// The authority that signed the certificates, and all others that the app trusts.
    pub bundle: String,
}

impl Certificates {
    /// A `Secret` for the sidecar and a `ConfigMap` for the app.
    pub fn resources(&self) -> Vec<Value> {
        let [secret, trust] = [("Secret", NAME), ("ConfigMap", TRUST_NAME)].map(|(kind, prefix)| {
            let metadata = self.scope.metadata(&self.scope.name(prefix));
            json!({ "apiVersion": "v1", "kind": kind, "metadata": metadata })
        });
        let with = |mut resource: Value, more: Value| {
            if let (Value::Object(resource), Value::Object(more)) = (&mut resource, more) {
                resource.extend(more);
            }
            resource
        };
        vec![
            with(
                secret,
                json!({ "type": "kubernetes.io/tls", "stringData": { "tls.crt": self.chain, "tls.key": self.key } }),
            ),
            with(trust, json!({ "data": { "bundle.pem": self.bundle, "extra.pem": self.authority } })),
        ]
    }
}

/// A patch of a workload's pod template for `kubectl patch`. It mounts the certificates into the
/// sidecar and the authority into the app's container, and makes the usual clients trust the
/// authority.
pub fn pod_patch(scope: &Scope, container: &str) -> Value {
    let volume = |name: &str, what: Value| json!({ name: what }).to_string();
    let env = |names: &[&str], file: &str| {
        names
            .iter()
            .map(|name| json!({ "name": name, "value": format!("{TRUST}/{file}") }))
            .collect::<Vec<_>>()
    };
    let variables = [env(&BUNDLES, "bundle.pem"), env(&EXTRAS, "extra.pem")].concat();
    let template = json!({
        "metadata": {
            "labels": { LABEL: scope.identity() },
            "annotations": {
                "sidecar.istio.io/userVolume": volume(NAME, json!({ "secret": { "secretName": scope.name(NAME) } })),
                "sidecar.istio.io/userVolumeMount": volume(NAME, json!({ "mountPath": FOLDER, "readOnly": true })),
            },
        },
        "spec": {
            "containers": [{
                "name": container,
                "env": variables,
                "volumeMounts": [{ "name": TRUST_NAME, "mountPath": TRUST, "readOnly": true }],
            }],
            "volumes": [{ "name": TRUST_NAME, "configMap": { "name": scope.name(TRUST_NAME) } }],
        },
    });
    json!({ "spec": { "template": template } })
}
