//! Changes of a whole request: of its method, path, query, headers, and body by type.

use crate::change::{Changes, Meaning, values};
use crate::reference::{Body, Reading, header, is_passing_header, segments, target, text};
use crate::said::{SECOND, What};
use crate::tree::{Style, Tree};
use crate::{json, multipart, pairs, protobuf, xml};
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use std::collections::BTreeSet;
use std::io::Write;
use understudy_core::exchange::Exchange;
use understudy_core::headers::Headers;
use understudy_core::rules::{instants, is_identifier};

/// Length of a body, in bytes, from which some changes are omitted.
const BODY_LONG: usize = 32 << 10;

/// A changed request.
pub(super) struct Case {
    pub(super) what: String,
    pub(super) meaning: Meaning,
    pub(super) exchange: Exchange,
}

/// All changes of one request.
pub(super) fn cases(exchange: &Exchange, reading: &Reading<'_>) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut put = |what: &str, meaning: Meaning, change: &dyn Fn(&mut Exchange)| {
        let mut changed = exchange.clone();
        change(&mut changed);
        cases.push(Case { what: what.to_owned(), meaning, exchange: changed });
    };
    put("as it is", Meaning::Volatile, &|_| {});
    let method = if exchange.request.method == b"PUT" { "POST" } else { "PUT" };
    put("method", Meaning::Counts, &|e| e.request.method = method.into());
    put("backend", Meaning::Counts, &|e| e.backend.push_str(".other.test"));
    path(exchange, reading, &mut put);
    headers(exchange, reading, &mut put);
    query(exchange, reading, &mut put);
    let length = body(exchange, reading, &mut put);
    // Short bodies cover the changes that are omitted for long ones.
    cases.into_iter().step_by(1 + length / BODY_LONG).collect()
}

type Put<'p> = dyn FnMut(&str, Meaning, &dyn Fn(&mut Exchange)) + 'p;

fn path(exchange: &Exchange, reading: &Reading<'_>, put: &mut Put<'_>) {
    let (path, query) = target(exchange);
    let query = query.map(|query| [b"?", query].concat()).unwrap_or_default();
    let whole = |path: &str| [path.as_bytes(), &query].concat();
    let segments = segments(path);
    for (i, segment) in segments.iter().enumerate().skip(1) {
        let place = format!("path.{i}");
        let with = |new: &str| {
            let mut all = segments.clone();
            new.clone_into(&mut all[i]);
            whole(&all.join("/"))
        };
        let said = reading.said.of_place(&place).filter(|_| is_identifier(segment.as_bytes()));
        for (what, new, meaning) in values(said, segment.as_bytes(), 0) {
            // A value that is no identifier isn't left out, and `.` isn't a segment.
            let meaning = if said.is_some() { Meaning::Reference } else { meaning };
            let new = pairs::plainly(&new);
            put(&format!("{place} {what}"), meaning, &|e| e.request.path = with(&new));
        }
        let mut without = segments.clone();
        without.remove(i);
        let without = if without.len() < 2 { "/zz".to_owned() } else { without.join("/") };
        put(&format!("{place} removed"), Meaning::Reference, &|e| e.request.path = whole(&without));
        let unreserved: String = segment
            .bytes()
            .map(|b| match b {
                b if b.is_ascii_alphanumeric() || b"-_~".contains(&b) => format!("%{b:02x}"),
                b => char::from(b).to_string(),
            })
            .collect();
        put(&format!("{place} escaped"), Meaning::Volatile, &|e| e.request.path = with(&unreserved));
        let lower = segment.replace("%2F", "%2f").replace("%3A", "%3a");
        put(&format!("{place} in small digits"), Meaning::Volatile, &|e| e.request.path = with(&lower));
        put(&format!("{place} behind dots"), Meaning::Volatile, &|e| {
            e.request.path = with(&format!("zz/.././{segment}"))
        });
    }
    let longer = format!("{}/zz", segments.join("/"));
    put("path longer", Meaning::Counts, &|e| e.request.path = whole(&longer));
}

