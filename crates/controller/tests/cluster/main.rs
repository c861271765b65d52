//! The real controller with the real client, against the double of Kubernetes' API server.

mod annotations;
mod leader;
mod replay;
mod respond;
mod rights;
mod scene;
