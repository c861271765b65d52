//! Old snapshots stay readable, and what is made of them stays the same, byte for byte: one folder for each version of the format, kept
//! for ever. `BLESS=1 cargo test -p understudy-snapshot --test golden` writes what is expected anew, for a change that is meant.

mod common;

use common::answer;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use understudy_core::digest;
use understudy_core::table::Table;
use understudy_snapshot::{Snapshot, lint, summary, table};

#[test]
fn golden_snapshots_give_what_they_gave() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut cases: Vec<PathBuf> = fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert!(!cases.is_empty(), "no cases in {}", root.display());
    for case in cases {
        let snapshot = Snapshot::open(case.join("snapshot")).unwrap();
        check(&case.join("table.txt"), &told_table(&snapshot));
        check(&case.join("lint.json"), &pretty(&lint::lint(&snapshot).unwrap()));
        check(&case.join("summary.json"), &pretty(&summary::summary(&snapshot).unwrap()));
    }
}

fn check(path: &Path, actual: &str) {
    if std::env::var_os("BLESS").is_some() {
        fs::write(path, actual).unwrap();
    }
    let expect = fs::read_to_string(path).unwrap();
    assert_eq!(actual, expect, "{} differs; if that is meant, run again with BLESS=1", path.display());
}

fn pretty(value: &impl serde::Serialize) -> String {
    serde_json::to_string_pretty(value).unwrap() + "\n"
}

/// The table's digest, which stands for all its bytes, and what a person can compare where it differs.
fn told_table(snapshot: &Snapshot) -> String {
    let built = table::build(snapshot).unwrap();
    let table = Table::open(&built.bytes[..]).unwrap();
    table.verify().unwrap();
    let mut out = format!("digest {}\nlength {}\n", digest::hex(&built.digest), built.bytes.len());
    writeln!(out, "left out {:?}\n{:#?}", built.left_out, table.meta()).unwrap();
    for located in snapshot.exchanges().unwrap() {
        let exchange = located.unwrap().exchange;
        let Some(entry) = table.lookup(&common::signature(&exchange).digest()) else { continue };
        let first = answer(&table, &entry.answers[0]).3;
        if first != exchange.id {
            continue;
        }
        let digest = digest::hex(&entry.digest);
        writeln!(out, "{digest} {:?} untyped={}", entry.sequence, entry.answers[0].untyped).unwrap();
        for found in &entry.answers {
            let (status, headers, body, id) = answer(&table, found);
            writeln!(out, "  {id}: {status} {headers:?} {}", String::from_utf8_lossy(&body).escape_debug())
                .unwrap();
        }
    }
    out
}
