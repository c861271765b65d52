//! Exchanges and temporary snapshots for tests.
#![allow(dead_code, reason = "each test binary uses some of it")]

use std::path::Path;
use tempfile::TempDir;
use understudy_core::exchange::{Body, Exchange, Request, Response};
use understudy_core::headers::Headers;
use understudy_snapshot::{Existing, Header, Snapshot, SnapshotWriter};

/// 2026-11-21T08:00:00Z.
pub(crate) const START: u64 = 1_795_248_000_000_000;

/// A GET request answered with 200 and a text.
pub(crate) fn get(id: &str, time: u64, path: &str, answer: &str) -> Exchange {
    Exchange {
        id: id.into(),
        time: START + time,
        duration: 1000,
        backend: "http://h".into(),
        protocol: "HTTP/1.1".into(),
        request: Request { method: b"GET".to_vec(), path: path.into(), ..Request::default() },
        response: Some(Response {
            status: 200,
            headers: Headers::from_pairs([("content-type", "text/plain"), ("date", "now")]),
            body: body(answer),
            ..Response::default()
        }),
        ..Exchange::default()
    }
}

pub(crate) fn body(text: impl AsRef<[u8]>) -> Body {
    Body { bytes: text.as_ref().to_vec(), truncated: None }
}

pub(crate) fn header(name: &str) -> Header {
    Header { name: name.into(), recorded: START, ..Header::default() }
}

/// Writes a snapshot into a temporary folder, which is removed with the guard.
pub(crate) fn snapshot(exchanges: &[Exchange]) -> (TempDir, Snapshot) {
    let folder = tempfile::tempdir().unwrap();
    let snapshot = write(&folder.path().join("s"), exchanges, Existing::Refuse);
    (folder, snapshot)
}

pub(crate) fn write(path: &Path, exchanges: &[Exchange], existing: Existing) -> Snapshot {
    let mut writer = SnapshotWriter::create(path, existing).unwrap();
    exchanges.iter().for_each(|exchange| writer.push(exchange).unwrap());
    writer.finish(header("s")).unwrap()
}

/// The exchanges of a snapshot, all of which must be readable.
pub(crate) fn read(snapshot: &Snapshot) -> Vec<Exchange> {
    snapshot.exchanges().unwrap().map(|located| located.unwrap().exchange).collect()
}
