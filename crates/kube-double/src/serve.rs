//! HTTP: from a request to a call, and from an answer to a response.

use crate::call::{Call, Place};
use crate::failure::Failure;
use crate::faults::Asked;
use crate::shared::Shared;
use crate::watch::Watch;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

type Body = BoxBody<Bytes, Infallible>;

/// More than this in a request is refused.
const LARGEST: usize = 3 * 1024 * 1024;

/// Answers one request.
pub(super) async fn serve(
    request: Request<Incoming>,
    shared: Arc<Shared>,
    door: usize,
) -> Result<Response<Body>, Infallible> {
    let (head, body) = request.into_parts();
    let Ok(body) = Limited::new(body, LARGEST).collect().await else {
        let failure = Failure::new(413, "RequestEntityTooLarge", "limit is 3145728");
        return Ok(response(413, &failure.status()));
    };
    let query: BTreeMap<String, String> =
        form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
    let header = |name: &str| {
        head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
    };
    let watch = query.get("watch").is_some_and(|watch| watch == "true" || watch == "1");
    let place = Place::parse(head.uri.path()).filter(|place| !place.plural.is_empty());
    let verb = place.as_ref().and_then(|place| place.verb(head.method.as_str(), watch));
    let (Some(place), Some(verb)) = (place, verb) else {
        return Ok(discovery(&shared, head.uri.path(), door));
    };
    let body = body.to_bytes();
    let call = resolve(&shared, place.clone(), verb).map(|kind| {
        let body = if body.is_empty() { Ok(Value::Null) } else { serde_json::from_slice(&body) };
        body.map(|body| Call {
            verb,
            kind,
            namespace: place.namespace.clone(),
            name: place.name.clone(),
            subresource: place.subresource.clone(),
            query,
            content_type: header("content-type"),
            agent: header("user-agent"),
            body,
        })
        .map_err(|error| Failure::bad_request(format!("the object provided is unrecognized: {error}")))
    });
    let call = call.and_then(|call| call);
    let mut asked = Asked {
        verb,
        resource: crate::kinds::qualified(&place.plural, &place.group),
        namespace: place.namespace.unwrap_or_default(),
        name: place.name,
        subresource: place.subresource,
        manager: call.as_ref().map(Call::manager).unwrap_or_default(),
        door,
        status: 0,
    };
    let answer = match shared.fault(&asked).await {
        Some(failure) => Err(failure),
        None => call.and_then(|call| run(&shared, call)),
    };
    let answer = answer.unwrap_or_else(|failure| response(failure.code, &failure.status()));
    asked.status = answer.status().as_u16();
    shared.noted(asked);
    Ok(answer)
}

fn resolve(shared: &Shared, place: Place, verb: &str) -> Result<Arc<crate::kinds::Kind>, Failure> {
    let missing = || Failure::new(404, "NotFound", "the server could not find the requested resource");
    let kind = shared.state().kind(&place.group, &place.version, &place.plural).ok_or_else(missing)?;
    let everywhere = ["list", "watch"].contains(&verb);
    let fits = kind.namespaced == place.namespace.is_some() || (kind.namespaced && everywhere);
    if fits { Ok(kind) } else { Err(missing()) }
}

fn run(shared: &Arc<Shared>, call: Call) -> Result<Response<Body>, Failure> {
    if call.verb == "watch" {
        let (lines, stream) = mpsc::channel(16);
        tokio::spawn(Watch::new(call, lines)?.run(Arc::clone(shared)));
        let frames = ReceiverStream::new(stream).map(|line| Ok(Frame::data(line)));
        let response = Response::builder().header("content-type", "application/json");
        return Ok(response.body(StreamBody::new(frames).boxed()).expect("a response"));
    }
    let (code, body) = {
        let mut state = shared.state();
        let answer = state.answer(&call);
        shared.tell(state.store.version());
        answer?
    };
    Ok(response(code, &body))
}

fn response(code: u16, body: &Value) -> Response<Body> {
    let mut response = Response::builder().status(code).header("content-type", "application/json");
    if code == 429 {
        response = response.header("retry-after", "1");
    }
    response.body(Full::new(Bytes::from(body.to_string())).boxed()).expect("a response")
}

/// The documents that say what there is.
fn discovery(shared: &Shared, path: &str, door: usize) -> Response<Body> {
    let kinds = shared.state().kinds.clone();
    let steps: Vec<_> = path.trim_matches('/').split('/').collect();
    let resources = |group: &str, version: &str| {
        let of = kinds.iter().filter(|kind| kind.group == group && kind.version == version);
        let resources: Vec<_> = of.flat_map(|kind| kind.discovery()).collect();
        let name = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
        let list = json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": name, "resources": resources});
        (!resources.is_empty()).then_some(list)
    };
    let document = match steps.as_slice() {
        ["version"] => Some(
            json!({"major": "1", "minor": "33", "gitVersion": "v1.33.0", "gitCommit": "", "gitTreeState": "clean", "buildDate": "2025-01-01T00:00:00Z", "goVersion": "", "compiler": "", "platform": "linux/amd64"}),
        ),
        ["healthz" | "livez" | "readyz"] => Some(json!("ok")),
        ["api"] => Some(json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []})),
        ["apis"] => Some(groups(&kinds)),
        ["api", version] => resources("", version),
        ["apis", group, version] => resources(group, version),
        _ => None,
    };
    let missing = || Failure::new(404, "NotFound", "the server could not find the requested resource");
    let answer = match document {
        Some(document) => response(200, &document),
        None => response(404, &missing().status()),
    };
    shared.noted(Asked {
        verb: "discover",
        resource: path.to_owned(),
        namespace: String::new(),
        name: String::new(),
        subresource: String::new(),
        manager: String::new(),
        door,
        status: answer.status().as_u16(),
    });
    answer
}

fn groups(kinds: &[Arc<crate::kinds::Kind>]) -> Value {
    let mut groups: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for kind in kinds.iter().filter(|kind| !kind.group.is_empty()) {
        let version = json!({"groupVersion": kind.api_version(), "version": kind.version});
        let versions = groups.entry(&kind.group).or_default();
        if !versions.contains(&version) {
            versions.push(version);
        }
    }
    let groups = groups
        .into_iter()
        .map(|(name, versions)| json!({"name": name, "preferredVersion": versions[0], "versions": versions}));
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups.collect::<Vec<_>>()})
}
