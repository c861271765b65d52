//! What lets one run see CMD's HTTPS calls: the user's certificate authority, the service that makes certificates, and what makes CMD trust
//! them. All but the authority goes with the run.

use crate::say;
use anyhow::Context;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use understudy_ca::{Authority, Counts, Error, Sds, Trust};

/// Ready for a run.
pub(crate) struct Interception {
    sds: Sds,
    trust: Trust,
    /// Closed to others: who reaches the socket in it can be any server to CMD. It goes last.
    _folder: TempDir,
}

impl Interception {
    /// Opens the authority, writes the files and begins to serve.
    pub(crate) async fn start() -> anyhow::Result<Self> {
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
        let sds = Sds::serve(authority, folder.path().join("certificates")).await?;
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
