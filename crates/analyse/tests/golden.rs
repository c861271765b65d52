//! The summary of an old snapshot stays the same. `BLESS=1 cargo test -p understudy-analyse --test
//! golden` updates the expected files after an intended change.

#[path = "../../snapshot/tests/common/golden.rs"]
mod golden;

use understudy_analyse::summary::summary;

#[test]
fn golden_snapshots_give_their_golden_summaries() {
    golden::each(env!("CARGO_MANIFEST_DIR"), "summary.json", |snapshot| {
        golden::pretty(&summary(snapshot).unwrap())
    });
}
