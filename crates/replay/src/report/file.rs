//! The report as a file: one JSON object.

use super::model::{OLDEST, Performance, Report, Success, TYPE, VERSION};
use crate::error::Error;
use serde::Deserialize;
use serde::de::DeserializeOwned;
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
    /// The errors of `out`.
    pub fn write(&self, mut out: impl Write) -> io::Result<()> {
        serde_json::to_writer(&mut out, self)?;
        out.write_all(b"\n")
    }
}

/// The sums of a report, without its lists.
#[derive(Clone, Debug, Deserialize)]
#[expect(missing_docs, reason = "they are those of the report")]
pub struct Head {
    pub passed: bool,
    pub snapshot: String,
    pub service: Option<String>,
    pub build_tag: Option<String>,
    pub started: String,
    pub duration_us: u64,
    pub success: Success,
    pub performance: Performance,
    pub responder: Option<ResponderHead>,
}

/// The sums of the service's calls.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct ResponderHead {
    pub rate: Option<f64>,
    pub misses: u64,
}

/// Reads a report from a file.
///
/// # Errors
/// The file can't be read, is no report of a replay, or has an unknown version.
pub fn read(path: &Path) -> Result<Report, Error> {
    parse(path)
}

/// Reads the sums of a report from its file.
///
/// # Errors
/// The errors of [`read`], except errors in the lists.
pub fn head(path: &Path) -> Result<Head, Error> {
    parse(path)
}

fn parse<T: DeserializeOwned>(path: &Path) -> Result<T, Error> {
    let bad = |problem: String| Error::Report { file: path.to_owned(), problem };
    let bytes = std::fs::read(path).map_err(|error| bad(error.to_string()))?;
    let versioned: Versioned = serde_json::from_slice(&bytes).map_err(|error| bad(error.to_string()))?;
    match (versioned.kind.as_deref(), versioned.v) {
        (Some(TYPE), Some(OLDEST..=VERSION)) => {}
        (Some(TYPE), version) => {
            let version = version.map_or("no version".to_owned(), |version| format!("version {version}"));
            return Err(bad(format!(
                "{version} isn't known; this Understudy reads versions {OLDEST} to {VERSION}"
            )));
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
