//! The end-to-end suite: real Envoy, real sockets, real SDKs. A missing Envoy is an error, never a
//! skip.

mod caps;
mod config;
mod counters;
mod crash;
mod delivery;
mod faults;
mod grpc;
mod hostile;
mod inbound;
mod latency;
#[cfg(target_os = "linux")]
mod network;
mod no_leak;
mod opt_in;
mod requests;
mod sample;
mod secrets;
#[cfg(target_os = "linux")]
mod sidecar;
mod smoke;
mod streams;
mod tap;
mod tls;
mod verbatim;
