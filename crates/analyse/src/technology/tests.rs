use super::*;
use understudy_core::exchange::{Body, Response};
use understudy_core::headers::Headers;

/// An exchange as text: method, path, headers of the request, body, headers of the answer, body.
struct Said<'a> {
    backend: &'a str,
    request: &'a str,
    headers: &'a [(&'a str, &'a str)],
    body: &'a [u8],
    answer: &'a [(&'a str, &'a str)],
    answered: &'a [u8],
}

impl Default for Said<'_> {
    fn default() -> Self {
        let backend = "http://h";
        Self { backend, request: "POST /", headers: &[], body: b"", answer: &[], answered: b"" }
    }
}

impl Said<'_> {
    fn exchange(&self) -> Exchange {
        let (method, path) = self.request.split_once(' ').unwrap();
        let body = |bytes: &[u8]| Body { bytes: bytes.to_vec(), truncated: None };
        Exchange {
            backend: self.backend.into(),
            protocol: "HTTP/1.1".into(),
            request: understudy_core::exchange::Request {
                method: method.into(),
                path: path.into(),
                headers: Headers::from_pairs(self.headers.iter().copied()),
                body: body(self.body),
                trailers: Headers::default(),
            },
            response: Some(Response {
                status: 200,
                headers: Headers::from_pairs(self.answer.iter().copied()),
                body: body(self.answered),
                trailers: Headers::default(),
            }),
            ..Exchange::default()
        }
    }

    fn check(&self, expect: &str) {
        let found = detect(&self.exchange());
        assert_eq!(names(&found), expect, "{} {} {found:#?}", self.backend, self.request);
        for tag in found.iter().chain(found.caller()) {
            assert!(!tag.evidence.is_empty() && tag.evidence.iter().all(|why| !why.is_empty()), "{tag:?}");
        }
    }

    fn evidence(&self, name: &str) -> String {
        let found = detect(&self.exchange());
        let tag = found.iter().chain(found.caller()).find(|tag| tag.name == name).unwrap();
        tag.evidence.join("; ")
    }
}

fn names(found: &Technologies) -> String {
    found.iter().map(|tag| tag.name).collect::<Vec<_>>().join(", ")
}

const JSON: (&str, &str) = ("content-type", "application/json");
const SIGNED: (&str, &str) = (
    "authorization",
    "AWS4-HMAC-SHA256 Credential=AKID/20261121/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=abc",
);

#[test]
fn the_five_of_the_contract_have_its_chips() {
    Said {
        backend: "https://dynamodb.us-east-1.amazonaws.com",
        headers: &[("x-amz-target", "DynamoDB_20120810.GetItem"), SIGNED],
        body: b"{}",
        ..Said::default()
    }
    .check("DynamoDB, HTTP, HTTP Auth, HTTP Auth AWS, JSON, TLS, AWS");
    Said {
        backend: "https://api.stripe.com",
        headers: &[("authorization", "Bearer sk_test_1")],
        body: b"amount=5",
        answer: &[JSON],
        answered: b"{\"id\":1}",
        ..Said::default()
    }
    .check("HTTP, HTTP Auth, JSON, Stripe, TLS, Bearer");
    let json = |backend| Said { backend, answer: &[JSON], answered: b"{}", ..Said::default() };
    json("https://api.hubapi.com").check("HTTP, Hubspot, JSON, TLS");
    json("https://sandbox.plaid.com").check("HTTP, JSON, Plaid, TLS");
    json("https://discovery.googleapis.com").check("GCP, HTTP, JSON, TLS");
}

