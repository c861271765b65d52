//! The core of Understudy, without I/O: exchanges, canonical requests and their digests, the table,
//! and the engine that decides what happens to a stream.
//!
//! The crate builds for `wasm32-wasip1` (inside Envoy) and natively, and behaves the same on each.
//! It uses no clock, environment, file, network, thread or randomness: time, identifiers and bytes
//! are arguments. Code on the data path can't panic.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

pub mod backend;
pub mod canonical;
pub mod config;
pub mod digest;
pub mod encoding;
pub mod engine;
pub mod exchange;
pub mod facts;
pub mod header_family;
pub mod headers;
pub mod latency;
pub mod outbox;
pub mod redact;
pub mod rules;
pub mod sample;
pub mod table;
pub mod time;
pub mod trace;
pub mod v1;
pub mod verdict;
pub mod workload;

mod sequence;
mod stub_names;