fn query(exchange: &Exchange, reading: &Reading<'_>, put: &mut Put<'_>) {
    let (path, query) = target(exchange);
    let changes = pairs::changes("query.", query.unwrap_or_default(), &reading.said, exchange.time / SECOND);
    for (what, query, meaning) in changes.0 {
        put(&what, meaning, &|e| e.request.path = [path, b"?", &query].concat());
    }
}

/// Headers that aren't compared, among others.
const IGNORED: [&str; 23] = [
    "accept-encoding",
    "amz-sdk-invocation-id",
    "amz-sdk-request",
    "authorization",
    "b3",
    "baggage",
    "cookie",
    "date",
    "idempotency-key",
    "sentry-trace",
    "traceparent",
    "tracestate",
    "user-agent",
    "x-amz-date",
    "x-amz-security-token",
    "x-amz-user-agent",
    "x-amzn-trace-id",
    "x-b3-traceid",
    "x-correlation-id",
    "x-datadog-trace-id",
    "x-forwarded-for",
    "x-goog-api-client",
    "x-request-id",
];

/// Headers by which backends choose an answer. Adding one asks for something else.
const ADDED: [&str; 8] = [
    "accept-language",
    "dropbox-api-arg",
    "last-event-id",
    "range",
    "x-amz-acl",
    "x-ms-range",
    "x-never-seen-before",
    "x-tenant-id",
];

fn set(exchange: &mut Exchange, name: &str, value: Option<&[u8]>) {
    let kept = exchange.request.headers.iter().filter(|(n, _)| !n.eq_ignore_ascii_case(name.as_bytes()));
    let new = value.map(|value| (name.as_bytes(), value));
    exchange.request.headers = Headers::from_pairs(kept.chain(new));
}

fn headers(exchange: &Exchange, reading: &Reading<'_>, put: &mut Put<'_>) {
    for name in IGNORED {
        let value = |e: &mut Exchange| set(e, name, Some(b"another 018c6d1e-7c3a-7b9a-8c3a-0123456789ab"));
        let counts = reading.said.required.contains(&name)
            || reading.said.of_place(&format!("header.{name}")) == Some(What::Caller);
        let meaning = if counts { Meaning::Reference } else { Meaning::Volatile };
        put(&format!("header {name} changed"), meaning, &value);
        if header(exchange, name).is_some() {
            put(&format!("header {name} removed"), meaning, &|e| set(e, name, None));
        }
    }
    let sent =
        exchange.request.headers.iter().map(|(name, _)| String::from_utf8_lossy(name).to_ascii_lowercase());
    let counted: BTreeSet<String> = sent
        .filter(|name| !is_passing_header(name))
        .chain(ADDED.into_iter().chain(reading.said.required.iter().copied()).map(str::to_owned))
        .collect();
    for name in counted.iter().map(String::as_str) {
        let what = reading.said.of_place(&format!("header.{name}"));
        let old = header(exchange, name).unwrap_or_default().to_vec();
        for (label, new, meaning) in values(what, &old, exchange.time / SECOND) {
            put(&format!("header {name} {label}"), meaning, &|e| set(e, name, Some(&new)));
        }
        if header(exchange, name).is_some() {
            // `accept: */*` is the same as none.
            let presence = match name {
                "accept" => Meaning::Reference,
                _ => Meaning::of_presence(&reading.said, &format!("header.{name}")),
            };
            put(&format!("header {name} removed"), presence, &|e| set(e, name, None));
        }
    }
    if let Some(action) = text(exchange, "soapaction") {
        let bare = action.trim_matches('"').to_owned();
        put("operation", Meaning::Counts, &|e| set(e, "soapaction", Some(format!("\"{bare}x\"").as_bytes())));
        put("operation without quotes", Meaning::Volatile, &|e| set(e, "soapaction", Some(bare.as_bytes())));
    }
    let reversed = |e: &mut Exchange| {
        let mut all: Vec<_> = e.request.headers.iter().collect();
        // Reorder different names; repeated names keep their order.
        all.sort_by(|(a, _), (b, _)| b.cmp(a));
        let headers = Headers::from_pairs(all);
        e.request.headers = headers;
    };
    put("headers reordered", Meaning::Volatile, &reversed);
    if let Some(content_type) = text(exchange, "content-type") {
        let (bare, rest) = content_type.split_once(';').unwrap_or((&content_type, ""));
        let upper = format!("{} ;{rest}", bare.to_ascii_uppercase());
        put("content-type in capitals", Meaning::Volatile, &|e| {
            set(e, "content-type", Some(upper.as_bytes()))
        });
        let other = format!("{content_type}; charset=iso-8859-1");
        put("content-type with a parameter", Meaning::Volatile, &|e| {
            set(e, "content-type", Some(other.as_bytes()))
        });
        put("content-type another", Meaning::Counts, &|e| set(e, "content-type", Some(b"text/x-other")));
    }
}

