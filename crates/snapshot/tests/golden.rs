//! Old snapshots stay readable, and what is found in them stays the same: one folder for each version of the format, kept for ever. The
//! goldens of `compile` (tables) and `analyse` (summaries) are made of the same snapshots.
//! `BLESS=1 cargo test -p understudy-snapshot --test golden` writes what is expected anew, for a change that is meant.

#[path = "common/golden.rs"]
mod golden;

use understudy_snapshot::lint::lint;

#[test]
fn golden_snapshots_give_what_they_gave() {
    golden::each(env!("CARGO_MANIFEST_DIR"), "lint.json", |snapshot| {
        golden::pretty(&lint(snapshot).unwrap())
    });
}
