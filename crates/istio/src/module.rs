//! Where a sidecar gets the module from.

use crate::error::Error;
use serde_json::{Value, json};

/// How long Istio's agent may take to fetch a module. Its own default, 5 s, is little for one with a table.
const FETCH_TIMEOUT: &str = "60s";

/// Where a sidecar gets the module from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    address: String,
    sha256: Option<String>,
}

impl Module {
    /// An image (`oci://`), a download (`https://`, `http://`), or a file in the sidecar's container (`/…`).
    ///
    /// # Errors
    /// [`Error::Module`], [`Error::Checksum`].
    pub fn new(address: &str, sha256: Option<&str>) -> Result<Self, Error> {
        let rest =
            ["oci://", "https://", "http://", "/"].iter().find_map(|start| address.strip_prefix(start));
        let good =
            |rest: &str| !rest.is_empty() && !rest.contains(|c: char| c.is_whitespace() || c.is_control());
        if !rest.is_some_and(good) {
            return Err(Error::Module(address.to_owned()));
        }
        if let Some(sum) = sha256
            && !(sum.len() == 64 && sum.bytes().all(|byte| byte.is_ascii_hexdigit()))
        {
            return Err(Error::Checksum(sum.to_owned()));
        }
        Ok(Self { address: address.to_owned(), sha256: sha256.map(str::to_ascii_lowercase) })
    }

    /// Whether it is a file in the sidecar's container.
    pub fn is_file(&self) -> bool {
        self.address.starts_with('/')
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn sha256(&self) -> Option<&str> {
        self.sha256.as_deref()
    }

    /// As `code` of a plugin's virtual machine. Istio's agent fetches what is remote and puts a file in its place.
    pub(crate) fn code(&self) -> Value {
        if self.is_file() {
            return json!({ "local": { "filename": self.address } });
        }
        let mut remote = json!({ "http_uri": { "uri": self.address, "timeout": FETCH_TIMEOUT } });
        if let Some(sum) = &self.sha256 {
            remote["sha256"] = json!(sum);
        }
        json!({ "remote": remote })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_modules() {
        for good in ["oci://registry.test/mocks:1", "https://a.test/f.wasm", "http://a/f", "/etc/u/f.wasm"] {
            assert!(Module::new(good, None).is_ok(), "{good}");
        }
        for bad in ["", "registry.test/mocks:1", "oci://", "filter.wasm", "/", "oci://a b", "ftp://a/b"] {
            assert_eq!(Module::new(bad, None), Err(Error::Module(bad.to_owned())));
        }
        let sum = "AB".repeat(32);
        assert_eq!(Module::new("/f", Some(&sum)).unwrap().sha256(), Some(&*sum.to_lowercase()));
        assert!(Module::new("/f", Some("ab")).is_err());
    }
}
