//! The names by which the filter and Envoy's stub know each other; `engine/stub.rs` says what the
//! stub is for.

/// Marks requests for the stub and answers of the stub. The filter removes a client's own header.
pub const STUB_HEADER: &str = "x-understudy-stub";
/// The stub's name in Envoy's routes.
pub const STUB_AUTHORITY: &str = "understudy-stub.invalid";
