//! The compiled filter, as bytes, so that a user needs no Rust toolchain to bundle.
//!
//! The crate has no dependencies and no logic: `build.rs` compiles `filter/`, and a caller that
//! needs a module for Envoy passes [`RAW`] to `understudy_compile::bundle`.

/// The filter as the compiler makes it. Envoy doesn't load it as it is: it imports its table from a
/// module `understudy`, which the bundler replaces.
pub const RAW: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/filter.wasm"));
