//! Signed URLs, as data: by which parameters of the query a scheme is told, and which of them
//! change with each signing and so don't count. All other parameters count, among them those that
//! say what the URL allows.
//!
//! `docs/reference/matching.md`, "Signed URLs", shows the table to users.

use super::percent::{is_named, split};

/// A way to sign URLs.
#[derive(Clone, Copy, Debug)]
pub struct Scheme {
    /// Its name.
    pub name: &'static str,
    /// The parameters that must all be there, each with a value.
    pub marks: &'static [&'static str],
    /// The parameters that don't count then.
    pub left_out: &'static [&'static str],
    /// True if upper and lower case in names are the same.
    pub any_case: bool,
    /// The source.
    pub source: &'static str,
}

/// Parameters that Azure's signatures leave open: signature, times of the signature's validity, and
/// those of the key of a user's delegation. What is allowed (`sp`, `sr`, `srt`, `ss`, `spr`, `sip`,
/// `si`, …), to whom, and the versions count.
const AZURE: &[&str] = &["sig", "se", "st", "ske", "skt"];

/// The schemes. The first one whose marks are all there is the one.
pub const SCHEMES: [Scheme; 14] = [
    Scheme {
        name: "AWS Signature Version 4",
        marks: &["x-amz-signature", "x-amz-credential", "x-amz-date"],
        left_out: &[
            "x-amz-signature",
            "x-amz-credential",
            "x-amz-date",
            "x-amz-expires",
            "x-amz-security-token",
        ],
        any_case: true,
        source: "AWS Signature Version 4, \"Authenticating requests: using query parameters\"",
    },
    Scheme {
        name: "AWS Signature Version 2",
        marks: &["awsaccesskeyid", "signature", "expires"],
        left_out: &["awsaccesskeyid", "signature", "expires", "x-amz-security-token"],
        any_case: true,
        source: "Amazon S3, \"Signing and authenticating REST requests\", query string alternative",
    },
    Scheme {
        name: "Google Cloud Storage V4",
        marks: &["x-goog-signature", "x-goog-credential", "x-goog-date"],
        left_out: &["x-goog-signature", "x-goog-credential", "x-goog-date", "x-goog-expires"],
        any_case: true,
        source: "Google Cloud Storage, \"V4 signing process\", canonical query string",
    },
    Scheme {
        name: "Google Cloud Storage V2",
        marks: &["googleaccessid", "signature", "expires"],
        left_out: &["googleaccessid", "signature", "expires"],
        any_case: true,
        source: "Google Cloud Storage, \"V2 signing process\"",
    },
    Scheme {
        name: "Azure SAS of a service or a user's delegation",
        marks: &["sv", "sr", "sig"],
        left_out: AZURE,
        any_case: false,
        source: "Azure Storage, \"Create a service SAS\" and \"Create a user delegation SAS\"",
    },
    Scheme {
        name: "Azure SAS of an account",
        marks: &["sv", "ss", "srt", "sig"],
        left_out: AZURE,
        any_case: false,
        source: "Azure Storage, \"Create an account SAS\"",
    },
    Scheme {
        name: "Azure SAS of a table",
        marks: &["sv", "tn", "sig"],
        left_out: AZURE,
        any_case: false,
        source: "Azure Storage, \"Create a service SAS\", table service",
    },
    Scheme {
        name: "Azure SAS of a queue",
        marks: &["sv", "sp", "se", "sig"],
        left_out: AZURE,
        any_case: false,
        source: "Azure Storage, \"Create a service SAS\", queue service",
    },
    Scheme {
        name: "CloudFront, canned policy",
        marks: &["expires", "signature", "key-pair-id"],
        left_out: &["expires", "signature", "key-pair-id"],
        any_case: true,
        source: "Amazon CloudFront, \"Create a signed URL using a canned policy\"",
    },
    Scheme {
        name: "CloudFront, custom policy",
        marks: &["policy", "signature", "key-pair-id"],
        left_out: &["policy", "signature", "key-pair-id"],
        any_case: true,
        source: "Amazon CloudFront, \"Create a signed URL using a custom policy\"",
    },
    Scheme {
        name: "Alibaba Cloud OSS V4",
        marks: &["x-oss-signature", "x-oss-credential", "x-oss-date"],
        left_out: &[
            "x-oss-signature",
            "x-oss-credential",
            "x-oss-date",
            "x-oss-expires",
            "x-oss-security-token",
        ],
        any_case: true,
        source: "Alibaba Cloud OSS, \"Add a V4 signature to a URL\"",
    },
    Scheme {
        name: "Alibaba Cloud OSS V1",
        marks: &["ossaccesskeyid", "signature", "expires"],
        left_out: &["ossaccesskeyid", "signature", "expires", "security-token"],
        any_case: true,
        source: "Alibaba Cloud OSS, \"Add a V1 signature to a URL\"",
    },
    Scheme {
        name: "Tencent Cloud COS",
        marks: &["q-sign-algorithm", "q-ak", "q-sign-time", "q-key-time", "q-signature"],
        left_out: &["q-ak", "q-sign-time", "q-key-time", "q-signature", "x-cos-security-token"],
        any_case: true,
        source: "Tencent Cloud COS, \"Request signature\"",
    },
    Scheme {
        name: "Huawei Cloud OBS",
        marks: &["accesskeyid", "signature", "expires"],
        left_out: &["accesskeyid", "signature", "expires", "x-obs-security-token"],
        any_case: true,
        source: "Huawei Cloud OBS, \"Authentication of signature in a URL\"",
    },
];

