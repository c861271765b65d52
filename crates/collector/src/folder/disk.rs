//! The few file operations that the promises of a folder's store rest on, behind a trait, so that
//! tests can make each of them fail. Never buffers.

use std::fmt::Debug;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// The file operations of a store.
pub trait Disk: Debug + Send + Sync + 'static {
    /// Creates a file for appending, or empties the existing one.
    fn create(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>>;

    /// Opens an existing file for appending.
    fn open(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>>;

    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes the entries of `folder`, created and removed, durable.
    fn sync_dir(&self, folder: &Path) -> io::Result<()>;
}

/// A file that grows at its end.
pub trait SegmentFile: Send {
    /// Appends all of `bytes`. After an error any part of them may be in the file.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Returns when everything appended is durable.
    fn sync(&mut self) -> io::Result<()>;

    /// Cuts the file to `len` bytes. The next append continues there.
    fn set_len(&mut self, len: u64) -> io::Result<()>;

    /// Returns whether `path` still names this file. A file that was removed or replaced isn't
    /// durable: neither readers nor the next start find it.
    fn is_at(&self, path: &Path) -> io::Result<bool>;
}

/// The operating system's files.
#[derive(Clone, Copy, Debug, Default)]
pub struct LocalDisk;

impl Disk for LocalDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        // `set_len` empties the file, because the option `truncate` can't be combined with
        // `append`.
        let file = OpenOptions::new().append(true).create(true).open(path)?;
        file.set_len(0)?;
        Ok(Box::new(LocalFile(file)))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        Ok(Box::new(LocalFile(OpenOptions::new().append(true).open(path)?)))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn sync_dir(&self, folder: &Path) -> io::Result<()> {
        File::open(folder)?.sync_all()
    }
}

struct LocalFile(File);

impl SegmentFile for LocalFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        // `fdatasync` includes the length of the file. It leaves out its times, which nobody needs.
        self.0.sync_data()
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn is_at(&self, path: &Path) -> io::Result<bool> {
        is_same_file(&self.0, path)
    }
}

/// Returns whether `path` names the open file `file`.
pub(super) fn is_same_file(file: &File, path: &Path) -> io::Result<bool> {
    match std::fs::metadata(path) {
        Ok(found) => Ok(identity(&file.metadata()?) == identity(&found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(unix)]
fn identity(metadata: &std::fs::Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt;
    (metadata.dev(), metadata.ino())
}

/// Without inode numbers, any file at the path counts as the same.
#[cfg(not(unix))]
fn identity(_metadata: &std::fs::Metadata) -> (u64, u64) {
    (0, 0)
}
