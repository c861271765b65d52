//! Makes the programs that CMD runs trust the authority: files in a folder, and variables that name
//! them.
//!
//! Nothing outside of that folder is changed. When the folder is removed, the trust ends.

mod environment;
mod java;
mod jks;
mod names;
mod python;
mod roots;

pub use names::Proxy;

use crate::authority::{Authority, to_pem};
use crate::error::Error;
use names::{BUNDLE, CA, EXTRA, ROOTS, Variables};
use roots::Roots;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The written files.
#[derive(Debug)]
pub struct Trust {
    folder: PathBuf,
    has_roots: bool,
    /// The user's variables that ours extend.
    user: environment::UserVariables,
    warnings: Vec<String>,
}

impl Trust {
    /// Writes the files into a folder. They include the roots that the user's variables name, so
    /// that a company's authority stays trusted.
    ///
    /// # Errors
    /// The folder isn't writable.
    pub fn write(authority: &Authority, folder: &Path) -> Result<Self, Error> {
        Self::write_for(authority, folder, &|name| std::env::var_os(name))
    }

    fn write_for(authority: &Authority, folder: &Path, variables: Variables<'_>) -> Result<Self, Error> {
        let mut roots = Roots::default();
        roots.add_system(variables);
        roots.add_named(variables, environment::bundles());
        let mut extra = Roots::default();
        extra.add_named(variables, environment::extras());
        let put = |name: &str, content: &[u8]| {
            let path = folder.join(name);
            std::fs::write(&path, content).map_err(Error::io("write", &path))
        };
        let pem = |certificates: &[Vec<u8>]| certificates.iter().map(|der| to_pem(der)).collect::<String>();
        // The authority comes first, because it is the root that is looked for.
        let ours = authority.pem();
        put(CA, ours.as_bytes())?;
        put(ROOTS, pem(roots.certificates()).as_bytes())?;
        put(EXTRA, (ours.to_owned() + &pem(extra.certificates())).as_bytes())?;
        let has_roots = !roots.certificates().is_empty();
        roots.append(&mut extra);
        put(BUNDLE, (ours.to_owned() + &pem(roots.certificates())).as_bytes())?;
        let java = java::write(authority, folder, &mut roots, variables)?;
        python::write(folder)?;
        let user = environment::UserVariables::new(variables, java);
        Ok(Self { folder: folder.to_owned(), has_roots, user, warnings: roots.into_warnings() })
    }

    /// The file of the roots other than the authority, to verify the real backends; `None` if there
    /// are none.
    pub fn roots(&self) -> Option<PathBuf> {
        self.has_roots.then(|| self.folder.join(ROOTS))
    }

    /// The files named by the user that couldn't be read.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The variables for CMD, with this proxy.
    pub fn environment(&self, proxy: &Proxy<'_>) -> Vec<(&'static str, OsString)> {
        self.user.environment(&self.folder, proxy)
    }
}

/// The root certificates (DER) of this system, or those that `SSL_CERT_FILE` and `SSL_CERT_DIR`
/// name.
pub fn system_roots() -> Vec<Vec<u8>> {
    let mut roots = Roots::default();
    roots.add_system(&|name| std::env::var_os(name));
    roots.certificates().to_vec()
}

#[cfg(test)]
mod tests;
