//! Google Cloud and Google's other APIs: by host (`*.googleapis.com`), by the path of gRPC, and the metadata server.
//!
//! Source: the hosts and package names of Google's published API definitions (<https://github.com/googleapis/googleapis>), and
//! <https://cloud.google.com/compute/docs/metadata/querying-metadata>.

use super::host;
use super::tag::{self, Kind, Tag};
use super::technologies::Technologies;
use understudy_core::exchange::Exchange;
use understudy_core::facts;

/// A service of Google.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GcpService {
    /// Its tag.
    pub tag: Tag,
    /// What stands before `.googleapis.com`; with a region and a dash before it too.
    pub host: &'static str,
    /// How the names of its gRPC services begin; empty where it has none.
    pub package: &'static str,
}

const fn row(name: &'static str, host: &'static str, package: &'static str) -> GcpService {
    GcpService { tag: Tag::service(name), host, package }
}

/// The services that are known by name. Of the others there is the tag `GCP` alone.
pub const GCP_SERVICES: &[GcpService] = &[
    row("BigQuery", "bigquery", "google.cloud.bigquery."),
    row("BigQuery", "bigquerystorage", ""),
    row("Bigtable", "bigtable", "google.bigtable."),
    row("Cloud KMS", "cloudkms", "google.cloud.kms."),
    row("Cloud Logging", "logging", "google.logging."),
    row("Cloud Monitoring", "monitoring", "google.monitoring."),
    row("Cloud Run", "run", "google.cloud.run."),
    row("Cloud SQL Admin", "sqladmin", "google.cloud.sql."),
    row("Cloud Tasks", "cloudtasks", "google.cloud.tasks."),
    GcpService {
        tag: Tag { name: "Cloud Trace", kind: Kind::Telemetry },
        host: "cloudtrace",
        package: "google.devtools.cloudtrace.",
    },
    row("Datastore", "datastore", "google.datastore."),
    row("Firebase Cloud Messaging", "fcm", ""),
    row("Firestore", "firestore", "google.firestore."),
    row("Gemini", "generativelanguage", "google.ai.generativelanguage."),
    row("Gmail", "gmail", ""),
    row("Google Calendar", "calendar-json", ""),
    row("Google Drive", "drive", ""),
    row("Google Maps", "maps", "google.maps."),
    row("Google Maps", "places", ""),
    row("Google Maps", "routes", ""),
    row("Google Sheets", "sheets", ""),
    row("IAM Credentials", "iamcredentials", "google.iam.credentials."),
    row("Identity Toolkit", "identitytoolkit", ""),
    row("Pub/Sub", "pubsub", "google.pubsub."),
    row("Secret Manager", "secretmanager", "google.cloud.secretmanager."),
    row("Spanner", "spanner", "google.spanner."),
    row("Speech-to-Text", "speech", "google.cloud.speech."),
    row("Storage", "storage", "google.storage."),
    row("Text-to-Speech", "texttospeech", "google.cloud.texttospeech."),
    row("Translation", "translation", "google.cloud.translation."),
    row("Translation", "translate", ""),
    row("Vertex AI", "aiplatform", "google.cloud.aiplatform."),
    row("Vision", "vision", "google.cloud.vision."),
];

pub(super) fn look_at_host(name: &str, found: &mut Technologies) {
    if name == "metadata.google.internal" {
        found.found(tag::GCP, || host::evidence(name));
    }
    let Some(rest) = name.strip_suffix(".googleapis.com") else { return };
    found.found(tag::GCP, || host::evidence(name));
    // Behind the last dot: `bucket.storage`. Behind a region: `us-central1-aiplatform`.
    let service = rest.rsplit('.').next().unwrap_or(rest);
    let is = |known: &str| {
        service.strip_suffix(known).is_some_and(|before| before.is_empty() || before.ends_with('-'))
    };
    if let Some(known) = GCP_SERVICES.iter().find(|known| is(known.host)) {
        found.found(known.tag, || host::evidence(name));
    }
}

pub(super) fn look(exchange: &Exchange, found: &mut Technologies) {
    let request = &exchange.request;
    if request.headers.get(b"metadata-flavor").is_some_and(|flavor| flavor.eq_ignore_ascii_case(b"google")) {
        found.found(tag::GCP, || "header metadata-flavor".into());
    }
    // An emulator has another host, and the same paths.
    let is_grpc = request.headers.get(b"content-type").is_some_and(facts::is_grpc);
    let Some(path) = request.path.strip_prefix(b"/google.").filter(|_| is_grpc) else { return };
    let known = GCP_SERVICES.iter().find(|known| {
        known.package.strip_prefix("google.").is_some_and(|package| path.starts_with(package.as_bytes()))
    });
    if let Some(known) = known {
        let evidence = || format!("gRPC service {}", known.package.trim_end_matches('.')).into();
        found.found(known.tag, evidence);
        found.found(tag::GCP, evidence);
    }
}
