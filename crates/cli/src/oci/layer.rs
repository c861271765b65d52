//! The one layer of an image: `plugin.wasm` in a tar, compressed. Every byte is determined by the module's.

use super::image::Sha256;
use flate2::{Compression, GzBuilder};
use std::io::{self, Write};

/// The name that Istio's agent looks for in a layer
/// (<https://github.com/solo-io/wasm/blob/master/spec/spec-compat.md>).
const NAME: &[u8] = b"plugin.wasm";
const BLOCK: usize = 512;

/// A layer, and the digest of the tar that it holds, which an image's configuration names.
pub(super) struct Layer {
    pub(super) gzip: Vec<u8>,
    pub(super) tar_digest: String,
}

/// Packs the module: of the user 0, readable by all, of no time.
pub(super) fn pack(module: &[u8]) -> io::Result<Layer> {
    // flate2 writes no time and no name into the header, and "unknown" for the operating system.
    let gzip = GzBuilder::new().write(Vec::new(), Compression::default());
    let mut tar = Hashed { to: gzip, sha256: Sha256::default() };
    tar.write_all(&header(module.len()))?;
    tar.write_all(module)?;
    // Content fills its last block; two empty blocks are the end.
    let padding = module.len().next_multiple_of(BLOCK) - module.len();
    tar.write_all(&[0; 3 * BLOCK][..padding + 2 * BLOCK])?;
    Ok(Layer { gzip: tar.to.finish()?, tar_digest: tar.sha256.finish() })
}

/// The header of a file in a tar (POSIX.1-1988, "ustar").
fn header(length: usize) -> [u8; BLOCK] {
    let mut header = [0; BLOCK];
    let mut put = |at: usize, text: &[u8]| header[at..at + text.len()].copy_from_slice(text);
    put(0, NAME);
    put(100, b"0000644\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{length:011o}\0").as_bytes());
    put(136, b"00000000000\0");
    // The checksum is of the header with spaces in the checksum's place.
    put(148, b"        ");
    put(156, b"0");
    put(257, b"ustar\x0000");
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}

/// Passes on what it gets, and knows the digest of it.
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
