//! The format of a segment's first frame and of a closed segment, which both stores share. Never
//! does I/O.

use std::io;

use serde::{Deserialize, Serialize};
use zstd::stream::write::Encoder;

use crate::index::Checkpoint;

/// The end of a closed segment's name.
pub(crate) const CLOSED_SUFFIX: &str = ".ndjson.zst";
/// zstd's own default. Higher levels cost far more time than they save space.
const LEVEL: i32 = 3;

/// The payload of a segment's first frame.
#[derive(Serialize, Deserialize)]
pub(crate) struct SegmentLine {
    r#type: String,
    v: u64,
    pub(crate) number: u64,
    pub(crate) vms: Vec<Checkpoint>,
    /// The segment's name in a bucket. The segment keeps its name when it is compacted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
}

impl SegmentLine {
    /// The line of a folder's segment: the batches stored before it are in `vms`.
    pub(crate) fn numbered(number: u64, vms: Vec<Checkpoint>) -> SegmentLine {
        SegmentLine { r#type: "segment".into(), v: 1, number, vms, name: None }
    }

    /// The line of a bucket's segment.
    pub(crate) fn named(number: u64, name: String) -> SegmentLine {
        SegmentLine { name: Some(name), ..SegmentLine::numbered(number, Vec::new()) }
    }

    /// Reads a segment's first payload.
    pub(crate) fn parse(payload: &[u8]) -> Result<SegmentLine, serde_json::Error> {
        serde_json::from_slice(payload)
    }

    /// The line as a payload.
    pub(crate) fn to_payload(&self) -> io::Result<Vec<u8>> {
        let mut line = serde_json::to_vec(self)?;
        line.push(b'\n');
        Ok(line)
    }
}

/// Compresses the frames of a closed segment in memory.
pub(crate) fn encoder() -> io::Result<Encoder<'static, Vec<u8>>> {
    let mut encoder = Encoder::new(Vec::new(), LEVEL)?;
    encoder.include_checksum(true)?;
    Ok(encoder)
}
