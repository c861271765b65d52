//! A store in a folder on a good disk: each batch is kept once, across restarts and crashes.

mod common;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use common::*;
use proptest::prelude::*;
use tempfile::tempdir;
use understudy_collector::object_store::memory::InMemory;
use understudy_collector::{Appended, FolderConfig, Reader, Start, Store, StoreError, TornTail};

const LONG: Duration = Duration::from_secs(30);

async fn open(config: FolderConfig) -> Store {
    Store::open(config).await.unwrap()
}

/// A folder with the batches 1 to `n` in one open segment, as after a crash.
async fn crashed(folder: &Path, n: u64) {
    let made = tempdir().unwrap();
    let store = open(store_config(made.path(), &FaultDisk::fast())).await;
    for seq in 1..=n {
        append(&store, seq).await.unwrap();
    }
    std::fs::create_dir_all(folder.join("open")).unwrap();
    std::fs::copy(made.path().join("open/0000000001.ndjson"), folder.join("open/0000000001.ndjson")).unwrap();
    store.close(LONG).await;
}

#[tokio::test]
async fn records_read_back_equal_those_sent() {
    let dir = tempdir().unwrap();
    let store = open(FolderConfig::new(dir.path())).await;
    for seq in 1..=3 {
        assert_eq!(append(&store, seq).await.unwrap(), Appended::Stored);
    }
    assert_eq!(append(&store, 2).await.unwrap(), Appended::Duplicate);
    let mut reader = Reader::open(dir.path()).await.unwrap();
    let mut lines = Vec::new();
    while let Some(record) = reader.next().await.unwrap() {
        assert_eq!(record.batch.vm, "vm");
        lines.push(format!("{:?} {}", record.kind, std::str::from_utf8(&record.line).unwrap()));
    }
    assert_eq!(lines.len(), 9);
    assert_eq!(lines[2], r#"Verdict {"type":"verdict","v":1,"id":"vm-1-2","pad":"é 7919"}"#);
    assert_eq!(reader.torn_tail(), None);
    assert_eq!(store.close(LONG).await, 0);
    assert_eq!(files(&dir.path().join("open")), [""; 0]);
    assert_eq!(files(&dir.path().join("segments")), ["0000000001.ndjson.zst"]);
    assert_eq!(keys(Reader::open(dir.path()).await.unwrap(), 3).await.len(), 3);
    assert!(matches!(append(&store, 4).await, Err(StoreError::Closed)));
}

#[tokio::test]
async fn reader_started_after_a_position_continues_there_after_a_seal() {
    async fn seqs(reader: &mut Reader) -> Vec<u64> {
        let mut seqs = Vec::new();
        while let Some(batch) = reader.next_batch().await.unwrap() {
            seqs.push(batch.meta().seq);
        }
        seqs
    }
    let dir = tempdir().unwrap();
    let store = open(FolderConfig::new(dir.path())).await;
    append(&store, 1).await.unwrap();
    append(&store, 2).await.unwrap();
    let mut reader = Reader::open_from(dir.path(), Start::Newest(1)).await.unwrap();
    assert_eq!((seqs(&mut reader).await, reader.position().is_some()), (vec![1, 2], true));
    let position = reader.position().unwrap();
    append(&store, 3).await.unwrap();
    let mut reader = Reader::open_from(dir.path(), Start::After(position)).await.unwrap();
    assert_eq!(seqs(&mut reader).await, [3], "in an open segment");
    store.close(LONG).await;
    drop(store);
    let store = open(FolderConfig::new(dir.path())).await;
    append(&store, 4).await.unwrap();
    let from = async |start| seqs(&mut Reader::open_from(dir.path(), start).await.unwrap()).await;
    assert_eq!(from(Start::After(position)).await, [3, 4], "in a sealed segment");
    assert_eq!(from(Start::Newest(1)).await, [4]);
    assert_eq!(from(Start::Newest(9)).await, [1, 2, 3, 4]);
    assert_eq!(from(Start::Beginning).await, [1, 2, 3, 4]);
    let mut reader = Reader::open_from(dir.path(), Start::After(position)).await.unwrap();
    let _ = seqs(&mut reader).await;
    assert_eq!(from(Start::After(reader.position().unwrap())).await, [0; 0]);
}

#[tokio::test]
async fn closed_segment_is_plain_ndjson() {
    let dir = tempdir().unwrap();
    let store = open(FolderConfig::new(dir.path())).await;
    append(&store, 1).await.unwrap();
    store.close(LONG).await;
    let object = std::fs::read(dir.path().join("segments/0000000001.ndjson.zst")).unwrap();
    let text = String::from_utf8(zstd::decode_all(&object[..]).unwrap()).unwrap();
    let types: Vec<_> = text
        .lines()
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["type"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(types, ["frame", "segment", "frame", "batch", "exchange", "exchange", "verdict"]);
}

#[tokio::test]
async fn batch_sent_again_after_a_restart_is_a_duplicate_and_gaps_are_kept() {
    let dir = tempdir().unwrap();
    for round in 0..4u64 {
        let mut config = FolderConfig::new(dir.path());
        // Each batch fills a segment, so the index is loaded from the checkpoint of the newest
        // segment.
        config.segment_bytes = 300;
        let store = open(config).await;
        for seq in [1, 2, 5].into_iter().map(|seq| seq + 5 * round) {
            assert_eq!(append(&store, seq).await.unwrap(), Appended::Stored);
        }
        for seq in [1, 2, 5, 1 + 5 * round] {
            assert_eq!(append(&store, seq).await.unwrap(), Appended::Duplicate, "seq {seq} in round {round}");
        }
        let gaps = store.gaps();
        assert_eq!(gaps.missing_batches(), 2 * (round + 1));
        assert_eq!(gaps.vms[0].missing.last(), Some(&(3 + 5 * round..=4 + 5 * round)));
        assert!(gaps.vms[0].active && gaps.active() == gaps);
        store.close(LONG).await;
    }
    let store = open(FolderConfig::new(dir.path())).await;
    assert!(!store.gaps().vms[0].active && store.gaps().active().vms.is_empty());
    assert_eq!(seqs(&store).await.len(), 12);
}

#[tokio::test]
async fn segment_full_or_old_is_closed() {
    let dir = tempdir().unwrap();
    let mut config = FolderConfig::new(dir.path());
    config.segment_bytes = 1000;
    let store = open(config).await;
    for seq in 1..=20 {
        append(&store, seq).await.unwrap();
        assert_eq!(seqs(&store).await, (1..=seq).collect::<Vec<_>>(), "readable from every place");
    }
    store.close(LONG).await;
    assert!(files(&dir.path().join("segments")).len() > 3);

    let dir = tempdir().unwrap();
    let mut config = FolderConfig::new(dir.path());
    config.segment_age = Duration::from_millis(1);
    let store = open(config).await;
    append(&store, 1).await.unwrap();
    eventually("the segment is sealed", || {
        files(&dir.path().join("segments")).len() == 1 && files(&dir.path().join("open")).len() == 1
    })
    .await;
    assert_eq!(seqs(&store).await, [1]);
}

#[tokio::test]
async fn second_store_in_a_folder_is_refused() {
    let dir = tempdir().unwrap();
    let first = open(FolderConfig::new(dir.path())).await;
    let Err(error) = Store::open(FolderConfig::new(dir.path())).await else { panic!("opened twice") };
    assert_eq!(error.code(), "folder-in-use");
    let text = error.to_string();
    assert!(text.contains(&format!("process {}", std::process::id())), "{text}");
    assert!(text.contains(&dir.path().display().to_string()), "{text}");
    append(&first, 1).await.unwrap();
    first.close(LONG).await;
    drop(first);
    open(FolderConfig::new(dir.path())).await;
}

#[tokio::test]
async fn store_dropped_without_close_loses_nothing_and_unlocks_the_folder() {
    let dir = tempdir().unwrap();
    let store = open(FolderConfig::new(dir.path())).await;
    append(&store, 1).await.unwrap();
    drop(store);
    let path = dir.path().to_owned();
    let start = std::time::Instant::now();
    let store = loop {
        match Store::open(FolderConfig::new(&path)).await {
            Ok(store) => break store,
            Err(StoreError::Locked { .. }) if start.elapsed() < LONG => tokio::task::yield_now().await,
            Err(other) => panic!("{other}"),
        }
    };
    assert_eq!(seqs(&store).await, [1]);
}

#[tokio::test]
async fn segment_cut_at_any_byte_keeps_every_whole_batch() {
    let dir = tempdir().unwrap();
    crashed(dir.path(), 3).await;
    let whole = std::fs::read(dir.path().join("open/0000000001.ndjson")).unwrap();
    let text = String::from_utf8_lossy(&whole);
    let mut ends: Vec<usize> = text.match_indices("{\"type\":\"frame\"").map(|(at, _)| at).collect();
    // `é` has two bytes in the file and in the string, so offsets are equal.
    assert_eq!(text.len(), whole.len());
    ends.push(whole.len());
    // Frame 0 is the segment line. Batch n ends where frame n + 1 begins.
    let ends = &ends[2..];
    assert_eq!(ends.len(), 3);
    for cut in 0..=whole.len() {
        let dir = tempdir().unwrap();
        std::fs::create_dir(dir.path().join("open")).unwrap();
        std::fs::write(dir.path().join("open/0000000001.ndjson"), &whole[..cut]).unwrap();
        let kept: Vec<u64> = (1..=3).filter(|seq| ends[*seq as usize - 1] <= cut).collect();

        let before = Reader::open(dir.path()).await.unwrap();
        assert_eq!(keys(before, 3).await.len(), kept.len(), "reading at {cut}");

        let mut config = store_config(dir.path(), &FaultDisk::fast());
        let objects = Arc::new(InMemory::new());
        config.objects = Some(objects.clone());
        let store = open(config).await;
        assert_eq!(seqs(&store).await, kept, "cut at {cut}");
        for seq in 1..=4 {
            let expect = if kept.contains(&seq) { Appended::Duplicate } else { Appended::Stored };
            assert_eq!(append(&store, seq).await.unwrap(), expect, "cut at {cut}");
        }
        assert_eq!(store.close(LONG).await, 0);
        assert_eq!(files(&dir.path().join("open")), [""; 0]);
        let after = Reader::open_with(dir.path(), objects).await.unwrap();
        assert_eq!(keys(after, 3).await.len(), 4, "cut at {cut}");
    }
}

#[tokio::test]
async fn torn_tail_is_reported_to_readers() {
    let dir = tempdir().unwrap();
    crashed(dir.path(), 2).await;
    let path = dir.path().join("open/0000000001.ndjson");
    let len = std::fs::metadata(&path).unwrap().len();
    std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(len + 5000).unwrap();
    let mut reader = Reader::open(dir.path()).await.unwrap();
    while reader.next().await.unwrap().is_some() {}
    assert_eq!(reader.torn_tail(), Some(&TornTail { segment: path.display().to_string(), bytes: 5000 }));
    let store = open(FolderConfig::new(dir.path())).await;
    assert_eq!(seqs(&store).await, [1, 2]);
}

#[tokio::test]
async fn interrupted_rotation_neither_loses_nor_repeats_batches() {
    // The next segment was begun: in part, or whole and empty.
    for cut in [0, 10, 60, usize::MAX] {
        let dir = tempdir().unwrap();
        crashed(dir.path(), 2).await;
        let next = tempdir().unwrap();
        crashed(next.path(), 0).await;
        let mut bytes = std::fs::read(next.path().join("open/0000000001.ndjson")).unwrap();
        bytes.truncate(cut);
        std::fs::write(dir.path().join("open/0000000002.ndjson"), bytes).unwrap();
        let store = open(FolderConfig::new(dir.path())).await;
        assert_eq!(seqs(&store).await, [1, 2], "cut at {cut}");
        store.close(LONG).await;
        assert_eq!(files(&dir.path().join("segments")), ["0000000001.ndjson.zst"]);
    }
}

/// A folder in which segment 1 is sealed and its file still exists. `change` changes the object.
async fn sealed_but_not_removed(dir: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    crashed(dir, 2).await;
    let file = dir.join("open/0000000001.ndjson");
    let bytes = std::fs::read(&file).unwrap();
    open(FolderConfig::new(dir)).await.close(LONG).await;
    std::fs::write(file, bytes).unwrap();
    let object = dir.join("segments/0000000001.ndjson.zst");
    let mut bytes = std::fs::read(&object).unwrap();
    change(&mut bytes);
    std::fs::write(object, bytes).unwrap();
}

#[tokio::test]
async fn segment_sealed_but_not_removed_is_read_once() {
    let half = |bytes: &mut Vec<u8>| bytes.truncate(bytes.len() / 2);
    for (name, change) in
        [("whole", Box::new(|_: &mut Vec<u8>| {}) as Box<dyn FnOnce(&mut Vec<u8>)>), ("half", Box::new(half))]
    {
        let dir = tempdir().unwrap();
        sealed_but_not_removed(dir.path(), change).await;
        std::fs::write(dir.path().join("segments/0000000001.ndjson.zst#1"), "left by a killed write")
            .unwrap();
        assert_eq!(keys(Reader::open(dir.path()).await.unwrap(), 3).await.len(), 2, "{name}");
        let store = open(FolderConfig::new(dir.path())).await;
        assert_eq!(seqs(&store).await, [1, 2], "{name}");
        assert_eq!(append(&store, 2).await.unwrap(), Appended::Duplicate);
        append(&store, 3).await.unwrap();
        assert_eq!(store.close(LONG).await, 0);
        assert_eq!(files(&dir.path().join("segments")), ["0000000001.ndjson.zst", "0000000002.ndjson.zst"]);
        assert_eq!(keys(Reader::open(dir.path()).await.unwrap(), 3).await.len(), 3, "{name}");
    }
}

#[tokio::test]
async fn segment_of_another_collector_is_not_overwritten() {
    let objects = Arc::new(InMemory::new());
    for round in 0..2 {
        let dir = tempdir().unwrap();
        if round == 1 {
            crashed(dir.path(), 2).await;
        }
        let mut config = FolderConfig::new(dir.path());
        config.objects = Some(objects.clone());
        let store = open(config).await;
        store.append(parsed("other", 9, 3)).await.unwrap();
        // In round 1, segment 1 of this folder differs from the object of that name.
        assert_eq!(store.close(LONG).await, round, "round {round}");
        let stored = keys(Reader::open_with(dir.path(), objects.clone()).await.unwrap(), 3).await;
        assert!(stored.contains(&("other".into(), 9)));
    }
}

#[tokio::test]
async fn damaged_segment_is_reported_and_left_unchanged() {
    let dir = tempdir().unwrap();
    crashed(dir.path(), 2).await;
    open(FolderConfig::new(dir.path())).await.close(LONG).await;
    let object = dir.path().join("segments/0000000001.ndjson.zst");
    let mut bytes = std::fs::read(&object).unwrap();
    let half = bytes.len() / 2;
    bytes[half] ^= 0x55;
    std::fs::write(&object, &bytes).unwrap();
    let Err(error) = Store::open(FolderConfig::new(dir.path())).await else { panic!("opened") };
    assert_eq!(error.code(), "segment-damaged");
    let mut reader = Reader::open(dir.path()).await.unwrap();
    let error = loop {
        match reader.next().await {
            Ok(record) => assert!(record.is_some(), "the damage was not seen"),
            Err(error) => break error,
        }
    };
    assert!(
        error.to_string().starts_with("segment segments/0000000001.ndjson.zst is damaged at byte"),
        "{error}"
    );
    assert_eq!(std::fs::read(&object).unwrap(), bytes);
}

#[tokio::test]
async fn newer_format_is_refused_and_left_unchanged() {
    let dir = tempdir().unwrap();
    crashed(dir.path(), 1).await;
    let path = dir.path().join("open/0000000001.ndjson");
    let newer = std::fs::read_to_string(&path)
        .unwrap()
        .replace("{\"type\":\"frame\",\"v\":1", "{\"type\":\"frame\",\"v\":2");
    std::fs::write(&path, &newer).unwrap();
    let Err(error) = Store::open(FolderConfig::new(dir.path())).await else { panic!("opened") };
    assert_eq!(error.code(), "segment-version");
    assert!(error.to_string().contains("has format version 2"), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), newer);
}

#[tokio::test]
async fn file_in_place_of_the_folder_is_refused() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("captures");
    std::fs::write(&path, "").unwrap();
    let Err(error) = Store::open(FolderConfig::new(&path)).await else { panic!("opened") };
    assert_eq!(error.code(), "folder-unusable");
    assert!(error.to_string().contains("captures/open"), "{error}");
    let Err(error) = Reader::open(dir.path().join("nowhere")).await else { panic!("opened") };
    assert_eq!(error.code(), "folder-unreadable");
}

