//! What lets one run see CMD's HTTPS calls: the user's certificate authority, the service that makes certificates, and what makes CMD trust
//! them. All but the authority goes with the run.

use crate::say;
use anyhow::Context;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use understudy_ca::{Authority, Counts, Error, Sds, SdsOptions, Trust};

/// Ready for a run.
pub(crate) struct Interception {
    sds: Sds,
    trust: Trust,
    /// Closed to others: who reaches the socket in it can be any server to CMD. It goes last.
    _folder: TempDir,
}

impl Interception {
    /// Opens the authority, writes the files and begins to serve. Who calls one of these hosts by its address, if it is one, names nobody.
    pub(crate) async fn start<'a>(hosts: impl IntoIterator<Item = &'a str>) -> anyhow::Result<Self> {
        let private = PermissionsExt::from_mode(0o700);
        let folder = tempfile::Builder::new().prefix("understudy-").permissions(private).tempdir();
        let folder = folder.context("can't make a temporary folder")?;
        let authority = authority(folder.path())?;
        if let Some(warning) = authority.warning() {
            say::warning(warning);
        }
        let trust = Trust::write(&authority, folder.path())?;
        for warning in trust.warnings() {
            say::warning(warning);
        }
        let mut options = SdsOptions::default();
        options.addresses.extend(hosts.into_iter().filter_map(address));
        let sds = Sds::serve_with(authority, folder.path().join("certificates"), options).await?;
        Ok(Self { sds, trust, _folder: folder })
    }

    /// Where Envoy asks for certificates.
    pub(crate) fn socket(&self) -> &Path {
        self.sds.socket()
    }

    /// Who is trusted apart from the authority: these verify the real backends. Nothing where none were found.
    pub(crate) fn roots(&self) -> Option<PathBuf> {
        self.trust.roots()
    }

    /// What makes CMD trust the authority.
    pub(crate) fn trust(&self) -> &Trust {
        &self.trust
    }

    /// Ends it, and says what it has done.
    pub(crate) async fn end(self) -> Counts {
        self.sds.shutdown().await
    }
}

/// The user's own. Where there is no place for one, as in a container without a home, the run has one that goes with it: that is as good,
/// since CMD alone is to trust it.
fn authority(folder: &Path) -> anyhow::Result<Authority> {
    let kept = Authority::folder().and_then(|folder| Authority::open_or_create(&folder));
    match kept {
        Err(error @ (Error::NoFolder | Error::Io { .. })) => {
            let reason = anyhow::Error::from(error);
            say::warning(format_args!(
                "this run has a certificate authority of its own, which isn't kept: {reason:#}"
            ));
            Ok(Authority::open_or_create(&folder.join("authority"))?)
        }
        kept => Ok(kept?),
    }
}

/// The address in `10.1.2.3`, `::1`, `[::1]`, and in any of these with a port or as `https://` backend.
fn address(host: &str) -> Option<IpAddr> {
    let host = host.strip_prefix("https://").unwrap_or(host);
    let with_port = || host.parse().map(|address: SocketAddr| address.ip());
    host.trim_matches(['[', ']']).parse().or_else(|_| with_port()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_that_are_addresses() {
        #[track_caller]
        fn check(host: &str, expect: Option<&str>) {
            assert_eq!(address(host).map(|address| address.to_string()).as_deref(), expect, "{host}");
        }
        check("10.1.2.3", Some("10.1.2.3"));
        check("https://10.1.2.3:8443", Some("10.1.2.3"));
        check("https://[2001:db8::1]:8443", Some("2001:db8::1"));
        check("[::1]", Some("::1"));
        check("::1", Some("::1"));
        check("https://api.test", None);
        check("http://10.1.2.3", None);
        check("", None);
    }
}
