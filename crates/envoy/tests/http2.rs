//! HTTP/2 in plain text, with prior knowledge, on the same port as HTTP/1.1.

mod common;

use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::Bytes;
use common::{SOON, responder, start, stop, tap};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http2::SendRequest;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};

fn body(
    text: &str,
    trailer: &'static str,
) -> impl Body<Data = Bytes, Error = Infallible> + Send + Unpin + use<> {
    let trailers = HeaderMap::from_iter([(HeaderName::from_static(trailer), HeaderValue::from_static("1"))]);
    Full::from(text.to_owned()).with_trailers(std::future::ready(Some(Ok(trailers))))
}

/// Echoes the request in the body, and adds a trailer.
async fn echo(
    request: Request<Incoming>,
) -> Result<Response<impl Body<Data = Bytes, Error = Infallible>>, Infallible> {
    let (head, asked) = request.into_parts();
    let asked = asked.collect().await.unwrap();
    let trailer = asked.trailers().is_some_and(|trailers| trailers.contains_key("x-asked"));
    let text = String::from_utf8(asked.to_bytes().into()).unwrap();
    let headers: Vec<_> = head.headers.keys().map(HeaderName::as_str).collect();
    let said = format!("{:?} {} {} {headers:?} {text} {trailer}", head.version, head.method, head.uri);
    Ok(Response::new(body(&said, "x-answered")))
}

async fn upstream() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            tokio::spawn(server.serve_connection(TokioIo::new(stream), service_fn(echo)));
        }
    });
    addr
}

async fn client<B>(to: SocketAddr) -> SendRequest<B>
where
    B: Body<Data = Bytes, Error = Infallible> + Send + Unpin + 'static,
{
    let stream = TokioIo::new(TcpStream::connect(to).await.unwrap());
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    tokio::spawn(connection);
    sender
}

#[tokio::test]
async fn http2_request_stays_http2_with_its_trailers() {
    let addr = upstream().await;
    let envoy = start(&tap()).await;
    let mut client = client(envoy.proxy_addr()).await;
    let request =
        Request::post(format!("http://{addr}/a//b?q")).header("x-b", "1").body(body("hello", "x-asked"));
    let response = client.send_request(request.unwrap()).await.unwrap();
    let names: Vec<_> = response.headers().keys().map(HeaderName::as_str).collect();
    assert_eq!(names, ["date", "content-length"], "which hyper's server sends");
    let answer = response.into_body().collect().await.unwrap();
    assert!(answer.trailers().unwrap().contains_key("x-answered"));
    let expect = format!(r#"HTTP/2.0 POST http://{addr}/a//b?q ["x-b", "content-length"] hello true"#);
    assert_eq!(answer.to_bytes(), expect);
    stop(envoy).await;
}

#[tokio::test]
async fn thousand_streams_at_once_are_answered() {
    let addr = upstream().await;
    let envoy = start(&tap()).await;
    let client = client(envoy.proxy_addr()).await;
    let mut requests = tokio::task::JoinSet::new();
    for number in 0..1000 {
        let mut client = client.clone();
        let request = Request::get(format!("http://{addr}/{number}")).body(body("", "x-asked")).unwrap();
        requests
            .spawn(async move { client.send_request(request).await.unwrap().into_body().collect().await });
    }
    let answers = tokio::time::timeout(SOON, requests.join_all()).await.unwrap();
    for answer in answers {
        let answer = answer.unwrap().to_bytes();
        assert!(answer.starts_with(b"HTTP/2.0 GET"), "{answer:?}");
    }
    stop(envoy).await;
}

#[tokio::test]
async fn responder_accepts_http2() {
    let envoy = start(&responder()).await;
    let mut client = client(envoy.proxy_addr()).await;
    let request = Request::get("http://api.example.com/").body(Full::<Bytes>::default()).unwrap();
    let answer = client.send_request(request).await.unwrap().into_body().collect().await.unwrap();
    assert_eq!(answer.to_bytes(), "from the table\n");
    stop(envoy).await;
}
