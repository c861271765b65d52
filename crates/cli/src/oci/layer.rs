//! The layers of an image: files in a tar, compressed. The same files give the same bytes. Istio's
//! agent looks for `plugin.wasm` in the last layer; a snapshot is in a layer before it.

use super::image::Sha256;
use anyhow::{Context, bail, ensure};
use flate2::{Compression, GzBuilder};
use std::io::{self, Read, Write};
use tar::{Archive, Builder, EntryType, Header};

/// The name that Istio's agent looks for in a layer
/// (<https://github.com/solo-io/wasm/blob/master/spec/spec-compat.md>).
pub(super) const MODULE: &str = "plugin.wasm";

/// A layer, and the digest of the tar inside, which an image's configuration names.
pub(super) struct Layer {
    pub(super) gzip: Vec<u8>,
    pub(super) tar_digest: String,
}

/// Packs files. Each belongs to user 0, can be read by all and has no modification time.
pub(super) fn pack(files: &[(&str, &[u8])]) -> io::Result<Layer> {
    // flate2 writes neither a time nor a name into the header, and "unknown" as operating system.
    let gzip = GzBuilder::new().write(Vec::new(), Compression::default());
    let mut tar = Builder::new(Hashed { to: gzip, sha256: Sha256::default() });
    for (name, bytes) in files {
        tar.append(&header(name, bytes.len() as u64)?, *bytes)?;
    }
    let hashed = tar.into_inner()?;
    Ok(Layer { gzip: hashed.to.finish()?, tar_digest: hashed.sha256.finish() })
}

/// Passes each file of a layer to `each`, with its name. Refuses a layer that [`pack`] has not
/// made.
pub(super) fn unpack(
    gzip: &[u8],
    mut each: impl FnMut(&str, &mut dyn Read) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    const CUT: &str = "it ends too early";
    let mut tar = Archive::new(flate2::read::GzDecoder::new(gzip));
    for entry in tar.entries().context(CUT)? {
        let mut entry = entry.context(CUT)?;
        let path = entry.path_bytes().into_owned();
        let name = std::str::from_utf8(&path).context("a name in it is no text")?;
        let expected = header(name, entry.size())?;
        if entry.header().as_bytes() != expected.as_bytes() {
            bail!("{name:?} in it isn't as understudy writes it");
        }
        each(name, &mut entry)?;
        let left = io::copy(&mut entry, &mut io::sink()).context(CUT)?;
        ensure!(left == 0, "{name} in it was not read to its end");
    }
    // The checksum of the compressed data comes last.
    io::copy(&mut tar.into_inner(), &mut io::sink()).context(CUT)?;
    Ok(())
}

/// The header of a file in a tar (POSIX.1-1988, "ustar").
fn header(name: &str, length: u64) -> io::Result<Header> {
    let mut header = Header::new_ustar();
    header.set_path(name)?;
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(length);
    header.set_entry_type(EntryType::Regular);
    header.set_cksum();
    // POSIX ends the checksum with a NUL and a space, tar-rs only with a NUL. The digests of
    // published images depend on it.
    let sum = header.cksum()?;
    header.as_old_mut().cksum.copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    Ok(header)
}

/// Passes data on and computes its digest.
struct Hashed<W> {
    to: W,
    sha256: Sha256,
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.sha256.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layer_after_packing_unpacks_to_the_same_files() {
        let large = vec![7; 3 * 512];
        let files: [(&str, &[u8]); 3] = [("a", b"x"), ("b/c.txt", b""), ("large", &large)];
        let packed = pack(&files).unwrap();
        let mut seen = Vec::new();
        unpack(&packed.gzip, |name, content| {
            let mut bytes = Vec::new();
            content.read_to_end(&mut bytes)?;
            seen.push((name.to_owned(), bytes));
            Ok(())
        })
        .unwrap();
        assert_eq!(seen, files.map(|(name, bytes)| (name.to_owned(), bytes.to_vec())));
    }

    #[test]
    fn layer_that_is_cut_or_foreign_is_refused() {
        let packed = pack(&[("a", b"x")]).unwrap().gzip;
        let all = |_: &str, content: &mut dyn Read| Ok(io::copy(content, &mut io::sink()).map(drop)?);
        for end in 0..packed.len() {
            assert!(unpack(&packed[..end], all).is_err(), "{end} bytes of {}", packed.len());
        }
        let mut link = header("a", 0).unwrap();
        link.set_entry_type(EntryType::Symlink);
        link.set_cksum();
        let mut gzip = GzBuilder::new().write(Vec::new(), Compression::default());
        gzip.write_all(link.as_bytes()).unwrap();
        assert!(
            unpack(&gzip.finish().unwrap(), all).unwrap_err().to_string().contains("isn't as understudy")
        );
    }

    /// Every published image depends on these bytes: the same snapshot gives the same digest.
    #[test]
    fn layer_of_a_known_file_has_the_known_digest() {
        let packed = pack(&[(MODULE, b"x")]).unwrap();
        assert_eq!(
            packed.tar_digest,
            "sha256:a1f36b758dd8c099f1eb38ecb9c18f4d06be19b57ab892a5062163095d2b9485"
        );
    }
}
