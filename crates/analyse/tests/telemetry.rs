//! Tests that telemetry is left out: either all exchanges with a backend, or none.

#[path = "../../snapshot/tests/common/mod.rs"]
mod common;

use common::{get, header, read};
use understudy_core::config::Mode;
use understudy_core::exchange::{Direction, Exchange};
use understudy_snapshot::{Backend, Existing, Header, Snapshot, SnapshotWriter};

fn spans(id: u64, backend: &str) -> Exchange {
    let mut exchange = get(&id.to_string(), id, "/api/v2/spans", "");
    (exchange.request.method, exchange.backend) = (b"POST".to_vec(), backend.to_owned());
    exchange
}

fn other(id: u64, backend: &str) -> Exchange {
    let mut exchange = get(&id.to_string(), id, "/orders", "");
    exchange.backend = backend.to_owned();
    exchange
}

fn write(
    exchanges: &[Exchange],
    header: Header,
    leaves_out: bool,
) -> (Vec<(String, u64)>, Snapshot, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = SnapshotWriter::create(folder.path().join("s"), Existing::Refuse).unwrap();
    if leaves_out {
        writer.leave_out_telemetry(understudy_analyse::technology::is_telemetry);
    }
    exchanges.iter().for_each(|exchange| writer.push(exchange).unwrap());
    let telemetry = writer.telemetry();
    (telemetry, writer.finish(header).unwrap(), folder)
}

#[test]
fn backend_with_only_telemetry_is_left_out() {
    let mut inbound = spans(9, "http://me:8080");
    inbound.direction = Direction::Inbound;
    let exchanges = [
        spans(1, "http://zipkin"),
        other(2, "http://shop"),
        spans(3, "http://zipkin"),
        spans(4, "http://both"),
        other(5, "http://both"),
        spans(6, "http://both"),
        other(7, "https://o1.ingest.sentry.io"),
        inbound,
    ];
    let (told, snapshot, _folder) = write(&exchanges, header("s"), true);
    let expect = [("http://zipkin".to_owned(), 2), ("https://o1.ingest.sentry.io".to_owned(), 1)];
    assert_eq!(told, expect);
    let kept: Vec<_> = read(&snapshot).into_iter().map(|exchange| (exchange.id, exchange.backend)).collect();
    let expect = ["http://shop", "http://both", "http://both", "http://both", "http://me:8080"];
    let expect: Vec<_> =
        (1..).zip(expect).map(|(id, name): (u64, _)| (id.to_string(), name.to_owned())).collect();
    assert_eq!(kept, expect, "numbered without gaps");
    let mode = |name: &str| snapshot.header().backends.get(name).map(|b| (b.mode, b.exchanges));
    assert_eq!(mode("http://zipkin"), Some((Mode::Off, 0)));
    assert_eq!(mode("https://o1.ingest.sentry.io"), Some((Mode::Off, 0)));
    assert_eq!(mode("http://both"), Some((Mode::Mock, 3)));
    let (told, snapshot, _folder) = write(&exchanges, header("s"), false);
    assert_eq!((told.len(), read(&snapshot).len()), (0, 8), "where nobody asked, nothing is");
}

#[test]
fn settings_of_a_telemetry_backend_stay() {
    let backends = [("http://zipkin".to_owned(), Backend { mode: Mode::Tap, ..Backend::default() })].into();
    let header = Header { backends, ..header("s") };
    let (_, snapshot, _folder) = write(&[spans(1, "http://zipkin")], header, true);
    assert_eq!(snapshot.header().backends["http://zipkin"].mode, Mode::Tap);
    assert!(read(&snapshot).is_empty());
}
