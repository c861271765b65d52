//! The source of a sidecar's module.

use crate::error::Error;
use serde_json::{Value, json};

/// Time that Istio's agent gets to fetch a module. Its default of 5 s is short for a module with a
/// table.
const FETCH_TIMEOUT: &str = "60s";

/// The source of a sidecar's module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    address: String,
    sha256: Option<String>,
}

impl Module {
    /// An image (`oci://`), a download (`https://`, `http://`), or a file in the sidecar's
    /// container (`/…`).
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

    /// Returns whether the module is a file in the sidecar's container.
    pub fn is_file(&self) -> bool {
        self.address.starts_with('/')
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn sha256(&self) -> Option<&str> {
        self.sha256.as_deref()
    }

    /// The `code` of a plugin's VM. Istio's agent fetches a remote module and replaces it by a
    /// local file.
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
    fn module_address_is_an_image_a_url_or_a_path() {
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
