//! Rules about secrets, as data: names of headers and fields, schemes, and prefixes of the keys of
//! known vendors. Contains no code, and nothing from a configuration: that is in [`super::names`].
//!
//! Names are in normal form: lower case, without `-` and `_`. Sources: the vendors' descriptions of
//! their keys and of their authentication, RFC 6749 (OAuth), RFC 7617 and the IANA registry of
//! authentication schemes, AWS Signature Version 4.

use super::names::Kind::{self, *};
use super::names::Only::{self, *};

/// A name, the condition for its value, and the places where the rule applies.
pub(super) type Rule = (&'static [u8], Kind, Only);

/// Whole names. Sorted.
#[rustfmt::skip]
pub(super) const NAMES: [Rule; 60] = [
    (b"accesskey", Opaque, Anywhere),
    (b"accesskeyid", Always, Anywhere),
    (b"accesstokens", Always, Anywhere),
    (b"accountkey", Opaque, Anywhere),
    (b"apikeys", Always, Anywhere),
    (b"appid", Key, Query),
    (b"appkey", Opaque, Anywhere),
    (b"applicationkey", Opaque, Anywhere),
    (b"assertion", Assertion, Anywhere),
    (b"authkey", Opaque, Anywhere),
    (b"authorization", Authorization, Anywhere),
    (b"awsaccesskeyid", Always, Anywhere),
    (b"bearer", Opaque, Anywhere),
    (b"cardcode", Digits, Anywhere),
    (b"cardcvc", Digits, Anywhere),
    (b"cardcvv", Digits, Anywhere),
    (b"cardnumber", Card, Anywhere),
    (b"ccnumber", Card, Anywhere),
    (b"clientassertion", Assertion, Anywhere),
    (b"connectionstring", Always, Anywhere),
    (b"cookie", Cookies, Anywhere),
    (b"credential", Opaque, Anywhere),
    (b"credentials", Opaque, Anywhere),
    (b"creditcardnumber", Card, Anywhere),
    (b"csc", Digits, Anywhere),
    (b"cvc", Digits, Anywhere),
    (b"cvc2", Digits, Anywhere),
    (b"cvv", Digits, Anywhere),
    (b"cvv2", Digits, Anywhere),
    (b"ddapplicationkey", Always, Anywhere),
    (b"encryptionkey", Opaque, Anywhere),
    (b"jwt", Opaque, Anywhere),
    (b"key", Key, Query),
    (b"masterkey", Opaque, Anywhere),
    (b"number", MaybeCard, Anywhere),
    (b"oauthsignature", Always, Anywhere),
    (b"ocpapimsubscriptionkey", Always, Anywhere),
    (b"otp", Always, Anywhere),
    (b"pan", Card, Anywhere),
    (b"passwd", Always, Anywhere),
    (b"primaryaccountnumber", Card, Anywhere),
    (b"proxyauthorization", Authorization, Anywhere),
    (b"pwd", Always, Anywhere),
    (b"secretbinary", Always, Anywhere),
    (b"secretstring", Always, Anywhere),
    (b"secrettext", Always, Anywhere),
    (b"setcookie", SetCookie, Anywhere),
    (b"sharedaccesskey", Opaque, Anywhere),
    (b"sharedkey", Opaque, Anywhere),
    (b"sig", Opaque, Query),
    (b"signature", Opaque, Query),
    (b"signingkey", Opaque, Anywhere),
    (b"storageaccountkey", Opaque, Anywhere),
    (b"subscriptionkey", Opaque, Anywhere),
    (b"tokens", Opaque, Anywhere),
    (b"xamzcredential", Scoped, Anywhere),
    (b"xamzserversideencryptioncustomerkey", Always, Header),
    (b"xamzsignature", Always, Anywhere),
    (b"xfunctionskey", Always, Header),
    (b"xgoogsignature", Always, Anywhere),
];

/// Endings of names. The first match applies.
pub(super) const ENDS: [(&[u8], Kind); 14] = [
    (b"accesstoken", Always),
    (b"refreshtoken", Always),
    (b"idtoken", Always),
    (b"sessiontoken", Always),
    (b"securitytoken", Always),
    (b"apitoken", Always),
    (b"token", Opaque),
    (b"secret", Always),
    (b"password", Always),
    (b"passphrase", Always),
    (b"apikey", Always),
    (b"secretkey", Always),
    (b"secretaccesskey", Always),
    (b"privatekey", Always),
];

/// A name that ends in `token` and has one of these in it is a cursor, a client's number for a
/// request, or known to all. These are compared, or sent back as they are, and open nothing.
pub(super) const NO_SECRET: [&[u8]; 32] = [
    b"page",
    b"next",
    b"prev",
    b"continu",
    b"cursor",
    b"sync",
    b"csrf",
    b"xsrf",
    b"clienttoken",
    b"request",
    b"idempoten",
    b"resume",
    b"scroll",
    b"skip",
    b"delta",
    b"change",
    b"sequence",
    b"forward",
    b"backward",
    b"start",
    b"stop",
    b"public",
    b"publish",
    b"lock",
    b"tasktoken",
    b"pagination",
    b"statetoken",
    b"batch",
    b"offset",
    b"position",
    b"stream",
    b"marker",
];

/// Names that DynamoDB and Firestore wrap a text in.
pub(super) const WRAPPERS: [&[u8]; 3] = [b"S", b"stringValue", b"Value"];

/// The first word of `Authorization`, which stays because technologies are recognised by it. A
/// value that begins with none of these is replaced completely.
pub(super) const SCHEMES: [&[u8]; 31] = [
    b"apikey",
    b"api-key",
    b"aws",
    b"basic",
    b"bearer",
    b"bot",
    b"digest",
    b"dpop",
    b"geniekey",
    b"gnap",
    b"goog1",
    b"goog4-hmac-sha256",
    b"goog4-rsa-sha256",
    b"hawk",
    b"hoba",
    b"jwt",
    b"key",
    b"klaviyo-api-key",
    b"mac",
    b"mutual",
    b"negotiate",
    b"ntlm",
    b"oauth",
    b"privatetoken",
    b"sharedkey",
    b"sharedkeylite",
    b"splunk",
    b"ssws",
    b"token",
    b"vapid",
    b"zoho-oauthtoken",
];

/// Signed requests: `Credential=ID/SCOPE, SignedHeaders=…, Signature=…`. The scope and the names
/// stay.
pub(super) const SIGNED: [&[u8]; 3] =
    [b"aws4-hmac-sha256", b"aws4-ecdsa-p256-sha256", b"aws4-hmac-sha256-payload"];

/// Headers with a URL, whose query is searched.
pub(super) const URLS: [&[u8]; 3] = [b"location", b"content-location", b"referer"];

/// Headers that hold a sum over the body's bytes: they would be wrong once it is another (RFC 9530;
/// AWS; Google Cloud Storage).
pub(super) const SUMS: [&[u8]; 11] = [
    b"x-amz-crc32",
    b"content-md5",
    b"content-digest",
    b"repr-digest",
    b"digest",
    b"x-goog-hash",
    b"x-amz-checksum-crc32",
    b"x-amz-checksum-crc32c",
    b"x-amz-checksum-crc64nvme",
    b"x-amz-checksum-sha1",
    b"x-amz-checksum-sha256",
];

/// A key that is recognised by its beginning.
pub(super) struct Shape {
    pub(super) starts: &'static [u8],
    /// Minimum number of the key's characters that follow.
    pub(super) follow: usize,
    /// True if the beginning is but a name, which stays.
    pub(super) is_name: bool,
    pub(super) what: &'static str,
}

const fn key(starts: &'static [u8], follow: usize, what: &'static str) -> Shape {
    Shape { starts, follow, is_name: false, what }
}

const fn after(starts: &'static [u8], follow: usize, what: &'static str) -> Shape {
    Shape { starts, follow, is_name: true, what }
}

/// From the vendors' descriptions of their keys. Sorted by the first byte.
#[rustfmt::skip]
pub(super) const SHAPES: [Shape; 53] = [
    key(b"AKIA", 16, "an AWS access key"),
    key(b"ASIA", 16, "an AWS access key"),
    key(b"AIza", 35, "a Google API key"),
    key(b"ATATT3", 40, "an Atlassian token"),
    key(b"GOCSPX-", 20, "a Google client secret"),
    key(b"NRAK-", 20, "a New Relic key"),
    key(b"PMAK-", 30, "a Postman key"),
    key(b"SG.", 40, "a SendGrid key"),
    after(b"X-Amz-Security-Token=", 20, "an AWS session token"),
    after(b"X-Amz-Signature=", 40, "a presigned URL"),
    after(b"X-Goog-Signature=", 40, "a presigned URL"),
    key(b"access-development-", 30, "a Plaid access token"),
    key(b"access-production-", 30, "a Plaid access token"),
    key(b"access-sandbox-", 30, "a Plaid access token"),
    key(b"dapi", 32, "a Databricks token"),
    key(b"dckr_pat_", 20, "a Docker token"),
    key(b"dop_v1_", 60, "a DigitalOcean token"),
    key(b"figd_", 30, "a Figma token"),
    key(b"github_pat_", 30, "a GitHub token"),
    key(b"ghp_", 30, "a GitHub token"),
    key(b"gho_", 30, "a GitHub token"),
    key(b"ghr_", 30, "a GitHub token"),
    key(b"ghs_", 30, "a GitHub token"),
    key(b"ghu_", 30, "a GitHub token"),
    key(b"glpat-", 20, "a GitLab token"),
    key(b"gsk_", 40, "a Groq key"),
    key(b"hf_", 30, "a Hugging Face token"),
    key(b"key-", 32, "a Mailgun key"),
    key(b"lin_api_", 30, "a Linear key"),
    key(b"npm_", 36, "an npm token"),
    key(b"ntn_", 40, "a Notion token"),
    key(b"pat-eu1-", 30, "a HubSpot token"),
    key(b"pat-na1-", 30, "a HubSpot token"),
    key(b"pplx-", 40, "a Perplexity key"),
    key(b"pypi-", 50, "a PyPI token"),
    key(b"r8_", 37, "a Replicate token"),
    key(b"rk_live_", 10, "a Stripe live key"),
    key(b"sbp_", 40, "a Supabase token"),
    key(b"shpat_", 32, "a Shopify token"),
    key(b"shpca_", 32, "a Shopify token"),
    key(b"shpss_", 32, "a Shopify secret"),
    key(b"sk-ant-", 20, "an Anthropic key"),
    key(b"sk-or-", 30, "an OpenRouter key"),
    key(b"sk-proj-", 20, "an OpenAI key"),
    key(b"sk_live_", 10, "a Stripe live key"),
    key(b"sq0csp-", 40, "a Square secret"),
    key(b"whsec_", 24, "a webhook secret"),
    key(b"xai-", 60, "an xAI key"),
    key(b"xapp-", 20, "a Slack token"),
    key(b"xoxa-", 20, "a Slack token"),
    key(b"xoxb-", 20, "a Slack token"),
    key(b"xoxp-", 20, "a Slack token"),
    key(b"ya29.", 20, "a Google access token"),
];

/// PEM (RFC 7468): `PRIVATE KEY`, `RSA PRIVATE KEY`, and so on.
pub(super) const PEM: &[u8] = b"-----BEGIN ";

/// Lengths and leading digits of the numbers of card issuers (ISO/IEC 7812; the issuers' own
/// tables): number of leading digits, first, last, lengths.
pub(super) const ISSUERS: [(usize, u32, u32, &[usize]); 12] = [
    (1, 4, 4, &[13, 16, 19]),
    (2, 51, 55, &[16]),
    (4, 2221, 2720, &[16]),
    (2, 34, 34, &[15]),
    (2, 37, 37, &[15]),
    (4, 6011, 6011, &[16, 19]),
    (3, 644, 649, &[16, 19]),
    (2, 65, 65, &[16, 19]),
    (3, 300, 305, &[14, 16]),
    (2, 36, 39, &[14, 16]),
    (4, 3528, 3589, &[16]),
    (2, 62, 62, &[16, 17, 18, 19]),
];
