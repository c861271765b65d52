//! What makes the programs that CMD runs trust the authority: files in a folder, and variables that name them.
//!
//! Nothing outside of that folder is changed: when it goes, so does the trust.

mod environment;
mod java;
mod jks;
mod python;
mod roots;

pub use environment::Proxy;

use crate::authority::{Authority, to_pem};
use crate::error::Error;
use roots::Roots;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The variables of this process, or of a test.
pub(crate) type Variables<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// The authority alone.
const CA: &str = "ca.pem";
/// Who else is trusted: the system's roots and the user's own.
const ROOTS: &str = "roots.pem";
/// Both, for clients that take one file in the place of their own.
const BUNDLE: &str = "bundle.pem";
/// The authority and what the user adds, for clients that have roots of their own.
const EXTRA: &str = "extra.pem";

/// The files, written.
#[derive(Debug)]
pub struct Trust {
    folder: PathBuf,
    has_roots: bool,
    /// What the user's own variables say, which ours add to.
    theirs: environment::Theirs,
    warnings: Vec<String>,
}

impl Trust {
    /// Writes the files into a folder. What the user's variables name by now is in them too: a company's authority stays trusted.
    ///
    /// # Errors
    /// The folder can't be written.
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
        // Ours comes first: it is the one that is looked for.
        let ours = authority.pem();
        put(CA, ours.as_bytes())?;
        put(ROOTS, pem(roots.certificates()).as_bytes())?;
        put(EXTRA, (ours.to_owned() + &pem(extra.certificates())).as_bytes())?;
        let has_roots = !roots.certificates().is_empty();
        roots.append(&mut extra);
        put(BUNDLE, (ours.to_owned() + &pem(roots.certificates())).as_bytes())?;
        let java = java::write(authority, folder, &mut roots, variables)?;
        python::write(folder)?;
        let theirs = environment::Theirs::new(variables, java);
        Ok(Self { folder: folder.to_owned(), has_roots, theirs, warnings: roots.into_warnings() })
    }

    /// The file of the roots that are trusted apart from the authority, for whoever verifies the real backends. Nothing where there are none.
    pub fn roots(&self) -> Option<PathBuf> {
        self.has_roots.then(|| self.folder.join(ROOTS))
    }

    /// What could not be read of that which the user names.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The variables for CMD, which is to use this proxy.
    pub fn environment(&self, proxy: &Proxy<'_>) -> Vec<(&'static str, OsString)> {
        self.theirs.environment(&self.folder, proxy)
    }
}

/// The certificates (DER) of those who are trusted on this system, or whom `SSL_CERT_FILE` and `SSL_CERT_DIR` name.
pub fn system_roots() -> Vec<Vec<u8>> {
    let mut roots = Roots::default();
    roots.add_system(&|name| std::env::var_os(name));
    roots.certificates().to_vec()
}

#[cfg(test)]
mod tests;
