//! Amazon Web Services: which service and region, by `X-Amz-Target`, else by the scope of the credentials, else by the host.

mod names;

pub use names::{AWS_SERVICES, AwsService};

use super::technologies::Technologies;
use super::{host, tag};
use std::borrow::Cow;
use understudy_core::exchange::Exchange;

/// How the names of AWS's hosts end (AWS General Reference, "AWS service endpoints").
const DOMAINS: [&str; 5] = [".amazonaws.com", ".amazonaws.com.cn", ".amazonaws.eu", ".api.aws", ".on.aws"];

/// The address of the metadata of an EC2 instance ("Use the Instance Metadata Service to access instance metadata"), which other
/// clouds have too.
const METADATA: [&str; 2] = ["169.254.169.254", "[fd00:ec2::254]"];

pub(super) fn look_at_host(name: &str, found: &mut Technologies) {
    let Some(rest) = DOMAINS.iter().find_map(|domain| name.strip_suffix(domain)) else { return };
    found.found(tag::AWS, || host::evidence(name));
    // The region may stand anywhere: `dynamodb.us-east-1`, `search-x.us-east-1.es`, `us-east-1.queue`.
    let labels = rest.split('.').filter(|label| !is_region(label) && *label != "dualstack");
    let labels = labels.map(|label| label.strip_suffix("-fips").unwrap_or(label)).map(without_region);
    let service = labels.collect::<Vec<_>>().join(".");
    let ends = |end: &&str| {
        service.strip_suffix(*end).is_some_and(|before| before.is_empty() || before.ends_with('.'))
    };
    if let Some(known) = AWS_SERVICES.iter().find(|known| known.hosts.iter().any(ends)) {
        found.found(known.tag, || host::evidence(name));
    }
}

/// `s3-us-west-2` is how S3's hosts were written once.
fn without_region(label: &str) -> &str {
    match label.split_once('-') {
        Some(("s3", region)) if is_region(region) => "s3",
        _ => label,
    }
}

/// Such as `us-east-1` and `us-gov-west-1`.
fn is_region(label: &str) -> bool {
    let parts = label.split('-').collect::<Vec<_>>();
    let is_word = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase());
    match parts.as_slice() {
        [area, middle @ .., number] => {
            area.len() <= 4
                && is_word(area)
                && !middle.is_empty()
                && middle.iter().all(is_word)
                && matches!(number.as_bytes(), [b'0'..=b'9'])
        }
        _ => false,
    }
}

pub(super) fn look(exchange: &Exchange, found: &mut Technologies) {
    let (headers, path) = (&exchange.request.headers, exchange.request.path.as_slice());
    let authorization = headers.get(b"authorization").unwrap_or_default().trim_ascii();
    let is_signed = authorization.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"AWS4"));
    let query = path.splitn(2, |&b| b == b'?').nth(1).unwrap_or_default();
    let presigned = credential(query, b"X-Amz-Credential=");
    if presigned.is_some() {
        found.found(tag::HTTP_AUTH_AWS, || "presigned query".into());
    }
    let credential = match is_signed {
        true => credential(authorization, b"Credential="),
        false => presigned,
    };
    let scope = credential.as_ref().and_then(|credential| Scope::of(credential));
    if is_signed || credential.is_some() {
        found.found(tag::AWS, || scope.as_ref().map_or("AWS signature".into(), Scope::evidence));
    }
    let target = headers.get(b"x-amz-target").and_then(target_prefix).or_else(|| rpc_service(path));
    let by_target =
        AWS_SERVICES.iter().find(|known| !known.target.is_empty() && target == Some(known.target.as_bytes()));
    if let Some(known) = by_target {
        found.found(known.tag, || format!("operation of {}", known.target).into());
        found.found(tag::AWS, || format!("operation of {}", known.target).into());
    } else if let Some(scope) = scope {
        let known = AWS_SERVICES.iter().find(|known| scope.service == known.scope.as_bytes());
        if let Some(known) = known {
            found.found(known.tag, || scope.evidence());
        }
    }
    let is_metadata = exchange.backend.strip_prefix("http://").is_some_and(|host| METADATA.contains(&host));
    if is_metadata && (path.starts_with(b"/latest/") || headers.get(b"x-aws-ec2-metadata-token").is_some()) {
        found.found(tag::AWS, || "metadata of an EC2 instance".into());
    }
}

/// What stands before the operation: `DynamoDB_20120810` of `DynamoDB_20120810.GetItem`. CloudTrail's has a package before it.
fn target_prefix(value: &[u8]) -> Option<&[u8]> {
    let prefix = value.rsplitn(2, |&b| b == b'.').nth(1)?;
    prefix.rsplit(|&b| b == b'.').next()
}

/// The service of a request in Smithy's RPC protocol: `/service/NAME/operation/NAME` (Smithy, "RPC v2 CBOR protocol").
fn rpc_service(path: &[u8]) -> Option<&[u8]> {
    let mut parts = path.strip_prefix(b"/service/")?.split(|&b| b == b'/');
    let service = parts.next()?;
    (parts.next() == Some(b"operation")).then_some(service)
}

/// The value behind a name, up to what ends it, with its slashes as such.
fn credential<'a>(text: &'a [u8], name: &[u8]) -> Option<Cow<'a, [u8]>> {
    let at = text.windows(name.len()).position(|window| window.eq_ignore_ascii_case(name))?;
    let value = text.get(at.checked_add(name.len())?..)?;
    let value = value.split(|b| matches!(b, b',' | b'&' | b' ')).next()?;
    if !value.contains(&b'%') {
        return Some(value.into());
    }
    // Nothing else in a scope is ever escaped.
    let text = String::from_utf8_lossy(value).replace("%2F", "/").replace("%2f", "/");
    Some(text.into_bytes().into())
}

/// What a signature is good for: `ID/20261121/us-east-1/dynamodb/aws4_request` (AWS Signature Version 4, "Elements of an AWS API request
/// signature"). That of version 4a has no region.
struct Scope<'a> {
    region: Option<&'a [u8]>,
    service: &'a [u8],
}

impl<'a> Scope<'a> {
    fn of(credential: &'a [u8]) -> Option<Self> {
        let mut parts = credential.rsplit(|&b| b == b'/');
        if parts.next() != Some(b"aws4_request") {
            return None;
        }
        let service = parts.next()?;
        let is_name = |part: &&[u8]| {
            part.len() <= 40
                && part.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-')
        };
        let region = parts.next().filter(|part| part.iter().any(u8::is_ascii_lowercase)).filter(is_name);
        Some(service).filter(is_name).map(|service| Self { region, service })
    }

    fn evidence(&self) -> Cow<'static, str> {
        let region = String::from_utf8_lossy(self.region.unwrap_or(b"*"));
        format!("credential scope {region}/{}", String::from_utf8_lossy(self.service)).into()
    }
}
