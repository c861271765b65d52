//! For tests alone: upstreams that count, clients that send raw bytes, scenarios on a real Envoy.
