//! The address of a capture store, as `--store` takes it. A new kind of address is one more variant
//! of [`StoreUrl`], and one more arm in [`StoreConfig::at`] and [`Reader::at_from`].

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use object_store::ObjectStore;

use crate::bucket::{self, s3};
use crate::config::{BucketConfig, FolderConfig, StoreConfig};
use crate::error::{ReadError, StoreError, StoreUrlError};
use crate::folder::{self, layout::CaptureFolder};
use crate::read::{Reader, Start};

/// The address of a capture store.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreUrl {
    /// A folder on this machine: a path, or `file:///path`.
    Folder(PathBuf),
    /// A bucket that collectors share: `s3://bucket/prefix`.
    S3 {
        /// Its name.
        bucket: String,
        /// The prefix of the names in it, without slashes around; may be empty.
        prefix: String,
    },
}

impl FromStr for StoreUrl {
    type Err = StoreUrlError;

    fn from_str(text: &str) -> Result<Self, StoreUrlError> {
        let bad = |problem| StoreUrlError { url: text.to_owned(), problem };
        let Some((scheme, rest)) = text.split_once("://") else {
            let path = PathBuf::from(text);
            return if text.is_empty() { Err(bad("it is empty")) } else { Ok(Self::Folder(path)) };
        };
        if scheme.eq_ignore_ascii_case("s3") {
            let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
            if bucket.is_empty() || rest.contains(['?', '#', '@', ':']) {
                return Err(bad("write s3://bucket/prefix"));
            }
            return Ok(Self::S3 { bucket: bucket.to_owned(), prefix: prefix.trim_matches('/').to_owned() });
        }
        if !scheme.eq_ignore_ascii_case("file") {
            return Err(bad(
                "this kind of store is unknown here: name a folder, file:///path/to/it or s3://bucket/prefix",
            ));
        }
        // RFC 8089: the host is this machine, or is left out.
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
            Self::S3 { bucket, prefix } if prefix.is_empty() => write!(f, "s3://{bucket}"),
            Self::S3 { bucket, prefix } => write!(f, "s3://{bucket}/{prefix}"),
        }
    }
}

impl StoreConfig {
    /// The defaults for the store at `url`. `endpoint` is the address of a service compatible with
    /// S3; `None` takes the one from the environment.
    ///
    /// # Errors
    /// The environment's settings for a bucket aren't valid.
    pub fn at(url: &StoreUrl, endpoint: Option<&str>) -> Result<StoreConfig, StoreError> {
        match url {
            StoreUrl::Folder(folder) => Ok(FolderConfig::new(folder).into()),
            StoreUrl::S3 { bucket, prefix } => {
                let objects = s3::open(bucket, prefix, endpoint);
                let objects = objects.map_err(|source| StoreError::Objects { action: "use", source })?;
                Ok(BucketConfig::new(objects).into())
            }
        }
    }
}

impl Reader {
    /// Reads what the store at `url` holds now, whether or not a collector writes to it.
    ///
    /// # Errors
    /// The store can't be read, or the folder isn't a capture store.
    pub async fn at(url: &StoreUrl) -> Result<Reader, ReadError> {
        Reader::at_from(url, Start::Beginning).await
    }

    /// Reads the store at `url` from `start` on.
    ///
    /// # Errors
    /// The store can't be read, or the folder isn't a capture store.
    pub async fn at_from(url: &StoreUrl, start: Start) -> Result<Reader, ReadError> {
        match url {
            StoreUrl::Folder(path) => {
                // Any folder could be read, as an empty store.
                if path.is_dir() && !CaptureFolder::at(path).is_store() {
                    return Err(ReadError::NotAStore { path: path.clone() });
                }
                Reader::open_from(path, start).await
            }
            StoreUrl::S3 { bucket, prefix } => {
                let objects = s3::open(bucket, prefix, None);
                let objects =
                    objects.map_err(|source| ReadError::Objects { segment: String::new(), source })?;
                Reader::bucket_from(objects, start).await
            }
        }
    }

    /// Reads what a capture folder holds now, whether or not a collector writes to it.
    ///
    /// # Errors
    /// The folder can't be read.
    pub async fn open(folder: impl AsRef<Path>) -> Result<Reader, ReadError> {
        Reader::open_from(folder, Start::Beginning).await
    }

    /// Reads a capture folder from `start` on, without reading what comes before.
    ///
    /// # Errors
    /// The folder can't be read.
    pub async fn open_from(folder: impl AsRef<Path>, start: Start) -> Result<Reader, ReadError> {
        folder::read(folder.as_ref(), None, start).await
    }

    /// Reads a capture folder whose closed segments are in another object store.
    ///
    /// # Errors
    /// The folder or the object store can't be read.
    pub async fn open_with(
        folder: impl AsRef<Path>,
        objects: Arc<dyn ObjectStore>,
    ) -> Result<Reader, ReadError> {
        folder::read(folder.as_ref(), Some(objects), Start::Beginning).await
    }

    /// Reads what a bucket holds now, each batch once, also while collectors write to it.
    ///
    /// # Errors
    /// The bucket can't be read.
    pub async fn bucket(objects: Arc<dyn ObjectStore>) -> Result<Reader, ReadError> {
        Reader::bucket_from(objects, Start::Beginning).await
    }

    /// Reads a bucket from `start` on. Objects are ordered by name: an object that another
    /// collector writes later under an earlier timestamp is skipped.
    ///
    /// # Errors
    /// The bucket can't be read.
    pub async fn bucket_from(objects: Arc<dyn ObjectStore>, start: Start) -> Result<Reader, ReadError> {
        bucket::read(objects, start).await
    }
}

/// Decodes an absolute path of percent-encoded bytes (RFC 3986, 2.1), given without its first
/// slash.
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
    fn addresses_of_stores_are_parsed() {
        let check = |text: &str, expect: &str| {
            assert_eq!(text.parse::<StoreUrl>().unwrap(), StoreUrl::Folder(expect.into()), "{text}");
        };
        check("captures", "captures");
        check("/var/lib/understudy", "/var/lib/understudy");
        check("file:///var/lib/a%20b", "/var/lib/a b");
        check("FILE://localhost/x", "/x");
        check("a:b", "a:b");
        let check = |text: &str, bucket: &str, prefix: &str, shown: &str| {
            let url: StoreUrl = text.parse().unwrap();
            assert_eq!(url.to_string(), shown);
            assert_eq!(url, StoreUrl::S3 { bucket: bucket.into(), prefix: prefix.into() }, "{text}");
        };
        check("s3://captures", "captures", "", "s3://captures");
        check("S3://captures/team/payment/", "captures", "team/payment", "s3://captures/team/payment");
    }

    #[test]
    fn invalid_address_is_refused_with_its_problem() {
        let check = |text: &str, expect: &str| {
            let error = text.parse::<StoreUrl>().unwrap_err();
            assert_eq!(error.code(), "store-url");
            assert!(error.to_string().contains(expect), "{error}");
        };
        check("", "it is empty");
        check("s3:///prefix", "s3://bucket/prefix");
        check("s3://bucket:9000/prefix", "s3://bucket/prefix");
        check("http://host/", "unknown here");
        check("file://host/x", "another machine");
        check("file:///x%2", "two hexadecimal digits");
        check("file:///x%00", "NUL");
    }
}
