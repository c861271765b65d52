//! Makes CMD's HTTPS calls visible for one run: the user's certificate authority, the service that
//! issues certificates, and the files that make CMD trust them. Only the authority outlives the
//! run.

use crate::observer::{Event, Observer};
use anyhow::Context;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use understudy_ca::{Authority, Error, Sds, SdsCounts, Trust};

/// Certificates for one run.
pub(crate) struct Interception {
    sds: Sds,
    trust: Trust,
    /// Private folder: whoever reaches the socket inside can impersonate any server to CMD. Dropped
    /// last.
    _folder: TempDir,
}

impl Interception {
    /// Opens the authority, writes the files and starts the service.
    pub(crate) async fn start(observer: &dyn Observer) -> anyhow::Result<Self> {
        let private = PermissionsExt::from_mode(0o700);
        let folder = tempfile::Builder::new().prefix("understudy-").permissions(private).tempdir();
        let folder = folder.context("can't make a temporary folder")?;
        let authority = authority(folder.path(), observer)?;
        if let Some(warning) = authority.warning() {
            observer.event(&Event::Warning(&warning));
        }
        let trust = Trust::write(&authority, folder.path())?;
        for warning in trust.warnings() {
            observer.event(&Event::Warning(warning));
        }
        let sds = Sds::serve(authority, folder.path().join("certificates")).await?;
        Ok(Self { sds, trust, _folder: folder })
    }

    /// Socket on which Envoy requests certificates.
    pub(crate) fn socket(&self) -> &Path {
        self.sds.socket()
    }

    /// File of the root certificates that verify real backends. `None` if the system has none.
    pub(crate) fn roots(&self) -> Option<PathBuf> {
        self.trust.roots()
    }

    /// Files and variables that make CMD trust the authority.
    pub(crate) fn trust(&self) -> &Trust {
        &self.trust
    }

    /// Stops the service and returns its counts.
    pub(crate) async fn end(self) -> SdsCounts {
        self.sds.shutdown().await
    }
}

/// The user's own authority. If there is no place for one, as in a container without a home, the
/// run gets a temporary one in `folder`. That is as good: only CMD has to trust it.
fn authority(folder: &Path, observer: &dyn Observer) -> anyhow::Result<Authority> {
    let kept = Authority::folder().and_then(|folder| Authority::open_or_create(&folder));
    match kept {
        Err(error @ (Error::NoFolder | Error::Io { .. })) => {
            let reason = anyhow::Error::from(error);
            observer.event(&Event::TemporaryAuthority { reason: &reason });
            Ok(Authority::open_or_create(&folder.join("authority"))?)
        }
        kept => Ok(kept?),
    }
}
