//! `HOST[:PORT]=URL`: a backend that is reached at another address, like curl's `--connect-to`. The
//! request itself doesn't change: its Host header keeps the backend's name.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use hyper::Uri;
use serde_json::{Value, json};

use crate::error::Error;

/// One mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostMap {
    host: String,
    /// The mapped port; `None` maps all ports.
    port: Option<u16>,
    tls: bool,
    target_host: String,
    target_port: u16,
}

impl FromStr for HostMap {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let bad = |reason: &str| Error::BadMap { map: text.to_owned(), reason: reason.to_owned() };
        let (from, url) = text.split_once('=').ok_or_else(|| bad("there is no `=`"))?;
        if from.contains("://") || from.contains('/') {
            return Err(bad("left of the `=` goes a host name, not a URL"));
        }
        let (host, port) = authority(from).map_err(bad)?;

        let url: Uri = url.parse().map_err(|_| bad("right of the `=` isn't a URL"))?;
        let (tls, default_port) = match url.scheme_str() {
            Some("http") => (false, 80),
            Some("https") => (true, 443),
            _ => return Err(bad("the URL must begin with http:// or https://")),
        };
        if !matches!(url.path_and_query().map(|path| path.as_str()), None | Some("/")) {
            return Err(bad("the URL can't have a path: requests keep their own"));
        }
        let target = url.authority().map(|authority| authority.as_str()).unwrap_or_default();
        if target.contains('@') {
            return Err(bad("the URL can't have a user: requests keep their own credentials"));
        }
        let (target_host, target_port) = authority(target).map_err(bad)?;
        Ok(Self { host, port, tls, target_host, target_port: target_port.unwrap_or(default_port) })
    }
}

impl fmt::Display for HostMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
        let scheme = if self.tls { "https" } else { "http" };
        write!(
            f,
            "{}{port}={scheme}://{}:{}",
            bracketed(&self.host),
            bracketed(&self.target_host),
            self.target_port
        )
    }
}

impl HostMap {
    /// The backend's name, in lower case, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The mapped port; `None` if all are mapped.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// The name of Envoy's cluster, virtual host and statistics.
    pub(crate) fn name(&self) -> String {
        match self.port {
            Some(port) => format!("map_{}_{port}", self.host),
            None => format!("map_{}", self.host),
        }
    }

    /// The values of the Host header that are mapped, each with its scheme; `None` is both schemes.
    fn domains(&self) -> Vec<(String, Option<&'static str>)> {
        let host = bracketed(&self.host);
        let scheme = match self.port {
            None => return vec![(host.clone(), None), (format!("{host}:*"), None)],
            Some(80) => "http",
            Some(443) => "https",
            Some(port) => return vec![(format!("{host}:{port}"), None)],
        };
        vec![(format!("{host}:{}", self.port.unwrap_or_default()), None), (host, Some(scheme))]
    }

    /// The routes for requests of one scheme, or of both.
    fn routes(&self, scheme: Option<&str>) -> Vec<Value> {
        let scheme = scheme.map(|scheme| header(":scheme", json!({ "exact": scheme })));
        let route = |conditions: Value, http1: bool| {
            let mut route = json!({
                "match": { "prefix": "/" },
                "route": { "cluster": self.cluster_name(http1), "timeout": "0s" }
            });
            if let (Some(to), Value::Object(conditions)) = (route["match"].as_object_mut(), conditions) {
                to.extend(conditions);
            }
            if let Some(scheme) = &scheme {
                let headers = &mut route["match"]["headers"];
                match headers.as_array_mut() {
                    Some(headers) => headers.push(scheme.clone()),
                    None => *headers = json!([scheme]),
                }
            }
            route
        };
        let http2 = json!([{ "key": "understudy.protocol", "string_match": { "exact": "HTTP/2" } }]);
        if self.tls {
            return vec![route(json!({ "filter_state": http2 }), false), route(json!({}), true)];
        }
        // Over TLS, apps use HTTP/2 because Envoy has offered it. Without TLS, nothing tells
        // whether the backend supports HTTP/2, except that gRPC requires it.
        let https = header(":scheme", json!({ "exact": "https" }));
        let grpc = header("content-type", json!({ "prefix": "application/grpc" }));
        vec![
            route(json!({ "headers": [grpc] }), false),
            route(json!({ "filter_state": http2, "headers": [https] }), true),
            route(json!({}), false),
        ]
    }

    fn cluster_name(&self, http1: bool) -> String {
        let name = self.name();
        if http1 { format!("{name}_http1") } else { name }
    }

    /// Clusters with the limits and protocols of the models, for this address. The models are: the
    /// app's protocol without TLS; TLS with the best common protocol; TLS with HTTP/1.1.
    pub(crate) fn clusters(&self, [plain, tls, tls_http1]: &[Value; 3]) -> [Value; 2] {
        let model = if self.tls { tls } else { plain };
        [(model, false), (tls_http1, true)]
            .map(|(model, http1)| self.cluster(model, self.cluster_name(http1)))
    }

