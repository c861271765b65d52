//! The decision about a request that the table can't answer, and the body or status that tells the
//! service why.

use super::decide::{Decision, MockedRequest, Next};
use super::host::{Action, Reply};
use super::pending::PendingAnswer;
use super::secrets::Signed;
use super::stub::UNIMPLEMENTED;
use super::vm::Vm;
use super::{explain, serve};
use crate::backend;
use crate::config::OnMiss;
use crate::digest::{self, Digest};
use crate::facts::Facts;
use crate::headers::Headers;
use crate::table::Segment;
use crate::verdict::{Nearest, Reason, Verdict};
use serde::Serialize;

/// Lets a request pass, or refuses it, as `on_miss` says. `signed`: the request's signature, if it
/// has one.
pub(super) fn miss<S: Segment>(
    request: &MockedRequest<'_>,
    reason: Reason,
    on_miss: OnMiss,
    signed: Option<&Signed<'_>>,
    vm: &Vm<S>,
) -> Decision {
    if on_miss == OnMiss::Fail {
        return refusal(request, reason, signed, vm);
    }
    let capture = on_miss == OnMiss::Capture && vm.outbox.is_some() && reason != Reason::Upgrade;
    Decision {
        verdict: Verdict::passed(reason),
        action: Action::Continue,
        next: Next::Pass { capture },
        bindings: Vec::new(),
    }
}

/// Answers a request that must not continue.
fn refusal<S: Segment>(
    request: &MockedRequest<'_>,
    reason: Reason,
    signed: Option<&Signed<'_>>,
    vm: &Vm<S>,
) -> Decision {
    let (digest, nearest) = match signed {
        Some(signed) => {
            let redacted = vm.redacted_signature(request.facts, &request.body, signed);
            let shown = redacted.as_ref().unwrap_or(&signed.signature);
            (Some(shown.digest()), explain::nearest(&vm.table, shown))
        }
        None => (None, Vec::new()),
    };
    let message = if vm.table.is_empty() {
        "this filter carries no table: bundle a snapshot"
    } else {
        reason.message()
    };
    let reply = match request.facts.is_grpc() {
        true => grpc_reply(message, &nearest, vm),
        false => http_reply(request.facts, reason, message, digest, &nearest, vm),
    };
    Decision {
        verdict: Verdict::missed(reply.status, reason, nearest),
        action: Action::Reply(reply),
        next: Next::Answer { pending: PendingAnswer::none(), delay: 0 },
        bindings: Vec::new(),
    }
}

/// The answer to a plain HTTP request: a body that explains the miss.
fn http_reply<S: Segment>(
    facts: &Facts<'_>,
    reason: Reason,
    message: &str,
    digest: Option<Digest>,
    nearest: &[Nearest],
    vm: &Vm<S>,
) -> Reply {
    let path = vm.redacted_path(facts.path);
    let body = MissBody {
        understudy: "miss",
        error: MissError { kind: "understudy_miss", message },
        reason: reason.code(),
        message,
        backend: backend::name(
            &String::from_utf8_lossy(facts.scheme),
            &String::from_utf8_lossy(facts.authority),
        ),
        method: String::from_utf8_lossy(facts.method),
        path: String::from_utf8_lossy(&path),
        digest: digest.map(|digest| digest::hex(&digest)),
        nearest,
    };
    let mut body = serde_json::to_vec_pretty(&body).unwrap_or_default();
    body.push(b'\n');
    Reply { status: 404, headers: miss_headers("application/json", vm), body, grpc_status: None }
}

/// The answer to a gRPC request. Envoy makes `grpc-message` of the body.
fn grpc_reply<S: Segment>(message: &str, nearest: &[Nearest], vm: &Vm<S>) -> Reply {
    let mut text = format!("understudy: {message}");
    if let Some(nearest) = nearest.first() {
        text.push_str("; nearest: ");
        text.push_str(&nearest.in_short());
    }
    let headers = miss_headers("application/grpc", vm);
    Reply { status: 200, headers, body: text.into_bytes(), grpc_status: Some(UNIMPLEMENTED) }
}

fn miss_headers<S>(content_type: &str, vm: &Vm<S>) -> Headers {
    let headers = [(&b"content-type"[..], content_type.as_bytes()), (serve::VERDICT_HEADER, b"miss")];
    Headers::from_pairs(headers.into_iter().take(if vm.verdict_header { 2 } else { 1 }))
}

/// The body of a miss.
#[derive(Serialize)]
struct MissBody<'a> {
    understudy: &'a str,
    /// Clients take an object without `error` for a success.
    error: MissError<'a>,
    reason: &'a str,
    message: &'a str,
    backend: String,
    method: std::borrow::Cow<'a, str>,
    path: std::borrow::Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    nearest: &'a [Nearest],
}

/// The part of an error body that clients commonly show.
#[derive(Serialize)]
struct MissError<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    message: &'a str,
}
