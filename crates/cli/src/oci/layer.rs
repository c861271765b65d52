//! The layers of an image: files in a tar, compressed. Every byte is determined by theirs. Istio's agent looks for `plugin.wasm` in the last one; a
//! snapshot is in one before it.

use super::image::Sha256;
use anyhow::{Context, bail, ensure};
use flate2::{Compression, GzBuilder};
use std::io::{self, Read, Write};

/// The name that Istio's agent looks for in a layer
/// (<https://github.com/solo-io/wasm/blob/master/spec/spec-compat.md>).
pub(super) const MODULE: &str = "plugin.wasm";
const BLOCK: usize = 512;

/// A layer, and the digest of the tar that it holds, which an image's configuration names.
pub(super) struct Layer {
    pub(super) gzip: Vec<u8>,
    pub(super) tar_digest: String,
}

/// Packs files: of the user 0, readable by all, of no time.
pub(super) fn pack(files: &[(&str, &[u8])]) -> io::Result<Layer> {
    // flate2 writes no time and no name into the header, and "unknown" for the operating system.
    let gzip = GzBuilder::new().write(Vec::new(), Compression::default());
    let mut tar = Hashed { to: gzip, sha256: Sha256::default() };
    for (name, bytes) in files {
        tar.write_all(&header(name, bytes.len()))?;
        tar.write_all(bytes)?;
        // Content fills its last block.
        let padding = bytes.len().next_multiple_of(BLOCK) - bytes.len();
        tar.write_all(&[0; BLOCK][..padding])?;
    }
    // Two empty blocks are the end.
    tar.write_all(&[0; 2 * BLOCK])?;
    Ok(Layer { gzip: tar.to.finish()?, tar_digest: tar.sha256.finish() })
}

/// Gives each file of a layer that [`pack`] has made to `each`, with its name. What it didn't make is refused.
pub(super) fn unpack(
    gzip: &[u8],
    mut each: impl FnMut(&str, &mut dyn Read) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut tar = flate2::read::GzDecoder::new(gzip);
    loop {
        let mut block = [0; BLOCK];
        tar.read_exact(&mut block).context("it ends too early")?;
        if block == [0; BLOCK] {
            // The checksum comes last.
            io::copy(&mut tar, &mut io::sink()).context("it ends too early")?;
            return Ok(());
        }
        let text = |from: usize, to: usize| {
            let field = &block[from..to];
            let end = field.iter().position(|&byte| byte == 0).unwrap_or(field.len());
            std::str::from_utf8(&field[..end]).context("a name in it is no text")
        };
        let (name, length) = (text(0, 100)?, text(124, 136)?.trim());
        let length = usize::from_str_radix(length, 8).ok().context("a length in it is no number")?;
        if length >= 1 << 33 || block != header(name, length) {
            bail!("{name:?} in it isn't as understudy writes it");
        }
        let mut content = (&mut tar).take(length as u64);
        each(name, &mut content)?;
        let left = io::copy(&mut content, &mut io::sink())?;
        ensure!(left == 0, "{name} in it was not read to its end");
        let padding = length.next_multiple_of(BLOCK) - length;
        tar.read_exact(&mut block[..padding]).context("it ends too early")?;
    }
}

/// The header of a file in a tar (POSIX.1-1988, "ustar").
fn header(name: &str, length: usize) -> [u8; BLOCK] {
    let mut header = [0; BLOCK];
    let mut put = |at: usize, text: &[u8]| header[at..at + text.len()].copy_from_slice(text);
    put(0, &name.as_bytes()[..name.len().min(100)]);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_comes_out_again() {
        let large = vec![7; 3 * BLOCK];
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
    fn what_is_not_ours_is_refused() {
        let packed = pack(&[("a", b"x")]).unwrap().gzip;
        let all = |_: &str, content: &mut dyn Read| Ok(io::copy(content, &mut io::sink()).map(drop)?);
        for end in 0..packed.len() {
            assert!(unpack(&packed[..end], all).is_err(), "{end} bytes of {}", packed.len());
        }
        let mut link = header("a", 0);
        link[156] = b'2';
        let mut gzip = GzBuilder::new().write(Vec::new(), Compression::default());
        gzip.write_all(&link).unwrap();
        assert!(
            unpack(&gzip.finish().unwrap(), all).unwrap_err().to_string().contains("isn't as understudy")
        );
    }
}
