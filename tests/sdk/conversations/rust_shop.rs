//! A shop through reqwest, over HTTP/2, and its orders through tonic: placed, read, changed,
//! listed, imported; errors with their status.
//!
//! New in each run: the bearer token, an order's reference (which the answer carries back), the
//! identifiers and times in the messages.

use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};
use std::error::Error;
use std::time::{SystemTime, UNIX_EPOCH};
use tonic::client::Grpc;
use tonic::codec::CompressionEncoding;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, ClientTlsConfig, Endpoint};
use tonic_prost::ProstCodec;
use uuid::Uuid;

#[derive(Clone, PartialEq, prost::Message)]
struct Item {
    #[prost(string, tag = "1")]
    sku: String,
    #[prost(int32, tag = "2")]
    count: i32,
    #[prost(double, tag = "3")]
    price: f64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Timestamp {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
struct PlaceRequest {
    #[prost(string, tag = "1")]
    customer: String,
    #[prost(message, repeated, tag = "2")]
    items: Vec<Item>,
    #[prost(string, tag = "3")]
    request_id: String,
    #[prost(message, optional, tag = "4")]
    at: Option<Timestamp>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct GetRequest {
    #[prost(string, tag = "1")]
    id: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ListRequest {
    #[prost(string, tag = "1")]
    customer: String,
    #[prost(int32, tag = "2")]
    limit: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Order {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(string, tag = "2")]
    customer: String,
    #[prost(double, tag = "4")]
    total: f64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ImportResponse {
    #[prost(int32, tag = "1")]
    imported: i32,
    #[prost(string, repeated, tag = "2")]
    ids: Vec<String>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    rustls::crypto::ring::default_provider()
        .install_default()
        .map_err(|_| "another provider of cryptography")?;
    shop().await?;
    orders().await
}

/// reqwest reads the proxy's variables automatically, and the roots from the platform's place:
/// here, SSL_CERT_FILE.
async fn shop() -> Result<(), Box<dyn Error>> {
    let client = Client::new();
    let token = Uuid::new_v4().to_string();
    let ask = |method: Method, path: String, body: Option<Value>| {
        let request = client.request(method, format!("https://shop.example{path}")).bearer_auth(&token);
        body.into_iter().fold(request, |request, body| request.json(&body)).send()
    };
    let mut made = Vec::new();
    for item in ["tea", meant(1, "milk", "cream"), "bread"] {
        let reference = Uuid::new_v4().to_string();
        let asked = json!({ "item": item, "amount": 3, "reference": reference });
        let answer = ask(Method::POST, "/orders".to_owned(), Some(asked)).await?;
        let (version, status, location) = (answer.version(), answer.status(), header(&answer, "location"));
        let order: Value = answer.json().await?;
        println!("placed {version:?} {status} {location} {}", order["reference"] == reference.as_str());
        made.push(order["id"].as_str().unwrap_or_default().to_owned());
    }
    let reading = made.iter().map(|id| tokio::spawn(ask(Method::GET, format!("/orders/{id}"), None)));
    for answer in reading.collect::<Vec<_>>() {
        let answer = answer.await??;
        let (version, etag) = (answer.version(), header(&answer, "etag"));
        println!("read {version:?} {etag} {}", answer.json::<Value>().await?["item"]);
    }
    let changed = ask(Method::PUT, format!("/orders/{}", made[0]), Some(json!({ "amount": 4 }))).await?;
    println!("changed {}", changed.status());
    println!("page {}", ask(Method::GET, "/orders?limit=2".to_owned(), None).await?.text().await?);
    println!("none {}", ask(Method::GET, "/orders/none".to_owned(), None).await?.status());
    Ok(())
}

/// tonic leaves proxies to its connector.
async fn orders() -> Result<(), Box<dyn Error>> {
    let endpoint = Endpoint::from_static("https://orders.example");
    let endpoint = endpoint.tls_config(ClientTlsConfig::new().with_native_roots())?;
    let proxy: Uri = std::env::var("HTTPS_PROXY")?.parse()?;
    let channel = endpoint.connect_with_connector(Tunnel::new(proxy, HttpConnector::new())).await?;
    let mut orders = Grpc::new(channel).accept_compressed(CompressionEncoding::Gzip);
    for (customer, price) in [("ada", 1.5), ("grace", if meant(2, "", "x").is_empty() { 7.25 } else { 7.5 })]
    {
        let order: Order = unary(&mut orders, "Place", place(customer, price)).await?;
        println!("placed {} {} {}", order.id, order.customer, order.total);
    }
    let list = tonic::Request::new(ListRequest { customer: "ada".to_owned(), limit: 0 });
    orders.ready().await?;
    let codec = ProstCodec::<ListRequest, Order>::default();
    let mut listed = orders.server_streaming(list, path("List"), codec).await?.into_inner();
    while let Some(order) = listed.message().await? {
        println!("listed {}", order.id);
    }
    let all = tokio_stream::iter(["a", "b", "c"].map(|customer| place(customer, 2.5)));
    orders.ready().await?;
    let codec = ProstCodec::<PlaceRequest, ImportResponse>::default();
    let imported =
        orders.client_streaming(tonic::Request::new(all), path("Import"), codec).await?.into_inner();
    println!("imported {} {:?}", imported.imported, imported.ids);
    let missing = unary::<_, Order>(&mut orders, "Get", GetRequest { id: "none".to_owned() }).await;
    println!("missing {:?}", missing.map_err(|status| (status.code(), status.message().to_owned())));
    Ok(())
}

async fn unary<Q, A>(orders: &mut Grpc<Channel>, method: &str, asked: Q) -> Result<A, tonic::Status>
where
    Q: prost::Message + Send + Sync + 'static,
    A: prost::Message + Default + Send + Sync + 'static,
{
    orders.ready().await.map_err(|error| tonic::Status::unavailable(error.to_string()))?;
    let answer =
        orders.unary(tonic::Request::new(asked), path(method), ProstCodec::<Q, A>::default()).await?;
    Ok(answer.into_inner())
}

fn path(method: &str) -> PathAndQuery {
    format!("/orders.v1.Orders/{method}").parse().expect("a path")
}

fn place(customer: &str, price: f64) -> PlaceRequest {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    let at = Timestamp { seconds: now.as_secs() as i64, nanos: now.subsec_nanos() as i32 };
    let items = vec![Item { sku: "pen".to_owned(), count: 2, price }];
    PlaceRequest {
        customer: customer.to_owned(),
        items,
        request_id: Uuid::new_v4().to_string(),
        at: Some(at),
    }
}

fn header(answer: &Response, name: &str) -> String {
    answer.headers().get(name).map_or_else(|| "none".to_owned(), |value| format!("{value:?}"))
}

/// Like `meant` in kit.py: the value, or a changed one in a run that must miss.
fn meant<'a>(number: u32, value: &'a str, other: &'a str) -> &'a str {
    let change = std::env::var("CHANGE").is_ok_and(|change| change == number.to_string());
    if change { other } else { value }
}
