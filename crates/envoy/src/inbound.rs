//! `LISTEN=APP`: the address on which Envoy accepts requests for the service, and the address of
//! the service itself. Built from the template's listener `inbound` and its cluster `app`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

use serde_json::{Value, json};

use crate::error::Error;
use crate::map::{authority, bracketed};
use crate::ports::free_port;

/// The name of the template's listener.
pub(crate) const LISTENER: &str = "inbound";
/// The name of the template's cluster.
pub(crate) const CLUSTER: &str = "app";
/// The connection manager, in the listener.
pub(crate) const MANAGER: &str = "/filter_chains/0/filters/0/typed_config";
const ROUTE: &str = "/route_config/virtual_hosts/0/routes/0/route/cluster";
const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// One inbound listener with its service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inbound {
    listen: SocketAddr,
    host: String,
    port: u16,
}

impl FromStr for Inbound {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let bad = |reason: &str| Error::BadInbound { way: text.to_owned(), reason: reason.to_owned() };
        let (listen, app) = text.split_once('=').ok_or_else(|| bad("write LISTEN=APP, such as 8080=9000"))?;
        let listen = match listen.parse() {
            Ok(port) => SocketAddr::new(LOOPBACK, port),
            Err(_) => listen.parse().map_err(|_| {
                bad("left of the `=` goes where to listen: ADDRESS:PORT, or a port of 127.0.0.1")
            })?,
        };
        if app.contains('/') {
            return Err(bad("right of the `=` goes where the service listens, HOST:PORT, and no URL"));
        }
        let (host, port) = match app.parse::<u16>() {
            Ok(port) => (LOOPBACK.to_string(), Some(port)),
            Err(_) => authority(app).map_err(bad)?,
        };
        let port = port.filter(|port| *port > 0).ok_or_else(|| {
            bad("right of the `=` goes where the service listens: HOST:PORT, or a port of 127.0.0.1")
        })?;
        let inbound = Self { listen, host, port };
        if inbound.app() == listen.to_string() {
            return Err(bad("both are the same: the service must listen on another port than Envoy"));
        }
        Ok(inbound)
    }
}

impl fmt::Display for Inbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.listen, self.app())
    }
}

impl Inbound {
    /// Replaces port 0 by a port that is free now.
    ///
    /// # Errors
    /// The address doesn't belong to this machine.
    pub fn settled(self) -> Result<Self, Error> {
        let listen = if self.listen.port() == 0 { free_port(self.listen)? } else { self.listen };
        Ok(Self { listen, ..self })
    }

    /// The address on which Envoy listens.
    pub fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// The address of the service, as `host:port`.
    pub fn app(&self) -> String {
        format!("{}:{}", bracketed(&self.host), self.port)
    }

    pub(crate) fn listener(&self, model: &Value, number: usize) -> Result<Value, Error> {
        let mut listener = model.clone();
        let missing = |at: &str| Error::Template { at: format!("{LISTENER}{at}") };
        listener["name"] = format!("{LISTENER}_{number}").into();
        let address = json!({ "address": self.listen.ip().to_string(), "port_value": self.listen.port() });
        listener["address"] = json!({ "socket_address": address });
        let manager = listener.pointer_mut(MANAGER).ok_or_else(|| missing(MANAGER))?;
        *manager.pointer_mut(ROUTE).ok_or_else(|| missing(ROUTE))? = cluster_name(number).into();
        Ok(listener)
    }

    pub(crate) fn cluster(&self, model: &Value, number: usize) -> Value {
        let mut cluster = model.clone();
        let name = cluster_name(number);
        if self.host.parse::<IpAddr>().is_ok() {
            cluster["type"] = "STATIC".into();
            if let Some(fields) = cluster.as_object_mut() {
                fields.remove("dns_lookup_family");
            }
        }
        let address = json!({ "address": self.host, "port_value": self.port });
        cluster["load_assignment"] = json!({
            "cluster_name": name,
            "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": { "socket_address": address } } }] }]
        });
        cluster["name"] = name.into();
        cluster
    }

    /// The filter's configuration for this listener, derived from the outbound one without its keys
    /// about backends.
    pub(crate) fn plugin_config(&self, outbound: &Value) -> Value {
        let mut config = outbound.clone();
        if let Some(keys) = config.as_object_mut() {
            for key in ["default", "on_miss", "latency", "backends", "grpc_stub"] {
                keys.remove(key);
            }
        }
        config["direction"] = "inbound".into();
        config["listener"] = self.listen.to_string().into();
        config
    }
}

fn cluster_name(number: usize) -> String {
    format!("{CLUSTER}_{number}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid_text_is_parsed_and_written_back() {
        #[track_caller]
        fn check(text: &str, expect: &str) {
            let inbound: Inbound = text.parse().unwrap();
            assert_eq!(inbound.to_string(), expect);
            assert_eq!(inbound.to_string().parse::<Inbound>().unwrap(), inbound);
        }
        check("8080=9000", "127.0.0.1:8080=127.0.0.1:9000");
        check("127.0.0.1:8080=127.0.0.1:9000", "127.0.0.1:8080=127.0.0.1:9000");
        check("0.0.0.0:8080=App.internal:80", "0.0.0.0:8080=app.internal:80");
        check("[::1]:8080=[::1]:9000", "[::1]:8080=[::1]:9000");
        check("0=9000", "127.0.0.1:0=127.0.0.1:9000");
    }

    #[test]
    fn invalid_text_is_refused_with_the_reason() {
        #[track_caller]
        fn check(text: &str, expect: &str) {
            let error = text.parse::<Inbound>().unwrap_err();
            assert_eq!(error.code(), "bad-inbound");
            assert!(error.to_string().contains(expect), "{error}");
        }
        check("8080", "write LISTEN=APP");
        check("localhost:8080=9000", "left of the `=`");
        check("=9000", "left of the `=`");
        check("70000=9000", "left of the `=`");
        check("8080=", "isn't a name");
        check("8080=localhost", "HOST:PORT");
        check("8080=0", "HOST:PORT");
        check("8080=http://localhost:9000", "no URL");
        check("8080=::1:9000", "needs brackets");
        check("8080=8080", "both are the same");
    }

    #[test]
    fn port_0_settled_is_a_free_port() {
        let inbound: Inbound = "0=9000".parse().unwrap();
        assert_ne!(inbound.settled().unwrap().listen().port(), 0);
    }
}