#[test]
fn who_the_caller_is_is_told_by_scheme_and_never_by_secret() {
    let check = |value: &str, expect: &str| {
        Said { headers: &[("Authorization", value)], ..Said::default() }.check(expect);
        let found = detect(&Said { headers: &[("Authorization", value)], ..Said::default() }.exchange());
        assert!(!format!("{found:?}").contains("s3cr3t"));
    };
    check("Basic s3cr3t", "HTTP, HTTP Auth, Basic");
    check("bearer s3cr3t", "HTTP, HTTP Auth, Bearer");
    check("s3cr3t", "HTTP, HTTP Auth");
    check("", "HTTP, HTTP Auth");
    check("Digest username=s3cr3t", "HTTP, HTTP Auth, Digest");
    check("Negotiate s3cr3t", "HTTP, HTTP Auth, Negotiate");
    // {"alg":"none"} and {"s3cr3t":1}
    check("Bearer eyJhbGciOiJub25lIn0.eyJzM2NyM3QiOjF9.c2ln", "HTTP, HTTP Auth, Bearer, JWT");
    check("Bearer eyJhbGciOiJub25lIn0.c2ln.c2ln", "HTTP, HTTP Auth, Bearer");
    check("Bearer a.b.c", "HTTP, HTTP Auth, Bearer");
    check("Bearer redacted-jwt-0123456789abcdef", "HTTP, HTTP Auth, Bearer, JWT");
    check("Bearer redacted-0123456789abcdef", "HTTP, HTTP Auth, Bearer");
    check("redacted-0123456789abcdef", "HTTP, HTTP Auth");
    check("AWS4-HMAC-SHA256 s3cr3t", "HTTP, HTTP Auth, HTTP Auth AWS, AWS");
}

#[test]
fn a_redacted_exchange_has_the_tags_that_it_had() {
    let jwt = "Bearer eyJhbGciOiJub25lIn0.eyJzM2NyM3QiOjF9.c2lnbmF0dXJlLXRoYXQtaXMtbG9uZw";
    let presigned =
        "GET /b/k?X-Amz-Credential=AKID%2F20261121%2Feu-west-1%2Fs3%2Faws4_request&X-Amz-Signature=ab";
    let said = [
        Said { headers: &[SIGNED, ("x-amz-target", "DynamoDB_20120810.Scan")], ..Said::default() },
        Said { headers: &[SIGNED], ..Said::default() },
        Said { headers: &[("authorization", jwt)], ..Said::default() },
        Said { request: presigned, ..Said::default() },
        Said {
            headers: &[("content-type", "application/x-www-form-urlencoded")],
            body: b"grant_type=client_credentials&client_secret=hunter2hunter2",
            ..Said::default()
        },
    ];
    for said in said {
        let (plain, mut redacted) = (said.exchange(), said.exchange());
        understudy_core::redact::Redactor::new(&understudy_core::redact::Settings::default())
            .exchange(&mut redacted);
        assert_ne!(plain, redacted, "there is something to redact");
        assert_eq!(detect(&plain), detect(&redacted));
    }
}

#[test]
fn services_of_aws_are_told_by_target_then_scope_then_host() {
    let scope = |service: &str| {
        format!("AWS4-HMAC-SHA256 Credential=AKID/20261121/us-east-1/{service}/aws4_request, Signature=a")
    };
    let signed = |service: &str, expect: &str| {
        let value = scope(service);
        Said { headers: &[("authorization", &value)], ..Said::default() }.check(expect);
    };
    signed("s3", "HTTP, HTTP Auth, HTTP Auth AWS, S3, AWS");
    signed("sts", "HTTP, HTTP Auth, HTTP Auth AWS, STS, AWS");
    signed("sns", "HTTP, HTTP Auth, HTTP Auth AWS, SNS, AWS");
    signed("dynamodb", "DynamoDB, HTTP, HTTP Auth, HTTP Auth AWS, AWS");
    signed("newservice", "HTTP, HTTP Auth, HTTP Auth AWS, AWS");
    let target = |target: &str, expect: &str| {
        Said { headers: &[("X-Amz-Target", target)], ..Said::default() }.check(expect);
    };
    target("AmazonSQS.SendMessage", "HTTP, SQS, AWS");
    target("Kinesis_20131202.PutRecord", "HTTP, Kinesis, AWS");
    target("Firehose_20150804.PutRecord", "Firehose, HTTP, AWS");
    target("TrentService.Decrypt", "HTTP, KMS, AWS");
    target("DynamoDBStreams_20120810.GetRecords", "DynamoDB Streams, HTTP, AWS");
    target("com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.LookupEvents", "CloudTrail, HTTP, AWS");
    target("DynamoDB_20120810", "HTTP");
    Said { request: "POST /service/CodeBuild_20161006/operation/BatchGetBuilds", ..Said::default() }
        .check("CodeBuild, HTTP, AWS");
    // The streams are signed as DynamoDB's own requests are.
    Said { headers: &[SIGNED, ("x-amz-target", "DynamoDBStreams_20120810.GetRecords")], ..Said::default() }
        .check("DynamoDB Streams, HTTP, HTTP Auth, HTTP Auth AWS, AWS");
}

