//! Free ports.

use std::net::{SocketAddr, TcpListener};

use crate::error::Error;

/// The address with a port that is free now. Another process may take the port before it is bound.
pub(crate) fn free_port(address: SocketAddr) -> Result<SocketAddr, Error> {
    TcpListener::bind(address)
        .and_then(|listener| listener.local_addr())
        .map_err(|error| Error::io(format!("listen on {}", address.ip()), error))
}