/// Sets the body, without an encoding.
fn plain(exchange: &mut Exchange, body: &[u8]) {
    for name in ["content-encoding", "x-amz-content-sha256", "content-length", "grpc-encoding"] {
        set(exchange, name, None);
    }
    exchange.request.body.bytes = body.to_vec();
}

/// Length of the decoded body.
fn body(exchange: &Exchange, reading: &Reading<'_>, put: &mut Put<'_>) -> usize {
    let (said, now) = (&reading.said, exchange.time / SECOND);
    let (changes, decoded) = match &reading.body {
        Body::None => {
            put("a body", Meaning::Counts, &|e| plain(e, b"{\"a\":1}"));
            return 0;
        }
        Body::Json(tree) => (json::changes(tree, said, now), tree.to_json(Style::default())),
        Body::Form(form) => (pairs::changes("body/", form, said, now), form.clone()),
        Body::Multipart(boundary, parts) => {
            (multipart::changes(boundary, parts, said, now), multipart::write(boundary, parts))
        }
        Body::Xml(root) => {
            let changes = xml::changes(root, said, now);
            let decoded = changes.0.last().expect("it is written as it is").1.clone();
            (changes, decoded)
        }
        Body::Messages(messages) => {
            compressed_messages(messages, put);
            (protobuf::changes(messages, said, now), protobuf::write(messages, protobuf::frame))
        }
        Body::Bytes(bytes) => {
            let mut changes = Changes::default();
            for (what, new, meaning) in values(said.of_place("body"), bytes, now) {
                changes.push(format!("body {what}"), new, meaning);
            }
            (changes, bytes.clone())
        }
    };
    for (what, new, meaning) in changes.0 {
        put(&what, meaning, &|e| plain(e, &new));
    }
    put("body removed", Meaning::Counts, &|e| plain(e, b""));
    encoded(&decoded, put);
    if let Body::Multipart(boundary, parts) = &reading.body {
        let with = |e: &mut Exchange| {
            let content_type =
                text(e, "content-type").expect("it has one").replace(boundary, "another-boundary");
            set(e, "content-type", Some(content_type.as_bytes()));
            plain(e, &multipart::write("another-boundary", parts));
        };
        put("boundary", Meaning::Volatile, &with);
    }
    if said.clock_places().next().is_some() {
        // A JSON body with times that rules compare with the clock: it has to move along. Elsewhere
        // the reference decides.
        let moves_along = said.clock_places().all(|place| place.starts_with("body/"))
            && later(&mut exchange.clone(), reading);
        let (moved, stood) = match moves_along {
            true => (Meaning::Volatile, Meaning::Counts),
            false => (Meaning::Reference, Meaning::Reference),
        };
        put("days later", moved, &|e| {
            later(e, reading);
        });
        put("asked days later", stood, &|e| e.time += LATER * SECOND);
    }
    decoded.len()
}

