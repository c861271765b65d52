//! Tags: what they are called, of what sort they are, and in which order they are shown.

use serde::Serialize;

/// What sort of thing a tag names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A product with an API, such as Stripe or DynamoDB.
    Service,
    /// One that takes traces, metrics, logs or errors, and whose answers nobody waits for.
    Telemetry,
    /// Whose cloud it runs in.
    Cloud,
    /// A protocol above HTTP, such as gRPC or GraphQL.
    Protocol,
    /// How bodies are written.
    Format,
    /// HTTP and TLS.
    Transport,
    /// That the caller says who it is.
    Auth,
    /// In which way it does.
    Scheme,
}

impl Kind {
    /// How much a tag of this sort says of a backend. 0: it is no name for one.
    pub(super) fn weight(self) -> u8 {
        match self {
            Self::Service => 5,
            Self::Telemetry => 4,
            Self::Cloud => 3,
            Self::Protocol => 2,
            Self::Transport => 1,
            Self::Format | Self::Auth | Self::Scheme => 0,
        }
    }
}

/// A tag without its evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tag {
    /// What it is called.
    pub name: &'static str,
    /// What sort of thing that is.
    pub kind: Kind,
}

impl Tag {
    /// Where it stands among others: what qualifies the rest comes after it, else by name. Letter case doesn't matter.
    pub(super) fn place(self) -> (bool, Folded) {
        (self.kind == Kind::Scheme || self == AWS, Folded(self.name))
    }

    pub(super) const fn service(name: &'static str) -> Self {
        Self { name, kind: Kind::Service }
    }
}

/// A name that is ordered without regard to ASCII case.
#[derive(PartialEq, Eq)]
pub(super) struct Folded(&'static str);

impl Ord for Folded {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let lower = |name: &'static str| name.bytes().map(|b| b.to_ascii_lowercase());
        lower(self.0).cmp(lower(other.0)).then_with(|| self.0.cmp(other.0))
    }
}

impl PartialOrd for Folded {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

macro_rules! tags {
    ($($constant:ident = $kind:ident $name:literal;)*) => {
        $(pub(super) const $constant: Tag = Tag { name: $name, kind: Kind::$kind };)*
        /// The tags that code finds, besides those of the tables.
        pub const BY_SHAPE: &[Tag] = &[$($constant),*];
    };
}

tags! {
    HTTP = Transport "HTTP";
    TLS = Transport "TLS";
    JSON = Format "JSON";
    XML = Format "XML";
    PROTOBUF = Format "Protobuf";
    HTTP_AUTH = Auth "HTTP Auth";
    HTTP_AUTH_AWS = Auth "HTTP Auth AWS";
    BASIC = Scheme "Basic";
    BEARER = Scheme "Bearer";
    DIGEST = Scheme "Digest";
    JWT = Scheme "JWT";
    NEGOTIATE = Scheme "Negotiate";
    AWS = Cloud "AWS";
    GCP = Cloud "GCP";
    GRPC = Protocol "gRPC";
    GRPC_WEB = Protocol "gRPC-Web";
    CONNECT = Protocol "Connect";
    GRAPHQL = Protocol "GraphQL";
    SOAP = Protocol "SOAP";
    OAUTH = Protocol "OAuth";
    JSON_RPC = Protocol "JSON-RPC";
    MCP = Protocol "MCP";
    SSE = Protocol "SSE";
    WEBSOCKET = Protocol "WebSocket";
    ELASTICSEARCH = Service "Elasticsearch";
    OPENSEARCH = Service "OpenSearch";
    OPENTELEMETRY = Telemetry "OpenTelemetry";
    ZIPKIN = Telemetry "Zipkin";
    JAEGER = Telemetry "Jaeger";
    DATADOG = Telemetry "Datadog";
    SENTRY = Telemetry "Sentry";
    NEW_RELIC = Telemetry "New Relic";
    X_RAY = Telemetry "X-Ray";
    CLOUD_TRACE = Telemetry "Cloud Trace";
}