impl Scheme {
    fn is(&self, name: &[u8], known: &str) -> bool {
        match self.any_case {
            true => name.eq_ignore_ascii_case(known.as_bytes()),
            false => name == known.as_bytes(),
        }
    }

    /// Returns whether a parameter changes with each signing; `name` decoded.
    pub(super) fn leaves_out(&self, name: &[u8]) -> bool {
        self.left_out.iter().any(|known| self.is(name, known))
    }
}

/// The scheme that a query is signed by.
pub(super) fn scheme_of(query: &[u8]) -> Option<&'static Scheme> {
    // Each scheme has at least three marks, and `sig` in one of them.
    let pairs = query.split(|&b| b == b'&').count();
    let may_be = pairs >= 3
        && (query.contains(&b'%') || query.windows(3).any(|text| text.eq_ignore_ascii_case(b"sig")));
    if !may_be {
        return None;
    }
    SCHEMES.iter().find(|scheme| scheme.marks.iter().all(|mark| has(query, scheme, mark)))
}

fn has(query: &[u8], scheme: &Scheme, mark: &str) -> bool {
    query.split(|&b| b == b'&').any(|pair| {
        let (name, value) = split(pair);
        value.is_some() && is_named(name, |decoded| scheme.is(decoded, mark))
    })
}

#[cfg(test)]
mod tests {
    use super::super::form::write_query;
    use super::super::shown::Shown;
    use super::*;