#[tokio::test]
async fn vms_above_the_maximum_are_forgotten() {
    let dir = tempdir().unwrap();
    let config = || {
        let mut config = FolderConfig::new(dir.path());
        (config.max_vms, config.max_runs) = (4, 2);
        config
    };
    let store = open(config()).await;
    for vm in 0..20 {
        store.append(parsed(&format!("vm{vm:02}"), 1, 3)).await.unwrap();
    }
    assert_eq!((store.gaps().vms.len(), store.gaps().forgotten_vms), (4, 16));
    assert_eq!(store.append(parsed("vm19", 1, 3)).await.unwrap(), Appended::Duplicate);
    store.append(parsed("vm19", 3, 3)).await.unwrap();
    let error = store.append(parsed("vm19", 5, 3)).await.unwrap_err();
    assert_eq!(error.code(), "too-many-gaps");
    store.close(LONG).await;
    drop(store);
    let store = open(config()).await;
    assert_eq!(store.append(parsed("vm19", 3, 3)).await.unwrap(), Appended::Duplicate);
    assert_eq!(store.gaps().vms.len(), 4);
}

#[tokio::test]
async fn observer_that_lags_misses_events_and_delays_nobody() {
    let dir = tempdir().unwrap();
    let store = open(store_config(dir.path(), &FaultDisk::fast())).await;
    let mut observer = store.subscribe();
    for seq in 1..=2000 {
        append(&store, seq).await.unwrap();
    }
    let Err(lagged) = observer.recv().await else { panic!("nothing was missed") };
    assert!(lagged.to_string().contains("lagged"), "{lagged}");
    let accepted = observer.recv().await.unwrap();
    assert_eq!((accepted.exchanges, accepted.verdicts, accepted.batch.vm.as_str()), (2, 1, "vm"));
}