/// The same messages, each compressed separately.
fn compressed_messages(messages: &Tree, put: &mut Put<'_>) {
    let packed = |message: &[u8]| {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(message).expect("memory");
        let mut frame = protobuf::frame(&gzip.finish().expect("memory"));
        frame[0] = 1;
        frame
    };
    put("messages in gzip", Meaning::Volatile, &|e| {
        plain(e, &protobuf::write(messages, packed));
        set(e, "grpc-encoding", Some(b"gzip"));
    });
}

/// The same body in other encodings.
fn encoded(body: &[u8], put: &mut Put<'_>) {
    let gzip = |level| {
        let mut encoder = GzEncoder::new(Vec::new(), level);
        encoder.write_all(body).expect("memory");
        encoder.finish().expect("memory")
    };
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::best());
    zlib.write_all(body).expect("memory");
    let zlib = zlib.finish().expect("memory");
    let in_frames = |length: usize| {
        let mut out = Vec::new();
        for part in body.chunks(length).chain([&b""[..]]) {
            out.extend_from_slice(format!("{:x};chunk-signature={:064x}\r\n", part.len(), length).as_bytes());
            out.extend_from_slice(part);
            out.extend_from_slice(if part.is_empty() {
                b"x-amz-checksum-crc32:AAAAAA==\r\n\r\n"
            } else {
                b"\r\n"
            });
        }
        out
    };
    for (what, coding, bytes) in [
        ("in gzip", "gzip", gzip(Compression::best())),
        ("stored in gzip", "x-gzip", gzip(Compression::none())),
        ("in deflate", "deflate", zlib),
        ("in frames", "aws-chunked", in_frames(7)),
        ("in long frames", "aws-chunked", in_frames(8192)),
    ] {
        let change = |e: &mut Exchange| {
            plain(e, &bytes);
            set(e, "content-encoding", Some(coding.as_bytes()));
        };
        put(&format!("body {what}"), Meaning::Volatile, &change);
    }
}

/// Three days in seconds.
const LATER: u64 = 3 * 86_400;

/// Makes a request three days later, with the days and times of a JSON body shifted that rules
/// compare with the clock. Returns whether there are any.
fn later(exchange: &mut Exchange, reading: &Reading<'_>) -> bool {
    exchange.time += LATER * SECOND;
    let shifted = |text: &[u8]| {
        let (mut out, mut done) = (Vec::new(), 0);
        for instant in instants(text) {
            let old = &text[instant.range.clone()];
            out.extend_from_slice(&text[done..instant.range.start]);
            done = instant.range.end;
            if old.get(4) == Some(&b'-') {
                let new = understudy_core::time::to_rfc3339((instant.seconds + LATER) * SECOND);
                out.extend_from_slice(&new.as_bytes()[..10]);
                out.extend_from_slice(&old[10..]);
            } else {
                let digits =
                    std::str::from_utf8(old).ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
                let number: u64 =
                    digits.and_then(|digits| digits.parse().ok()).expect("a number of seconds or less");
                let unit = 10_u64.pow(u32::try_from(old.len() - 10).expect("few digits"));
                out.extend_from_slice((number + LATER * unit).to_string().as_bytes());
            }
        }
        out.extend_from_slice(&text[done..]);
        out
    };
    let Body::Json(tree) = &reading.body else { return false };
    let mut changed = tree.clone();
    let mut moves = false;
    for node in json::nodes(tree, &reading.said) {
        let Some(What::Dates | What::Now | What::Clock) = node.above else { continue };
        match changed.at(&node.way) {
            Tree::Text(text) => {
                let new = shifted(text);
                moves |= new != *text;
                *text = new;
            }
            Tree::Literal(text) => {
                let new = shifted(text.as_bytes());
                moves |= new != text.as_bytes();
                *text = String::from_utf8(new).expect("a number");
            }
            _ => {}
        }
    }
    plain(exchange, &changed.to_json(Style::default()));
    moves
}
