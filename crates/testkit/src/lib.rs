//! Only for tests: upstreams that count everything they receive, clients that send raw bytes,
//! recordings made by hand, and rigs that run the filter in a real Envoy. All functions panic if
//! they can't continue: a test that can't run has failed.

mod client;
mod grpc;
mod h2_client;
mod h2_upstream;
mod ports;
mod recording;
mod reload;
mod rig;
mod sink;
mod sound;
mod surgery;
mod tls;
mod upstream;
mod wire;

pub use client::{Answer, Connection, get, request};
pub use grpc::{frames, gzip_frame, message, metadata};
pub use h2_client::{H2, H2Answer};
pub use h2_upstream::{H2Seen, H2Upstream};
pub use ports::ports;
pub use recording::{Recorded, recorded};
pub use rig::{Rig, RigBuilder, Totals, eventually};
pub use sink::{Batch, Sink};
pub use surgery::{offset_of, trap_at, trap_in};
pub use tls::{H2_AND_HTTP1, HTTP1, TestAuthority, TlsFront, distrustful, handshake, tunnel};
pub use upstream::{Nobody, Seen, Upstream, map};
pub use wire::Wire;
