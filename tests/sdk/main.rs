//! Conversations of real SDKs with their backends. They are recorded once, then answered without
//! the backends, in new processes, a day and two hours later, with new keys, times, tokens and
//! boundaries. Every request has to match, and every answer has to be the right one. If the client
//! changes one request, it has to miss. Conversations call `https://`, at the SDKs' default
//! endpoints if there are any.
//!
//! The conversations are the scripts in `conversations/`; each lists at its top what is new in each
//! run. `scripts/setup-sdk.sh` installs the requirements. A missing one is an error, never a skip.

mod conversation;
mod process;

use conversation::Conversation;

/// `name: script, backends, requests, changes`: how many requests it makes, and how many changes of
/// meaning it has
macro_rules! conversations {
    ($($name:ident: $script:literal, $backends:expr, $requests:literal, $changes:literal;)*) => {
        $(
            #[tokio::test]
            async fn $name() {
                Conversation { script: $script, backends: &$backends, requests: $requests, changes: $changes }
                    .holds()
                    .await;
            }
        )*
    };
}

conversations! {
    dynamodb_through_boto3: "aws_dynamodb.py", ["moto"], 37, 2;
    s3_through_boto3: "aws_s3.py", ["moto"], 36, 3;
    s3_in_signed_chunks: "aws_chunked.py", ["moto"], 5, 1;
    sqs_through_boto3: "aws_sqs.py", ["moto"], 17, 1;
    sqs_by_its_query_protocol: "aws_sqs_query.py", ["moto"], 18, 1;
    sts_and_temporary_credentials: "aws_sts.py", ["moto"], 10, 1;
    kms_through_boto3: "aws_kms.py", ["moto"], 14, 1;
    stripe_through_stripe_python: "stripe_payments.py", ["stripe"], 28, 2;
    hubspot_through_its_client: "hubspot_contacts.py", ["hubspot"], 19, 1;
    plaid_through_its_client: "plaid_items.py", ["plaid"], 20, 1;
    google_with_a_service_account: "google_service_account.py", ["google", "google_token", "google_iam"], 11, 2;
    pubsub_through_its_client: "google_pubsub.py", ["google_pubsub"], 19, 2;
    firestore_through_its_client: "google_firestore.py", ["google_firestore"], 22, 2;
    graphql_through_gql: "graphql_orders.py", ["graphql_orders"], 18, 2;
    multipart_through_requests: "multipart_upload.py", ["documents"], 14, 2;
    oauth_client_credentials: "oauth_client_credentials.py", ["identity"], 13, 1;
    jwt_assertions: "jwt_bearer.py", ["identity"], 9, 2;
    json_rpc_through_jsonrpcclient: "json_rpc.py", ["rpc"], 11, 2;
    compressed_bodies: "gzip_bodies.py", ["events"], 11, 1;
    soap_through_zeep: "soap_zeep.py", ["soap"], 7, 1;
    grpc_through_grpcio: "grpc_orders.py", ["orders"], 14, 3;
    dynamodb_through_aws_sdk_js: "node_dynamodb.mjs", ["moto"], 25, 1;
    s3_streams_through_aws_sdk_js: "node_s3_stream.mjs", ["moto"], 8, 1;
    stripe_through_stripe_node: "node_stripe.mjs", ["stripe"], 16, 1;
    http2_through_httpx: "httpx_http2.py", ["shop"], 21, 2;
    fetch_of_node: "node_fetch.mjs", ["shop"], 13, 1;
    http2_through_curl: "curl_http2.sh", ["shop"], 9, 1;
    http2_through_java: "JavaShop.java", ["shop"], 12, 1;
    tokens_through_openai: "openai_chat.py", ["openai"], 11, 2;
    http2_through_reqwest_and_grpc_through_tonic: "rust_shop.rs", ["shop", "orders"], 14, 2;
    grpc_through_grpc_js: "node_grpc.mjs", ["orders"], 8, 2;
}