#[test]
fn the_hosts_of_aws_name_service_and_region() {
    let host = |host: &str, expect: &str| {
        Said { backend: &format!("http://{host}"), request: "GET /", ..Said::default() }.check(expect);
    };
    host("sts.amazonaws.com", "HTTP, STS, AWS");
    host("bucket.s3.eu-west-1.amazonaws.com", "HTTP, S3, AWS");
    host("s3-us-west-2.amazonaws.com", "HTTP, S3, AWS");
    host("kms.s3.dualstack.us-west-2.amazonaws.com", "HTTP, S3, AWS");
    host("streams.dynamodb.us-east-1.amazonaws.com", "DynamoDB Streams, HTTP, AWS");
    host("kms-fips.us-gov-west-1.amazonaws.com", "HTTP, KMS, AWS");
    host("search-x.us-east-1.es.amazonaws.com", "HTTP, OpenSearch, AWS");
    host("us-east-1.queue.amazonaws.com", "HTTP, SQS, AWS");
    host("x.execute-api.us-east-1.amazonaws.com", "API Gateway, HTTP, AWS");
    host("1.dkr.ecr.us-east-1.amazonaws.com.", "ECR, HTTP, AWS");
    host("sqs.cn-north-1.amazonaws.com.cn", "HTTP, SQS, AWS");
    host("something.us-east-1.amazonaws.com", "HTTP, AWS");
    host("amazonaws.com", "HTTP");
    host("s3.amazonaws.com.evil.example", "HTTP");
    host("evils3amazonaws.com", "HTTP");
    let said =
        Said { backend: "https://dynamodb.us-east-1.amazonaws.com", headers: &[SIGNED], ..Said::default() };
    assert_eq!(
        said.evidence("DynamoDB"),
        "host dynamodb.us-east-1.amazonaws.com; credential scope us-east-1/dynamodb"
    );
    assert_eq!(said.evidence("HTTP Auth AWS"), "authorization: AWS4-HMAC-SHA256");
}

#[test]
fn google_is_told_by_host_path_and_metadata() {
    let host =
        |backend: &str, expect: &str| Said { backend, request: "GET /", ..Said::default() }.check(expect);
    host("http://storage.googleapis.com", "GCP, HTTP, Storage");
    host("http://bucket.storage.googleapis.com", "GCP, HTTP, Storage");
    host("http://us-central1-aiplatform.googleapis.com", "GCP, HTTP, Vertex AI");
    host("http://bigquery.googleapis.com", "BigQuery, GCP, HTTP");
    host("http://generativelanguage.googleapis.com", "GCP, Gemini, HTTP");
    host("http://metadata.google.internal", "GCP, HTTP");
    host("http://notgoogleapis.com", "HTTP");
    let grpc = |path: &str, expect: &str| {
        let headers = &[("content-type", "application/grpc")];
        Said { request: &format!("POST {path}"), headers, ..Said::default() }.check(expect);
    };
    grpc("/google.firestore.v1.Firestore/Listen", "Firestore, GCP, gRPC, HTTP");
    grpc("/google.pubsub.v1.Publisher/Publish", "GCP, gRPC, HTTP, Pub/Sub");
    grpc("/google.spanner.v1.Spanner/Read", "GCP, gRPC, HTTP, Spanner");
    grpc("/googlesque.spanner.v1.Spanner/Read", "gRPC, HTTP");
    Said {
        request: "GET /computeMetadata/v1/",
        headers: &[("Metadata-Flavor", "Google")],
        ..Said::default()
    }
    .check("GCP, HTTP");
}