#[derive(Clone, Debug)]
enum Step {
    Append(u64),
    Reopen,
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![8 => (1u64..30).prop_map(Step::Append), 1 => Just(Step::Reopen), 1 => Just(Step::Crash)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// In any order of appends, stops and crashes, the store holds the set of appended batches.
    #[test]
    fn store_after_any_steps_is_the_set_of_appended_batches(steps in prop::collection::vec(step(), 1..40), segment_bytes in 200u64..3000) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut dir = tempdir().unwrap();
            let config = |dir: &Path| {
                let mut config = store_config(dir, &FaultDisk::fast());
                config.segment_bytes = segment_bytes;
                config
            };
            let mut store = open(config(dir.path())).await;
            let mut expect = std::collections::BTreeSet::new();
            for step in steps {
                match step {
                    Step::Append(seq) => {
                        let appended = append(&store, seq).await.unwrap();
                        assert_eq!(appended == Appended::Stored, expect.insert(seq));
                    }
                    Step::Reopen => {
                        store.close(LONG).await;
                        drop(store);
                        store = open(config(dir.path())).await;
                    }
                    Step::Crash => {
                        // A crash leaves the files as they are now.
                        let left = tempdir().unwrap();
                        copy(dir.path(), left.path());
                        store.close(LONG).await;
                        drop(store);
                        dir = left;
                        store = open(config(dir.path())).await;
                    }
                }
            }
            assert_eq!(seqs(&store).await, expect.into_iter().collect::<Vec<_>>());
        });
    }
}

/// Copies `open` before `segments`, so that a segment that is sealed meanwhile is copied at least
/// once.
fn copy(from: &Path, to: &Path) {
    for folder in ["open", "segments"] {
        std::fs::create_dir_all(to.join(folder)).unwrap();
        for name in files(&from.join(folder)) {
            // A file that is gone was sealed meanwhile, and is in `segments`.
            let _ = std::fs::copy(from.join(folder).join(&name), to.join(folder).join(&name));
        }
    }
}
