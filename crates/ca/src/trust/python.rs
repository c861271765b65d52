//! Trust for Python programs that name a bundle of roots themselves, as Stripe's client does, and
//! ignore all variables. Python loads our module at its start. The module adds the authority
//! wherever roots are loaded from a file.

use super::names::CA;
use crate::error::Error;
use std::ffi::{OsStr, OsString};
use std::path::Path;

const FOLDER: &str = "python";
const MODULE: &str = "sitecustomize.py";
const TEXT: &str = include_str!("sitecustomize.py");

pub(crate) fn write(folder: &Path) -> Result<(), Error> {
    let python = folder.join(FOLDER);
    std::fs::create_dir(&python).map_err(Error::io("create", &python))?;
    let path = python.join(MODULE);
    std::fs::write(&path, TEXT.replace("CA_FILE", CA)).map_err(Error::io("write", &path))
}

/// `PYTHONPATH`: our folder first, so that our module is found, and then the user's folders.
pub(crate) fn path(folder: &Path, user: Option<&OsStr>) -> OsString {
    let mut path = folder.join(FOLDER).into_os_string();
    // An empty part would mean the current folder.
    if let Some(user) = user.filter(|user| !user.is_empty()) {
        path.push(":");
        path.push(user);
    }
    path
}
