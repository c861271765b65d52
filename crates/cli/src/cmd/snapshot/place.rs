//! The folder of snapshots, as an argument.

use anyhow::bail;
use std::path::{Path, PathBuf};

/// Arguments about the folder of snapshots.
#[derive(clap::Args)]
pub(super) struct PlaceArgs {
    /// The folder of snapshots
    #[arg(long, value_name = "FOLDER", default_value = "snapshots")]
    pub(super) snapshots: PathBuf,
}

impl PlaceArgs {
    /// The folder of one snapshot.
    ///
    /// # Errors
    /// The name is a path, which could lead out of the folder.
    pub(super) fn of(&self, name: &str) -> anyhow::Result<PathBuf> {
        let mut parts = Path::new(name).components();
        let is_name = matches!((parts.next(), parts.next()), (Some(std::path::Component::Normal(_)), None));
        if !is_name || name.contains(['/', '\\', '\0']) || name.starts_with('.') {
            bail!(
                "{name:?} is no name of a snapshot: it is the name of a folder in {} (--snapshots names another folder)",
                self.snapshots.display()
            );
        }
        Ok(self.snapshots.join(name))
    }
}
