//! The folder of the authority: a private file with key and certificate, a public copy of the
//! certificate, and a lock.
//!
//! Files are written under a temporary name and renamed. The private file is authoritative: the
//! public copy is restored from it if it is missing or differs.

use crate::error::Error;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The key and the certificate.
const AUTHORITY: &str = "authority.pem";
/// The public copy of the certificate.
const CERTIFICATE: &str = "ca.pem";
const LOCK: &str = "authority.lock";
/// The beginning of temporary names. A killed write leaves a file of such a name.
const TEMPORARY: &str = ".authority-";

/// The folder of an authority.
#[derive(Clone, Debug)]
pub(crate) struct AuthorityFolder(PathBuf);

/// The lock of the folder. While it is held, no other process writes there.
pub(crate) struct FolderLock(#[expect(dead_code, reason = "the lock lasts while the file is open")] File);

impl AuthorityFolder {
    pub(crate) fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    pub(crate) fn authority(&self) -> PathBuf {
        self.0.join(AUTHORITY)
    }

    pub(crate) fn certificate(&self) -> PathBuf {
        self.0.join(CERTIFICATE)
    }

    /// Creates the folder if it doesn't exist, and waits for its lock.
    pub(crate) fn lock(&self) -> Result<FolderLock, Error> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(0o700).create(&self.0).map_err(Error::io("create", &self.0))?;
        self.check_folder()?;
        let path = self.0.join(LOCK);
        let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
        let file = file.map_err(Error::io("open", &path))?;
        file.lock().map_err(Error::io("lock", &path))?;
        Ok(FolderLock(file))
    }

    /// The text of the private file; `None` if it doesn't exist.
    pub(crate) fn read(&self) -> Result<Option<String>, Error> {
        let path = self.authority();
        let meta = match fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            meta => meta.map_err(Error::io("read", &path))?,
        };
        self.check_folder()?;
        if meta.permissions().mode() & 0o077 != 0 {
            return Err(Error::NotPrivate { path, can: "use the key in", mode: "600" });
        }
        fs::read_to_string(&path).map(Some).map_err(Error::io("read", &path))
    }

    fn check_folder(&self) -> Result<(), Error> {
        let meta = fs::metadata(&self.0).map_err(Error::io("read", &self.0))?;
        if meta.permissions().mode() & 0o022 != 0 {
            return Err(Error::NotPrivate { path: self.0.clone(), can: "write in", mode: "700" });
        }
        Ok(())
    }

    /// Writes both files, the private one first.
    pub(crate) fn write(&self, _lock: &FolderLock, authority: &str, certificate: &str) -> Result<(), Error> {
        self.sweep();
        self.put(&self.authority(), authority, 0o600)?;
        self.put(&self.certificate(), certificate, 0o644)
    }

    /// Restores the public copy, unless it is intact.
    pub(crate) fn restore(&self, _lock: &FolderLock, certificate: &str) -> Result<(), Error> {
        if self.has(certificate) { Ok(()) } else { self.put(&self.certificate(), certificate, 0o644) }
    }

    /// Returns whether the public copy is intact.
    pub(crate) fn has(&self, certificate: &str) -> bool {
        fs::read_to_string(self.certificate()).is_ok_and(|text| text == certificate)
    }

    fn put(&self, path: &Path, text: &str, mode: u32) -> Result<(), Error> {
        let write = || {
            let mut file = tempfile::Builder::new()
                .prefix(TEMPORARY)
                .permissions(Permissions::from_mode(mode))
                .tempfile_in(&self.0)?;
            file.write_all(text.as_bytes())?;
            file.as_file().sync_all()?;
            file.persist(path)?;
            File::open(&self.0)?.sync_all()
        };
        write().map_err(Error::io("write", path))
    }

    fn sweep(&self) {
        for entry in fs::read_dir(&self.0).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(TEMPORARY) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}
