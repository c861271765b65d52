//! Python programs that name a bundle of roots themselves, as Stripe's client does with its own, look at no variable. For them Python loads a
//! module of ours when it starts, which adds the authority wherever roots are loaded from a file.

use super::CA;
use crate::error::Error;
use std::ffi::{OsStr, OsString};
use std::path::Path;

const FOLDER: &str = "python";
const MODULE: &str = "sitecustomize.py";
const TEXT: &str = include_str!("sitecustomize.py");

pub(crate) fn write(folder: &Path) -> Result<(), Error> {
    let python = folder.join(FOLDER);
    std::fs::create_dir(&python).map_err(Error::io("make", &python))?;
    let path = python.join(MODULE);
    std::fs::write(&path, TEXT.replace("CA_FILE", CA)).map_err(Error::io("write", &path))
}

/// `PYTHONPATH`: ours first, so that it is found, and then the user's own.
pub(crate) fn path(folder: &Path, theirs: Option<&OsStr>) -> OsString {
    let mut path = folder.join(FOLDER).into_os_string();
    // An empty part would be the current folder.
    if let Some(theirs) = theirs.filter(|theirs| !theirs.is_empty()) {
        path.push(":");
        path.push(theirs);
    }
    path
}
