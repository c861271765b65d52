//! Tunnels (CONNECT, WebSocket) that Envoy couldn't read, from its log.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Tunnels to one target with the same problem.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Tunnel {
    /// The target: the server's name if the app sent one, or else the requested address, such as
    /// `db.test:5432`.
    pub to: String,
    /// The problem.
    pub problem: TunnelProblem,
    /// The number of tunnels.
    pub count: u64,
}

/// Why a tunnel couldn't be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TunnelProblem {
    /// Its content is neither TLS nor HTTP. It was passed through, or refused.
    NotHttp,
    /// Its content is TLS around something other than HTTP. It was ended.
    TlsButNotHttp,
    /// The app ended the handshake, because it doesn't trust our certificates.
    NotTrusted,
    /// It switched from HTTP to another protocol, such as WebSocket, and was passed through.
    Upgraded,
}

#[derive(Deserialize)]
struct TunnelLogLine {
    tunnel_to: Option<String>,
    understood_as: Option<String>,
    server_name: Option<String>,
    failure: Option<String>,
    flags: Option<String>,
    received_bytes: Option<u64>,
}

/// Reads the log. An incomplete line is skipped.
pub(crate) fn read(log: &str) -> Vec<Tunnel> {
    let mut counts = BTreeMap::new();
    for line in log.lines().filter_map(|line| serde_json::from_str::<TunnelLogLine>(line).ok()) {
        if let Some(problem) = line.problem() {
            let to = line.server_name.or(line.tunnel_to).unwrap_or_default();
            *counts.entry((to, problem)).or_insert(0) += 1;
        }
    }
    counts.into_iter().map(|((to, problem), count)| Tunnel { to, problem, count }).collect()
}

impl TunnelLogLine {
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
        // An app that has sent data trusts the certificate, even if its connection breaks later. An
        // app that leaves without an alert, which is an error of the system's library, isn't
        // counted either: an app that doesn't trust the certificate sends a TLS alert.
        let sent_alert = self.failure.as_deref().is_some_and(|failure| failure.contains("SSL_routines"));
        (self.received_bytes == Some(0) && sent_alert).then_some(TunnelProblem::NotTrusted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_line_is_read_as_its_problem() {
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
    fn equal_problems_are_counted_together() {
        let line = r#"{"tunnel_to":"db.test:5432","understood_as":"other"}"#;
        let tunnels = read(&format!("{line}\n{line}\n"));
        assert_eq!(
            tunnels,
            [Tunnel { to: "db.test:5432".into(), problem: TunnelProblem::NotHttp, count: 2 }]
        );
    }
}
