//! The end-to-end suite: real Envoy, real sockets, real SDKs. A missing Envoy is an error, never a skip.

mod smoke;
