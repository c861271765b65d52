//! Where a capture store is: what `--store` says. A new kind of place is one more variant of [`StoreUrl`] and one more arm in [`Reader::at`].

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::error::{ReadError, StoreUrlError};
use crate::read::{Reader, Start};

/// Where a capture store is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreUrl {
    /// A folder of this machine: a path, or `file:///path`.
    Folder(PathBuf),
}

impl FromStr for StoreUrl {
    type Err = StoreUrlError;

    fn from_str(text: &str) -> Result<Self, StoreUrlError> {
        let bad = |problem| StoreUrlError { url: text.to_owned(), problem };
        let Some((scheme, rest)) = text.split_once("://") else {
            let path = PathBuf::from(text);
            return if text.is_empty() { Err(bad("it is empty")) } else { Ok(Self::Folder(path)) };
        };
        if !scheme.eq_ignore_ascii_case("file") {
            return Err(bad("this kind of store is unknown here: name a folder, or file:///path/to/it"));
        }
        // RFC 8089: the host is this one, or isn't said.
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        if !(host.is_empty() || host.eq_ignore_ascii_case("localhost")) {
            return Err(bad(
                "a folder of another machine can't be read: write file:///path, with three slashes",
            ));
        }
        let path = unescaped(path).ok_or_else(|| bad("after % come two hexadecimal digits"))?;
        if path.contains(&0) {
            return Err(bad("a path has no NUL"));
        }
        Ok(Self::Folder(path_of(path)))
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => path.display().fmt(f),
        }
    }
}

impl Reader {
    /// Reads the store that is there, whether or not a collector is writing to it: what is in it now.
    ///
    /// # Errors
    /// It can't be read, or it is no capture store.
    pub async fn at(url: &StoreUrl) -> Result<Reader, ReadError> {
        Reader::at_from(url, Start::Beginning).await
    }

    /// The same, from another start.
    ///
    /// # Errors
    /// It can't be read, or it is no capture store.
    pub async fn at_from(url: &StoreUrl, start: Start) -> Result<Reader, ReadError> {
        match url {
            StoreUrl::Folder(folder) => {
                // Any folder could be read: as a store with nothing in it.
                let parts = ["lock", "open", "segments"];
                if folder.is_dir() && parts.iter().all(|part| !folder.join(part).exists()) {
                    return Err(ReadError::NotAStore { path: folder.clone() });
                }
                Reader::open_from(folder, start).await
            }
        }
    }
}

/// An absolute path of percent-encoded bytes (RFC 3986, 2.1), without the slash it begins with.
fn unescaped(path: &str) -> Option<Vec<u8>> {
    let (mut out, mut bytes) = (vec![b'/'], path.bytes());
    let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'%' => u8::try_from(digit(bytes.next())? * 16 + digit(bytes.next())?).ok()?,
            byte => byte,
        });
    }
    Some(out)
}

#[cfg(unix)]
fn path_of(bytes: Vec<u8>) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    std::ffi::OsString::from_vec(bytes).into()
}

#[cfg(not(unix))]
fn path_of(bytes: Vec<u8>) -> PathBuf {
    String::from_utf8_lossy(&bytes).into_owned().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        let check = |text: &str, expect: &str| {
            assert_eq!(text.parse::<StoreUrl>().unwrap(), StoreUrl::Folder(expect.into()), "{text}");
        };
        check("captures", "captures");
        check("/var/lib/understudy", "/var/lib/understudy");
        check("file:///var/lib/a%20b", "/var/lib/a b");
        check("FILE://localhost/x", "/x");
        check("a:b", "a:b");
    }

    #[test]
    fn what_is_no_place_is_said() {
        let check = |text: &str, expect: &str| {
            let error = text.parse::<StoreUrl>().unwrap_err();
            assert_eq!(error.code(), "store-url");
            assert!(error.to_string().contains(expect), "{error}");
        };
        check("", "it is empty");
        check("s3://bucket/prefix", "unknown here");
        check("http://host/", "unknown here");
        check("file://host/x", "another machine");
        check("file:///x%2", "two hexadecimal digits");
        check("file:///x%00", "NUL");
    }
}
