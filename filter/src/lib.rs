//! Understudy's proxy-wasm module: the shell between Envoy's callbacks and the engine. It decides
//! nothing.
//!
//! `root` keeps what a VM's streams share and talks to the collector, `http` turns a stream's
//! callbacks into engine calls and their results into host calls, `timer` keeps the streams that
//! wait, `host` is the seam to the host's functions, `table` the one to the table that the bundler
//! puts into this module. Nothing here panics on purpose: a panic takes the VM, and all its
//! streams, with it.
#![allow(
    missing_docs,
    reason = "the SDK's macro makes public functions without any, and nobody links to this crate"
)]
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

mod host;
mod http;
mod metrics;
mod root;
mod table;
mod timer;

use proxy_wasm::traits::RootContext;
use proxy_wasm::types::LogLevel;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|id| -> Box<dyn RootContext> { Box::new(root::Root::new(id)) });
}}
