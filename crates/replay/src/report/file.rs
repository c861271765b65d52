//! The report as a file: one JSON object.

use super::{Report, TYPE, VERSION};
use crate::error::Error;
use serde::Deserialize;
use std::io::{self, Write};
use std::path::Path;

#[derive(Deserialize)]
struct Versioned {
    #[serde(rename = "type")]
    kind: Option<String>,
    v: Option<u32>,
}

impl Report {
    /// Writes the file's content.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(&self, mut out: impl Write) -> io::Result<()> {
        serde_json::to_writer(&mut out, self)?;
        out.write_all(b"\n")
    }
}

/// Reads a report from a file.
///
/// # Errors
/// It can't be read, isn't a report of a replay, or has a version that isn't known.
pub fn read(path: &Path) -> Result<Report, Error> {
    let bad = |problem: String| Error::Report { file: path.to_owned(), problem };
    let bytes = std::fs::read(path).map_err(|error| bad(error.to_string()))?;
    let versioned: Versioned = serde_json::from_slice(&bytes).map_err(|error| bad(error.to_string()))?;
    match (versioned.kind.as_deref(), versioned.v) {
        (Some(TYPE), Some(VERSION)) => {}
        (Some(TYPE), version) => {
            let version = version.map_or("no version".to_owned(), |version| format!("version {version}"));
            return Err(bad(format!("{version} isn't known; this Understudy reads version {VERSION}")));
        }
        (Some("report"), _) => {
            return Err(bad(
                "it is a report of `respond` or `match`; `understudy match SNAPSHOT FILE` reads it"
                    .to_owned(),
            ));
        }
        _ => return Err(bad("it is no report; `understudy replay --report FILE` writes one".to_owned())),
    }
    serde_json::from_slice(&bytes).map_err(|error| bad(error.to_string()))
}
