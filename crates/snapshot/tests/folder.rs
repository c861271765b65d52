//! Snapshots on disk: a written snapshot reads back, errors in bad files name the position, and
//! replacing loses nothing.

mod common;

use common::{START, get, header, read, snapshot, write};
use proptest::prelude::*;
use std::fs;
use std::path::Path;
use understudy_core::config::Mode;
use understudy_core::exchange::{Direction, Exchange};
use understudy_core::headers::Headers;
use understudy_core::v1;
use understudy_snapshot::{
    Backend, EXCHANGES_FILE, Exchanges, Existing, HEADER_FILE, Header, Snapshot, SnapshotError,
    SnapshotWriter,
};

fn names(path: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(path).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn exchanges_come_back_in_order_of_time_and_numbered() {
    let given = [
        get("vm-10", 5, "/c", "3"),
        get("vm-9", 5, "/b", "2"),
        get("q\"uo\\", 0, "/\"id\":\"x\"", "1"),
        get("", 9, "/d", "4"),
    ];
    let (_folder, snapshot) = snapshot(&given);
    let numbered =
        |number: usize, exchange: &Exchange| Exchange { id: number.to_string(), ..exchange.clone() };
    let expect =
        [numbered(1, &given[2]), numbered(2, &given[1]), numbered(3, &given[0]), numbered(4, &given[3])];
    assert_eq!(read(&snapshot), expect);
    assert_eq!(snapshot.header().backends["http://h"], Backend { exchanges: 4, ..Backend::default() });
    assert_eq!(names(snapshot.path()), [EXCHANGES_FILE, HEADER_FILE]);
}

#[test]
fn header_keeps_its_settings_and_gets_the_counts() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = SnapshotWriter::create(folder.path().join("deep/er/s"), Existing::Refuse).unwrap();
    let odd = Exchange { backend: "http://H:80".into(), ..get("1", 1, "/", "") };
    let inbound =
        Exchange { direction: Direction::Inbound, backend: "http://me".into(), ..get("2", 2, "/", "") };
    for exchange in [get("0", 0, "/", ""), odd, inbound] {
        writer.push(&exchange).unwrap();
    }
    let mut said = header("s");
    said.backends.insert("http://h".into(), Backend { mode: Mode::Off, exchanges: 99, ..Backend::default() });
    said.backends.insert("http://gone".into(), Backend { exchanges: 99, ..Backend::default() });
    let snapshot = writer.finish(said).unwrap();
    let backends = &snapshot.header().backends;
    assert_eq!(backends["http://h"], Backend { mode: Mode::Off, exchanges: 1, ..Backend::default() });
    assert_eq!(backends["http://gone"].exchanges, 0);
    assert_eq!(backends.len(), 2, "{backends:?}");
    assert_eq!(read(&snapshot).len(), 3);
}

#[test]
fn snapshot_without_exchanges_is_valid() {
    let (_folder, snapshot) = snapshot(&[]);
    assert_eq!(read(&snapshot), []);
}

fn open_error(path: &Path) -> SnapshotError {
    Snapshot::open(path).unwrap_err()
}

#[test]
fn folder_without_a_snapshot_is_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let check = |code: &str, text: &str| {
        let error = open_error(&path);
        assert_eq!(error.code(), code);
        assert!(error.to_string().contains(text), "{error}");
    };
    check("snapshot-not-found", "understudy record");
    fs::write(&path, "").unwrap();
    check("snapshot-not-a-snapshot", "it is a file");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    check("snapshot-not-a-snapshot", "neither snapshot.yaml nor exchanges.ndjson");
    fs::write(path.join(HEADER_FILE), "version: 1\nname: s\n").unwrap();
    check("snapshot-missing-file", EXCHANGES_FILE);
    fs::write(path.join(EXCHANGES_FILE), "").unwrap();
    check("snapshot-yaml", "snapshot.yaml:2:1: missing field `recorded`");
    fs::write(path.join(HEADER_FILE), b"version: 1\nname: \xff\n").unwrap();
    check("snapshot-yaml", "snapshot.yaml:2:0: the file isn't UTF-8");
    fs::write(path.join(HEADER_FILE), "version: 7\nanything: else\n").unwrap();
    check("snapshot-version", "snapshot.yaml:1: snapshot version 7");
    fs::remove_file(path.join(HEADER_FILE)).unwrap();
    check("snapshot-missing-file", HEADER_FILE);
}

