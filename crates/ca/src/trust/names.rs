//! Names that the parts of trust share: those of the written files, the user's variables, and the
//! proxy.

use std::ffi::OsString;
use std::net::SocketAddr;

/// Looks up an environment variable, of this process or of a test.
pub(crate) type Variables<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// The proxy for CMD.
#[derive(Clone, Copy, Debug)]
pub struct Proxy<'a> {
    /// The address on which it listens.
    pub address: SocketAddr,
    /// The hosts that bypass it, in the format of `NO_PROXY`.
    pub no_proxy: &'a str,
}

/// Only the authority.
pub(super) const CA: &str = "ca.pem";
/// The other trusted roots: the system's and the user's.
pub(super) const ROOTS: &str = "roots.pem";
/// Both, for clients that replace their roots by one file.
pub(super) const BUNDLE: &str = "bundle.pem";
/// The authority and the user's additional roots, for clients that have their own roots.
pub(super) const EXTRA: &str = "extra.pem";
