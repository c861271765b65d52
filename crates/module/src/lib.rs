//! The compiled filter, as bytes, so that a user needs no Rust toolchain to bundle.
//!
//! It depends on nothing and does nothing: `build.rs` compiles `filter/`, and whoever needs a
//! module for Envoy gives [`RAW`] to `understudy_compile::bundle`.

/// The filter as the compiler makes it. Envoy doesn't load it as it is: it imports its table from a
/// module `understudy`, which the bundler replaces.
pub const RAW: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/filter.wasm"));
