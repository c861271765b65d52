//! Golden snapshots, and the comparison of derived data with golden files.

use std::fs;
use std::path::{Path, PathBuf};
use understudy_snapshot::Snapshot;

/// Derives data from each golden snapshot and compares it with `tests/golden/VERSION/FILE` in
/// `crate_folder`.
pub(crate) fn each(crate_folder: &str, file: &str, make: impl Fn(&Snapshot) -> String) {
    let crate_folder = Path::new(crate_folder);
    let root = crate_folder.with_file_name("snapshot").join("tests/golden");
    let mut cases: Vec<PathBuf> = fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert!(!cases.is_empty(), "no cases in {}", root.display());
    for case in cases {
        let snapshot = Snapshot::open(case.join("snapshot")).unwrap();
        let expected = crate_folder.join("tests/golden").join(case.file_name().unwrap());
        check(&expected.join(file), &make(&snapshot));
    }
}

fn check(path: &Path, actual: &str) {
    if std::env::var_os("BLESS").is_some() {
        fs::write(path, actual).unwrap();
    }
    let expect = fs::read_to_string(path).unwrap();
    assert_eq!(actual, expect, "{} differs; if that is meant, run again with BLESS=1", path.display());
}

#[allow(dead_code, reason = "not every crate's golden is JSON")]
pub(crate) fn pretty(value: &impl serde::Serialize) -> String {
    serde_json::to_string_pretty(value).unwrap() + "\n"
}
