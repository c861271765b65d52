//! For tests alone: upstreams that count what reaches them, clients that send raw bytes, recordings made by hand, and rigs that run the filter in a
//! real Envoy. Everything panics where it can't go on: a test that can't run has failed.

mod client;
mod h2_client;
mod recording;
mod rig;
mod upstream;

pub use client::{Answer, Connection, get, request};
pub use h2_client::{H2, H2Answer};
pub use recording::{Recorded, recorded};
pub use rig::{Rig, RigBuilder, eventually};
pub use upstream::{Seen, Upstream};
