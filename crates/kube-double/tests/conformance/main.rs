//! The API server double behaves as a real one does, seen through the real client. With `UNDERSTUDY_KUBECONFIG` set to the path of a kubeconfig,
//! the same tests run against the API server that it names: that is how the double is kept honest.

mod apply;
mod cluster;
mod objects;
mod watching;
