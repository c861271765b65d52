//! An image as a folder (OCI image layout,
//! <https://github.com/opencontainers/image-spec/blob/main/image-layout.md>): `oci-layout`,
//! `index.json` and `blobs/sha256/…`. Written beside and renamed.

use super::image::{Blob, Image};
use anyhow::{Context, bail};
use serde_json::json;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// File that marks a folder as an image.
const MARK: &str = "oci-layout";

/// Checks that an image can be written: the path is free or holds another image.
pub(crate) fn check(folder: &Path) -> anyhow::Result<()> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => {
            return Err(error)
                .with_context(|| format!("can't write {}; name a new folder", folder.display()));
        }
    };
    if entries.count() > 0 && !folder.join(MARK).is_file() {
        bail!("{} holds other files, which would be lost; name a new folder", folder.display());
    }
    Ok(())
}

/// Writes the image, replacing an existing one.
pub(crate) fn write(folder: &Path, image: &Image) -> anyhow::Result<()> {
    check(folder)?;
    put(folder, image).with_context(|| format!("can't write {}", folder.display()))
}

fn put(folder: &Path, image: &Image) -> io::Result<()> {
    // Target of a link: the link itself stays.
    let folder = &fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    let above = folder.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // The umask applies, as for any folder.
    let beside = || tempfile::Builder::new().permissions(Permissions::from_mode(0o777)).tempdir_in(above);
    let made = beside()?;
    fill(made.path(), image)?;
    if folder.exists() {
        let old = beside()?;
        fs::rename(folder, old.path().join("old"))?;
        if let Err(error) = fs::rename(made.path(), folder) {
            // Restores the old image.
            fs::rename(old.path().join("old"), folder)?;
            return Err(error);
        }
    } else {
        fs::rename(made.path(), folder)?;
    }
    // The temporary folder has been renamed.
    let _ = made.keep();
    Ok(())
}

fn fill(folder: &Path, image: &Image) -> io::Result<()> {
    let blobs = folder.join("blobs/sha256");
    fs::create_dir_all(&blobs)?;
    for Blob { digest, bytes, .. } in image.blobs.iter().chain([&image.manifest]) {
        fs::write(blobs.join(digest.trim_start_matches("sha256:")), bytes)?;
    }
    let mut descriptor = image.manifest.descriptor();
    descriptor["annotations"] = json!(image.annotations);
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [descriptor],
    });
    fs::write(folder.join("index.json"), serde_json::to_vec(&index)?)?;
    fs::write(folder.join(MARK), br#"{"imageLayoutVersion":"1.0.0"}"#)
}
