//! The few messages of the double, by their field numbers:
//! `envoy/service/discovery/v3/discovery.proto`, `envoy/config/core/v3/extension.proto`,
//! `xds/type/v3/typed_struct.proto`, `google/protobuf/struct.proto`,
//! `envoy/extensions/transport_sockets/tls/v3/{secret,common}.proto`. JSON is sent as a
//! `TypedStruct`, which Envoy reads as any message.

use serde_json::Value;

/// Types of the served resources.
pub(super) const EXTENSION: &str = "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig";
pub(super) const SECRET: &str = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";
const TYPED_STRUCT: &str = "type.googleapis.com/xds.type.v3.TypedStruct";

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct DiscoveryRequest {
    #[prost(string, repeated, tag = "3")]
    pub(super) resource_names: Vec<String>,
    #[prost(string, tag = "4")]
    pub(super) type_url: String,
    #[prost(message, optional, tag = "6")]
    pub(super) error_detail: Option<RpcStatus>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct RpcStatus {
    #[prost(string, tag = "2")]
    pub(super) message: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct DiscoveryResponse {
    #[prost(string, tag = "1")]
    pub(super) version_info: String,
    #[prost(message, repeated, tag = "2")]
    pub(super) resources: Vec<Any>,
    #[prost(string, tag = "4")]
    pub(super) type_url: String,
    #[prost(string, tag = "5")]
    pub(super) nonce: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Any {
    #[prost(string, tag = "1")]
    pub(super) type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) value: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct TypedExtensionConfig {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, optional, tag = "2")]
    typed_config: Option<Any>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Secret {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(message, optional, tag = "2")]
    pub(super) tls_certificate: Option<TlsCertificate>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct TlsCertificate {
    #[prost(message, optional, tag = "1")]
    pub(super) certificate_chain: Option<DataSource>,
    #[prost(message, optional, tag = "2")]
    pub(super) private_key: Option<DataSource>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct DataSource {
    #[prost(bytes = "vec", tag = "2")]
    pub(super) inline_bytes: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct TypedStruct {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(message, optional, tag = "2")]
    value: Option<Struct>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Struct {
    #[prost(message, repeated, tag = "1")]
    fields: Vec<Field>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Field {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(message, optional, tag = "2")]
    value: Option<Dynamic>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Dynamic {
    #[prost(oneof = "Kind", tags = "1, 2, 3, 4, 5, 6")]
    kind: Option<Kind>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Kind {
    #[prost(int32, tag = "1")]
    Null(i32),
    #[prost(double, tag = "2")]
    Number(f64),
    #[prost(string, tag = "3")]
    Text(String),
    #[prost(bool, tag = "4")]
    Bool(bool),
    #[prost(message, tag = "5")]
    Object(Struct),
    #[prost(message, tag = "6")]
    List(List),
}

#[derive(Clone, PartialEq, prost::Message)]
struct List {
    #[prost(message, repeated, tag = "1")]
    values: Vec<Dynamic>,
}

/// A `TypedExtensionConfig` of its JSON.
pub(super) fn extension(json: &Value) -> TypedExtensionConfig {
    use prost::Message;
    let mut config = json["typed_config"].clone();
    let type_url = config["@type"].as_str().expect("a type").to_owned();
    config.as_object_mut().expect("an object").remove("@type");
    let value = TypedStruct { type_url, value: Some(of_object(&config)) };
    TypedExtensionConfig {
        name: json["name"].as_str().expect("a name").to_owned(),
        typed_config: Some(Any { type_url: TYPED_STRUCT.to_owned(), value: value.encode_to_vec() }),
    }
}

fn of_object(json: &Value) -> Struct {
    let fields = json.as_object().expect("an object").iter();
    Struct { fields: fields.map(|(key, value)| Field { key: key.clone(), value: Some(of(value)) }).collect() }
}

fn of(json: &Value) -> Dynamic {
    let kind = match json {
        Value::Null => Kind::Null(0),
        Value::Bool(yes) => Kind::Bool(*yes),
        Value::Number(number) => Kind::Number(number.as_f64().expect("a number")),
        Value::String(text) => Kind::Text(text.clone()),
        Value::Array(values) => Kind::List(List { values: values.iter().map(of).collect() }),
        Value::Object(_) => Kind::Object(of_object(json)),
    };
    Dynamic { kind: Some(kind) }
}
