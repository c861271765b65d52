//! The service's protocol on the wire: refusals, and certificates that Envoy refuses.

mod common;

use bytes::{Bytes, BytesMut};
use common::private_folder;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use std::convert::Infallible;
use std::path::Path;
use tokio::net::UnixStream;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::UnboundedReceiverStream;
use understudy_ca::{Authority, Sds};

const SECRET: &str = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";
const DELTA: &str = "/envoy.service.secret.v3.SecretDiscoveryService/DeltaSecrets";

/// The fields of `DeltaDiscoveryRequest` that matter here.
#[derive(Clone, PartialEq, Message)]
struct DeltaRequest {
    #[prost(string, tag = "2")]
    type_url: String,
    #[prost(string, repeated, tag = "3")]
    subscribe: Vec<String>,
    #[prost(string, repeated, tag = "4")]
    unsubscribe: Vec<String>,
    #[prost(string, tag = "6")]
    nonce: String,
    #[prost(message, optional, tag = "7")]
    error: Option<Problem>,
}

#[derive(Clone, PartialEq, Message)]
struct Problem {
    #[prost(string, tag = "2")]
    message: String,
}

/// The fields of `DeltaDiscoveryResponse` that matter here.
#[derive(Clone, PartialEq, Message)]
struct DeltaResponse {
    #[prost(message, repeated, tag = "2")]
    resources: Vec<Named>,
    #[prost(string, tag = "5")]
    nonce: String,
    #[prost(string, repeated, tag = "6")]
    removed: Vec<String>,
}

#[derive(Clone, PartialEq, Message)]
struct Named {
    #[prost(string, tag = "3")]
    name: String,
}

/// One RPC.
struct Call {
    ask: UnboundedSender<Bytes>,
    answers: Incoming,
    buffer: BytesMut,
    status: Option<String>,
}

impl Call {
    async fn start(socket: &Path, path: &str) -> Self {
        let stream = TokioIo::new(UnixStream::connect(socket).await.expect("a connection"));
        let (mut client, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.expect("HTTP/2");
        tokio::spawn(connection);
        let (ask, asked) = unbounded_channel();
        let body = StreamBody::new(
            UnboundedReceiverStream::new(asked).map(|bytes| Ok::<_, Infallible>(Frame::data(bytes))),
        );
        let request =
            http::Request::post(format!("http://sds{path}")).header("content-type", "application/grpc");
        let response = client.send_request(request.body(body).expect("a request")).await.expect("a response");
        let status =
            response.headers().get("grpc-status").map(|status| status.to_str().expect("text").to_owned());
        Self { ask, answers: response.into_body(), buffer: BytesMut::new(), status }
    }

    fn ask(&self, ask: &DeltaRequest) {
        let message = ask.encode_to_vec();
        let length = u32::try_from(message.len()).expect("short").to_be_bytes();
        self.ask.send([&[0], &length[..], &message].concat().into()).expect("it runs");
    }

    /// The next response, or the status with which the RPC ended.
    async fn next(&mut self) -> Result<DeltaResponse, String> {
        loop {
            if let Some(head) = self.buffer.get(..5) {
                let length = u32::from_be_bytes(head[1..].try_into().expect("four")) as usize;
                if self.buffer.len() >= 5 + length {
                    let message = self.buffer.split_to(5 + length).split_off(5);
                    return Ok(DeltaResponse::decode(message).expect("an answer"));
                }
            }
            let frame = tokio::time::timeout(common::PATIENCE, self.answers.frame()).await.expect("it hangs");
            match frame.map(|frame| frame.expect("a frame").into_data()) {
                Some(Ok(data)) => self.buffer.extend_from_slice(&data),
                Some(Err(frame)) => {
                    let trailers = frame.into_trailers().expect("trailers");
                    return Err(trailers["grpc-status"].to_str().expect("text").to_owned());
                }
                None => return Err(self.status.take().expect("a status")),
            }
        }
    }
}

fn subscribe(names: &[&str]) -> DeltaRequest {
    let subscribe = names.iter().map(|&name| name.to_owned()).collect();
    DeltaRequest { type_url: SECRET.to_owned(), subscribe, ..DeltaRequest::default() }
}

async fn service() -> (tempfile::TempDir, Sds) {
    let folder = private_folder();
    let authority = Authority::open_or_create(&folder.path().join("config")).expect("an authority");
    let sds = Sds::serve(authority, folder.path().join("sds")).await.expect("a service");
    (folder, sds)
}

#[tokio::test]
async fn names_of_a_request_are_answered_in_one_message_verbatim() {
    let (_folder, sds) = service().await;
    let mut call = Call::start(sds.socket(), DELTA).await;
    call.ask(&subscribe(&["API.test.", "b ad", "b.test"]));
    let answer = call.next().await.expect("an answer");
    let names: Vec<_> = answer.resources.iter().map(|resource| resource.name.as_str()).collect();
    assert_eq!((names, answer.removed), (vec!["API.test.", "b.test"], vec!["b ad".to_owned()]));
    // An acknowledgement gets no response: the next response belongs to the next request.
    call.ask(&DeltaRequest { nonce: answer.nonce, ..subscribe(&[]) });
    call.ask(&DeltaRequest { unsubscribe: vec!["b.test".to_owned()], ..DeltaRequest::default() });
    call.ask(&DeltaRequest { type_url: String::new(), ..subscribe(&["c.test"]) });
    assert_eq!(call.next().await.expect("an answer").resources[0].name, "c.test");
    assert_eq!((sds.counts().minted, sds.counts().refused, sds.counts().rejected), (3, 1, 0));
}

#[tokio::test]
async fn certificate_refused_by_envoy_is_counted_and_not_sent_again() {
    let (_folder, sds) = service().await;
    let mut call = Call::start(sds.socket(), DELTA).await;
    call.ask(&subscribe(&["a.test"]));
    let nonce = call.next().await.expect("an answer").nonce;
    let error = Some(Problem { message: "no".repeat(1 << 16) });
    call.ask(&DeltaRequest { nonce, error, ..subscribe(&[]) });
    call.ask(&subscribe(&["b.test"]));
    assert_eq!(call.next().await.expect("an answer").resources[0].name, "b.test");
    assert_eq!(sds.counts().rejected, 1);
}

#[tokio::test]
async fn unknown_request_is_refused() {
    const INVALID_ARGUMENT: &str = "3";
    const UNIMPLEMENTED: &str = "12";
    let (_folder, sds) = service().await;
    let refused = async |path: &str, ask: DeltaRequest| {
        let mut call = Call::start(sds.socket(), path).await;
        if call.status.is_none() {
            call.ask(&ask);
        }
        call.next().await.expect_err("refused")
    };
    let cluster = "type.googleapis.com/envoy.config.cluster.v3.Cluster".to_owned();
    assert_eq!(
        refused(DELTA, DeltaRequest { type_url: cluster, ..subscribe(&["a.test"]) }).await,
        INVALID_ARGUMENT
    );
    assert_eq!(
        refused(DELTA, DeltaRequest { type_url: String::new(), ..subscribe(&["a.test"]) }).await,
        INVALID_ARGUMENT
    );
    let many: Vec<_> = (0..300).map(|number| format!("n{number}.test")).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    assert_eq!(refused(DELTA, subscribe(&many)).await, INVALID_ARGUMENT);
    let older = DELTA.replace("DeltaSecrets", "StreamSecrets");
    assert_eq!(refused(&older, subscribe(&["a.test"])).await, UNIMPLEMENTED);
    assert_eq!(sds.counts().minted, 0);
}