#[test]
fn bad_line_names_its_number_and_later_lines_are_read() {
    let (_folder, snapshot) =
        snapshot(&[get("a", 0, "/a", ""), get("b", 1, "/b", ""), get("c", 2, "/c", "")]);
    let file = snapshot.path().join(EXCHANGES_FILE);
    let text = fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let mut verdict = Vec::new();
    let judged = understudy_core::verdict::Verdict {
        kind: understudy_core::verdict::Kind::Match,
        status: None,
        fault: None,
        reason: None,
        matched: None,
        nearest: Vec::new(),
    };
    v1::write_record(&get("v", 0, "/", ""), Some(&judged), &mut verdict);
    let verdict = String::from_utf8(verdict).unwrap();
    let bad = format!(
        "\n  {}  \r\n\n{}\n{}\n{}\n{}{}",
        lines[0],
        &lines[1][..40],
        lines[1],
        lines[0],
        verdict,
        lines[2]
    );
    fs::write(&file, bad).unwrap();
    let read: Vec<_> =
        snapshot.exchanges().unwrap().map(|item| item.map(|found| (found.line, found.exchange.id))).collect();
    let found: Vec<String> = read
        .iter()
        .map(|item| match item {
            Ok((line, id)) => format!("{line}: {id}"),
            Err(error) => format!("{}: {}", error.line().unwrap(), error.code()),
        })
        .collect();
    assert_eq!(
        found,
        ["2: 1", "4: snapshot-line", "5: 2", "6: snapshot-duplicate-id", "7: snapshot-record", "8: 3"]
    );
    let error = read[1].as_ref().unwrap_err();
    assert!(error.to_string().contains("exchanges.ndjson:4: not an exchange"), "{error}");
    let source = std::error::Error::source(error).unwrap().to_string();
    assert!(source.contains("EOF while parsing"), "{source}");
}

#[test]
fn snapshot_is_replaced_only_on_request_and_other_files_stay() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    write(&path, &[get("a", 0, "/old", "")], Existing::Refuse);
    fs::write(path.join("README.md"), "mine").unwrap();
    let error = SnapshotWriter::create(&path, Existing::Refuse).unwrap_err();
    assert_eq!(error.code(), "snapshot-exists");
    let new = write(&path, &[get("a", 0, "/new", "")], Existing::Replace);
    assert_eq!(read(&new)[0].request.path, b"/new");
    assert_eq!(fs::read_to_string(path.join("README.md")).unwrap(), "mine");
    assert_eq!(names(folder.path()), ["s"], "nothing is left beside");
    assert_eq!(names(&path), ["README.md", EXCHANGES_FILE, HEADER_FILE]);
}

#[test]
fn folder_without_a_snapshot_is_never_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let check = |path: &Path, code: &str| {
        assert_eq!(
            SnapshotWriter::create(path, Existing::Replace).unwrap_err().code(),
            code,
            "{}",
            path.display()
        );
    };
    fs::create_dir(folder.path().join("home")).unwrap();
    fs::write(folder.path().join("home/thesis.tex"), "").unwrap();
    check(&folder.path().join("home"), "snapshot-not-a-snapshot");
    check(&folder.path().join("home/thesis.tex"), "snapshot-not-a-snapshot");
    check(&folder.path().join("home/thesis.tex/s"), "snapshot-io");
    check(Path::new("/"), "snapshot-path");
    fs::create_dir(folder.path().join("empty")).unwrap();
    write(&folder.path().join("empty"), &[], Existing::Refuse);
    assert_eq!(names(&folder.path().join("home")), ["thesis.tex"]);
}

#[test]
fn dropped_writer_leaves_the_old_snapshot() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let mut writer = SnapshotWriter::create(&path, Existing::Refuse).unwrap();
    writer.push(&get("a", 0, "/", "")).unwrap();
    assert_eq!(open_error(&path).code(), "snapshot-not-found");
    drop(writer);
    assert_eq!(names(folder.path()), [""; 0]);
    write(&path, &[get("a", 0, "/old", "")], Existing::Refuse);
    drop(SnapshotWriter::create(&path, Existing::Replace).unwrap());
    assert_eq!(read(&Snapshot::open(&path).unwrap())[0].request.path, b"/old");
    assert_eq!(names(folder.path()), ["s"]);
}

