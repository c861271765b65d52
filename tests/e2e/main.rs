//! The end-to-end suite: real Envoy, real sockets, real SDKs. A missing Envoy is an error, never a skip.

mod crash;
mod no_leak;
mod requests;
mod smoke;
mod verbatim;
