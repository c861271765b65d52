//! Opens a bucket of S3 or of a compatible service. Credentials, region and endpoint come from the
//! usual environment variables (`AWS_ACCESS_KEY_ID`, `AWS_REGION`, `AWS_ENDPOINT_URL`,
//! `AWS_ALLOW_HTTP`, …), a service account or the machine's role.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::prefix::PrefixStore;
use object_store::{ClientConfigKey, Error, ObjectStore, RetryConfig};

/// The time limit of one attempt. All attempts end before filters give up after 10 s, so that
/// filters receive the reason.
const TIMEOUT: &str = "5s";
/// After this time no further attempt is made.
const RETRY_TIMEOUT: Duration = Duration::from_secs(4);
const RETRIES: usize = 3;

/// Opens the part of a bucket whose names begin with `prefix/`. Makes no request yet.
pub(crate) fn open(
    bucket: &str,
    prefix: &str,
    endpoint: Option<&str>,
) -> Result<Arc<dyn ObjectStore>, Error> {
    // A provider that is installed already is as good: it is `ring` too.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let retry = RetryConfig { max_retries: RETRIES, retry_timeout: RETRY_TIMEOUT, ..RetryConfig::default() };
    let mut builder = AmazonS3Builder::from_env().with_bucket_name(bucket).with_retry(retry);
    if let Some(endpoint) = endpoint {
        builder = builder.with_endpoint(endpoint);
    }
    // Client options of our own would replace those from the environment, such as AWS_ALLOW_HTTP.
    for key in [ClientConfigKey::Timeout, ClientConfigKey::ConnectTimeout] {
        builder = builder.with_config(AmazonS3ConfigKey::Client(key), TIMEOUT);
    }
    let configured = |key: &AmazonS3ConfigKey| builder.get_config_value(key).unwrap_or_default();
    let allow_http = configured(&AmazonS3ConfigKey::Client(ClientConfigKey::AllowHttp));
    let endpoint = configured(&AmazonS3ConfigKey::Endpoint);
    if endpoint.starts_with("http://") && !allow_http.parse().unwrap_or(false) {
        let source = format!("{endpoint} has no TLS; set AWS_ALLOW_HTTP=true if that is meant").into();
        return Err(Error::Generic { store: "S3", source });
    }
    let bucket = builder.build()?;
    Ok(if prefix.is_empty() { Arc::new(bucket) } else { Arc::new(PrefixStore::new(bucket, prefix)) })
}