#[test]
fn snapshot_written_meanwhile_is_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let late = SnapshotWriter::create(&path, Existing::Refuse).unwrap();
    write(&path, &[get("a", 0, "/first", "")], Existing::Refuse);
    assert_eq!(late.finish(header("late")).unwrap_err().code(), "snapshot-exists");
    assert_eq!(read(&Snapshot::open(&path).unwrap())[0].request.path, b"/first");
    assert_eq!(names(folder.path()), ["s"]);
}

#[test]
fn an_interrupted_replacement_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    write(&path, &[], Existing::Refuse);
    fs::rename(&path, folder.path().join(".s.old-abc")).unwrap();
    let error = open_error(&path).to_string();
    assert!(error.contains("the old one is kept, rename") && error.contains(".s.old-abc"), "{error}");
}

#[test]
fn a_full_disk_leaves_nothing_half_written() {
    // The limit of a file's size stands in for a full disk: it applies to this process's writes
    // alone, and needs no rights.
    let output = std::process::Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 64; exec \"$0\" --exact write_fails_when_the_disk_is_full"])
        .arg(std::env::current_exe().unwrap())
        .env("UNDERSTUDY_TEST_FULL_DISK", "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

/// Child process of the test above, which sets a limit. Without the limit it writes a small
/// snapshot.
#[test]
fn write_fails_when_the_disk_is_full() {
    let limited = std::env::var_os("UNDERSTUDY_TEST_FULL_DISK").is_some();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let mut writer = SnapshotWriter::create(&path, Existing::Refuse).unwrap();
    let pushed = (0..400).try_for_each(|i| writer.push(&get("a", i, "/", &"x".repeat(1000))));
    let done = pushed.and_then(|()| writer.finish(header("s")).map(drop));
    assert_eq!(done.is_err(), limited, "{done:?}");
    if let Err(error) = done {
        assert_eq!(error.code(), "snapshot-io");
        assert!(error.to_string().starts_with("can't write "), "{error}");
        assert_eq!(names(folder.path()), [""; 0]);
    }
}

#[test]
fn times_are_microseconds() {
    let (_folder, snapshot) = snapshot(&[get("a", 7, "/", "")]);
    let text = fs::read_to_string(snapshot.path().join(EXCHANGES_FILE)).unwrap();
    assert!(text.contains("\"time\":\"2026-11-21T08:00:00.000007Z\""), "{text}");
    assert_eq!(snapshot.header().recorded, START);
}

proptest! {
    #[test]
    fn any_exchange_reads_back_except_for_its_id(
        ids in proptest::collection::vec(".{0,8}", 1..6),
        path: Vec<u8>,
        text: String,
        answer: Vec<u8>,
        times in proptest::collection::vec(0..3u64, 6),
    ) {
        let given: Vec<_> = ids.iter().zip(&times).map(|(id, time)| {
            let mut exchange = get(id, *time, "", "");
            exchange.request.path.clone_from(&path);
            exchange.request.headers = Headers::from_pairs([("x", &text), ("id", id)]);
            exchange.response.as_mut().unwrap().body.bytes.clone_from(&answer);
            exchange
        }).collect();
        let (_folder, snapshot) = snapshot(&given);
        let found = read(&snapshot);
        let numbers: Vec<_> = found.iter().map(|exchange| exchange.id.clone()).collect();
        prop_assert_eq!(numbers, (1..=given.len()).map(|number| number.to_string()).collect::<Vec<_>>());
        for exchange in &given {
            let same = |found: &Exchange| Exchange { id: exchange.id.clone(), ..found.clone() } == *exchange;
            prop_assert!(found.iter().any(same));
        }
        prop_assert!(found.windows(2).all(|pair| pair[0].time <= pair[1].time));
    }

    #[test]
    fn no_text_makes_the_readers_panic(bytes: Vec<u8>, text in "[-a-z_:0-9 {}\\[\\]\"'#&*!|>%@,\n]{0,80}") {
        let lines = Exchanges::new(&bytes[..], "e".into());
        prop_assert!(lines.count() <= bytes.len());
        drop(Header::from_yaml(&text, Path::new("s")));
        drop(Header::from_yaml(&format!("version: 1\n{text}"), Path::new("s")));
        drop(Header::from_yaml(&String::from_utf8_lossy(&bytes), Path::new("s")));
    }
}
