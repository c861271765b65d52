//! The real controller with the real client, against an API server as Kubernetes has it (`testkit::kubernetes`).

mod annotations;
mod leader;
mod replay;
mod respond;
mod rights;
mod scene;