#[test]
fn protocols_are_told_by_shape() {
    let typed = |kind: &str, body: &[u8], expect: &str| {
        Said { headers: &[("Content-Type", kind)], body, ..Said::default() }.check(expect);
    };
    typed("application/grpc+proto", b"\0", "gRPC, HTTP");
    typed("application/grpc-web+proto", b"\0", "gRPC-Web, HTTP");
    typed("application/connect+json", b"\0", "Connect, HTTP, JSON");
    typed("application/x-protobuf", b"\0", "HTTP, Protobuf");
    typed("application/json", br#"{"jsonrpc":"2.0","method":"a","id":1}"#, "HTTP, JSON, JSON-RPC");
    typed("application/json", br#"[{"jsonrpc":"2.0","method":"a"}]"#, "HTTP, JSON, JSON-RPC");
    typed("application/json", br#"{"query":"{ a }"}"#, "GraphQL, HTTP, JSON");
    typed("application/json", br#"{"query":"a b"}"#, "HTTP, JSON");
    typed("application/json", br#"{"operationName":"A","extensions":{}}"#, "GraphQL, HTTP, JSON");
    typed("application/graphql", b"{ a }", "GraphQL, HTTP");
    typed("application/json", br#"{"grant_type":"refresh_token"}"#, "HTTP, JSON, OAuth");
    typed("application/x-www-form-urlencoded", b"a=b&grant_type=password", "HTTP, OAuth");
    typed("application/x-www-form-urlencoded", b"a=grant_type=", "HTTP");
    typed("application/soap+xml", b"<a/>", "HTTP, SOAP, XML");
    typed(
        "text/xml; charset=utf-8",
        b"<e:Envelope xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\"/>",
        "HTTP, SOAP, XML",
    );
    typed("application/xml", b"<a/>", "HTTP, XML");
    typed("application/x-ndjson", b"{}\n{}\n", "HTTP, JSON");
    typed("application/problem+json", b"cut", "HTTP, JSON");
    typed("application/json", b"cut", "HTTP");
    typed("text/plain", b"{\"a\":1}", "HTTP, JSON");
    typed("text/plain", b"5", "HTTP");
    typed("image/png", b"{}", "HTTP");
    let headers = |headers: &[(&str, &str)], expect: &str| Said { headers, ..Said::default() }.check(expect);
    headers(&[("SOAPAction", "\"\"")], "HTTP, SOAP");
    headers(&[("Mcp-Session-Id", "1")], "HTTP, MCP");
    headers(&[("upgrade", "WebSocket")], "HTTP, WebSocket");
    headers(&[("upgrade", "h2c")], "HTTP");
    headers(&[("connect-protocol-version", "1")], "Connect, HTTP");
    Said { answer: &[("content-type", "text/event-stream; charset=utf-8")], ..Said::default() }
        .check("HTTP, SSE");
    Said { request: "GET /graphql?query=%7Ba%7D", ..Said::default() }.check("GraphQL, HTTP");
    Said { request: "GET /search?query=a", ..Said::default() }.check("HTTP");
}

#[test]
fn stores_that_speak_http_are_told_by_path_and_header() {
    Said { request: "POST /orders/_search?size=1", ..Said::default() }.check("Elasticsearch, HTTP");
    Said { request: "GET /_searching", ..Said::default() }.check("HTTP");
    Said { answer: &[("X-Elastic-Product", "Elasticsearch")], ..Said::default() }
        .check("Elasticsearch, HTTP");
    let agent = ("user-agent", "opensearch-py/2.4.0 (Python 3.11)");
    Said { request: "POST /_bulk", headers: &[agent], ..Said::default() }.check("HTTP, OpenSearch");
    Said { answer: &[("X-Influxdb-Version", "2.7")], ..Said::default() }.check("HTTP, InfluxDB");
    Said { answer: &[("X-ClickHouse-Query-Id", "1")], ..Said::default() }.check("ClickHouse, HTTP");
    let mut both = detect(&Said { request: "POST /_bulk", ..Said::default() }.exchange());
    both.add(&Said { headers: &[agent], ..Said::default() }.exchange());
    assert_eq!(names(&both), "HTTP, OpenSearch", "whichever comes first");
}

#[test]
fn telemetry_is_flagged_where_all_of_it_is() {
    let check = |said: &Said<'_>, expect: &str, is: bool| {
        said.check(expect);
        assert_eq!(detect(&said.exchange()).is_telemetry(), is, "{expect}");
    };
    let post = |request, kind: &str, body| Said {
        request,
        headers: if kind.is_empty() {
            &[]
        } else if kind == "json" {
            &[JSON]
        } else {
            &[("content-type", "application/x-protobuf")]
        },
        body,
        ..Said::default()
    };
    check(&post("POST /v1/traces", "protobuf", b"\0"), "HTTP, OpenTelemetry, Protobuf", true);
    check(&post("POST /v1/logs", "json", br#"{"resourceLogs":[]}"#), "HTTP, JSON, OpenTelemetry", true);
    check(&post("POST /v1/logs", "json", br#"{"level":"info"}"#), "HTTP, JSON", false);
    check(&post("GET /v1/traces", "protobuf", b""), "HTTP, Protobuf", false);
    check(&post("POST /api/v2/spans", "", b"[]"), "HTTP, JSON, Zipkin", true);
    check(&post("POST /api/traces", "", b"[]"), "HTTP, JSON", false);
    check(&post("PUT /v0.4/traces", "", b"\x90"), "Datadog, HTTP", true);
    check(&post("POST /api/42/envelope/", "", b"{}\n"), "HTTP, JSON, Sentry", true);
    check(&post("POST /api/v1/envelope/", "", b""), "HTTP", false);
    check(&Said { backend: "http://o1.ingest.sentry.io", ..Said::default() }, "HTTP, Sentry", true);
    check(&Said { backend: "http://trace.agent.datadoghq.com", ..Said::default() }, "Datadog, HTTP", true);
    check(&Said { backend: "http://api.stripe.com", ..Said::default() }, "HTTP, Stripe", false);
    check(&Said { headers: &[("DD-API-KEY", "1")], ..Said::default() }, "Datadog, HTTP", true);
    check(&Said { headers: &[("X-Sentry-Auth", "1")], ..Said::default() }, "HTTP, Sentry", true);
    assert!(!Technologies::default().is_telemetry());
    let mut mixed = detect(&post("POST /v1/traces", "protobuf", b"\0").exchange());
    mixed.add(&post("POST /v1/orders", "json", b"{}").exchange());
    assert!(!mixed.is_telemetry(), "some of it is something else");
}

#[test]
fn trace_headers_are_of_the_caller() {
    let headers = &[
        ("traceparent", "00-a-b-01"),
        ("X-B3-TraceId", "1"),
        ("sentry-trace", "1-1"),
        ("x-datadog-trace-id", "5"),
    ];
    let found = detect(&Said { headers, ..Said::default() }.exchange());
    assert_eq!(names(&found), "HTTP");
    let caller: Vec<_> = found.caller().map(|tag| tag.name).collect();
    assert_eq!(caller, ["Datadog", "OpenTelemetry", "Sentry", "Zipkin"]);
    assert!(!found.is_telemetry());
}

#[test]
fn what_is_hostile_costs_little_and_shows_nothing() {
    let deep = "[".repeat(BODY_MAX / 2) + &"]".repeat(BODY_MAX / 2);
    let check = |kind: &str, body: &[u8], expect: &str| {
        Said { headers: &[("content-type", kind)], body, ..Said::default() }.check(expect);
    };
    check("application/json", deep.as_bytes(), "HTTP, JSON");
    check("application/json", &vec![b'['; 1 << 20], "HTTP, JSON");
    check("application/json", b"\xff\xfe{}", "HTTP");
    check("\u{1b}[31m", b"{", "HTTP");
    let zeros = vec![0; 4096];
    check("text/xml", &zeros, "HTTP");
    let mut bomb = Said { answer: &[JSON, ("content-encoding", "gzip")], ..Said::default() };
    bomb.answered = b"\x1f\x8b\x08 no gzip";
    bomb.check("HTTP, JSON");
    let host = Said { backend: "http://\u{1b}]0;x\u{7}<script>.amazonaws.com", ..Said::default() };
    assert_eq!(host.evidence("AWS"), "host ?]0?x??script?.amazonaws.com");
    let mut exchange = Said::default().exchange();
    exchange.protocol = "<b>\u{202e}".into();
    exchange.request.path = vec![0xff; 100];
    exchange.request.headers = Headers::from_block(vec![0xff; 64]);
    assert_eq!(detect(&exchange).iter().next().unwrap().evidence, ["?b??"]);
}

#[test]
fn evidence_is_gathered_once_and_up_to_a_limit() {
    let mut found = Technologies::default();
    for at in 0..100 {
        let backend = format!("http://b{}.s3.us-east-1.amazonaws.com", at / 2);
        found.add(&Said { backend: &backend, ..Said::default() }.exchange());
    }
    assert_eq!(found.iter().find(|tag| tag.name == "S3").unwrap().evidence.len(), EVIDENCE_MAX);
    assert_eq!(found.iter().find(|tag| tag.name == "HTTP").unwrap().evidence, ["HTTP/1.1"]);
}

#[test]
fn the_tag_that_says_most_is_the_main_one() {
    let check = |said: Said<'_>, expect: &str| {
        assert_eq!(detect(&said.exchange()).main().map(|tag| tag.name), Some(expect));
    };
    check(
        Said { backend: "https://dynamodb.us-east-1.amazonaws.com", headers: &[SIGNED], ..Said::default() },
        "DynamoDB",
    );
    check(Said { backend: "https://discovery.googleapis.com", ..Said::default() }, "GCP");
    check(Said { headers: &[("content-type", "application/grpc")], ..Said::default() }, "gRPC");
    check(Said::default(), "HTTP");
    assert_eq!(Technologies::default().main(), None);
}

#[test]
fn the_tables_are_in_order_and_name_their_sources() {
    assert!(SERVICES.len() >= 40);
    for pair in SERVICES.windows(2) {
        let name = |at: usize| pair[at].tag.name.to_lowercase();
        assert!(name(0) < name(1), "{} before {}", name(0), name(1));
    }
    for service in SERVICES {
        let name = service.tag.name;
        assert!(service.source.starts_with("https://"), "{name}");
        assert!(!service.hosts.is_empty() || !service.headers.is_empty(), "{name}");
        for text in service.hosts.iter().chain(service.headers) {
            assert_eq!(*text, text.to_lowercase(), "{name}");
        }
        assert!(service.hosts.iter().all(|host| host.contains('.')), "{name}");
        assert!(service.headers.iter().all(|header| header.contains('-')), "{name}: {:?}", service.headers);
    }
    for service in SERVICES {
        for host in service.hosts {
            let backend = format!("http://{}", host.replace('*', "some"));
            let found = detect(&Said { backend: &backend, ..Said::default() }.exchange());
            assert!(found.iter().any(|tag| tag.name == service.tag.name), "{backend}: {}", names(&found));
        }
        for header in service.headers {
            let found = detect(&Said { headers: &[(header, "1")], ..Said::default() }.exchange());
            assert!(found.iter().any(|tag| tag.name == service.tag.name), "{header}: {}", names(&found));
        }
    }
    for known in AWS_SERVICES.iter().filter(|known| !known.target.is_empty()) {
        let target = format!("{}.Do", known.target);
        let found = detect(&Said { headers: &[("x-amz-target", &target)], ..Said::default() }.exchange());
        assert!(found.iter().any(|tag| tag.name == known.tag.name), "{target}");
    }
}

#[test]
fn one_name_is_one_kind() {
    let tables = SERVICES.iter().map(|s| s.tag).chain(AWS_SERVICES.iter().map(|s| s.tag));
    let all = tables.chain(GCP_SERVICES.iter().map(|s| s.tag)).chain(tag::BY_SHAPE.iter().copied());
    let mut kinds = std::collections::BTreeMap::new();
    for tag in all {
        assert_eq!(*kinds.entry(tag.name).or_insert(tag.kind), tag.kind, "{}", tag.name);
    }
}

proptest::proptest! {
    #[test]
    fn nothing_that_is_said_is_too_much(
        backend in ".{0,40}",
        path in proptest::collection::vec(proptest::num::u8::ANY, 0..64),
        headers in proptest::collection::vec(("(content-type|authorization|x-amz-target|[a-z-]{0,12})", ".{0,60}"), 0..8),
        body in "[\\[\\]{}\":,a-z<>/ ]{0,200}",
    ) {
        let mut exchange = Said { backend: &backend, body: body.as_bytes(), answered: body.as_bytes(), ..Said::default() }.exchange();
        exchange.request.path = path;
        exchange.request.headers = Headers::from_pairs(headers);
        let found = detect(&exchange);
        for tag in found.iter() {
            proptest::prop_assert!(!tag.evidence.is_empty() && tag.evidence.len() <= EVIDENCE_MAX);
            proptest::prop_assert!(tag.evidence.iter().all(|why| why.chars().all(|c| c == ' ' || c.is_ascii_graphic())));
        }
        let mut twice = found.clone();
        twice.add(&exchange);
        proptest::prop_assert_eq!(names(&twice), names(&found), "the same again shows nothing new");
    }
}
