//! The API server double behaves as a real one does, seen through the real client. With `UNDERSTUDY_KUBECONFIG` set to the path of a kubeconfig,
//! the same tests run against the API server that it names: that is how the double is kept honest.

#[path = "kubernetes/apply.rs"]
mod apply;
#[path = "kubernetes/cluster.rs"]
mod cluster;
#[path = "kubernetes/objects.rs"]
mod objects;
#[path = "kubernetes/watching.rs"]
mod watching;