    fn normal(query: &str) -> String {
        let mut out = Vec::new();
        write_query(query.as_bytes(), |_, _| Shown::Value, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn signed_query_keeps_what_is_signed() {
        let check = |query: &str, expect: &str| assert_eq!(normal(query), expect, "{query}");
        check(
            "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=A%2F20261121%2Fr&X-Amz-Date=2&X-Amz-Expires=3&X-Amz-SignedHeaders=host&X-Amz-Signature=4&versionId=5",
            "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-SignedHeaders=host&versionId=5",
        );
        check("AWSAccessKeyId=1&Signature=2&Expires=3&partNumber=4", "partNumber=4");
        check(
            "X-Goog-Algorithm=a&X-Goog-Credential=b&X-Goog-Date=c&X-Goog-Expires=d&X-Goog-SignedHeaders=host&x-goog-signature=e&generation=7",
            "X-Goog-Algorithm=a&X-Goog-SignedHeaders=host&generation=7",
        );
        check("GoogleAccessId=a&Expires=1&Signature=b&generation=7", "generation=7");
        check(
            "se=2026-11-21T09%3A00Z&sp=r&sv=2024-05-04&sr=b&sig=x&st=2026-11-21",
            "sp=r&sr=b&sv=2024-05-04",
        );
        check(
            "sp=r&st=1&se=2&skoid=o&sktid=t&skt=3&ske=4&sks=b&skv=v&sip=1.2.3.4&spr=https&sv=v&sr=c&sig=x",
            "sip=1.2.3.4&skoid=o&sks=b&sktid=t&skv=v&sp=r&spr=https&sr=c&sv=v",
        );
        check("sv=v&ss=bf&srt=o&sp=rl&se=1&st=2&sig=x", "sp=rl&srt=o&ss=bf&sv=v");
        check("sv=v&tn=t&sp=r&spk=a&se=1&sig=x", "sp=r&spk=a&sv=v&tn=t");
        check("sv=v&sp=p&se=1&sig=x", "sp=p&sv=v");
        check("a=1&Expires=1&Signature=b&Key-Pair-Id=c", "a=1");
        check("a=1&Policy=1&Signature=b&Key-Pair-Id=c&Hash-Algorithm=SHA256", "Hash-Algorithm=SHA256&a=1");
        check(
            "x-oss-signature-version=v&x-oss-credential=c&x-oss-date=d&x-oss-expires=1&x-oss-signature=s&x-oss-process=p",
            "x-oss-process=p&x-oss-signature-version=v",
        );
        check("OSSAccessKeyId=a&Expires=1&Signature=s&security-token=t&uploadId=u", "uploadId=u");
        check(
            "q-sign-algorithm=sha1&q-ak=a&q-sign-time=1;2&q-key-time=1;2&q-header-list=host&q-url-param-list=&q-signature=s",
            "q-header-list=host&q-sign-algorithm=sha1&q-url-param-list=",
        );
        check("AccessKeyId=a&Expires=1&Signature=s&versionId=2", "versionId=2");
    }

    #[test]
    fn query_without_all_marks_keeps_everything() {
        for query in [
            "X-Amz-Date=2&X-Amz-Expires=3&a=1",
            "X-Amz-Signature=1&X-Amz-Expires=3&a=1",
            "Expires=1&Signature=2&a=1",
            "se=1&sig=2&sp=r",
            "SE=1&SIG=2&SR=b&SV=v",
            "Key-Pair-Id=1&a=2&signature=3",
            "accesskeyid=1&nonce=3&signature=2",
            "mysignature=1&myexpires=2&awsaccesskeyid=3",
            "q-ak=1&q-sign-time=2&q-signature=3",
            // A mark without a value is none.
            "expires&key-pair-id=1&signature=2",
        ] {
            let mut pairs: Vec<&str> = query.split('&').collect();
            pairs.sort_unstable();
            assert_eq!(normal(query), pairs.join("&"), "{query}");
        }
    }

    /// Each scheme leaves out its own signature, and changing any parameter beside counts.
    #[test]
    fn every_scheme_takes_exactly_its_own_parameters_out() {
        for scheme in &SCHEMES {
            let pairs = |value: &str| {
                let all = scheme.marks.iter().chain(scheme.left_out);
                all.map(|name| format!("{name}={value}")).collect::<Vec<_>>().join("&")
            };
            assert!(scheme.marks.len() >= 3, "{}", scheme.name);
            assert!(scheme.marks.iter().any(|mark| mark.contains("sig")), "{}", scheme.name);
            let marks_that_count: Vec<&str> =
                scheme.marks.iter().copied().filter(|mark| !scheme.leaves_out(mark.as_bytes())).collect();
            let left = |query: &str| {
                let normal = normal(query);
                normal.split('&').filter(|pair| pair.ends_with("=1")).map(str::to_owned).collect::<Vec<_>>()
            };
            let mut expect: Vec<String> = marks_that_count.iter().map(|mark| format!("{mark}=1")).collect();
            expect.sort_unstable();
            let mut found = left(&pairs("1"));
            found.dedup();
            found.retain(|pair| !pair.is_empty());
            assert_eq!(found, expect, "{}", scheme.name);
            assert_ne!(normal(&format!("{}&x=1", pairs("1"))), normal(&format!("{}&x=2", pairs("1"))));
        }
    }
}
