//! The table of an old snapshot stays the same, byte for byte. `BLESS=1 cargo test -p
//! understudy-compile --test golden` writes what is expected anew, for a change that is meant.

mod common;
#[path = "../../snapshot/tests/common/golden.rs"]
mod golden;

use common::answer;
use std::fmt::Write;
use understudy_compile::table;
use understudy_core::digest;
use understudy_core::table::Table;
use understudy_snapshot::Snapshot;

#[test]
fn golden_snapshots_give_the_tables_they_gave() {
    golden::each(env!("CARGO_MANIFEST_DIR"), "table.txt", told_table);
}

/// The table's digest, which stands for all its bytes, and what a person can compare where it
/// differs.
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
