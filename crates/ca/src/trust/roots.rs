//! The roots that are trusted already: the system's, and those that the user's variables name. A
//! bad certificate is skipped without affecting the others.

use super::names::Variables;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use x509_parser::prelude::{FromDer, X509Certificate};

/// The files in which systems keep their roots. The first that exists counts.
const FILES: [&str; 9] = [
    // Debian, Ubuntu, Arch, Gentoo, Alpine
    "/etc/ssl/certs/ca-certificates.crt",
    // Fedora, RHEL
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    // openSUSE
    "/etc/ssl/ca-bundle.pem",
    "/var/lib/ca-certificates/ca-bundle.pem",
    // Alpine, macOS, OpenBSD
    "/etc/ssl/cert.pem",
    // FreeBSD
    "/usr/local/share/certs/ca-root-nss.crt",
    // Homebrew
    "/opt/homebrew/etc/ca-certificates/cert.pem",
    "/usr/local/etc/ca-certificates/cert.pem",
];
/// A folder in which systems keep one file per root.
const FOLDER: &str = "/etc/ssl/certs";
const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// Certificates, each once, in the order in which they were added.
#[derive(Debug, Default)]
pub(crate) struct Roots {
    certificates: Vec<Vec<u8>>,
    known: HashSet<Vec<u8>>,
    warnings: Vec<String>,
}

impl Roots {
    /// Adds the roots of the user's choice (`SSL_CERT_FILE`, `SSL_CERT_DIR`: OpenSSL's variables),
    /// or else the system's.
    pub(crate) fn add_system(&mut self, variables: Variables<'_>) {
        self.add_named(variables, ["SSL_CERT_FILE"]);
        for folder in variables("SSL_CERT_DIR").iter().flat_map(std::env::split_paths) {
            self.add_path("SSL_CERT_DIR", &folder);
        }
        if !self.certificates.is_empty() {
            return;
        }
        for path in FILES.iter().chain([&FOLDER]).map(Path::new) {
            if path.exists() {
                self.add_path("the system", path);
            }
            if !self.certificates.is_empty() {
                return;
            }
        }
        let warning =
            "no system roots were found: set SSL_CERT_FILE to a file with the roots of real backends";
        self.warn(warning.to_owned());
    }

    /// Adds the roots that these variables name.
    pub(crate) fn add_named(
        &mut self,
        variables: Variables<'_>,
        names: impl IntoIterator<Item = &'static str>,
    ) {
        for name in names {
            if let Some(path) = variables(name).filter(|path| !path.is_empty()) {
                self.add_path(name, Path::new(&path));
            }
        }
    }

    /// Adds the roots in a file, or in the files of a folder.
    fn add_path(&mut self, origin: &str, path: &Path) {
        let files = if path.is_dir() { files(path) } else { vec![path.to_owned()] };
        for file in files {
            match std::fs::read(&file) {
                Ok(bytes) => self.add_pem(&String::from_utf8_lossy(&bytes)),
                Err(error) => {
                    self.warn(format!("{origin} names {}, which can't be read: {error}", file.display()))
                }
            }
        }
    }

    fn add_pem(&mut self, text: &str) {
        for block in text.split(BEGIN).skip(1) {
            let Some((body, _)) = block.split_once(END) else { continue };
            if let Ok(parsed) = pem::parse(format!("{BEGIN}{body}{END}\n")) {
                self.add(parsed.into_contents());
            }
        }
    }

    /// Adds a certificate. Anything else is skipped, because Java would refuse the whole store.
    pub(crate) fn add(&mut self, der: Vec<u8>) {
        let whole = X509Certificate::from_der(&der).is_ok_and(|(rest, _)| rest.is_empty());
        if whole && self.known.insert(der.clone()) {
            self.certificates.push(der);
        }
    }

    /// Moves all roots and warnings of `other` here.
    pub(crate) fn append(&mut self, other: &mut Self) {
        std::mem::take(&mut other.certificates).into_iter().for_each(|der| self.add(der));
        self.warnings.append(&mut other.warnings);
    }

    pub(crate) fn warn(&mut self, warning: String) {
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    pub(crate) fn certificates(&self) -> &[Vec<u8>] {
        &self.certificates
    }

    pub(crate) fn into_warnings(self) -> Vec<String> {
        self.warnings
    }
}

/// The files of a folder in the order of their names, so that the result is the same each time.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<_> = entries.map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    files.sort();
    files
}
