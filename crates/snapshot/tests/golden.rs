//! Old snapshots stay readable and give the same findings. Each version of the format has a folder,
//! which is kept for ever. `compile` (tables) and `analyse` (summaries) have goldens of the same
//! snapshots. `BLESS=1 cargo test -p understudy-snapshot --test golden` updates the expected files
//! after an intended change.

#[path = "common/golden.rs"]
mod golden;

use understudy_snapshot::lint::lint;

#[test]
fn golden_snapshots_give_their_goldens() {
    golden::each(env!("CARGO_MANIFEST_DIR"), "lint.json", |snapshot| {
        golden::pretty(&lint(snapshot).unwrap())
    });
}
