//! A Kubernetes API server as far as a controller needs one: real HTTP for the real client, with resource versions, watches, conflicts,
//! server-side apply, status subresources, finalizers and the garbage collector as Kubernetes has them. It runs no pods, and has no users:
//! everyone may do everything. It knows no admission but that namespaces must exist, and of the built-in resources it checks no more than the
//! metadata.

mod apply;
mod call;
mod clock;
mod delete;
mod failure;
mod faults;
mod fields;
mod kinds;
mod managed;
mod names;
mod patch;
mod schema;
mod selector;
mod serve;
mod server;
mod shape;
mod shared;
mod state;
mod store;
mod watch;
mod write;

pub use faults::Asked;
pub use server::{ApiServer, Door};
