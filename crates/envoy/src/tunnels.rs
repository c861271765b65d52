//! Tunnels (CONNECT, WebSocket) that Envoy did not understand, as its log tells of them.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Tunnels to one place of which the same is to be said.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Tunnel {
    /// Where to: the server's name where the app gave one, else what it asked the tunnel for, such as `db.test:5432`.
    pub to: String,
    /// What was the matter.
    pub problem: TunnelProblem,
    /// How many there were.
    pub count: u64,
}

/// What was the matter with a tunnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TunnelProblem {
    /// Neither TLS nor HTTP: it was passed through, or refused, as a whole.
    NotHttp,
    /// TLS with something else than HTTP in it: it was ended.
    TlsButNotHttp,
    /// The app ended the handshake: it doesn't trust our certificates.
    NotTrusted,
    /// It left HTTP, as WebSocket does, and was passed through.
    Upgraded,
}

#[derive(Deserialize)]
struct Line {
    tunnel_to: Option<String>,
    understood_as: Option<String>,
    server_name: Option<String>,
    failure: Option<String>,
    flags: Option<String>,
    received_bytes: Option<u64>,
}

/// Reads the log. Of a line that isn't whole nothing can be said.
pub(crate) fn read(log: &str) -> Vec<Tunnel> {
    let mut counts = BTreeMap::new();
    for line in log.lines().filter_map(|line| serde_json::from_str::<Line>(line).ok()) {
        if let Some(problem) = line.problem() {
            let to = line.server_name.or(line.tunnel_to).unwrap_or_default();
            *counts.entry((to, problem)).or_insert(0) += 1;
        }
    }
    counts.into_iter().map(|((to, problem), count)| Tunnel { to, problem, count }).collect()
}

impl Line {
    fn problem(&self) -> Option<TunnelProblem> {
        match self.understood_as.as_deref() {
            Some("other") => return Some(TunnelProblem::NotHttp),
            Some("upgrade") => return Some(TunnelProblem::Upgraded),
            _ => {}
        }
        // DPE: downstream protocol error.
        if self.flags.as_deref().is_some_and(|flags| flags.split(',').any(|flag| flag == "DPE")) {
            return Some(TunnelProblem::TlsButNotHttp);
        }
        // An app that has said something has trusted; that its connection was cut later is none of our business. Nor is one that goes away
        // without a word, of which the system's library tells and not TLS's: who doesn't trust says so, in an alert.
        let said = self.failure.as_deref().is_some_and(|failure| failure.contains("SSL_routines"));
        (self.received_bytes == Some(0) && said).then_some(TunnelProblem::NotTrusted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_say_what_was_the_matter() {
        #[track_caller]
        fn check(line: &str, expect: Option<(&str, TunnelProblem)>) {
            let expect = expect.map(|(to, problem)| Tunnel { to: to.to_owned(), problem, count: 1 });
            assert_eq!(read(line), Vec::from_iter(expect));
        }
        let tls = |server_name: &str, flags: &str, received: u64| {
            format!(
                r#"{{"tunnel_to":"api.test:443","understood_as":"tls","server_name":{server_name},"failure":"TLS_error:|268436504:SSL_routines:OPENSSL_internal:TLSV1_ALERT_UNKNOWN_CA:TLS_error_end","flags":"{flags}","received_bytes":{received}}}"#
            )
        };
        check(&tls("\"api.test\"", "-", 0), Some(("api.test", TunnelProblem::NotTrusted)));
        check(&tls("null", "-", 0), Some(("api.test:443", TunnelProblem::NotTrusted)));
        check(&tls("null", "DPE", 15), Some(("api.test:443", TunnelProblem::TlsButNotHttp)));
        check(&tls("null", "-", 15), None);
        let reset =
            "TLS_error:|33554536:system_library:OPENSSL_internal:Connection_reset_by_peer:TLS_error_end";
        let alert = "TLS_error:|268436504:SSL_routines:OPENSSL_internal:TLSV1_ALERT_UNKNOWN_CA:TLS_error_end";
        check(&tls("null", "-", 0).replace(alert, reset), None);
        let other = r#"{"tunnel_to":"db.test:5432","understood_as":"other","server_name":null,"failure":null,"received_bytes":7}"#;
        check(other, Some(("db.test:5432", TunnelProblem::NotHttp)));
        check(
            r#"{"tunnel_to":"ws.test","understood_as":"upgrade"}"#,
            Some(("ws.test", TunnelProblem::Upgraded)),
        );
        check("", None);
        check("{", None);
    }

    #[test]
    fn the_same_is_said_once() {
        let line = r#"{"tunnel_to":"db.test:5432","understood_as":"other"}"#;
        let tunnels = read(&format!("{line}\n{line}\n"));
        assert_eq!(
            tunnels,
            [Tunnel { to: "db.test:5432".into(), problem: TunnelProblem::NotHttp, count: 2 }]
        );
    }
}