    fn cluster(&self, model: &Value, name: String) -> Value {
        let mut cluster = model.clone();
        if let Value::Object(fields) = &mut cluster {
            fields.remove("cluster_type");
            fields.remove("lb_policy");
            if !self.tls {
                fields.remove("transport_socket");
            }
        }
        let literal = self.target_host.parse::<IpAddr>().is_ok();
        cluster["type"] = if literal { "STATIC" } else { "LOGICAL_DNS" }.into();
        if !literal {
            cluster["dns_lookup_family"] = "ALL".into();
        }
        let address = json!({ "address": self.target_host, "port_value": self.target_port });
        cluster["load_assignment"] = json!({
            "cluster_name": name,
            "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": { "socket_address": address } } }] }]
        });
        cluster["name"] = name.into();
        cluster
    }
}

/// A virtual host for each mapped value of the Host header: the maps' routes first, then those of
/// the virtual host `any`.
pub(crate) fn virtual_hosts(maps: &[HostMap], any: &Value) -> Vec<Value> {
    let mut hosts: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    let (with_port, without_port): (Vec<&HostMap>, Vec<&HostMap>) =
        maps.iter().partition(|map| map.port.is_some());
    for map in with_port.into_iter().chain(without_port) {
        for (domain, scheme) in map.domains() {
            hosts.entry(domain).or_default().extend(map.routes(scheme));
        }
    }
    let of_any = any["routes"].as_array().cloned().unwrap_or_default();
    let connect = |route: &&Value| route["match"]["connect_matcher"].is_object();
    let host = |(domain, routes): (String, Vec<Value>)| {
        let first = of_any.iter().filter(connect).cloned();
        let last = of_any.iter().filter(|route| !connect(route)).cloned();
        let routes: Vec<Value> = first.chain(routes).chain(last).collect();
        json!({ "name": format!("map_{domain}"), "domains": [domain], "routes": routes })
    };
    hosts.into_iter().map(host).collect()
}

fn header(name: &str, string_match: Value) -> Value {
    json!({ "name": name, "string_match": string_match })
}

pub(crate) fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

/// Parses `host`, `host:port`, `1.2.3.4:port` or `[::1]:port`. Returns the host in lower case and
/// without brackets.
pub(crate) fn authority(text: &str) -> Result<(String, Option<u16>), &'static str> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (
            host,
            Some(port.parse().ok().filter(|port| *port > 0).ok_or("a port is a number from 1 to 65535")?),
        ),
        _ => (text, None),
    };
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    if bare.is_none() && host.contains(':') {
        return Err("an IPv6 address needs brackets, like [::1]:8420");
    }
    let host = bare.unwrap_or(host);
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c) || (c == ':' && bare.is_some());
    if host.is_empty() || !host.chars().all(allowed) {
        return Err("the host isn't a name or an address");
    }
    Ok((host.to_ascii_lowercase(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid_map_is_parsed_and_written_back() {
        #[track_caller]
        fn check(text: &str, expect: &str, domains: &[&str]) {
            let map: HostMap = text.parse().unwrap();
            assert_eq!(map.to_string(), expect);
            let all: Vec<String> = map.domains().into_iter().map(|(domain, _)| domain).collect();
            assert_eq!(all, domains);
            assert_eq!(map.to_string().parse::<HostMap>().unwrap(), map);
        }
        check(
            "api.Stripe.com=http://127.0.0.1:8420",
            "api.stripe.com=http://127.0.0.1:8420",
            &["api.stripe.com", "api.stripe.com:*"],
        );
        check("db:8000=http://localhost:5/", "db:8000=http://localhost:5", &["db:8000"]);
        check("[::1]:81=http://[::1]:82", "[::1]:81=http://[::1]:82", &["[::1]:81"]);
        check("db:80=https://other", "db:80=https://other:443", &["db:80", "db"]);
    }

    #[test]
    fn invalid_map_is_refused_with_the_reason() {
        #[track_caller]
        fn check(text: &str, expect: &str) {
            let error = text.parse::<HostMap>().unwrap_err();
            assert_eq!(error.code(), "bad-host-map");
            assert!(error.to_string().contains(expect), "{error}");
        }
        check("api.stripe.com", "no `=`");
        check("http://api.stripe.com=http://b", "not a URL");
        check("a=b:80", "must begin with http://");
        check("a=", "isn't a URL");
        check("a=ftp://b", "must begin with http://");
        check("a=http://b/path", "can't have a path");
        check("a=http://me:secret@b", "can't have a user");
        check("a:0=http://b", "a port is a number");
        check("a:x=http://b", "a port is a number");
        check("::1=http://b", "needs brackets");
        check("=http://b", "isn't a name");
        check("a b=http://b", "isn't a name");
    }
}
