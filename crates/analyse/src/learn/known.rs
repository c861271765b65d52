//! Fields that are known to be new with each request, or with each run: what protocols and providers say of them. Data, with sources.

/// A field that is known by its name.
pub(super) struct Known {
    /// The last name in its place.
    pub(super) name: &'static str,
    /// What it is, and who says so.
    pub(super) why: &'static str,
    /// Whether it is a JSON Web Token whose lasting claims count.
    pub(super) jwt: bool,
    /// True if a later request may refer to it.
    pub(super) names: bool,
    /// True if it only refers to what earlier requests introduced, and counts otherwise.
    pub(super) refers: bool,
}

const fn field(name: &'static str, why: &'static str) -> Known {
    Known { name, why, jwt: false, names: false, refers: false }
}

const fn token(name: &'static str, why: &'static str) -> Known {
    Known { name, why, jwt: true, names: false, refers: false }
}

const fn named(name: &'static str, why: &'static str) -> Known {
    Known { name, why, jwt: false, names: true, refers: false }
}

const fn reference(name: &'static str, why: &'static str) -> Known {
    Known { name, why, jwt: false, names: true, refers: true }
}

const AWS: &str =
    "an idempotency token of AWS, which its SDKs make for each call (Smithy, `idempotencyToken` trait)";
const OAUTH1: &str = "new with each signed request (RFC 5849, 3.3 and 3.4)";
const PKCE: &str = "new with each authorisation (RFC 7636, 4.1)";
const CALL: &str = "an identifier of one call, made up by the client";
const BLOCK: &str =
    "an identifier of a block, which the client makes up for each upload (Azure Blob Storage, \"Put Block\")";
const BLOCK_LIST: &str =
    "a block that an earlier request named and uploaded (Azure Blob Storage, \"Put Block List\")";
const CREDENTIAL: &str = "a credential, which the next run may have another of";

/// The names. Short ones that mean something else elsewhere, such as `state` or `id`, aren't among them.
pub(super) const FIELDS: [Known; 32] = [
    field("ClientRequestToken", AWS),
    field("clientRequestToken", AWS),
    field("ClientToken", AWS),
    field("clientToken", AWS),
    field("IdempotencyToken", AWS),
    field("idempotencyToken", AWS),
    field("idempotency_key", "an idempotency key, new with each call"),
    field("idempotencyKey", "an idempotency key, new with each call"),
    named("requestId", CALL),
    named("request_id", CALL),
    named("clientRequestId", CALL),
    named("client_request_id", CALL),
    named("correlationId", CALL),
    named("correlation_id", CALL),
    field("nonce", "a nonce, new with each call"),
    named("blockid", BLOCK),
    reference("Latest", BLOCK_LIST),
    reference("Committed", BLOCK_LIST),
    reference("Uncommitted", BLOCK_LIST),
    field("oauth_nonce", OAUTH1),
    field("oauth_timestamp", OAUTH1),
    field("oauth_signature", OAUTH1),
    field("code_verifier", PKCE),
    field("code_challenge", PKCE),
    field("client_secret", CREDENTIAL),
    field("refresh_token", CREDENTIAL),
    field("api_key", CREDENTIAL),
    field("apikey", CREDENTIAL),
    field("api_secret", CREDENTIAL),
    field("secret", CREDENTIAL),
    token(
        "assertion",
        "an OAuth assertion: issuer, scope and the like count, its times and signature don't (RFC 7523, 2.1)",
    ),
    token(
        "client_assertion",
        "an OAuth client assertion: its claims count, its times and signature don't (RFC 7523, 2.2)",
    ),
];

/// gRPC services whose requests have maps, which some encoders shuffle, such as protobuf's for Python and Go. Other lists in these requests
/// don't look like maps (the services' published `.proto` files).
pub(super) const MAPS: [(&str, &str); 3] = [
    ("/google.firestore.", "the fields of Firestore's documents are maps, whose entries have no order"),
    ("/google.datastore.", "the properties of Datastore's entities are maps, whose entries have no order"),
    ("/google.pubsub.", "the attributes of Pub/Sub's messages are maps, whose entries have no order"),
];

/// JSON-RPC's identifier of a call.
pub(super) const JSON_RPC_ID: &str = "the number of a call, which only its answer repeats (JSON-RPC 2.0, 4)";
/// OAuth's and OpenID Connect's values against forgery and replay.
pub(super) const OAUTH_STATE: &str =
    "new with each authorisation (RFC 6749, 10.12; OpenID Connect Core, 3.1.2.1)";
/// The token that MCP's notifications of progress carry.
pub(super) const MCP_TOKEN: &str = "the token of a call's progress, chosen by the caller (MCP, \"Progress\")";
/// WS-Security.
pub(super) const WS_SECURITY: &str =
    "the security header of SOAP: nonces, times and signatures (OASIS WS-Security 1.1.1)";

/// The field that a place is known as.
pub(super) fn field_at(place: &str) -> Option<&'static Known> {
    let last = place.rsplit(['/', '.']).next()?;
    let rooted = place.starts_with("body/") || place.starts_with("query.");
    FIELDS.iter().find(|known| rooted && known.name == last)
}

/// The place of SOAP's security header that a place lies in.
pub(super) fn ws_security(place: &str) -> Option<String> {
    let mut taken = Vec::new();
    let mut in_header = false;
    for step in place.split('/') {
        taken.push(step);
        let local = step.rsplit(':').next().unwrap_or(step);
        if in_header && local == "Security" {
            return Some(taken.join("/"));
        }
        in_header = local == "Header";
    }
    None
}
